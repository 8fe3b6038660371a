package db_test

import (
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
