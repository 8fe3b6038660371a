package console

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/archive"
)

// journal has the operations of a journal, and the address of its pages.
type journal struct {
	list, clear string // operations
	at          string // the address of its list
	of          params // parameters of both operations
}

// tenantJournal returns the journal of the visit's tenant.
func (v *visit) tenantJournal() journal {
	return journal{list: "listRequests", clear: "clearRequests", at: v.at("requests"), of: v.ofTenant()}
}

// serviceJournal is the journal of requests that name no tenant.
var serviceJournal = journal{list: "listServiceRequests", clear: "clearServiceRequests", at: Root + "/requests", of: params{}}

func showRequests(v *visit) (screen, error) { return v.requestsScreen(v.tenantJournal()) }

func showServiceRequests(v *visit) (screen, error) { return v.requestsScreen(serviceJournal) }

func showRequest(v *visit) (screen, error) { return v.requestScreen(v.tenantJournal()) }

func showServiceRequest(v *visit) (screen, error) { return v.requestScreen(serviceJournal) }

// filters returns the parameters that select requests; clearing a journal takes only these.
func (j journal) filters() []parameter {
	return slices.DeleteFunc(slices.Clone(contract().operations[j.clear].Parameters), func(p parameter) bool { return p.In != "query" })
}

// selected returns the parameters of both operations for the filters in the page's address.
func (j journal) selected(v *visit) params {
	p := params{}
	for name, value := range j.of {
		p[name] = value
	}
	for _, f := range j.filters() {
		p[f.Name] = strings.TrimSpace(v.Query(f.Name))
	}
	return p
}

// requestsScreen shows a journal, newest requests first.
func (v *visit) requestsScreen(j journal) (screen, error) {
	selected := j.selected(v)
	p := v.pageParams(params{"order": "newest"})
	maps.Copy(p, selected)
	if v.Query("format") == "har" {
		return screen{}, v.sendHAR(j, selected)
	}
	var list api.RequestList
	if err := v.call(j.list, p, &list); err != nil {
		return screen{}, err
	}
	found := v.requestTable(j, list.Value)
	if len(list.Value) == 0 {
		found = empty("The journal has no such request. What clients send appears here, with its answer and without secrets.", html.A(html.Class("button"), html.Href(j.at), html.Text("Show all")))
	}
	label := "Clear all"
	if slices.ContainsFunc(j.filters(), func(p parameter) bool { return selected[p.Name] != "" }) {
		label = "Clear selected"
	}
	clearing := v.sure(j.clear, label, j.at, selected)
	return screen{title: "Requests", body: g.Group{
		heading("Requests", v.liveSwitch(j, selected), html.A(html.Class("button"), testID("reload"), html.Href(v.Request.URL.RequestURI()), html.Text("Reload")),
			html.A(html.Class("button"), testID("har"), html.Data("file", ""), html.Href(v.withQueries("format", "har", "after", "")), html.Text("Export as HAR")), clearing),
		v.filterForm(j), html.Div(html.ID("live-part"), v.gaps(list.Gaps), found, v.pager(list.NextLink)),
	}}, nil
}

// usualFilters are those that people use most. A page shows the others on request.
var usualFilters = []string{"method", "path", "status", "text"}

// filterForm has a field for each filter. It puts the filters into the page's address.
func (v *visit) filterForm(j journal) g.Node {
	var usual, others g.Group
	used := false
	for _, p := range j.filters() {
		value := v.Query(p.Name)
		field := html.Label(html.Text(words(p.Name)), html.Input(html.Name(p.Name), html.Value(value), html.Title(p.Description), testID("filter-"+p.Name)))
		if slices.Contains(usualFilters, p.Name) {
			usual = append(usual, field)
		} else {
			others, used = append(others, field), used || value != ""
		}
	}
	return html.Form(html.Class("search filters"), html.Role("search"), html.Method("get"), usual, html.Button(html.Text("Show")),
		html.Details(g.If(used, html.Attr("open")), html.Summary(html.Text("More filters")), html.Div(html.Class("search filters"), others)))
}

