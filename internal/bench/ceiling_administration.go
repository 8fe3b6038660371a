//go:build linux

package main

import (
	"fmt"
	"io"
	"strings"
)

const yamlType = "application/yaml"

// What the largest documents have: of JSON as much as a creation takes, since an import
// reads even a larger one piece by piece; of YAML as many values as may be, and bytes.
const (
	largeJSON      = 16<<20 - 1<<10
	yamlPartners   = 149_000
	largestElement = 8<<20 - 1<<10
)

// documents is a document of so many bytes of JSON, of partners.
func documents(bytes int) io.Reader { return strings.NewReader(jsonDocument(bytes)) }

func jsonDocument(bytes int) string {
	const partner = `{"displayName":"%[1]s","onboardingUrl":"https://example.com/%[1]s"}`
	one := fmt.Sprintf(partner, strings.Repeat("p", 250))
	n := max(1, (bytes-64)/(len(one)+1))
	return `{"version":1,"partners":[` + strings.Repeat(one+",", n-1) + one + `]}`
}

// yamlDocument has three values of YAML for each two that are counted.
func yamlDocument() string {
	return "version: 1\npartners:\n" + strings.Repeat("- displayName: 123456789\n", yamlPartners)
}

// oneApplication is a document whose one application is as large as a value may be, of
// as many consents: each has six of the 800,000 parts.
func oneApplication() string {
	const consents = 133_000
	consent := `{"scopes":["` + strings.Repeat("s", largestElement/consents-18) + `"]}`
	return `{"version":1,"applications":[{"displayName":"A","consents":[` + strings.Repeat(consent+",", consents-1) + consent + `]}]}`
}

// largeApplication has as many redirect URIs, and as long ones, as may be.
func largeApplication() string {
	uris := make([]string, 250)
	for i := range uris {
		uris[i] = fmt.Sprintf(`"https://example.com/%d/%s"`, i, strings.Repeat("u", 2000))
	}
	return `{"displayName":"A","redirectUris":[` + strings.Join(uris, ",") + `]}`
}

// administrationAttacks are the worst requests that the administration accepts. Those
// that change what a tenant holds go to another one than those that read much.
func (t targets) administrationAttacks() []attack {
	const tenants, tenant = "/v1/tenants", "/v1/tenants/:tenantId"
	copied := ""
	if len(t.others) > 0 {
		copied = t.others[0].id
	}
	full, changed := t.adminURL+tenants+"/"+t.full.id, t.adminURL+tenants+"/"+copied
	large, yaml := jsonDocument(largeJSON), yamlDocument()
	get := func(route, name, url string) attack { return attack{"GET " + route, name, url, "", "", nil} }
	all := []attack{
		{"POST " + tenants, "create of a tenant with a document of 16 MB", t.adminURL + tenants, "", `{"displayName":"document","source":{"document":` + large[:len(large)-1] + `}}}`, nil},
		{"POST " + tenants, "create of a tenant as the copy of 20,000 partners", t.adminURL + tenants, "", `{"displayName":"copy","source":{"tenantId":"` + copied + `"}}`, nil},
		{"PUT " + tenant + "/state", "import, JSON of 16 MB", changed + "/state", "", large, nil},
		{"PUT " + tenant + "/state", "import, JSON of the largest application", changed + "/state", "", oneApplication(), nil},
		{"PUT " + tenant + "/state", "import, YAML of 4 MB", changed + "/state", yamlType, yaml, nil},
		{"POST /v1/seeds", "seed, JSON of 16 MB", t.adminURL + "/v1/seeds?name=json{n}", "", large, nil},
		{"POST /v1/seeds", "seed, YAML of 4 MB", t.adminURL + "/v1/seeds?name=yaml{n}", yamlType, yaml, nil},
		get(tenant+"/state", "export of 100,000 partners, JSON", full+"/state"),
		get(tenant+"/state", "export of 100,000 partners, YAML", full+"/state?format=yaml"),
		{"POST " + tenant + "/snapshots", "snapshot", changed + "/snapshots", "", `{"name":"s{n}"}`, nil},
		{"POST " + tenant + "/snapshots/:name/restore", "restore of a snapshot of 20,000 partners", changed + "/snapshots/all/restore", "", "", nil},
		{"POST " + tenant + "/reset", "reset", changed + "/reset", "", "", nil},
		{"POST " + tenant + "/applications", "application of 0.5 MB", changed + "/applications", "", largeApplication(), nil},
		get(tenant+"/applications", "list of the applications that made", changed+"/applications?top=1000"),
		get(tenant+"/diff", "diff, these applications", changed+"/diff?from=one"),
		get(tenant+"/state", "export of these applications, YAML", changed+"/state?format=yaml"),
		{"PATCH " + tenant + "/applications/:clientId", "change of an application, 0.5 MB", full + "/applications/" + clientID, "", largeApplication(), nil},
		{"POST " + tenant + "/users", "user with a password for bcrypt", full + "/users", "", `{"userPrincipalName":"u{n}@` + domain + `","displayName":"U","password":"` + password + `"}`, nil},
		get(tenant+"/snapshots", "list of snapshots", full+"/snapshots?top=1000"),
		get(tenant+"/snapshots/:name/state", "export of a snapshot, YAML", full+"/snapshots/all/state?format=yaml"),
		get(tenant+"/diff", "diff, a page of 1,000 of 100,000 new partners", full+"/diff?from=one&to=all&top=1000"),
		get("/v1/seeds/:name/state", "export of a seed", t.adminURL+"/v1/seeds/ceiling/state"),
		get(tenant+"/partners", "list of partners, 1,000 of the longest names", full+"/partners?top=1000"),
		get(tenants, "list of tenants", t.adminURL+tenants+"?top=1000"),
		get("/v1/audit", "audit log, 1,000 entries", t.adminURL+"/v1/audit?top=1000"),
		get("/debug/pprof/:profile", "profile of the heap", t.adminURL+"/debug/pprof/heap"),
	}
	for _, report := range []string{"changes-by-person", "onboarding-funnel", "stale-partners", "status-by-day", "time-to-onboard", "waiting-requests"} {
		all = append(all, get("/v1/reports/:report", "report "+report, t.adminURL+"/v1/reports/"+report+"?tenantId="+t.full.id))
	}
	return append(all, attack{"PATCH " + tenant, "another body of 1 MB", full, "", `{"displayName":"full"` + strings.Repeat(" ", 1<<20-64) + "}", nil})
}
