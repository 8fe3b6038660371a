//go:build linux

package main

import (
	"fmt"
	"net/url"
	"strings"
)

// graphAttacks are the most expensive requests that Graph accepts: bodies of a megabyte,
// expressions of 8 KiB, pages as large as allowed.
func (t targets) graphAttacks() []attack {
	const bytes = 1<<20 - 8192
	longest := `{"displayName":"` + strings.Repeat(`\u0001`, 1024) + `","onboardingUrl":"https://example.com/` + strings.Repeat("x", 2000) + `"`
	body := longest + strings.Repeat(" ", bytes-len(longest)) + "}"
	page := "?" + url.Values{"$top": {"1000"}, "$format": {"application/json;odata.metadata=full"}, "$orderby": {"id"}}.Encode()
	const term = "contains(toupper(displayName),'ZZ')"
	filter := "?" + url.Values{"$filter": {term + strings.Repeat(" or "+term, 190)}}.Encode()
	order := "?" + url.Values{"$orderby": {strings.Repeat("concat(displayName,", 90) + "displayName" + strings.Repeat(")", 90)}}.Encode()
	pages, filters := make([]string, 20), make([]string, 20)
	for i := range pages { // all different, because equal ones would share one read
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
		{route: "POST " + routes, name: "create, 1 MB", url: all, body: body, tokens: mine},
		{route: "GET " + routes + "/:id", name: "get", url: one, tokens: mine},
		{route: "PATCH " + routes + "/:id", name: "patch, 1 MB", url: one, body: body, tokens: mine},
		{route: "POST " + routes + "/:id/disconnect", name: "action, 1 MB", url: one + "/disconnect", body: "{" + strings.Repeat(" ", bytes) + "}", tokens: mine},
		{route: "GET " + routes + "/:id/:property", name: "property", url: one + "/displayName", tokens: mine},
		{route: "GET /v1.0/$metadata", name: "$metadata", url: t.url + "/v1.0/$metadata", tokens: mine},
		{route: "GET " + routes, name: "list of the longest names", url: all + page, tokens: mine},
		{route: "GET " + routes, name: "list, filter of 8 KiB", url: all + filter, tokens: mine},
		{route: "GET " + routes, name: "list, order by 90 concat", url: all + order, tokens: mine},
		{route: "GET " + routes + "/$count", name: "$count, filter of 8 KiB", url: all + "/$count" + filter, tokens: mine},
		{route: "POST /v1.0/$batch", name: "$batch of 20 such lists", url: t.url + "/v1.0/$batch", body: batch(pages), tokens: mine},
		{route: "POST /v1.0/$batch", name: "$batch of 20 such filters", url: t.url + "/v1.0/$batch", body: batch(filters), tokens: mine},
		{route: "POST /v1.0/$batch", name: "$batch of 20 such lists, eight tenants at once", url: t.url + "/v1.0/$batch", body: batch(pages), tokens: eight},
		{route: "POST /v1.0/$batch", name: "$batch of 20 such filters, eight tenants at once", url: t.url + "/v1.0/$batch", body: batch(filters), tokens: eight},
	}
}
