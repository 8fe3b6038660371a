package console

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/entity"
)

// link is an entry of the navigation.
type link struct {
	name, href, label string
	operation         string // the operation that the page calls; "" lets everybody see the link
}

// top links to the pages outside tenants.
var top = []link{
	{name: "tenants", href: Root + "/tenants", label: "Tenants", operation: "listTenants"},
	{name: "seeds", href: Root + "/seeds", label: "Seeds", operation: "listSeeds"},
	{name: "reports", href: Root + "/reports", label: "Reports", operation: "listReports"},
	{name: "keys", href: Root + "/keys", label: "Keys", operation: "listKeys"},
	{name: "audit", href: Root + "/audit", label: "Audit", operation: "listAudit"},
	{name: "service-requests", href: Root + "/requests", label: "Requests without a tenant", operation: "listServiceRequests"},
	{name: "service", href: Root + "/service", label: "Service", operation: "getMetrics"},
}

// tenantLinks links to the pages of a tenant.
func tenantLinks(id string) []link {
	at := tenantAt(id)
	all := []link{{name: "home", href: at, label: "Home"}}
	for _, t := range entity.All {
		all = append(all, link{name: t.SetName(), href: at + "/entities/" + t.SetName(), label: words(t.SetName())})
	}
	return append(all,
		link{name: "users", href: at + "/users", label: "Users"},
		link{name: "applications", href: at + "/applications", label: "Applications"},
		link{name: "snapshots", href: at + "/snapshots", label: "Snapshots"},
		link{name: "requests", href: at + "/requests", label: "Requests"},
		link{name: "faults", href: at + "/faults", label: "Faults"},
		link{name: "clock", href: at + "/clock", label: "Clock"},
		link{name: "tenant-reports", href: at + "/reports", label: "Reports"},
		link{name: "connect", href: at + "/connect", label: "Connect a client"},
		link{name: "settings", href: at + "/settings", label: "Settings"},
	)
}

func tenantAt(id string) string { return Root + "/tenants/" + url.PathEscape(id) }

// at returns the path of a page of the visit's tenant.
func (v *visit) at(segments ...string) string {
	path := tenantAt(v.tenant.Id.String())
	for _, s := range segments {
		path += "/" + url.PathEscape(s)
	}
	return path
}

// ofTenant returns parameters for an operation on the visit's tenant, with more of them as
// pairs of name and value.
func (v *visit) ofTenant(more ...string) params {
	p := params{"tenantId": v.tenant.Id.String()}
	for i := 0; i+1 < len(more); i += 2 {
		p[more[i]] = more[i+1]
	}
	return p
}

// formPath returns the address of an operation's form, which returns to the page back.
func formPath(operation, back string, p params) string {
	query := url.Values{backField: {back}}
	for name, value := range p {
		query.Set(name, value)
	}
	return Root + "/form/" + operation + "?" + query.Encode()
}

// frame returns a whole page: a screen with the navigation around it.
func (v *visit) frame(s screen) g.Node {
	return document(s.title+" · mocktenant", nil, g.Group{
		html.A(html.Class("skip"), html.Href("#main"), html.Text("Skip to the content")),
		html.Header(
			html.A(html.Class("brand"), html.Href(Root+"/tenants"), html.Img(html.Src(assetPath("icon.svg")), html.Alt(""), html.Width("24"), html.Height("24")), html.Text("mocktenant")),
			html.Nav(html.Aria("label", "Service"), v.links(top)),
			v.account(),
		),
		html.Div(html.Class("columns"),
			v.tenantNavigation(),
			html.Main(html.ID("main"), s.body),
		),
	})
}

func (v *visit) tenantNavigation() g.Node {
	if v.tenant == nil {
		return nil
	}
	return html.Nav(html.Class("side"), html.Aria("label", "Tenant"),
		html.P(html.Class("tenant-name"), testID("tenant-name"), html.Title(v.tenant.DisplayName), html.Dir("auto"), html.Text(v.tenant.DisplayName)),
		v.links(tenantLinks(v.tenant.Id.String())))
}

// links lists the links whose operation the caller may call, and marks the present page.
func (v *visit) links(all []link) g.Node {
	return html.Ul(g.Map(all, func(l link) g.Node {
		if l.operation != "" && !v.may(l.operation) {
			return nil
		}
		return html.Li(html.A(html.Href(l.href), testID("nav-"+l.name), g.If(v.isAt(l), html.Aria("current", "page")), html.Text(l.label)))
	}))
}

