package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/entity"
)

// schema returns the schema of the form's body. The properties of an entity have the fields
// that the entity's description names.
func (f *form) schema() *schema {
	s := f.op.body()
	t, known := entity.Find(f.params["entitySet"])
	if !known || s == nil || f.op.name != "createEntity" && f.op.name != "updateEntity" {
		return s
	}
	all := *s
	all.Properties = properties{{"properties", &schema{Type: typeNames{"object"}, Properties: entityFields(t, f.op.name == "createEntity"), flat: true}}}
	for _, p := range s.Properties {
		field := *contract().resolve(p.schema) // all requests share the contract's
		field.hidden = p.name == "version"
		if p.name != "properties" && (p.name != "id" || !t.Singleton) {
			all.Properties = append(all.Properties, property{p.name, &field})
		}
	}
	return &all
}

// entityFields returns the schemas of the properties that a person may set.
func entityFields(t *entity.Type, creating bool) (all properties) {
	for i := range t.Properties {
		p := &t.Properties[i]
		if !p.Hidden && !p.ReadOnly && p.Name != t.KeyPart {
			all = append(all, property{p.Name, entityField(p, creating)})
		}
	}
	return all
}

// entityField returns the schema of a property. Everything may be null, which means the
// default.
func entityField(p *entity.Property, creating bool) *schema {
	s := &schema{Type: typeNames{"string", "null"}, Description: p.Description, MaxLength: p.Max}
	switch p.Kind {
	case entity.EnumKind:
		s.Enum = p.Enum.Members
	case entity.DateKind:
		s.Format = "date-time"
	case entity.BooleanKind:
		s.Type = typeNames{"boolean", "null"}
	case entity.IntegerKind:
		s.Type = typeNames{"integer", "null"}
	case entity.FlagsKind:
		s.Description += " One or more, with commas between them: " + strings.Join(p.Enum.Members, ", ") + "."
	case entity.StringsKind:
		s.Type, s.Items = typeNames{"array", "null"}, &schema{Type: typeNames{"string"}}
	case entity.ObjectsKind, entity.ObjectKind:
		s.Type = typeNames{"null"}
		s.Description += " As JSON."
	}
	if creating && !p.Nullable && p.Kind == entity.IntegerKind {
		s.Default = p.Initial.Number
	}
	return s
}

// conflict prepares the form again after somebody else changed the entity: it takes over their
// values, except where a person typed another one, and remembers both for the page.
func (v *visit) conflict(f *form) {
	var now json.RawMessage
	if f.op.name != "updateEntity" || f.fault == nil || f.fault.Status != http.StatusConflict || v.call(f.op.reads, f.params, &now) != nil {
		return
	}
	theirs := &form{op: f.op, params: f.params, values: map[string]string{}, was: map[string]string{}}
	theirs.prefill(f.schema(), now)
	eachField(f.schema(), "", func(name string, s *schema) {
		before, mine, their := f.was[name], f.values[name], theirs.values[name]
		switch {
		case s.hidden || before == their:
		case mine == before:
			f.theirs = append(f.theirs, both{name, before, their, their})
			f.values[name] = their
		default:
			f.theirs = append(f.theirs, both{name, before, their, mine})
		}
	})
	f.was = theirs.was
	f.values["/version"] = theirs.values["/version"]
}

// both has what two people made of a field: its value before, in the entity now, and in the
// form.
type both struct{ name, before, theirs, mine string }

// bothTable shows what somebody else changed while a person was typing.
func (v *visit) bothTable(f *form) g.Node {
	if len(f.theirs) == 0 {
		return nil
	}
	rows := make([]g.Group, len(f.theirs))
	for i, b := range f.theirs {
		rows[i] = g.Group{html.Text(words(b.name[strings.LastIndexByte(b.name, '/')+1:])), shownText(b.before), shownText(b.theirs), shownText(b.mine)}
	}
	return html.Section(
		html.P(html.Text("Compare both, correct the form, and send it again. It starts with their values where you changed nothing.")),
		table("conflict", []string{"Property", "When you began", "Theirs now", "In your form"}, rows))
}

func shownText(value string) g.Node {
	if value == "" {
		return html.Span(html.Class("note"), html.Text("nothing"))
	}
	return text(value)
}

// toEntity leads to an entity that a form created.
func toEntity(f *form, answer json.RawMessage) (string, error) {
	var e api.Entity
	if err := json.Unmarshal(answer, &e); err != nil {
		return "", fmt.Errorf("read the created entity: %w", err)
	}
	return tenantAt(f.params["tenantId"]) + "/entities/" + f.params["entitySet"] + "/" + url.PathEscape(e.Id), nil
}
