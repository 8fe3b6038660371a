package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	g "maragu.dev/gomponents"
	"maragu.dev/gomponents/html"

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

// showEntities shows a set as a table with a column for each property.
func showEntities(v *visit) (screen, error) {
	t, err := v.set()
	if err != nil {
		return screen{}, err
	}
	var list api.EntityList
	if err := v.call("listEntities", v.pageParams(v.ofTenant("entitySet", t.SetName())), &list); err != nil {
		return screen{}, err
	}
	columns := []string{"Name"}
	for i := range t.Properties {
		if t.Properties[i].Name != nameProperty {
			columns = append(columns, words(t.Properties[i].Name))
		}
	}
	rows := make([]g.Group, len(list.Value))
	for i, e := range list.Value {
		rows[i] = v.entityRow(t, e)
	}
	found := table("entities", append(columns, "Version"), rows)
	if len(rows) == 0 {
		found = empty("The tenant has no "+t.Noun+" yet. A client creates one through Graph.", html.A(html.Class("button"), html.Href(v.at("connect")), g.Text("Connect a client")))
	}
	return screen{title: words(t.SetName()), body: g.Group{
		heading(words(t.SetName())),
		html.P(html.Class("note"), g.Text(t.Description+" "), code("/v1.0/"+t.Set)),
		found, v.pager(list.NextLink),
	}}, nil
}

// nameProperty is the property that names an entity.
const nameProperty = "displayName"

// entityRow returns an entity's row in the table of its set: the name, the other properties
// and the version.
func (v *visit) entityRow(t *entity.Type, e api.Entity) g.Group {
	name, _ := e.Properties[nameProperty].(string)
	row := g.Group{named(v.at("entities", t.SetName(), e.Id), name, e.Id)}
	for i := range t.Properties {
		if p := &t.Properties[i]; p.Name != nameProperty {
			row = append(row, v.value(p, e.Properties[p.Name]))
		}
	}
	return append(row, g.Text(strconv.FormatInt(e.Version, 10)))
}

// value shows a property's value in a form that suits its kind.
func (v *visit) value(p *entity.Property, value any) g.Node {
	switch value := value.(type) {
	case nil:
		return html.Span(html.Class("note"), g.Text("null"))
	case bool:
		return yesNo(value)
	case string:
		if p.Kind == entity.EnumKind {
			return html.Span(html.Class("badge"), html.Data("value", value), g.Text(value))
		}
		if t, err := time.Parse(time.RFC3339Nano, value); p.Kind == entity.DateKind && err == nil {
			return v.when(&t)
		}
		return text(value)
	}
	return html.Pre(html.Code(g.Text(indented(value))))
}

func indented(value any) string {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

// showEntity shows one entity, with a button for each of the partner's actions.
func showEntity(v *visit) (screen, error) {
	t, err := v.set()
	if err != nil {
		return screen{}, err
	}
	id := v.Param("entityId")
	var e api.Entity
	if err := v.call("getEntity", v.ofTenant("entitySet", t.SetName(), "entityId", id), &e); err != nil {
		return screen{}, err
	}
	pairs := g.Group{}
	for i := range t.Properties {
		p := &t.Properties[i]
		pairs = append(pairs, g.Group{g.Text(words(p.Name)), g.If(p.BetaOnly, html.Span(html.Class("note"), g.Text(" beta")))}, v.value(p, e.Properties[p.Name]))
	}
	pairs = append(pairs, g.Text("Version"), g.Text(strconv.FormatInt(e.Version, 10)), g.Text("Created"), v.when(&e.CreatedDateTime), g.Text("Created by"), code(e.CreatedBy.String()))
	if e.CreatedWith != nil {
		pairs = append(pairs, g.Text("Created with"), code(e.CreatedWith.String()))
	}
	name, _ := e.Properties[nameProperty].(string)
	if strings.TrimSpace(name) == "" {
		name = e.Id
	}
	return screen{title: name, body: g.Group{
		heading(name), html.P(html.Class("note"), code(e.Id)), facts(pairs...), v.actions(t, e), copyable("As beta shows it", "entity", indented(e.Properties)),
	}}, nil
}

// actions returns a button for each action of the partner that the entity's state allows.
func (v *visit) actions(t *entity.Type, e api.Entity) g.Node {
	state, _ := e.Properties[t.State].(string)
	buttons := g.Group{}
	for i := range t.Actions {
		a := &t.Actions[i]
		if a.ByPartner && slices.Contains(a.States(t), state) {
			buttons = append(buttons, v.button("actOnEntity", words(a.Name), v.ofTenant("entitySet", t.SetName(), "entityId", e.Id, "action", a.Name)))
		}
	}
	if len(buttons) == 0 || !v.may("actOnEntity") {
		return nil
	}
	return html.Section(html.H2(g.Text("As the partner")), html.P(html.Class("note"), g.Text("What the partner does on its side; Graph has no request for it.")), html.Div(html.Class("buttons"), testID("actions"), buttons))
}
