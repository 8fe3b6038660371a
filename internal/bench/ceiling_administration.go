//go:build linux

package main

import (
	"fmt"
	"io"
	"strings"
)

const yamlType = "application/yaml"

// Sizes of the largest documents: for JSON, the most that a creation accepts, although an
// import reads even larger ones piece by piece; for YAML, the most values and bytes
// allowed.
const (
	largeJSON      = 16<<20 - 1<<10
	yamlPartners   = 149_000
	largestElement = 8<<20 - 1<<10
)

// documents returns a document with partners, of this many bytes of JSON.
func documents(bytes int) io.Reader { return strings.NewReader(jsonDocument(bytes)) }

func jsonDocument(bytes int) string {
	const partner = `{"displayName":"%[1]s","onboardingUrl":"https://example.com/%[1]s"}`
	one := fmt.Sprintf(partner, strings.Repeat("p", 250))
	n := max(1, (bytes-64)/(len(one)+1))
	return `{"version":1,"remoteAssistancePartners":[` + strings.Repeat(one+",", n-1) + one + `]}`
}

// yamlDocument has three values of YAML for every two that are counted.
func yamlDocument() string {
	return "version: 1\nremoteAssistancePartners:\n" + strings.Repeat("- displayName: 123456789\n", yamlPartners)
}

// oneApplication returns a document with a single application as large as a value may be.
// Nearly all of it is consents, each of which has six of the 800,000 parts.
func oneApplication() string {
	const consents = 133_000
	consent := `{"scopes":["` + strings.Repeat("s", largestElement/consents-18) + `"]}`
	return `{"version":1,"applications":[{"displayName":"A","consents":[` + strings.Repeat(consent+",", consents-1) + consent + `]}]}`
}

// largeApplication has as many redirect URIs as allowed, each as long as allowed.
func largeApplication() string {
	uris := make([]string, 250)
	for i := range uris {
		uris[i] = fmt.Sprintf(`"https://example.com/%d/%s"`, i, strings.Repeat("u", 2000))
	}
	return `{"displayName":"A","redirectUris":[` + strings.Join(uris, ",") + `]}`
}

// administrationAttacks are the most expensive requests that the administration accepts.
// Those that change a tenant's data target another tenant than those that read a lot.
func (t targets) administrationAttacks() []attack {
	const tenants, tenant = "/v1/tenants", "/v1/tenants/:tenantId"
	copied := ""
	if len(t.others) > 0 {
		copied = t.others[0].id
	}
	full, changed := t.adminURL+tenants+"/"+t.full.id, t.adminURL+tenants+"/"+copied
	large, yaml := jsonDocument(largeJSON), yamlDocument()
	get := func(route, name, url string) attack { return attack{route: "GET " + route, name: name, url: url} }
	all := []attack{
		{route: "POST " + tenants, name: "create of a tenant with a document of 16 MB", url: t.adminURL + tenants, body: `{"displayName":"document","source":{"document":` + large[:len(large)-1] + `}}}`},
		{route: "POST " + tenants, name: "create of a tenant as the copy of 20,000 partners", url: t.adminURL + tenants, body: `{"displayName":"copy","source":{"tenantId":"` + copied + `"}}`},
		{route: "PUT " + tenant + "/state", name: "import, JSON of 16 MB", url: changed + "/state", body: large},
		{route: "PUT " + tenant + "/state", name: "import, JSON of the largest application", url: changed + "/state", body: oneApplication()},
		{route: "PUT " + tenant + "/state", name: "import, YAML of 4 MB", url: changed + "/state", kind: yamlType, body: yaml},
		{route: "POST /v1/seeds", name: "seed, JSON of 16 MB", url: t.adminURL + "/v1/seeds?name=json{n}", body: large},
		{route: "POST /v1/seeds", name: "seed, YAML of 4 MB", url: t.adminURL + "/v1/seeds?name=yaml{n}", kind: yamlType, body: yaml},
		get(tenant+"/state", "export of 100,000 partners, JSON", full+"/state"),
		get(tenant+"/state", "export of 100,000 partners, YAML", full+"/state?format=yaml"),
		{route: "POST " + tenant + "/snapshots", name: "snapshot", url: changed + "/snapshots", body: `{"name":"s{n}"}`},
		{route: "POST " + tenant + "/snapshots/:name/restore", name: "restore of a snapshot of 20,000 partners", url: changed + "/snapshots/all/restore"},
		{route: "POST " + tenant + "/reset", name: "reset", url: changed + "/reset"},
		{route: "POST " + tenant + "/applications", name: "application of 0.5 MB", url: changed + "/applications", body: largeApplication()},
		get(tenant+"/applications", "list of the applications created", changed+"/applications?top=1000"),
		get(tenant+"/diff", "diff, these applications", changed+"/diff?from=one"),
		get(tenant+"/state", "export of these applications, YAML", changed+"/state?format=yaml"),
		{route: "PATCH " + tenant + "/applications/:clientId", name: "change of an application, 0.5 MB", url: full + "/applications/" + clientID, body: largeApplication()},
		{route: "POST " + tenant + "/users", name: "user with a password for bcrypt", url: full + "/users", body: `{"userPrincipalName":"u{n}@` + domain + `","displayName":"U","password":"` + password + `"}`},
		get(tenant+"/snapshots", "list of snapshots", full+"/snapshots?top=1000"),
		get(tenant+"/snapshots/:name/state", "export of a snapshot, YAML", full+"/snapshots/all/state?format=yaml"),
		get(tenant+"/diff", "diff, a page of 1,000 of 100,000 new partners", full+"/diff?from=one&to=all&top=1000"),
		get("/v1/seeds/:name/state", "export of a seed", t.adminURL+"/v1/seeds/ceiling/state"),
		get(tenant+"/entities/:entitySet", "list of partners, 1,000 of the longest names", full+"/entities/remoteAssistancePartners?top=1000"),
		get(tenants, "list of tenants", t.adminURL+tenants+"?top=1000"),
		get("/v1/audit", "audit log, 1,000 entries", t.adminURL+"/v1/audit?top=1000"),
		get("/debug/pprof/:profile", "profile of the heap", t.adminURL+"/debug/pprof/heap"),
	}
	for _, report := range []string{"changes-by-person", "onboarding-funnel", "stale-remote-assistance-partners", "status-by-day", "time-to-onboard", "waiting-requests"} {
		all = append(all, get("/v1/reports/:report", "report "+report, t.adminURL+"/v1/reports/"+report+"?tenantId="+t.full.id))
	}
	return append(all, attack{route: "PATCH " + tenant, name: "another body of 1 MB", url: full, body: `{"displayName":"full"` + strings.Repeat(" ", 1<<20-64) + "}"})
}
