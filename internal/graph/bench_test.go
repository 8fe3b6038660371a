package graph_test

import (
	"flag"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/graph"
)

// BenchmarkExchange measures requests through the whole service without the network.
func BenchmarkExchange(b *testing.B) {
	c := setup(b)
	id := c.create(seedExample)
	for range 100 {
		c.create(seedExample)
	}
	handler := c.server.Handler()
	for _, bm := range []struct{ name, method, path, body string }{
		{name: "create", method: "POST", path: partners, body: seedExample},
		{name: "get", method: "GET", path: partners + "/" + id},
		{name: "list of 100", method: "GET", path: partners + "?$top=100"},
		{name: "bad token", method: "GET", path: partners},
	} {
		token := c.token
		if bm.name == "bad token" {
			token += "x"
		}
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := http.NewRequestWithContext(b.Context(), bm.method, "http://localhost/v1.0"+bm.path, strings.NewReader(bm.body))
				if err != nil {
					b.Fatal(err)
				}
				r.Header.Set("Authorization", "Bearer "+token)
				r.Header.Set("Content-Type", "application/json")
				handler.ServeHTTP(discard{http.Header{}}, r)
			}
		})
	}
}

// BenchmarkEntities measures creates and gets of each entity, and lists of 100, through the whole
// service without the network. Entities whose keys clients choose are not created again.
func BenchmarkEntities(b *testing.B) {
	everyEntityOnce(b, func(b *testing.B, c entityClient) {
		body := c.body(1)
		id := decode[struct{ ID string }](c.client, c.want(201, c.do("POST", c.path(), text(b, body)))).ID
		n := 0
		create := func() string {
			if n++; body["displayName"] != nil {
				body["displayName"] = fmt.Sprint("name ", n)
			}
			return text(b, body)
		}
		if c.entity.KeyPart == "" {
			for range 100 {
				c.want(201, c.do("POST", c.path(), create()))
			}
			b.Run("create", func(b *testing.B) { c.measure(b, 201, "POST", c.path(), create) })
		}
		none := func() string { return "" }
		b.Run("get", func(b *testing.B) { c.measure(b, 200, "GET", c.path()+"/"+id, none) })
		b.Run("list of 100", func(b *testing.B) { c.measure(b, 200, "GET", c.path()+"?$top=100", none) })
	})
}

// BenchmarkItem measures writing an entity as an item of a list.
func BenchmarkItem(b *testing.B) {
	name, url := "Display Name value", "https://example.com/onboardingUrl/"
	row := &db.RemoteAssistancePartner{
		ID: uuid.Must(uuid.NewV7()), DisplayName: &name, OnboardingUrl: &url, OnboardingStatus: db.OnboardingStatusOnboarding,
		LastConnectionTicks: 14832575166670033, LastConnectionOffset: -480, RequestExpiryTicks: entity.NoDate.Number,
	}
	item := []byte{}
	for b.Loop() {
		item = graph.AppendBeta(&entity.RemoteAssistancePartner, item[:0], row)
	}
}

// measure sends a request again and again.
func (c entityClient) measure(b *testing.B, status int, method, path string, body func() string) {
	b.ReportAllocs()
	for b.Loop() {
		c.want(status, c.do(method, path, body()))
	}
}

// discard is an http.ResponseWriter that discards the answer.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkTokenCheck measures checking a token that was seen before.
func BenchmarkTokenCheck(b *testing.B) {
	c := setup(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := c.server.Identity().VerifyAccessToken(b.Context(), c.token); err != nil {
			b.Fatal(err)
		}
	}
}

var benchRows = flag.Int("rows", 10_000, "number of partners in the largest tenant of BenchmarkLists, and in another one")

// BenchmarkLists measures lists in tenants of 1,000 partners and, in steps of ten, up to
// -rows.
func BenchmarkLists(b *testing.B) {
	fill := func(c *client, n int) {
		_, err := c.server.Pool().Exec(b.Context(), `
			INSERT INTO remote_assistance_partners (tenant_id, id, display_name, onboarding_url, onboarding_status,
				last_connection_ticks, last_connection_offset, request_expiry_ticks, request_expiry_offset, created_at, created_by)
			SELECT $1, gen_random_uuid(), CASE WHEN i % 10 > 0 THEN 'Partner ' || md5(i::text) END, 'https://example.com/' || i,
				(CASE WHEN i % 100 = 0 THEN 'onboarded' WHEN i % 2 = 0 THEN 'onboarding' ELSE 'notOnboarded' END)::onboarding_status,
				15778368000000000 + i * 600000000::bigint, 0, -621355968000000000, 0, now(), $1
			FROM generate_series(1, $2::int) AS i`, c.tenant.ID, n)
		if err == nil {
			_, err = c.server.Pool().Exec(b.Context(), "ANALYZE remote_assistance_partners")
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	others := setup(b)
	fill(others, *benchRows)
	for n := 1000; n <= *benchRows; n *= 10 {
		c := setup(b)
		fill(c, n)
		far := min(n, 100_000) - 200 // the page before the thousandth, or the last but one
		after := func(options string) string {
			link := decode[list](c, c.want(200, c.do("GET", fmt.Sprintf("/v1.0%s?$top=100&$skip=%d%s", partners, far, options), ""))).NextLink
			return strings.TrimPrefix(link, c.server.URL())
		}
		for _, bm := range []struct{ name, path string }{
			{"page 1", "/v1.0" + partners + "?$top=100"},
			{"page 1000", after("")},
			{"page 1 by displayName", "/v1.0" + partners + "?$top=100&$orderby=displayName"},
			{"page 1000 by displayName", after("&$orderby=displayName")},
			{"page 1000 by displayName desc", after("&$orderby=displayName%20desc")},
			{"page 1000 by onboardingStatus", after("&$orderby=onboardingStatus")},
			{"page 1000 by lastConnectionDateTime desc", after("&$orderby=lastConnectionDateTime%20desc")},
			{"enum filter", "/v1.0" + partners + "?$top=100&$filter=onboardingStatus%20eq%20'onboarded'"},
			{"contains", "/v1.0" + partners + "?$top=100&$filter=contains(displayName,'abc')"},
			{"$count", "/v1.0" + partners + "/$count"},
			{"$count of an enum filter", "/v1.0" + partners + "/$count?$filter=onboardingStatus%20eq%20'onboarded'"},
		} {
			b.Run(fmt.Sprintf("%d/%s", n, bm.name), func(b *testing.B) {
				for b.Loop() {
					if a := c.do("GET", bm.path, "", "Accept-Encoding", "identity"); a.status != http.StatusOK {
						b.Fatal(a.body)
					}
				}
			})
		}
	}
}

// BenchmarkBatch compares twenty gets in one batch with twenty requests.
func BenchmarkBatch(b *testing.B) {
	c := setup(b)
	id := c.create(seedExample)
	var requests []string
	for i := range 20 {
		requests = append(requests, fmt.Sprintf(`{"id":"%d","method":"GET","url":"%s/%s"}`, i, partners, id))
	}
	body := `{"requests":[` + strings.Join(requests, ",") + `]}`
	b.Run("one batch of 20", func(b *testing.B) {
		for b.Loop() {
			c.want(200, c.do("POST", "/v1.0/$batch", body))
		}
	})
	b.Run("20 requests", func(b *testing.B) {
		for b.Loop() {
			for range 20 {
				c.want(200, c.do("GET", "/v1.0"+partners+"/"+id, ""))
			}
		}
	})
}