// gaps says what the journal lacks.
func (v *visit) gaps(all []api.RequestGap) g.Node {
	if len(all) == 0 {
		return nil
	}
	return html.Ul(html.Class("alert plain"), testID("gaps"), g.Map(all, func(gap api.RequestGap) g.Node {
		what, why := fmt.Sprintf("%d requests are missing, from ", gap.Count), "the journal removed them, because of its limits of size and age"
		switch gap.Kind {
		case api.RequestGapKindDropped:
			why = "they came faster than the journal records"
		case api.RequestGapKindUnanswered:
			what, why = "Requests may be missing, from ", "a replica of the service didn't answer in time"
		}
		return html.Li(html.Text(what), v.when(&gap.Since), html.Text(" to "), v.when(&gap.Until), html.Text(": "+why+"."))
	}))
}

func (v *visit) requestTable(j journal, all []api.Request) g.Node {
	rows := make([]g.Group, len(all))
	for i, r := range all {
		rows[i] = g.Group{
			v.when(&r.DateTime), requestLink(j, r), statusBadge(r.Status), html.Text(milliseconds(r.TookMilliseconds)),
			optional(r.Application), optional(optionalID(r.User)), v.cause(j, r.Rule),
		}
	}
	return table("requests", []string{"When", "Request", "Status", "Took", "Application", "User", "Failed by"}, rows)
}

// requestLink links to a request of a journal. It shows the URL without scheme and host,
// which are the service's.
func requestLink(j journal, r api.Request) g.Node {
	target := r.Url
	if u, err := url.Parse(r.Url); err == nil && u.Host != "" {
		target = strings.TrimPrefix(r.Url, u.Scheme+"://"+u.Host)
	}
	return html.A(html.Href(j.at+"/"+r.Id.String()), html.Dir("auto"), html.Text(r.Method+" "+target))
}

func optionalID(id *uuid.UUID) *string {
	if id == nil {
		return nil
	}
	return ptr(id.String())
}

func milliseconds(took float64) string { return fmt.Sprintf("%.1f\u00a0ms", took) }

// statusBadge shows an answer's status, or that the connection was cut without an answer.
func statusBadge(status int32) g.Node {
	class, text := "done", fmt.Sprint(status)
	switch {
	case status == 0:
		class, text = "rejected", "cut"
	case status >= http.StatusBadRequest:
		class = "rejected"
	}
	return html.Span(html.Class("badge"), html.Data("value", class), html.Text(text))
}

// cause shows which rule made a request fail, with a link to all requests that it failed.
func (v *visit) cause(j journal, rule *string) g.Node {
	if rule == nil {
		return optional(nil)
	}
	return html.A(html.Href(j.at+"?rule="+queryEscape(*rule)), html.Text(*rule))
}

// requestScreen shows one request and its answer.
func (v *visit) requestScreen(j journal) (screen, error) {
	r, err := v.readRequest(j)
	if err != nil {
		return screen{}, err
	}
	items, err := v.batchItems(j, r)
	if err != nil {
		return screen{}, err
	}
	title := r.Method + " " + r.Path
	return screen{title: title, body: g.Group{
		heading(title, html.A(html.Class("button"), html.Href(j.at), html.Text("All requests")), v.faultOf(r)),
		v.requestFacts(j, r), message("Request", "request", r.Request), message("Answer", "response", r.Response), items,
		copyable("As curl", "curl", archive.Curl(r)),
	}}, nil
}

// sendHAR sends the selected requests as an HTTP Archive, the oldest first, page by page.
func (v *visit) sendHAR(j journal, selected params) error {
	p := params{"top": "100"}
	maps.Copy(p, selected)
	var list api.RequestList
	if err := v.call(j.list, p, &list); err != nil {
		return err
	}
	v.Header("Content-Type", "application/json")
	v.Header("Content-Disposition", `attachment; filename="requests.har"`)
	w, err := archive.NewWriter(v.Writer, v.console.version)
	for err == nil {
		if err = w.Write(list.Value); err != nil || list.NextLink == nil {
			break
		}
		p["after"] = afterOf(*list.NextLink)
		list = api.RequestList{}
		err = v.call(j.list, p, &list)
	}
	if err != nil || w.Close() != nil {
		panic(http.ErrAbortHandler) // a part of an archive must not look complete
	}
	return errSent
}