// isAt reports whether the present page is a link's page or below it. A page of a tenant is
// also below the links to all tenants and to the tenant's home, but has its own link.
func (v *visit) isAt(l link) bool {
	path := v.Request.URL.Path
	switch {
	case path == l.href:
		return true
	case l.name == "home", l.name == "tenants" && v.tenant != nil:
		return false
	}
	return strings.HasPrefix(path, l.href+"/")
}

func (v *visit) account() g.Node {
	who := string(v.caller.Role)
	if v.caller.Name != nil {
		who = *v.caller.Name + ", " + who
	}
	if m := v.caller.Manager; m != nil && *m != *v.caller.Name {
		who += " of " + *m
	}
	return html.Div(html.Class("account"),
		html.Span(testID("caller"), html.Dir("auto"), html.Text(who)),
		v.otherManagers(),
		html.A(html.Href(Root+"/help"), html.Aria("label", "Help"), testID("nav-help"), html.Text("?")),
		g.If(v.session.known(), html.Form(html.Class("inline"), html.Method("post"), html.Action(Root+"/sign-out"),
			html.Input(html.Type("hidden"), html.Name(tokenField), html.Value(v.console.sessions.token(v.session))),
			html.Button(testID("sign-out"), html.Text("Sign out")))),
	)
}

// otherManagers lets a person choose the manager under whose name they act, if there are several.
func (v *visit) otherManagers() g.Node {
	p := v.session.Person
	if p == nil || len(p.Managers) < 2 {
		return nil
	}
	return html.Form(html.Class("inline"), html.Method("post"), html.Action(Root+"/act-as"), testID("act-as"),
		html.Input(html.Type("hidden"), html.Name(tokenField), html.Value(v.console.sessions.token(v.session))),
		html.Select(html.Name("manager"), html.Aria("label", "Manager"), g.Map(p.Managers, func(name string) g.Node {
			return html.Option(html.Value(name), g.If(name == p.Manager, html.Selected()), html.Text(name))
		})),
		html.Button(html.Text("Act as")))
}

// document returns an HTML document.
func document(title string, head g.Group, main ...g.Node) g.Node {
	return html.Doctype(html.HTML(html.Lang("en"),
		html.Head(html.Meta(html.Charset("utf-8")), html.Meta(html.Name("viewport"), html.Content("width=device-width, initial-scale=1")),
			html.Meta(html.Name("color-scheme"), html.Content("light dark")),
			html.TitleEl(html.Text(title)), html.Link(html.Rel("icon"), html.Href(assetPath("icon.svg"))),
			html.Link(html.Rel("stylesheet"), html.Href(assetPath("console.css"))),
			html.Script(html.Src(assetPath("console.js")), html.Defer()), head),
		html.Body(main...)))
}

// problemScreen says what was refused, and links to other pages.
func (v *visit) problemScreen(p *api.Problem) screen {
	way := html.A(html.Class("button"), html.Href(Root+"/tenants"), html.Text("All tenants"))
	if v.tenant != nil {
		way = html.A(html.Class("button"), html.Href(v.at()), html.Text("The tenant's home"))
	}
	return screen{title: p.Title, status: p.Status, body: g.Group{
		html.H1(html.Text(p.Title)), alert(p.Error()),
		g.If(p.Status == http.StatusNotFound && v.tenant == nil, html.P(html.Text("If it existed before, it has expired or somebody deleted it."))),
		html.P(html.Class("buttons"), way, g.If(v.Request.Method == http.MethodGet && p.Status != http.StatusForbidden, html.A(html.Class("button"), html.Href(v.Request.URL.RequestURI()), html.Text("Try again")))),
	}}
}

func asProblem(err error, p **api.Problem) bool { return errors.As(err, p) }

func ptr[T any](value T) *T { return &value }

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// testID names a node for tests. docs/console.md lists the names and promises to keep them.
func testID(name string) g.Node { return html.Data("testid", name) }

func alert(text string) g.Node {
	return g.If(text != "", html.P(html.Class("alert"), html.Role("alert"), testID("alert"), html.Text(text)))
}

