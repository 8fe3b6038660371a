package db_test

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// A list returns the same rows as single reads, in every column and in every form in which
// Postgres sends them.
func TestListedAsRead(t *testing.T) {
	t.Parallel()
	tenant, name := dbtest.NewTenant(t), "O'Neil \U0001f600"
	q := db.New(dbtest.Pool(t))
	set := db.SetOf(partner)
	var want []record
	for i, text := range []entity.Value{{Null: true}, {Text: name}, {}} {
		c := newPartner(tenant, uuid.Must(uuid.NewV7()), map[string]entity.Value{
			"displayName": text, "onboardingStatus": {Text: partner.Properties[partner.Index("onboardingStatus")].Enum.Members[i]},
			"lastConnectionDateTime": entity.DateValue(time.Date(1900+50*i, 1, 1, 0, 0, i, 1234567*100, time.FixedZone("", -60*i))),
		})
		if i > 0 {
			c.Values[partner.Index("onboardingUrl")] = want[i-1].value("displayName")
		}
		if _, err := set.Create(t.Context(), q, c); err != nil {
			t.Fatal(err)
		}
		if _, err := set.Update(t.Context(), q, update(tenant, c.ID, nil)); err != nil { // makes a second version
			t.Fatal(err)
		}
		row, err := set.Get(t.Context(), q, db.Key{TenantID: tenant.ID, ID: c.ID})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, recordOf(partner, row))
	}
	r := odata.Resource{Options: []string{odata.OrderBy}, Properties: []odata.Property{{Name: "id", Type: odata.String}}}
	byID, err := odata.ParseQuery("$orderby=id", r)
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"cache_statement", "exec", "simple_protocol"} {
		pool := open(t, withMode(dbtest.URL(t), mode))
		for _, order := range [][]odata.Key{nil, byID.OrderBy} {
			var got []record
			err := db.New(pool).List(t.Context(), set, db.ListParams{TenantID: tenant.ID, OrderBy: order, Limit: 10}, func(l *db.Listed) error {
				got = append(got, recordOf(partner, l))
				keys, err := l.Keys()
				if len(keys) != len(order) || len(keys) > 0 && *keys[0] != l.Key().ID.String() {
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

// Whatever the entity, the order and the filter, pages follow each other as OData defines:
// by the keys, null first ascending and last descending, then by id in the direction of the
// last key that counts.
func TestOrdersAgree(t *testing.T) {
	t.Parallel()
	everyEntity(t, func(t *testing.T, g generator) {
		tenant, all := g.fill(t, 40)
		for range *orders {
			order, filter := g.order(), g.listFilter()
			q, err := odata.ParseQuery("$orderby="+url.QueryEscape(order)+"&$filter="+url.QueryEscape(filter), g.resource)
			if err != nil {
				t.Fatalf("%s: %v", order, err)
			}
			var want []uuid.UUID
			for _, i := range ordered(all, q.OrderBy) {
				if evaluate(q.Filter, &all[i]) == true {
					want = append(want, all[i].Key.ID)
				}
			}
			p := db.ListParams{TenantID: tenant, Filter: q.Filter, OrderBy: q.OrderBy, Limit: 5 + g.Int64N(20)}
			if diff := cmp.Diff(want, pages(t, g.entity, p)); diff != "" {
				t.Fatalf("$orderby=%s&$filter=%.140s by %d (-want +got):\n%s", order, filter, p.Limit, diff)
			}
		}
	})
}

// pages lists the ids of a list, page after page until one is empty.
func pages(t *testing.T, of *entity.Type, p db.ListParams) (got []uuid.UUID) {
	t.Helper()
	for n := -1; n != len(got); {
		n = len(got)
		err := db.New(dbtest.Pool(t)).List(t.Context(), db.SetOf(of), p, func(l *db.Listed) error {
			keys, err := l.Keys()
			got = append(got, l.Key().ID)
			p.After = &db.Position{Keys: keys, ID: l.Key().ID}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return got
}

// listFilter is a filter that many rows meet; one is so long that it is written apart.
func (g generator) listFilter() string {
	text := g.property(odata.String)
	return g.pick("true", g.enumeration()+" or true", g.enumeration(), text+" ge 'B' or true"+strings.Repeat(" or length(substring("+text+",1)) eq 1", 90))
}

// order returns a random $orderby.
func (g generator) order() string {
	var keys []string
	for range 1 + g.IntN(4) {
		key := g.key()
		if len(keys) > 0 && g.IntN(8) == 0 {
			key = "id"
		}
		keys = append(keys, key+g.pick("", " asc", " desc"))
	}
	return strings.Join(keys, ",")
}

// key is one key of an order: every second time a property, and otherwise computed.
func (g generator) key() string {
	if plain := g.resource.Properties[g.IntN(len(g.resource.Properties))]; g.IntN(2) == 0 && plain.Name != "id" && !plain.SelectOnly && !plain.Collection {
		return plain.Name
	}
	text, other := g.property(odata.String), g.property(odata.String)
	return g.pick(
		"length("+text+")", "tolower("+text+")", text+" eq 'a'", "substring("+text+",1)", "isof("+text+",Edm.String)", text+" in ()", "length("+other+") divby 2",
		"year("+g.property(odata.DateTimeOffset, "now()")+") mod 3", g.property(odata.Int64, "1")+" mod 3", g.enumeration(), g.enumText(), "null")
}

// ordered lists the places of rows in an order.
func ordered(all []record, order []odata.Key) []int {
	places := make([]int, len(all))
	for i := range places {
		places[i] = i
	}
	slices.SortFunc(places, func(i, j int) int {
		descending, seen := false, map[string]bool{}
		for _, k := range order {
			if seen[k.Expr.String()] { // a repeated key orders nothing, not even ties
				continue
			}
			seen[k.Expr.String()] = true
			c := compareKeys(k.Expr, evaluate(k.Expr, &all[i]), evaluate(k.Expr, &all[j]))
			if k.Expr.Name == "id" && all[i].Type.Keys != entity.ComposedKeys { // numbers are ordered as such
				c = bytes.Compare(all[i].Key.ID[:], all[j].Key.ID[:])
			}
			if descending = k.Descending; descending {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		c := bytes.Compare(all[i].Key.ID[:], all[j].Key.ID[:])
		if descending {
			return -c
		}
		return c
	})
	return places
}

// compareKeys compares keys; null comes first.
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

// withMode adds a query mode to a database URL, in either form.
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
