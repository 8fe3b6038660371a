package console_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"golang.org/x/net/html"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

// Every page with a list shows the values that the API returns, row by row, times included; its
// search finds what the API finds.
func TestPagesShowTheAPI(t *testing.T) {
	t.Parallel()
	b := setup(t)
	name := "values " + uuid.NewString()
	s := b.sample(name)
	seed := strings.ReplaceAll(name, " ", "-")
	must(client.Read[api.Seed](b.api().CreateSeed(t.Context(), &api.CreateSeedParams{Name: seed}, "application/json", strings.NewReader(`{"version":1}`))))(t)
	must(client.Read[api.KeyCreated](b.api().CreateKey(t.Context(), nil, api.KeyCreate{Name: name, Role: api.AdminRoleReader})))(t)
	ofTenant, byName := "/v1/tenants/"+s.id, "?search="+url.QueryEscape(name)
	for _, tt := range []struct {
		page, rows, api string
		members         []string // in the API
	}{
		{page: "/console/tenants" + byName, rows: "tenants", api: "/v1/tenants" + byName, members: []string{"displayName", "createdDateTime"}},
		{page: "/console/seeds?search=" + seed, rows: "seeds", api: "/v1/seeds?search=" + seed, members: []string{"name", "createdDateTime"}},
		{page: "/console/keys" + byName, rows: "keys", api: "/v1/keys" + byName, members: []string{"name", "role", "createdDateTime"}},
		{page: "/console/audit?tenantId=" + s.id, rows: "audit", api: "/v1/audit?tenantId=" + s.id, members: []string{"dateTime", "keyName", "action", "target", "outcome", "status", "count", "address"}},
		{page: "users", rows: "users", api: "/users", members: []string{"userPrincipalName", "displayName", "createdDateTime"}},
		{page: "users" + byName, rows: "users", api: "/users" + byName, members: []string{"userPrincipalName"}},
		{page: "applications", rows: "applications", api: "/applications", members: []string{"displayName", "clientId", "createdDateTime"}},
		{page: "applications" + byName, rows: "applications", api: "/applications" + byName, members: []string{"clientId"}},
		{page: "snapshots", rows: "snapshots", api: "/snapshots", members: []string{"name", "createdDateTime"}},
		{page: "faults", rows: "faults", api: "/faults", members: []string{"matched", "fired", "createdDateTime"}},
		{page: "requests", rows: "requests", api: "/requests?order=newest", members: []string{"dateTime", "method", "status"}},
		{page: "entities/remoteAssistancePartners", rows: "entities", api: "/entities/remoteAssistancePartners", members: []string{"id", "version"}},
	} {
		page, path := tt.page, tt.api
		if !strings.HasPrefix(page, "/") {
			page, path = "/console/tenants/"+s.id+"/"+page, ofTenant+path
		}
		b.compareRows(page, b.get(page).withTestID(tt.rows+"-row"), b.list(path), tt.members)
	}
	for _, list := range []string{"/console/seeds", "/console/keys", "/console/tenants/" + s.id + "/users", "/console/tenants/" + s.id + "/applications"} {
		if p := b.get(list + "?search=nobody-" + uuid.NewString()); !strings.Contains(p.byTestID("empty"), "No name contains “nobody-") {
			t.Errorf("%s: %s", list, p.main())
		}
	}
}

// compareRows checks that each row has the members of an item.
func (b *browser) compareRows(page string, rows []*html.Node, items []map[string]any, members []string) {
	b.Helper()
	if len(rows) == 0 || len(rows) != len(items) {
		b.Errorf("%s has %d rows, the API %d", page, len(rows), len(items))
		return
	}
	for i, item := range items {
		shown := inner(rows[i])
		for _, n := range descend(rows[i]) {
			shown += " " + attr(n, "datetime") + " " + attr(n, "title")
		}
		for _, member := range members {
			if value, ok := item[member]; ok && !strings.Contains(shown, fmt.Sprint(value)) {
				b.Errorf("%s, row %d: %q lacks %s %v", page, i, shown, member, value)
			}
		}
	}
}

// list returns the items of a list of the API.
func (b *browser) list(path string) []map[string]any {
	b.Helper()
	r := must(http.NewRequestWithContext(b.Context(), "GET", b.server.AdminURL()+path, nil))(b)
	r.Header.Set("Authorization", "Bearer "+b.key)
	response := must(http.DefaultClient.Do(r))(b)
	defer func() { _ = response.Body.Close() }()
	var list struct{ Value []map[string]any }
	text := must(io.ReadAll(response.Body))(b)
	if err := json.Unmarshal(text, &list); err != nil || response.StatusCode != 200 {
		b.Fatalf("%s: %d %s", path, response.StatusCode, text)
	}
	return list.Value
}

// The page of the service shows the state of each part, as /readyz does.
func TestHealth(t *testing.T) {
	t.Parallel()
	b := setup(t)
	response := must(http.DefaultClient.Do(must(http.NewRequestWithContext(t.Context(), "GET", b.server.URL()+"/readyz", nil))(t)))(t)
	defer func() { _ = response.Body.Close() }()
	var ready struct{ Checks map[string]string }
	if err := json.NewDecoder(response.Body).Decode(&ready); err != nil || len(ready.Checks) < 3 {
		t.Fatalf("%v %v", ready, err)
	}
	shown := map[string]string{}
	for _, row := range b.get("/console/service").withTestID("health-row") {
		cells := descend(row)
		shown[inner(cells[0])] = inner(row)[len(inner(cells[0])):]
	}
	if diff := cmp.Diff(ready.Checks, shown); diff != "" {
		t.Error(diff)
	}
}