// words returns a name of the contract in words: "Display name" for displayName, "Expires"
// for expiresDateTime.
func words(name string) string {
	var b strings.Builder
	for i, c := range strings.Replace(strings.TrimSuffix(name, "DateTime"), "ttl", "timeToLive", 1) {
		switch {
		case i == 0:
			b.WriteRune(unicode.ToUpper(c))
		case unicode.IsUpper(c):
			b.WriteRune(' ')
			b.WriteRune(unicode.ToLower(c))
		default:
			b.WriteRune(c)
		}
	}
	return acronyms.Replace(b.String())
}

// acronyms are written in capitals.
var acronyms = strings.NewReplacer(" url", " URL", " uris", " URIs")

// title returns the words on a button or a form of an operation.
func (o *operation) title() string { return words(o.name) }

// heading is a page's heading, with buttons for its actions.
func heading(title string, actions ...g.Node) g.Node {
	return html.Div(html.Class("heading"), html.H1(html.Dir("auto"), html.Text(title)), html.Div(html.Class("buttons"), g.Group(actions)))
}

// empty says that a list is empty, and what to do next.
func empty(text string, next ...g.Node) g.Node {
	return html.Div(html.Class("empty"), testID("empty"), html.P(html.Text(text)), g.Group(next))
}

// when shows an instant relative to the present time of the visit, which is by the tenant's
// clock if the page is about a tenant. Its title is exact.
func (v *visit) when(t *time.Time) g.Node { return when(t, v.now) }

// whenByService works like when, for an instant by the service's clock.
func (v *visit) whenByService(t *time.Time) g.Node { return when(t, v.console.now()) }

func when(t *time.Time, now time.Time) g.Node {
	if t == nil || t.Year() <= 1 {
		return html.Span(html.Class("note"), html.Text("never"))
	}
	exact := t.UTC().Format(time.RFC3339Nano)
	return html.Time(html.DateTime(exact), html.Title(exact), html.Text(relative(t.Sub(now))))
}

