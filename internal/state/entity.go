package state

import (
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/mocktenant/mocktenant/internal/entity"
)

// ReadEntity reads an entity from a request: its id, which may be "", and the properties that
// a caller may set. named says which those are. A refusal is an *Error with its place in the
// request.
func ReadEntity(t *entity.Type, id string, properties []byte) (i Item, named []bool, err error) {
	m, named := members{}, make([]bool, len(t.Properties))
	if len(properties) > 0 {
		if err := json.Unmarshal(properties, &m); err != nil {
			return i, nil, &Error{Pointer: "/properties", Message: "want an object"}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if fault := settable(t, name); fault != "" {
			return i, nil, &Error{Pointer: "/properties/" + name, Message: fault}
		}
		named[t.Index(name)] = true
	}
	if id != "" {
		m["id"] = entity.AppendString(nil, id)
	}
	i, at, message := m.parse(t)
	switch {
	case message == "":
		return i, named, nil
	case at == "", at == "/id":
		return i, nil, &Error{Pointer: "/id", Message: message}
	}
	return i, nil, &Error{Pointer: "/properties" + at, Message: message}
}

// settable says why nobody may set a property, or "".
func settable(t *entity.Type, name string) string {
	i := t.Index(name)
	switch {
	case i < 0 || t.Properties[i].Hidden:
		return "unknown property"
	case t.Properties[i].ReadOnly:
		return fmt.Sprintf("only the service sets %s", name)
	}
	return ""
}
