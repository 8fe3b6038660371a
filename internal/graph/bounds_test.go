package graph_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// fillWidest makes partners with the longest possible names.
func (c *client) fillWidest(n int) {
	c.Helper()
	id := c.create(`{"displayName":"` + strings.Repeat(`\u0001`, 1024) + `","onboardingUrl":"https://example.com/` + strings.Repeat("x", 2000) + `"}`)
	if _, err := c.server.Pool().Exec(c.Context(), `INSERT INTO remote_assistance_partners
		SELECT (jsonb_populate_record(p, jsonb_build_object('id', gen_random_uuid()))).*
		FROM remote_assistance_partners AS p, generate_series(2, $2::int) WHERE p.id = $1`, id, n); err != nil {
		c.Fatal(err)
	}
}

// A page ends before it is large, in a batch even earlier. Its link leads on, and no entity
// is lost or repeated.
func TestPagesAreBounded(t *testing.T) {
	t.Parallel()
	c := setup(t)
	const n, slack = 600, 16 << 10
	c.fillWidest(n)
	for _, orderBy := range []string{"id", "onboardingStatus desc", "length(displayName)"} {
		seen, pages := map[string]bool{}, 0
		for link := query("$orderby", orderBy); link != ""; pages++ {
			a := c.want(200, c.do("GET", link, ""))
			got := decode[list](c, a)
			for _, p := range got.Value {
				seen[p.ID] = true
			}
			if len(a.body) > 2<<20+slack {
				t.Errorf("by %s: a page of %d bytes", orderBy, len(a.body))
			}
			link = strings.TrimPrefix(got.NextLink, c.server.URL())
		}
		if len(seen) != n || pages > 6 {
			t.Errorf("by %s: %d partners on %d pages", orderBy, len(seen), pages)
		}
	}
	item := func(id int) string {
		return fmt.Sprintf(`{"id":"%d","method":"GET","url":%q}`, id, strings.TrimPrefix(query("$top", fmt.Sprint(900+id)), "/v1.0"))
	}
	var items []string
	for i := range 20 {
		items = append(items, item(i))
	}
	for _, r := range c.batch(items...).Responses {
		got := decode[list](c, answer{body: string(r.Body)})
		if len(r.Body) > 4<<20/20+slack || len(got.Value) == 0 || got.NextLink == "" {
			t.Errorf("%d bytes, %d partners, next %q", len(r.Body), len(got.Value), got.NextLink)
		}
	}
}

// The limits of URLs and of expressions with aliases hold in a batch too.
func TestBatchItemsAreBounded(t *testing.T) {
	t.Parallel()
	c := setup(t)
	uses := "displayName eq @a" + strings.Repeat(" or displayName eq @a", 244)
	expanding := partners + "?$filter=" + url.QueryEscape(uses) + "&@a='" + strings.Repeat("x", 8000) + "'"
	got := c.batch(`{"id":"1","method":"GET","url":"`+expanding+`"}`, `{"id":"2","method":"GET","url":"`+partners+"/"+strings.Repeat("x", 64<<10)+`"}`)
	for i, want := range []string{"With each parameter alias replaced by its value, the expression that uses @a has more than 8192 bytes.", "a 'url' of 65579 bytes; at most 65536 are allowed."} {
		if r := got.Responses[i]; r.Status != 400 || !strings.Contains(string(r.Body), want) || len(r.Body) > 1000 {
			t.Errorf("%d: %d %.300s", i, r.Status, r.Body)
		}
	}
}

// A tenant has a share of the work on batches. Batches beyond it wait, batches far beyond
// it are refused, and other tenants don't wait.
func TestBatchesAreShared(t *testing.T) {
	t.Parallel()
	c, other := setup(t), setup(t)
	id := c.create(`{}`)
	tx, err := c.server.Pool().BeginTx(t.Context(), pgx.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), "SELECT FROM remote_assistance_partners WHERE tenant_id = $1 AND id = $2 FOR UPDATE", c.tenant.ID, id); err != nil { // changes of it wait
		t.Fatal(err)
	}
	const sent, taken = 40, 2 + 32
	statuses := make(chan answer, sent)
	for range sent {
		go func() {
			statuses <- c.do("POST", "/v1.0/$batch", `{"requests":[{"id":"1","method":"PATCH","url":"`+partners+"/"+id+`","headers":{"Content-Type":"application/json"},"body":{"displayName":"x"}}]}`)
		}()
	}
	for range sent - taken { // no other batch is answered before the row is unlocked or time is up
		if a := <-statuses; a.status != 429 || a.header.Get("Retry-After") == "" {
			t.Errorf("%d %v %s", a.status, a.header, a.body)
		}
	}
	if got := other.batch(`{"id":"1","method":"GET","url":"` + partners + `"}`); got.Responses[0].Status != 200 {
		t.Errorf("the other tenant: %d", got.Responses[0].Status)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range taken {
		if a := <-statuses; a.status != 200 && a.status != 503 { // 503 on a busy machine
			t.Errorf("%d %s", a.status, a.body)
		}
	}
}