// relative describes a duration from now in one unit, such as "3 hours ago" and "in 2 days".
func relative(d time.Duration) string {
	if -time.Second < d && d < time.Second {
		return "now"
	}
	text := ""
	for _, unit := range []struct {
		name   string
		length time.Duration
	}{{"year", 365 * 24 * time.Hour}, {"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}} {
		if n := max(d, -d) / unit.length; n > 0 {
			text = fmt.Sprintf("%d %s%s", n, unit.name, map[bool]string{true: "s"}[n > 1])
			break
		}
	}
	if d > 0 {
		return "in " + text
	}
	return text + " ago"
}

// table shows rows below the names of their columns. Narrow screens show each row as a list,
// with the names from data-label.
func table(name string, columns []string, rows []g.Group) g.Node {
	return tableBelow(name, g.Map(columns, columnHead), columns, rows)
}

// columnHead is the head of a column. Buttons have a column without a name, which heads nothing.
func columnHead(name string) g.Node {
	if name == "" {
		return html.Td()
	}
	return html.Th(html.Scope("col"), html.Text(name))
}

// column is a column by which a page can order its table, if key isn't "".
type column struct{ label, key string }

// sortedTable is a table whose columns link to the page in their order. The link of the column
// that orders the page turns the order around.
func (v *visit) sortedTable(name string, columns []column, rows []g.Group) g.Node {
	labels := make([]string, len(columns))
	heads := make(g.Group, len(columns))
	for i, c := range columns {
		labels[i] = c.label
		if heads[i] = columnHead(c.label); c.key == "" {
			continue
		}
		next, sorted, arrow := c.key, "", ""
		switch v.Query("orderBy") {
		case c.key:
			next, sorted, arrow = c.key+" desc", "ascending", " ↑"
		case c.key + " desc":
			sorted, arrow = "descending", " ↓"
		}
		heads[i] = html.Th(html.Scope("col"), g.If(sorted != "", html.Aria("sort", sorted)), html.A(html.Href(v.withQueries("orderBy", next, "after", "")), testID("sort-"+c.key), html.Text(c.label+arrow)))
	}
	return tableBelow(name, heads, labels, rows)
}

// tableBelow is a table with the given heads.
func tableBelow(name string, heads g.Node, columns []string, rows []g.Group) g.Node {
	return html.Div(html.Class("scroll"), html.Role("region"), html.TabIndex("0"), html.Aria("label", name), html.Table(testID(name),
		html.THead(html.Tr(heads)),
		html.TBody(g.Map(rows, func(cells g.Group) g.Node {
			return html.Tr(testID(name+"-row"), g.Group(label(columns, cells)))
		})),
	))
}

func label(columns []string, cells g.Group) (row []g.Node) {
	for i, cell := range cells {
		row = append(row, html.Td(html.Data("label", columns[i]), cell))
	}
	return row
}

// facts lists pairs of a name and a value.
func facts(pairs ...g.Node) g.Node {
	all := g.Group{}
	for i := 0; i+1 < len(pairs); i += 2 {
		all = append(all, html.Div(html.Dt(pairs[i]), html.Dd(pairs[i+1])))
	}
	return html.Dl(html.Class("facts"), all)
}

// text shows a text that somebody wrote, in the direction of its script.
func text(value string) g.Node { return html.Span(html.Dir("auto"), html.Text(value)) }

// named is a link with a name, and an id below it.
func named(href, name, id string) g.Node {
	if strings.TrimSpace(name) == "" {
		name = "(no name)"
	}
	return g.Group{html.A(html.Href(href), html.Dir("auto"), html.Text(name)), html.Span(html.Class("id"), html.Text(id))}
}

func optional(value *string) g.Node {
	if value == nil || *value == "" {
		return html.Span(html.Class("note"), html.Text("none"))
	}
	return text(*value)
}

func code(value string) g.Node { return html.Code(html.Text(value)) }

// block shows a text of several lines. It can have the focus, so that keys scroll it.
func block(value string, more ...g.Node) g.Node {
	return html.Pre(html.TabIndex("0"), g.Group(more), html.Code(html.Text(value)))
}

// copyable is a text to copy, with a button that works where JavaScript runs.
func copyable(label, name, value string) g.Node {
	return html.Section(html.Class("copyable"),
		html.Div(html.Class("heading"), html.H2(html.Text(label)), html.Button(html.Type("button"), html.Data("copy", "copy-"+name), html.Hidden(""), html.Text("Copy"))),
		block(value, html.ID("copy-"+name), testID("copy-"+name), html.Role("region"), html.Aria("label", label)))
}

// pager links to the next page of a list and to its first page.
func (v *visit) pager(next *string) g.Node {
	first := v.Query("after") == ""
	if next == nil && first {
		return nil
	}
	links := g.Group{}
	if !first {
		links = append(links, html.A(html.Class("button"), testID("first-page"), html.Href(v.withQuery("after", "")), html.Text("First page")))
	}
	if next != nil {
		links = append(links, html.A(html.Class("button"), testID("next-page"), html.Rel("next"), html.Href(v.withQuery("after", afterOf(*next))), html.Text("Next page")))
	}
	return html.Nav(html.Class("buttons"), html.Aria("label", "Pages"), links)
}

// withQuery returns the page's own address with one parameter changed; "" removes it.
func (v *visit) withQuery(name, value string) string { return v.withQueries(name, value) }

// withQueries changes several parameters, given as pairs of name and value.
func (v *visit) withQueries(pairs ...string) string {
	query := v.Request.URL.Query()
	for i := 0; i+1 < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			query.Del(pairs[i])
		}
	}
	u := url.URL{Path: v.Request.URL.Path, RawQuery: query.Encode()}
	return u.RequestURI()
}

// afterOf returns the parameter after of a nextLink.
func afterOf(nextLink string) string {
	u, err := url.Parse(nextLink)
	if err != nil {
		return ""
	}
	return u.Query().Get("after")
}

// pageParams adds the parameters of a list's page.
func (v *visit) pageParams(p params) params {
	p["after"] = v.Query("after")
	p["top"] = cmp.Or(v.Query("top"), "50")
	return p
}

func yesNo(value bool) g.Node {
	if value {
		return html.Text("yes")
	}
	return html.Text("no")
}

func lines(all []string) g.Node {
	if len(all) == 0 {
		return html.Span(html.Class("note"), html.Text("none"))
	}
	return html.Ul(html.Class("plain"), g.Map(all, func(one string) g.Node { return html.Li(text(one)) }))
}
