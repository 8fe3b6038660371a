package console_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/net/html"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/internal/entity"
)

// newTenant makes a tenant without entities, and returns its id.
func (b *browser) newTenant(name string) uuid.UUID {
	b.Helper()
	return must(client.Read[api.TenantCreated](b.api().CreateTenant(b.Context(), nil, api.TenantCreate{DisplayName: name})))(b).Tenant.Id
}

// withTestID returns the nodes with a test id.
func (p page) withTestID(name string) []*html.Node {
	return p.find(func(n *html.Node) bool { return attr(n, "data-testid") == name })
}

// follow opens the page to which an answer redirects.
func (b *browser) follow(p page) page {
	b.Helper()
	if p.status != 303 {
		b.Fatalf("%d %s", p.status, p.main())
	}
	return b.get(p.header.Get("Location"))
}

// Entities of every set are created, edited, deleted and restored with forms and buttons, and
// each page shows what the API returns.
func TestEntityPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tenant := b.newTenant(t.Name())
	list := func(e *entity.Type) []api.Entity {
		return must(client.Read[api.EntityList](b.api().ListEntities(t.Context(), tenant, e.SetName(), nil)))(t).Value
	}
	parent := ""
	for _, e := range entity.All {
		set := "/console/tenants/" + tenant.String() + "/entities/" + e.SetName()
		fields := []string{}
		if e.Parent != nil {
			fields = append(fields, "/id", parent+"_de")
		}
		link := b.get(set).withTestID("createEntity")[0]
		made := b.follow(b.submit(b.get(attr(link, "href")), "createEntity", fields...))
		one := list(e)[0]
		parent = one.Id
		if !strings.Contains(b.get(set).byTestID("entities"), one.Id) || !strings.Contains(made.main(), one.Id) {
			t.Errorf("%s: %s", e.Name, made.main())
		}
		name, value := editable(e)
		edit := b.get(attr(made.withTestID("updateEntity")[0], "href"))
		edited := b.follow(b.submit(edit, "updateEntity", "/properties/"+name, value))
		if got := list(e)[0]; got.Version != 2 || shown(got.Properties[name]) != value {
			t.Errorf("%s: %s is %v, version %d", e.Name, name, got.Properties[name], got.Version)
		}
		if rows := edited.withTestID("versions-row"); len(rows) != 2 || !strings.Contains(inner(rows[0]), value) {
			t.Errorf("%s: the history is %s", e.Name, edited.byTestID("versions"))
		}
		if e.Singleton {
			continue
		}
		deleted := b.follow(b.submit(edited, "deleteEntity"))
		if len(list(e)) != 0 || deleted.byTestID("deleted") == "" {
			t.Errorf("%s: after deleting %s", e.Name, deleted.main())
		}
		if gone := b.do("GET", set+"/"+one.Id, nil); gone.status != 404 || len(gone.withTestID("versions-row")) != 2 {
			t.Errorf("%s: its page shows %d %s", e.Name, gone.status, gone.main())
		}
		back := b.follow(b.submit(deleted, "restoreEntityVersion"))
		if got := list(e); len(got) != 1 || shown(got[0].Properties[name]) != value || len(back.withTestID("versions-row")) != 3 {
			t.Errorf("%s: undone as %+v\n%s", e.Name, got, back.main())
		}
		if again := b.get(set + "?deleted=" + url.QueryEscape(one.Id)); again.byTestID("deleted") != "" {
			t.Errorf("%s: it exists and counts as deleted", e.Name)
		}
	}
}

// editable returns a property of an entity that a form can change, and another value for it.
func editable(e *entity.Type) (name, value string) {
	for _, p := range e.Properties {
		switch {
		case p.Hidden || p.ReadOnly || p.Name == e.KeyPart:
		case p.Kind == entity.TextKind:
			return p.Name, "edited"
		case p.Kind == entity.BooleanKind:
			return p.Name, "true"
		}
	}
	return "", ""
}

// shown is a value as a form shows it.
func shown(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return strings.Trim(string(text), `"`)
}

