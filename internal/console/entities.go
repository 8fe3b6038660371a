package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/entity"
)

// set returns the entity whose set the path names.
func (v *visit) set() (*entity.Type, error) {
	t, ok := entity.Find(v.Param("entitySet"))
	if !ok {
		return nil, refusal(http.StatusNotFound, "There is no set "+v.Param("entitySet")+".")
	}
	return t, nil
}

// showEntities shows a set as a table with a column for each property. The page's address has
// the filter, the order and the position.
func showEntities(v *visit) (screen, error) {
	t, err := v.set()
	if err != nil {
		return screen{}, err
	}
	list, refused, err := v.listSet(t)
	if err != nil {
		return screen{}, err
	}
	undo, err := v.undo(t)
	if err != nil {
		return screen{}, err
	}
	create := v.createLink(t)
	if t.Singleton && len(list.Value) > 0 {
		create = nil
	}
	s := screen{title: words(t.SetName()), body: g.Group{
		heading(words(t.SetName()), create),
		html.P(html.Class("note"), html.Text(t.Description+" "), code(graphPath(t))),
		undo, v.filterBox(t),
	}}
	if refused != nil {
		s.status = refused.Status
		s.body = append(s.body, alert(refused.Error()))
		return s, nil
	}
	s.body = append(s.body, v.entityTable(t, list.Value), v.pager(list.NextLink))
	return s, nil
}

// listSet lists a page of a set, or returns why the API refuses the filter, the order or the
// position.
func (v *visit) listSet(t *entity.Type) (list api.EntityList, refused *api.Problem, err error) {
	p := v.pageParams(v.ofTenant("entitySet", t.SetName(), "filter", v.Query("filter"), "orderBy", v.Query("orderBy")))
	err = v.call("listEntities", p, &list)
	if asProblem(err, &refused) && refused.Status == http.StatusBadRequest {
		return list, refused, nil
	}
	return list, nil, err
}

// graphPath is the path of a set in Graph.
func graphPath(t *entity.Type) string {
	version := "/v1.0/"
	if t.BetaOnly {
		version = "/beta/"
	}
	if t.Parent != nil {
		return version + t.Parent.Set + "/{id}/" + t.Set
	}
	return version + t.Set
}

// createLink links to the form for a new entity.
func (v *visit) createLink(t *entity.Type) g.Node {
	return v.formLink("createEntity", "Create", "button primary", v.ofTenant("entitySet", t.SetName()))
}

// filterBox has the filter and the order of a set. It puts them into the page's address.
func (v *visit) filterBox(t *entity.Type) g.Node {
	field := func(name, label, example string) g.Node {
		return html.Label(html.Text(label), html.Input(html.Name(name), html.Value(v.Query(name)), html.Placeholder(example), html.Attr("spellcheck", "false"), html.AutoComplete("off"), testID("filter-"+name)))
	}
	example := "id ne null"
	for i := range t.Properties {
		if p := &t.Properties[i]; sortable(p) {
			if example = p.Name + " ne null"; p.Kind == entity.EnumKind {
				example = p.Name + " eq '" + p.Enum.Members[0] + "'"
				break
			}
		}
	}
	return html.Form(html.Class("search filters"), html.Role("search"), html.Method("get"),
		field("filter", "$filter", example), field("orderBy", "$orderby", "id desc"), html.Button(html.Text("Show")))
}

// entityTable shows entities below the names of their properties, by which a click orders them.
func (v *visit) entityTable(t *entity.Type, all []api.Entity) g.Node {
	if len(all) == 0 && (v.Query("filter") != "" || v.Query("after") != "") {
		return empty("No "+t.Noun+" matches.", html.A(html.Class("button"), html.Href(v.Request.URL.Path), html.Text("Show all")))
	}
	if len(all) == 0 {
		return empty("The tenant has no "+t.Noun+" yet. Create one here, or let a client do it.", v.createLink(t), html.A(html.Class("button"), html.Href(v.at("connect")), html.Text("Connect a client")))
	}
	columns := []column{{label: "Name", key: orderedBy(t)}}
	for i := range t.Properties {
		if p := &t.Properties[i]; p.Name != nameProperty && !p.Hidden {
			columns = append(columns, column{label: words(p.Name), key: map[bool]string{true: p.Name}[sortable(p)]})
		}
	}
	rows := make([]g.Group, len(all))
	for i, e := range all {
		rows[i] = v.entityRow(t, e)
	}
	return v.sortedTable("entities", append(columns, column{label: "Version"}), rows)
}

// orderedBy is the property by which the first column is ordered: the name or, without one, the
// id.
func orderedBy(t *entity.Type) string {
	if t.Index(nameProperty) < 0 {
		return "id"
	}
	return nameProperty
}

// sortable reports whether entities can be ordered by a property.
func sortable(p *entity.Property) bool {
	_, known := p.EDM()
	return known && !p.IsCollection() && !p.Hidden
}

// nameProperty is the property that names an entity.
const nameProperty = "displayName"

// entityRow returns an entity's row in the table of its set: the name, the other properties
// and the version.
func (v *visit) entityRow(t *entity.Type, e api.Entity) g.Group {
	name, _ := e.Properties[nameProperty].(string)
	row := g.Group{named(v.at("entities", t.SetName(), e.Id), name, e.Id)}
	for i := range t.Properties {
		if p := &t.Properties[i]; p.Name != nameProperty && !p.Hidden {
			row = append(row, v.value(p, e.Properties[p.Name]))
		}
	}
	return append(row, html.Text(strconv.FormatInt(e.Version, 10)))
}

