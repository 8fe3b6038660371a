package admin_test

import (
	"net/url"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
)

// Searches find users, applications, seeds and keys by a part of a name and by the start of
// an id, as plain text.
func TestSearches(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	made := owner.newTenant(api.TenantCreate{Credentials: ptr(false)}).Tenant.Id
	first, second := uuid.MustParse("abcdef00-0000-4000-8000-000000000001"), uuid.MustParse("12345600-0000-4000-8000-000000000002")
	for id, name := range map[uuid.UUID]string{first: "100%_Anna", second: "Bo"} {
		owner.want(201, owner.do("POST", tenantPath(made, "/users"), api.UserCreate{Id: &id, UserPrincipalName: named("u-"+id.String()[:3], made), DisplayName: &name}))
		owner.want(201, owner.do("POST", tenantPath(made, "/applications"), api.ApplicationCreate{ClientId: &id, DisplayName: name}))
	}
	only := uuid.NewString()
	owner.want(201, owner.do("POST", "/v1/seeds?name=a-"+only, `{"version":1}`))
	owner.want(201, owner.do("POST", "/v1/keys", api.KeyCreate{Name: "Key 100%_" + only, Role: api.AdminRoleReader}))

	for _, tt := range []struct {
		path, search string
		want         []string
	}{
		{path: "users", search: "", want: []string{"Bo", "100%_Anna"}},
		{path: "users", search: "0%_a", want: []string{"100%_Anna"}},
		{path: "users", search: "u-123", want: []string{"Bo"}},
		{path: "users", search: "ABCDEF00-0", want: []string{"100%_Anna"}},
		{path: "users", search: "'", want: nil},
		{path: "applications", search: "", want: []string{"Bo", "100%_Anna"}},
		{path: "applications", search: "BO", want: []string{"Bo"}},
		{path: "applications", search: "abc", want: []string{"100%_Anna"}},
		{path: "applications", search: "bcd", want: nil},
		{path: "/v1/seeds", search: "A-" + only, want: []string{"a-" + only}},
		{path: "/v1/seeds", search: "%" + only, want: nil},
		{path: "/v1/keys", search: "key 100%_" + only, want: []string{"Key 100%_" + only}},
		{path: "/v1/keys", search: only + "%", want: nil},
	} {
		path := tt.path
		if path[0] != '/' {
			path = tenantPath(made, "/"+path)
		}
		list := decode[struct {
			Value []struct{ Name, DisplayName string }
		}](t, owner.want(200, owner.do("GET", path+"?search="+url.QueryEscape(tt.search), nil)))
		var got []string
		for _, found := range list.Value {
			got = append(got, found.Name+found.DisplayName)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q finds %q, want %q", tt.path, tt.search, got, tt.want)
		}
	}
}