// readRequest reads the request whose id is in the path. The contract lists requests after an
// id, so it asks for the first one after the id just before.
func (v *visit) readRequest(j journal) (r api.Request, err error) {
	id, err := uuid.Parse(v.Param("requestId"))
	if err != nil {
		return r, refusal(http.StatusBadRequest, "The id of a request is a GUID.")
	}
	p := params{"after": before(id).String(), "top": "1"}
	for name, value := range j.of {
		p[name] = value
	}
	var list api.RequestList
	if err := v.call(j.list, p, &list); err != nil {
		return r, err
	}
	if len(list.Value) == 0 || list.Value[0].Id != id {
		return r, refusal(http.StatusNotFound, "The journal doesn't have the request "+id.String()+", or no longer.")
	}
	return list.Value[0], nil
}

// before returns the id just before id.
func before(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		id[i]--
		if id[i] != 0xff {
			break
		}
	}
	return id
}

func (v *visit) requestFacts(j journal, r api.Request) g.Node {
	expires := optional(nil)
	if r.TokenExpiresDateTime != nil {
		expires = v.when(r.TokenExpiresDateTime)
	}
	pairs := []g.Node{
		html.Text("URL"), text(r.Url), html.Text("Status"), statusBadge(r.Status), html.Text("When"), html.Time(html.DateTime(r.DateTime.Format(time.RFC3339Nano)), html.Text(r.DateTime.Format(time.RFC3339Nano))),
		html.Text("Took"), html.Text(milliseconds(r.TookMilliseconds)), html.Text("Route"), optional(r.Route), html.Text("Application"), optional(r.Application), html.Text("User"), optional(optionalID(r.User)),
		html.Text("Token expires"), expires, html.Text("Failed by"), v.cause(j, r.Rule), html.Text("Request id"), text(r.RequestId), html.Text("Client request id"), optional(r.ClientRequestId), html.Text("From"), code(r.Address),
	}
	if r.BatchId != nil {
		pairs = append(pairs, html.Text("Part of"), html.A(html.Href(j.at+"/"+r.BatchId.String()), html.Text("a $batch, as item "+*r.BatchItem)))
	}
	return facts(pairs...)
}

// message shows headers and body.
func message(title, name string, m api.RequestMessage) g.Node {
	headers := ""
	for _, header := range sorted(m.Headers) {
		headers += header + ": " + m.Headers[header] + "\n"
	}
	raw := json.RawMessage(m.Body)
	return html.Section(html.H2(html.Text(fmt.Sprintf("%s, %d bytes", title, m.Size))),
		g.If(headers != "", block(headers, testID(name+"-headers"))),
		g.If(m.Body != "", block(pretty(&raw), testID(name+"-body"))))
}

// batchItems shows the items of a $batch, which the journal records as requests.
func (v *visit) batchItems(j journal, r api.Request) (g.Node, error) {
	if !strings.HasSuffix(strings.ToLower(r.Path), "/$batch") {
		return nil, nil
	}
	p := params{"batch": r.Id.String()}
	for name, value := range j.of {
		p[name] = value
	}
	var list api.RequestList
	if err := v.call(j.list, p, &list); err != nil {
		return nil, err
	}
	return html.Section(html.H2(html.Text("Its items")), v.requestTable(j, list.Value)), nil
}

// faultOf links to a form for a rule that makes the next request like r fail.
func (v *visit) faultOf(r api.Request) g.Node {
	if v.tenant == nil || !v.may("createFault") {
		return nil
	}
	p := v.ofTenant("/match/front", string(r.Front), "/match/method", r.Method, "/match/path", r.Path, "/effect/status", "503", "/schedule/times", "1")
	return html.A(html.Class("button"), testID("createFault"), html.Href(formPath("createFault", v.at("faults"), p)), html.Text("Create a fault from this"))
}