// value shows a property's value in a form that suits its kind.
func (v *visit) value(p *entity.Property, value any) g.Node {
	switch value := value.(type) {
	case nil:
		return html.Span(html.Class("note"), html.Text("null"))
	case bool:
		return yesNo(value)
	case string:
		if p.Kind == entity.EnumKind {
			return html.Span(html.Class("badge"), html.Data("value", value), html.Text(value))
		}
		if t, err := time.Parse(time.RFC3339Nano, value); p.Kind == entity.DateKind && err == nil {
			return v.when(&t)
		}
		if p.Kind == entity.URLKind {
			return webLink(value)
		}
		return text(value)
	}
	return block(indented(value))
}

// webLink links to a page outside, which learns nothing about this one.
func webLink(address string) g.Node {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return text(address)
	}
	return html.A(html.Href(address), html.Rel("noreferrer"), html.Dir("auto"), html.Text(address))
}

func indented(value any) string {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

// showEntity shows one entity with its actions and its history, or the history of a deleted
// one.
func showEntity(v *visit) (screen, error) {
	t, err := v.set()
	if err != nil {
		return screen{}, err
	}
	id := v.Param("entityId")
	history, err := v.history(t, id)
	if err != nil {
		return screen{}, err
	}
	var e api.Entity
	var gone *api.Problem
	err = v.call("getEntity", v.ofTenant("entitySet", t.SetName(), "entityId", id), &e)
	if asProblem(err, &gone) && gone.Status == http.StatusNotFound && history != nil {
		return screen{title: "Deleted", status: gone.Status, body: g.Group{heading("Deleted " + t.Noun), html.P(html.Class("note"), code(id)), alert(gone.Error()), history}}, nil
	}
	if err != nil {
		return screen{}, err
	}
	name := nameOf(e)
	return screen{title: name, body: g.Group{
		heading(name, v.formLink("updateEntity", "Edit", "button primary", v.ofEntity(t, id)), v.deleteButton(t, id)),
		html.P(html.Class("note"), code(e.Id)), v.entityFacts(t, e), v.actions(t, e), v.contained(t, e), history,
		copyable("As beta shows it", "entity", indented(e.Properties)),
	}}, nil
}

func (v *visit) ofEntity(t *entity.Type, id string, more ...string) params {
	return v.ofTenant(append([]string{"entitySet", t.SetName(), "entityId", id}, more...)...)
}

// nameOf is the name of an entity or, if it has none, its id.
func nameOf(e api.Entity) string {
	if name, _ := e.Properties[nameProperty].(string); strings.TrimSpace(name) != "" {
		return name
	}
	return e.Id
}

func (v *visit) entityFacts(t *entity.Type, e api.Entity) g.Node {
	pairs := g.Group{}
	for i := range t.Properties {
		if p := &t.Properties[i]; !p.Hidden {
			pairs = append(pairs, g.Group{html.Text(words(p.Name)), g.If(p.BetaOnly, html.Span(html.Class("note"), html.Text(" beta")))}, v.value(p, e.Properties[p.Name]))
		}
	}
	pairs = append(pairs, html.Text("Version"), html.Text(strconv.FormatInt(e.Version, 10)), html.Text("Created"), v.when(&e.CreatedDateTime), html.Text("Created by"), author(e.CreatedBy))
	if e.CreatedWith != nil {
		pairs = append(pairs, html.Text("Created with"), code(e.CreatedWith.String()))
	}
	return facts(pairs...)
}

// deleteButton deletes an entity, and returns to the set, where the deletion can be undone.
func (v *visit) deleteButton(t *entity.Type, id string) g.Node {
	if t.Singleton {
		return nil
	}
	return v.buttonTo("deleteEntity", "Delete", v.at("entities", t.SetName())+"?deleted="+queryEscape(id), v.ofEntity(t, id))
}

// actions returns a button for each action that the entity's state allows: first those of the
// partner, then those of Graph.
func (v *visit) actions(t *entity.Type, e api.Entity) g.Node {
	partner, graph := v.actionButtons(t, e, true), v.actionButtons(t, e, false)
	if len(partner)+len(graph) == 0 || !v.may("actOnEntity") {
		return nil
	}
	return html.Div(html.Class("actions"), testID("actions"),
		g.If(len(partner) > 0, html.Section(html.H2(html.Text("As the partner")), html.P(html.Class("note"), html.Text("What the partner does on its side; Graph has no request for it.")), html.Div(html.Class("buttons"), partner))),
		g.If(len(graph) > 0, html.Section(html.H2(html.Text("As a client of Graph")), html.P(html.Class("note"), html.Text("Actions that a client can run too.")), html.Div(html.Class("buttons"), graph))))
}

func (v *visit) actionButtons(t *entity.Type, e api.Entity, byPartner bool) (buttons g.Group) {
	state, _ := e.Properties[t.State].(string)
	for i := range t.Actions {
		a := &t.Actions[i]
		if a.ByPartner == byPartner && (t.State == "" || slices.Contains(a.States(t), state)) {
			buttons = append(buttons, v.button("actOnEntity", words(a.Name), v.ofEntity(t, e.Id, "action", a.Name)))
		}
	}
	return buttons
}

// contained links to what an entity contains.
func (v *visit) contained(t *entity.Type, e api.Entity) g.Node {
	return g.Map(t.Children(), func(child *entity.Type) g.Node {
		filter := "startswith(id,'" + e.Id + "_')"
		return html.Section(html.H2(html.Text(words(child.SetName()))), html.Div(html.Class("buttons"),
			html.A(html.Class("button"), html.Href(v.at("entities", child.SetName())+"?filter="+queryEscape(filter)), html.Text("Show them")),
			v.formLink("createEntity", "Create one", "button", v.ofTenant("entitySet", child.SetName(), "/id", e.Id+"_"))))
	})
}
