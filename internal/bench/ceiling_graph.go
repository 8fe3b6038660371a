//go:build linux

package main

import (
	"fmt"
	"net/url"
	"strings"
)

// graphAttacks are the worst requests that Graph accepts. Bodies have a megabyte,
// expressions 8 KiB, pages as much as fits.
func (t targets) graphAttacks() []attack {
	const bytes = 1<<20 - 8192
	longest := `{"displayName":"` + strings.Repeat(`\u0001`, 1024) + `","onboardingUrl":"https://example.com/` + strings.Repeat("x", 2000) + `"`
	body := longest + strings.Repeat(" ", bytes-len(longest)) + "}"
	page := "?" + url.Values{"$top": {"1000"}, "$format": {"application/json;odata.metadata=full"}, "$orderby": {"id"}}.Encode()
	const term = "contains(toupper(displayName),'ZZ')"
	filter := "?" + url.Values{"$filter": {term + strings.Repeat(" or "+term, 190)}}.Encode()
	order := "?" + url.Values{"$orderby": {strings.Repeat("concat(displayName,", 90) + "displayName" + strings.Repeat(")", 90)}}.Encode()
	pages, filters := make([]string, 20), make([]string, 20)
	for i := range pages { // no two alike, or they would share one read
		pages[i] = fmt.Sprintf(`{"id":"%d","method":"GET","url":%q}`, i, strings.TrimPrefix(partnersPath, "/v1.0")+page+fmt.Sprintf("&$skip=%d", i))
		filters[i] = fmt.Sprintf(`{"id":"%d","method":"GET","url":%q}`, i, strings.TrimPrefix(partnersPath, "/v1.0")+filter+fmt.Sprintf("&$skip=%d", i))
	}
	batch := func(items []string) string { return `{"requests":[` + strings.Join(items, ",") + `]}` }
	all := t.url + partnersPath
	one, mine := all+"/"+t.full.partner, []string{t.full.token}
	eight := mine
	for _, other := range t.others {
		eight = append(eight, other.token)
	}
	const routes = "/v1.0/deviceManagement/remoteAssistancePartners"
	return []attack{
		{"POST " + routes, "create, 1 MB", all, "", body, mine},
		{"GET " + routes + "/:id", "get", one, "", "", mine},
		{"PATCH " + routes + "/:id", "patch, 1 MB", one, "", body, mine},
		{"POST " + routes + "/:id/disconnect", "action, 1 MB", one + "/disconnect", "", "{" + strings.Repeat(" ", bytes) + "}", mine},
		{"GET " + routes + "/:id/:property", "property", one + "/displayName", "", "", mine},
		{"GET /v1.0/$metadata", "$metadata", t.url + "/v1.0/$metadata", "", "", mine},
		{"GET " + routes, "list of the longest names", all + page, "", "", mine},
		{"GET " + routes, "list, filter of 8 KiB", all + filter, "", "", mine},
		{"GET " + routes, "list, order by 90 concat", all + order, "", "", mine},
		{"GET " + routes + "/$count", "$count, filter of 8 KiB", all + "/$count" + filter, "", "", mine},
		{"POST /v1.0/$batch", "$batch of 20 such lists", t.url + "/v1.0/$batch", "", batch(pages), mine},
		{"POST /v1.0/$batch", "$batch of 20 such filters", t.url + "/v1.0/$batch", "", batch(filters), mine},
		{"POST /v1.0/$batch", "$batch of 20 such lists, eight tenants at once", t.url + "/v1.0/$batch", "", batch(pages), eight},
		{"POST /v1.0/$batch", "$batch of 20 such filters, eight tenants at once", t.url + "/v1.0/$batch", "", batch(filters), eight},
	}
}
