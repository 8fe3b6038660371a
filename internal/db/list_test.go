package db_test

import (
	"bytes"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// A list has the rows that are read one by one, to the last column, whatever
// form Postgres sends them in.
func TestListedAsRead(t *testing.T) {
	t.Parallel()
	tenant, name := dbtest.NewTenant(t), "O'Neil \U0001f600"
	q := db.New(dbtest.Pool(t))
	var want []db.RemoteAssistancePartner
	for i, text := range []*string{nil, &name, new(string)} {
		p := db.CreateRemoteAssistancePartnerParams{
			TenantID: tenant.ID, ID: uuid.Must(uuid.NewV7()), DisplayName: text, OnboardingStatus: db.AllOnboardingStatusValues()[i],
			CreatedAt: time.Now(), CreatedBy: tenant.UserID,
		}
		p.LastConnectionAt, p.LastConnection100ns, p.LastConnectionOffset = db.SplitTime(time.Date(1900+50*i, 1, 1, 0, 0, i, 1234567*100, time.FixedZone("", -60*i)))
		p.RequestExpiryAt, p.RequestExpiry100ns, p.RequestExpiryOffset = db.SplitTime(time.Time{})
		if i > 0 {
			p.OnboardingUrl = want[i-1].DisplayName
		}
		if _, err := q.CreateRemoteAssistancePartner(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		_, err := q.UpdateRemoteAssistancePartner(t.Context(), db.UpdateRemoteAssistancePartnerParams{ // a second version
			TenantID: p.TenantID, ID: p.ID, ChangedAt: p.CreatedAt, ChangedBy: tenant.UserID, OnboardingStatus: p.OnboardingStatus,
		})
		if err != nil {
			t.Fatal(err)
		}
		row, err := q.GetRemoteAssistancePartner(t.Context(), db.GetRemoteAssistancePartnerParams{TenantID: p.TenantID, ID: p.ID})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, row)
	}
	r := odata.Resource{Options: []string{odata.OrderBy}, Properties: []odata.Property{{Name: "id", Type: odata.String}}}
	byID, err := odata.ParseQuery("$orderby=id", r)
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"cache_statement", "exec", "simple_protocol"} {
		pool := open(t, withMode(dbtest.URL(t), mode))
		for _, order := range [][]odata.Key{nil, byID.OrderBy} {
			var got []db.RemoteAssistancePartner
			err := db.New(pool).ListPartners(t.Context(), db.ListParams{TenantID: tenant.ID, OrderBy: order, Limit: 10}, func(l *db.Listed) error {
				row := l.RemoteAssistancePartner
				row.DisplayName, row.OnboardingUrl = clone(row.DisplayName), clone(row.OnboardingUrl)
				got = append(got, row)
				keys, err := l.Keys()
				if len(keys) != len(order) || len(keys) > 0 && *keys[0] != l.ID.String() {
					t.Errorf("%s: keys %v", mode, keys)
				}
				return err
			})
			if err != nil {
				t.Fatalf("%s: %v", mode, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-read +listed):\n%s", mode, diff)
			}
		}
	}
}

// Whatever the order and the filter, pages follow each other as OData defines: by the
// keys, null first ascending and last descending, then by id in the direction
// of the last key that counts.
func TestOrdersAgree(t *testing.T) {
	t.Parallel()
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("-seed %d", s)
	g := generator{rand.New(rand.NewPCG(s, 0))}
	tenant, all := g.fill(t, 40)
	for range 60 {
		text := g.order()
		filter := g.pick("true", "onboardingStatus ne 'onboarded'", "displayName ge 'B' or true"+strings.Repeat(" or length(substring(displayName,1)) eq 1", 90)) // long enough to be written apart
		q, err := odata.ParseQuery("$orderby="+url.QueryEscape(text)+"&$filter="+url.QueryEscape(filter), partnerResource)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var want, got []uuid.UUID
		for _, i := range ordered(all, q.OrderBy) {
			if evaluate(q.Filter, &all[i]) == true {
				want = append(want, all[i].ID)
			}
		}
		p := db.ListParams{TenantID: tenant, Filter: q.Filter, OrderBy: q.OrderBy, Limit: 5 + g.Int64N(20)}
		for n := -1; n != len(got); { // until a page is empty
			n = len(got)
			err := db.New(dbtest.Pool(t)).ListPartners(t.Context(), p, func(l *db.Listed) error {
				keys, err := l.Keys()
				got = append(got, l.ID)
				p.After = &db.Position{Keys: keys, ID: l.ID}
				return err
			})
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("$orderby=%s&$filter=%.40s by %d (-want +got):\n%s", text, filter, p.Limit, diff)
		}
	}
}

// order is a random $orderby.
func (g generator) order() string {
	var keys []string
	for range 1 + g.IntN(4) {
		key := g.pick(
			"displayName", "onboardingUrl", "onboardingStatus", "lastConnectionDateTime", "onboardingRequestExpiryDateTime", "displayName",
			"length(displayName)", "tolower(displayName)", "displayName eq 'a'", "year(onboardingRequestExpiryDateTime) mod 3", "onboardingStatus in ('1',null)",
			"length(onboardingUrl) divby 2", "substring(displayName,1)", "isof(displayName,Edm.String)", "displayName in ()", "null")
		if len(keys) > 0 && g.IntN(8) == 0 {
			key = "id"
		}
		keys = append(keys, key+g.pick("", " asc", " desc"))
	}
	return strings.Join(keys, ",")
}

// ordered lists the places of partners in an order.
func ordered(all []db.RemoteAssistancePartner, order []odata.Key) []int {
	places := make([]int, len(all))
	for i := range places {
		places[i] = i
	}
	slices.SortFunc(places, func(i, j int) int {
		descending, seen := false, map[string]bool{}
		for _, k := range order {
			if seen[k.Expr.String()] { // for the second time it orders nothing, ties neither
				continue
			}
			seen[k.Expr.String()] = true
			c := compareKeys(k.Expr, evaluate(k.Expr, &all[i]), evaluate(k.Expr, &all[j]))
			if descending = k.Descending; descending {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		c := bytes.Compare(all[i].ID[:], all[j].ID[:])
		if descending {
			return -c
		}
		return c
	})
	return places
}

// compareKeys compares with null before all else.
func compareKeys(e *odata.Expr, a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	if x, ok := a.(bool); ok {
		switch {
		case x == b:
			return 0
		case x:
			return 1
		}
		return -1
	}
	return compare(e, a, b)
}

// withMode adds to a URL, of either form, how queries are sent.
func withMode(url, mode string) string {
	mode = "default_query_exec_mode=" + mode
	switch {
	case !strings.Contains(url, "://"):
		return url + " " + mode
	case strings.Contains(url, "?"):
		return url + "&" + mode
	}
	return url + "?" + mode
}

func clone(text *string) *string {
	if text == nil {
		return nil
	}
	c := *text
	return &c
}
