package graph

import (
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mocktenant/mocktenant/internal/entity"
)

// getProperty answers with one property (Protocol 11.2.4), or with 204 if it is null.
func (r *resource) getProperty(x *exchange) error {
	value, err := r.readProperty(x)
	if err != nil || string(value) == "null" {
		if err == nil {
			x.writeNoContent()
		}
		return err
	}
	b := []byte{'{'}
	if x.format.metadata != "none" {
		set := r.Set
		if r.parent != nil {
			set = r.containedIn(x.Param("id"))
		}
		context := x.versionURL() + "$metadata#" + set + "('" + r.keyParam(x) + "')/" + x.Param("property")
		b = append(entity.AppendString(append(b, `"@odata.context":`...), context), ',')
	}
	b = append(append(append(b, `"value":`...), value...), '}')
	x.writeJSON(http.StatusOK, b)
	return nil
}

// getPropertyValue answers with the raw value of a property (Protocol 11.2.4.1).
func (r *resource) getPropertyValue(x *exchange) error {
	value, err := r.readProperty(x)
	if err != nil {
		return err
	}
	x.setHeader("OData-Version", "4.0")
	if string(value) == "null" {
		x.writeNoContent()
		return nil
	}
	if value[0] == '"' {
		if value, err = jsontext.AppendUnquote(nil, value); err != nil {
			return err
		}
	}
	x.Data(http.StatusOK, "text/plain;charset=utf-8", value)
	return nil
}

// readProperty reads the value of the property in the path, as JSON.
func (r *resource) readProperty(x *exchange) ([]byte, error) {
	name, bare := x.Param("property"), strings.HasSuffix(x.FullPath(), "/$value")
	i, ok := r.property(x, name)
	switch {
	case slices.ContainsFunc(r.Actions, func(a entity.Action) bool { return a.Name == name && !a.ByPartner }):
		return nil, noMethod(x)
	case !ok && name != "id", ok && bare && !r.Properties[i].IsPrimitive(): // only primitive values have a raw form
		return nil, errBadRequest("Resource not found for the segment '%s'.", name)
	}
	if bare {
		if err := x.negotiateText(); err != nil {
			return nil, err
		}
	}
	key, _, err := r.key(x)
	if err != nil {
		return nil, err
	}
	row, err := r.read(x, key)
	if err != nil {
		return nil, err
	}
	if name == "id" {
		return r.appendKey(nil, row), nil
	}
	return x.appendValue(nil, &r.Properties[i], row.Value(i)), nil
}
