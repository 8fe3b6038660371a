package identity_test

import (
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
)

var update = flag.Bool("update", false, "rewrite the golden documents")

// Published documents equal the golden ones, except for host and tenant.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for name, path := range map[string]string{
		"tenant-v2.json":        "/" + c.id.String() + "/v2.0/.well-known/openid-configuration?",
		"tenant-v1.json":        "/" + c.domain + "/.well-known/openid-configuration",
		"common-v2.json":        "/common/v2.0/.well-known/openid-configuration",
		"organizations-v2.json": "/ORGANIZATIONS/V2.0/.well-known/openid-configuration",
		"consumers-v2.json":     "/consumers/v2.0/.well-known/openid-configuration",
		"common-v1.json":        "/common/.well-known/openid-configuration",
		"instance.json":         "/common/discovery/instance?api-version=1.1&authorization_endpoint=" + url.QueryEscape("https://login.example.test:8443/"+c.id.String()+"/oauth2/v2.0/authorize"),
		"realm.json":            "/common/UserRealm/" + c.user.UserPrincipalName + "?api-version=1.0",
		"realm-unknown.json":    "/common/UserRealm/somebody@elsewhere.example.test?api-version=1.0",
	} {
		a := c.want(200, c.get(path))
		host := strings.TrimPrefix(c.server.URL(), "http://")
		got := strings.NewReplacer(c.id.String(), "TENANT", c.domain, "DOMAIN", host, "HOST").Replace(a.body) + "\n"
		file := filepath.Join("testdata", "discovery", name)
		if *update {
			c.must(os.WriteFile(file, []byte(got), 0o644))
		}
		want, err := os.ReadFile(file)
		c.must(err)
		diff(t, string(want), got)
		if strings.Contains(path, "openid-configuration") && a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: pages of other origins can't read it", name)
		}
	}
	for _, path := range []string{"/v2.0/.well-known/openid-configuration", "/.well-known/openid-configuration", "/discovery/v2.0/keys", "/discovery/keys"} {
		c.wantError(c.get("/"+uuid.NewString()+path), 400, "invalid_tenant", 90002)
		c.wantError(c.get("/nosuch.example"+path), 400, "invalid_tenant", 90002)
	}
	c.wantError(c.get("/common/discovery/instance?authorization_endpoint=nonsense"), 400, "invalid_instance", 50049)
	c.wantError(c.get("/common/discovery/instance?authorization_endpoint="+url.QueryEscape("https://x.test/"+uuid.NewString()+"/oauth2/v2.0/authorize")), 400, "invalid_tenant", 90002)
	// Every link has the host that the client used.
	a := c.get("/common/v2.0/.well-known/openid-configuration", "Host", "ignored")
	if !strings.Contains(a.body, c.server.URL()+"/common/oauth2/v2.0/token") {
		t.Errorf("links lead elsewhere: %s", a.body)
	}
}
