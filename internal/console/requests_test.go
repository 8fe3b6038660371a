package console_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/net/html"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

// The page of requests shows what the API returns, has the same filters, and clears only what
// it shows. Each item of a $batch is a request.
func TestRequestsPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := must(client.Read[api.TenantCreated](b.api().CreateTenant(t.Context(), nil, api.TenantCreate{DisplayName: t.Name()})))(t)
	at := "/console/tenants/" + made.Tenant.Id.String() + "/requests"
	if p := b.get(at); p.byTestID("empty") == "" {
		t.Errorf("of no request: %s", p.main())
	}
	b.createPartner(made.Credentials.AccessToken, "Contoso und Söhne")
	batch := `{"requests":[{"id":"one","method":"GET","url":"/deviceManagement/nowhere"}]}`
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1.0/$batch", strings.NewReader(batch))
	r.Header.Set("Authorization", "Bearer "+made.Credentials.AccessToken)
	r.Header.Set("Content-Type", "application/json")
	b.server.Handler().ServeHTTP(httptest.NewRecorder(), r)

	all := must(client.Read[api.RequestList](b.api().ListRequests(t.Context(), made.Tenant.Id, nil)))(t).Value
	page := b.get(at)
	var links []string
	for _, n := range page.find(func(n *html.Node) bool { return n.Data == "a" && strings.HasPrefix(attr(n, "href"), at+"/") }) {
		links = append(links, attr(n, "href"))
	}
	if len(all) != 3 || len(links) != 3 {
		t.Fatalf("%d requests, %d links\n%s", len(all), len(links), page.main())
	}
	for i, r := range all { // oldest first
		if links[len(links)-1-i] != at+"/"+r.Id.String() {
			t.Errorf("link %d leads to %s", len(links)-1-i, links[len(links)-1-i])
		}
		p := b.get(at + "/" + r.Id.String())
		for _, want := range []string{r.Url, r.RequestId, r.Response.Headers["Content-Type"]} {
			if !strings.Contains(p.main(), want) {
				t.Errorf("the page of %s lacks %q", r.Url, want)
			}
		}
		if isBatch := strings.HasSuffix(r.Path, "$batch"); isBatch != strings.Contains(p.byTestID("requests"), "nowhere") {
			t.Errorf("the page of %s shows the items %q", r.Url, p.byTestID("requests"))
		}
		if isItem := r.BatchId != nil; isItem != strings.Contains(p.main(), "a $batch, as item one") {
			t.Errorf("the page of %s: %s", r.Url, p.main())
		}
	}
	if body := b.get(links[2]).byTestID("request-body"); !strings.Contains(body, "Contoso und Söhne") {
		t.Errorf("body %q", body)
	}
	fault := b.get(links[2]).find(func(n *html.Node) bool { return attr(n, "data-testid") == "createFault" })
	if done := b.submit(b.get(attr(fault[0], "href")), "createFault"); done.status != 303 {
		t.Errorf("make a fault: %d %s", done.status, done.main())
	}
	rules := must(client.Read[api.FaultList](b.api().ListFaults(t.Context(), made.Tenant.Id)))(t).Value
	if len(rules) != 1 || *rules[0].Match.Path != all[0].Path || *rules[0].Match.Method != "POST" {
		t.Errorf("%+v", rules)
	}

	if p := b.get(at + "?status=4xx"); len(p.find(func(n *html.Node) bool { return attr(n, "data-testid") == "requests-row" })) != 1 || !strings.Contains(p.byTestID("requests"), "nowhere") {
		t.Errorf("refused: %s", p.main())
	}
	if p := b.submit(b.get(at+"?status=4xx"), "clearRequests"); p.status != 303 {
		t.Errorf("clear: %d %s", p.status, p.main())
	}
	if left := must(client.Read[api.RequestList](b.api().ListRequests(t.Context(), made.Tenant.Id, nil)))(t).Value; len(left) != 2 {
		t.Errorf("%d are left", len(left))
	}
	for path, want := range map[string]int{"?status=teapot": 400, "?since=yesterday": 400, "/x": 400, "/" + uuid.NewString(): 404, "/" + uuid.Nil.String(): 404, "/" + all[2].Id.String(): 404} {
		if p := b.do("GET", at+path, nil); p.status != want || p.byTestID("alert") == "" {
			t.Errorf("%s: %d %q, want %d", path, p.status, p.byTestID("alert"), want)
		}
	}
}
