package state

import (
	"encoding/json"
	"strings"
	"sync"

	"go.yaml.in/yaml/v4"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/entity"
)

// object is an object in a schema.
type object = map[string]any

// Schema returns the JSON Schema of a document (draft 2020-12).
var Schema = sync.OnceValue(func() []byte { return withFaults(withEntities(schema)) })

// withFaults puts the contract's schemas of a rule into the definitions of a document, where
// it says RULES.
func withFaults(schema []byte) []byte {
	var contract struct {
		Components struct {
			Schemas map[string]any `yaml:"schemas"`
		} `yaml:"components"`
	}
	if err := yaml.Unmarshal(api.OpenAPI, &contract); err != nil {
		panic(err) // it is embedded, and a test reads it
	}
	var definitions []string
	for _, name := range []string{"FaultMatch", "FaultHeader", "FaultMember", "FaultSchedule", "FaultEffect", "FaultChange"} {
		text, err := json.MarshalIndent(contract.Components.Schemas[name], "    ", "  ")
		if err != nil {
			panic(err) // what YAML has, JSON has, too
		}
		definitions = append(definitions, `"`+name+`": `+strings.ReplaceAll(string(text), "#/components/schemas/", "#/$defs/"))
	}
	return []byte(strings.Replace(string(schema), `"RULES": true`, strings.Join(definitions, ",\n    "), 1))
}

// withEntities puts the entities into the schema of a document, where it says ENTITIES:
// first among its members, then among its definitions.
func withEntities(schema string) []byte {
	var sets, definitions []string
	for _, t := range entity.All {
		sets = append(sets, `"`+t.SetName()+`": { "type": "array", "items": { "$ref": "#/$defs/`+t.Name+`" } }`)
		definitions = append(definitions, `"`+t.Name+`": `+definition(t))
	}
	const here = `"ENTITIES": true`
	schema = strings.Replace(schema, here, strings.Join(sets, ",\n    "), 1)
	return []byte(strings.Replace(schema, here, strings.Join(definitions, ",\n    "), 1))
}

// definition returns the schema of an entity.
func definition(t *entity.Type) string {
	properties := object{
		"id": reference("uuid"), "createdDateTime": reference("dateTime"), "createdBy": reference("uuid"), "createdWith": reference("uuid"),
	}
	if t.Keys == entity.CounterKeys {
		properties["id"] = object{"type": "string", "pattern": "^(0|[1-9][0-9]*)$"}
	}
	schema := object{"type": "object", "additionalProperties": false, "description": t.Description, "properties": properties}
	if t.Keys == entity.ComposedKeys {
		properties["id"] = object{"type": "string", "pattern": "^[0-9A-Fa-f-]{36}_.+$", "description": "The id of the " + t.Parent.Noun + ", _ and the " + t.KeyPart + "."}
		schema["required"] = []string{"id"}
	}
	for i := range t.Properties {
		if p := &t.Properties[i]; p.In(true) {
			properties[p.Name] = propertySchema(p)
		}
	}
	text, err := json.MarshalIndent(schema, "    ", "  ")
	if err != nil {
		panic(err) // only texts and numbers, which can't fail
	}
	return string(text)
}

func reference(name string) object { return object{"$ref": "#/$defs/" + name} }

func propertySchema(p *entity.Property) object {
	s := object{"description": p.Description}
	switch p.Kind {
	case entity.TextKind, entity.URLKind:
		s["type"], s["maxLength"] = "string", p.Max
	case entity.EnumKind:
		s["enum"], s["default"] = p.Enum.Members, p.Default().Text
	case entity.DateKind:
		s["type"], s["format"] = "string", "date-time"
	case entity.BooleanKind:
		s["type"], s["default"] = "boolean", false
	case entity.IntegerKind:
		s["type"], s["default"] = "integer", p.Initial.Number
	case entity.FlagsKind:
		s["type"], s["default"] = "string", p.Enum.Members[0]
		s["description"] = p.Description + " One or, with commas between them, several of " + oneOf(p.Enum.Members) + "."
	case entity.StringsKind:
		s["type"], s["items"], s["default"] = "array", object{"type": "string", "maxLength": p.Max}, json.RawMessage(p.Initial.Text)
	case entity.ObjectsKind:
		s["type"], s["items"] = "array", object{"type": "object"}
	}
	if kind, ok := s["type"].(string); ok && p.Nullable {
		s["type"] = []string{kind, "null"}
	}
	return s
}
