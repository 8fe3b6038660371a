package admin_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/admin"
)

// A document converted from YAML is kept in a file, like others, whose size counts.
func TestConvertedYAMLIsSpooled(t *testing.T) {
	t.Parallel()
	c := few(t, 8)
	_, base := c.listen(admin.Config{Spool: 1 << 20})
	yaml := "version: 1\nremoteAssistancePartners:\n" + strings.Repeat("- displayName: 123\n", 50_000) // 0.95 MB, and 1.25 of JSON
	detail := c.refused(503, "", c.callWith(base, "POST", "/v1/seeds?name=s-"+uuid.NewString(), yaml, "application/yaml"))
	if !strings.Contains(detail, "MOCKTENANT_SPOOL_MEGABYTES") {
		t.Error(detail)
	}
	c.want(201, c.do("POST", "/v1/seeds?name=s-"+uuid.NewString(), "version: 1\nremoteAssistancePartners:\n- displayName: a\n", "Content-Type", "application/yaml"))
}

// If applications are large, a page has fewer of them than requested, and a link to the rest.
func TestPagesOfLargeApplications(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newTenant(api.TenantCreate{Credentials: ptr(false)}).Tenant
	want := 40
	for range want {
		c.want(201, c.do("POST", tenantPath(made.Id, "/applications"), largeApplication()))
	}
	seen, pages := map[uuid.UUID]bool{}, 0
	for next := tenantPath(made.Id, "/applications?top=1000"); next != ""; pages++ {
		r := c.want(200, c.do("GET", next, nil))
		if len(r.body) > 12<<20 {
			t.Errorf("a page has %d bytes", len(r.body))
		}
		list := decode[api.ApplicationList](c, r)
		for _, a := range list.Value {
			seen[a.ClientId] = true
		}
		if next = ""; list.NextLink != nil {
			next = *list.NextLink
		}
	}
	if len(seen) != want || pages != 3 {
		t.Errorf("%d applications on %d pages, want %d on 3", len(seen), pages, want)
	}
}

// A comparison of directories with too many differences is refused. Directories of the same
// size without differences are compared.
func TestDiffOfLargeDirectories(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newTenant(api.TenantCreate{Credentials: ptr(false)}).Tenant
	snapshot := func(name string) {
		c.want(201, c.do("POST", tenantPath(made.Id, "/snapshots"), api.SnapshotCreate{Name: name}))
	}
	snapshot("none")
	for range 20 {
		c.want(201, c.do("POST", tenantPath(made.Id, "/applications"), largeApplication()))
	}
	snapshot("twenty")
	detail := c.refused(400, "", c.do("GET", tenantPath(made.Id, "/diff?from=none"), nil))
	if !strings.Contains(detail, "export both states and compare the documents") {
		t.Error(detail)
	}
	c.want(201, c.do("POST", tenantPath(made.Id, "/applications"), api.ApplicationCreate{DisplayName: "B"}))
	list := decode[api.DiffList](c, c.want(200, c.do("GET", tenantPath(made.Id, "/diff?from=twenty"), nil)))
	if len(list.Value) != 1 || list.Value[0].Change != api.DiffEntryChangeAdded {
		t.Errorf("%+v", list.Value)
	}
}

// largeApplication returns an application with half a megabyte of redirect URIs.
func largeApplication() api.ApplicationCreate {
	uris := make([]string, 250)
	for i := range uris {
		uris[i] = fmt.Sprintf("https://example.com/%d/%s", i, strings.Repeat("u", 2000))
	}
	return api.ApplicationCreate{DisplayName: "A", RedirectUris: &uris}
}