// The filter shows the API's words about an error and keeps what was typed. Links order the
// table and page through it without losing the filter.
func TestEntityFilter(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tenant := b.newTenant(t.Name())
	for _, name := range []string{"b", "a", "c", "<i>"} {
		properties := json.RawMessage(`{"displayName":"` + name + `"}`)
		must(client.Read[api.Entity](b.api().CreateEntity(t.Context(), tenant, "deviceCategories", nil, api.EntityCreate{Properties: &properties})))(t)
	}
	set := "/console/tenants/" + tenant.String() + "/entities/deviceCategories"
	names := func(p page) (all string) {
		for _, n := range p.withTestID("entities-row") {
			link := descend(n)[1]
			all += inner(link) + " "
		}
		return all
	}
	typed := `displayName eq '<i>`
	bad := b.do("GET", set+"?filter="+url.QueryEscape(typed), nil)
	_, err := client.Read[api.EntityList](b.api().ListEntities(t.Context(), tenant, "deviceCategories", &api.ListEntitiesParams{Filter: &typed}))
	if bad.status != 400 || err == nil || bad.byTestID("alert") != err.Error() || attr(bad.withTestID("filter-filter")[0], "value") != typed {
		t.Errorf("%d %q, the API says %v", bad.status, bad.byTestID("alert"), err)
	}
	ascending := b.get(attr(b.get(set + "?top=2&filter=" + url.QueryEscape("displayName ne 'c'")).withTestID("sort-displayName")[0], "href"))
	if got := names(ascending); got != "<i> a " {
		t.Errorf("ascending: %s", got)
	}
	if got := names(b.get(attr(ascending.withTestID("next-page")[0], "href"))); got != "b " {
		t.Errorf("the next page: %s", got)
	}
	descending := b.get(attr(ascending.withTestID("sort-displayName")[0], "href"))
	if got := names(descending); got != "b a " || attr(descending.withTestID("sort-displayName")[0].Parent, "aria-sort") != "descending" {
		t.Errorf("descending: %s", got)
	}
	if none := b.get(set + "?filter=" + url.QueryEscape("displayName eq 'd'")); none.byTestID("empty") == "" {
		t.Errorf("no match: %s", none.main())
	}
}

// When two people edit an entity, the second is told and shown both, and can send the form
// again. It keeps what the first changed elsewhere.
func TestTwoEditors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.sample("two editors")
	form := "/console/form/updateEntity?tenantId=" + s.id + "&entitySet=remoteAssistancePartners&entityId=" + s.entity
	first, second := b.get(form), b.get(form)
	if p := b.submit(first, "updateEntity", "/properties/displayName", "the first's", "/properties/onboardingStatus", "onboarded"); p.status != 303 {
		t.Fatalf("%d %s", p.status, p.main())
	}
	told := b.submit(second, "updateEntity", "/properties/displayName", "the second's")
	if told.status != 409 || !strings.Contains(told.byTestID("alert"), "Somebody changed") {
		t.Fatalf("%d %s", told.status, told.main())
	}
	var rows []string
	for _, n := range told.withTestID("conflict-row") {
		var cells []string
		for _, cell := range descend(n) {
			if cell.Data == "td" {
				cells = append(cells, inner(cell))
			}
		}
		rows = append(rows, strings.Join(cells, ", "))
	}
	if got, want := strings.Join(rows, "; "), "Display name, two editors, the first's, the second's; Onboarding status, onboarding, onboarded, onboarded"; got != want {
		t.Errorf("both: %s\nwant: %s", got, want)
	}
	if p := b.submit(told, "updateEntity"); p.status != 303 {
		t.Errorf("%d %s", p.status, p.main())
	}
	now := must(client.Read[api.Entity](b.api().GetEntity(t.Context(), uuid.MustParse(s.id), "remoteAssistancePartners", s.entity)))(t)
	if now.Properties["displayName"] != "the second's" || now.Properties["onboardingStatus"] != "onboarded" {
		t.Errorf("%+v", now.Properties)
	}
}

// A refused value keeps what was typed, and its field is marked.
func TestRefusedEntity(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tenant := b.newTenant(t.Name())
	p := b.submit(b.get("/console/form/createEntity?entitySet=remoteAssistancePartners&tenantId="+tenant.String()), "createEntity", "/properties/onboardingUrl", "ftp://x", "/properties/displayName", "<b>kept")
	if p.status != 400 || !strings.Contains(p.byTestID("alert"), "/properties/onboardingUrl") {
		t.Errorf("%d %q", p.status, p.byTestID("alert"))
	}
	if n := p.withTestID("field-properties-onboardingUrl")[0]; attr(n, "aria-invalid") != "true" || attr(n, "value") != "ftp://x" {
		t.Errorf("%v", n.Attr)
	}
	if n := p.withTestID("field-properties-displayName")[0]; attr(n, "value") != "<b>kept" {
		t.Errorf("%v", n.Attr)
	}
	if p := b.submit(p, "createEntity", "/properties/onboardingUrl", "https://example.com/x"); p.status != 303 {
		t.Errorf("%d %s", p.status, p.main())
	}
}

// A form changes only what was changed, although a browser removes line breaks from inputs.
func TestLineBreaksStay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.sample("one\ntwo")
	form := b.get("/console/form/updateEntity?tenantId=" + s.id + "&entitySet=remoteAssistancePartners&entityId=" + s.entity)
	if p := b.submit(form, "updateEntity", "/properties/displayName", "onetwo", "/properties/onboardingStatus", "onboarded"); p.status != 303 {
		t.Errorf("%d %s", p.status, p.main())
	}
	now := must(client.Read[api.Entity](b.api().GetEntity(t.Context(), uuid.MustParse(s.id), "remoteAssistancePartners", s.entity)))(t)
	if now.Properties["displayName"] != "one\ntwo" || now.Properties["onboardingStatus"] != "onboarded" {
		t.Errorf("%+v", now.Properties)
	}
}
