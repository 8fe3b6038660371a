package entity

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxObjects is the maximum number of values in a collection. The limit is ours: no source
// names one.
const maxObjects = 1000

// Fault says what is wrong with a value or one of its members.
type Fault struct {
	Member  string // "" for the value itself
	Message string
}

func (f *Fault) Error() string { return f.Message }

func fault(member, format string, args ...any) *Fault {
	return &Fault{member, fmt.Sprintf(format, args...)}
}

// ReadObjects reads a collection of a complex type from JSON and returns it in the form of
// beta, from which both versions are written. It returns a *Fault for an invalid value.
func ReadObjects(c *Complex, raw jsontext.Value, beta bool) (string, error) {
	var items []jsontext.Value
	if raw.Kind() != '[' {
		return "", fault("", "A value that is not a collection was found. A 'StartArray' node was expected.")
	}
	if err := json.Unmarshal(raw, &items); err != nil {
		return "", fault("", "%s", err)
	}
	if len(items) > maxObjects {
		return "", fault("", "The collection has %d items; at most %d are allowed.", len(items), maxObjects)
	}
	b := []byte{'['}
	for i, item := range items {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = readObject(b, c, item, beta); err != nil {
			return "", err
		}
	}
	return string(append(b, ']')), nil
}

// readObject appends a complex value in its stored form: its type, unless that is c, and
// every member.
func readObject(b []byte, c *Complex, raw jsontext.Value, beta bool) ([]byte, error) {
	var members map[string]jsontext.Value
	if raw.Kind() != '{' {
		return nil, fault("", "An unexpected value was found for a '%s.%s'. A 'StartObject' node was expected.", Namespace, c.Name)
	}
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, fault("", "%s", err)
	}
	actual, err := resolve(c, members["@odata.type"])
	if err != nil {
		return nil, err
	}
	b = append(b, '{')
	if actual != c {
		b = append(b, `"@odata.type":"#`+Namespace+"."+actual.Name+`",`...)
	}
	known := slices.DeleteFunc(slices.Clone(actual.Members()), func(m Member) bool { return m.BetaOnly && !beta })
	if name, ok := unknown(members, known); ok {
		return nil, fault(name, "The property '%s' does not exist on type '%s.%s'. Make sure to only use property names that are defined by the type.", name, Namespace, actual.Name)
	}
	for _, m := range actual.Members() {
		raw := members[m.Name]
		if m.BetaOnly && !beta {
			raw = nil
		}
		if b, err = readMember(append(append(append(b, '"'), m.Name...), `":`...), m, raw, beta); err != nil {
			return nil, err
		}
		b = append(b, ',')
	}
	return append(trimComma(b), '}'), nil
}

func trimComma(b []byte) []byte {
	if b[len(b)-1] == ',' {
		return b[:len(b)-1]
	}
	return b
}

// resolve returns the type that a complex value names, with or without the # of a URL's
// fragment. A value that names no type has the declared one.
func resolve(c *Complex, raw jsontext.Value) (*Complex, error) {
	if raw == nil {
		if c.Abstract {
			return nil, fault("@odata.type", "A value of the abstract type '%s.%s' was found. Name the type derived from it in '@odata.type'.", Namespace, c.Name)
		}
		return c, nil
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return nil, fault("@odata.type", "The value %s is not the name of a type.", raw)
	}
	name := strings.TrimPrefix(string(text), "#")
	if actual, ok := c.Resolve(strings.TrimPrefix(name, Namespace+".")); ok {
		return actual, nil
	}
	return nil, fault("@odata.type", "A type named '%s' could not be resolved by the model. When a model is available, each type name must resolve to a valid type.", name)
}

// unknown returns the alphabetically first member that isn't known. It ignores annotations.
func unknown(members map[string]jsontext.Value, known []Member) (first string, found bool) {
	for name := range members {
		if strings.Contains(name, "@") || slices.ContainsFunc(known, func(m Member) bool { return m.Name == name }) {
			continue
		}
		if !found || name < first {
			first, found = name, true
		}
	}
	return first, found
}

// readMember appends a member of a complex value; raw is nil if the value lacks it.
func readMember(b []byte, m Member, raw jsontext.Value, beta bool) ([]byte, error) {
	switch {
	case raw == nil && m.Enum != nil:
		return jsontext.AppendQuote(b, m.Enum[0])
	case raw == nil, raw.Kind() == 'n' && m.Enum == nil:
		return append(b, "null"...), nil
	case m.Object != nil:
		return readObject(b, m.Object, raw, beta)
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	switch {
	case err != nil: // not a text
		return nil, fault(m.Name, "Cannot convert the literal '%s' to the expected type '%s'.", raw, m.TypeName())
	case m.Enum != nil && !slices.Contains(m.Enum, string(text)):
		return nil, fault(m.Name, "Requested value '%s' was not found.", text)
	case slices.Contains(text, 0):
		return nil, fault(m.Name, "The value of the property '%s' holds the character U+0000, which is not supported.", m.Name)
	case m.Enum == nil && utf8.RuneCount(text) > m.Max:
		return nil, fault(m.Name, "The value of the property '%s' has %d characters; at most %d are allowed.", m.Name, utf8.RuneCount(text), m.Max)
	}
	return append(b, raw...), nil
}

// AppendObjects appends a stored collection with its members in the order of the description,
// which jsonb loses. It includes the names of types only if types is true, and the members
// that v1.0 lacks only if beta is true.
func AppendObjects(b []byte, c *Complex, kept string, types, beta bool) []byte {
	var items []map[string]jsontext.Value
	if err := json.Unmarshal([]byte(kept), &items); err != nil {
		return append(b, kept...)
	}
	b = append(b, '[')
	for _, item := range items {
		b = append(appendObject(b, c, item, types, beta), ',')
	}
	return append(trimComma(b), ']')
}

// appendKept appends a complex value that was kept, as AppendObjects appends several.
func appendKept(b []byte, c *Complex, kept string, form Form) []byte {
	var item map[string]jsontext.Value
	if err := json.Unmarshal([]byte(kept), &item); err != nil {
		return append(b, kept...)
	}
	return appendObject(b, c, item, form.Typed, form.Beta)
}

func appendObject(b []byte, c *Complex, item map[string]jsontext.Value, types, beta bool) []byte {
	b = append(b, '{')
	actual := c
	if kind := item["@odata.type"]; kind != nil {
		if found, err := resolve(c, kind); err == nil {
			actual = found
		}
		if types {
			b = append(append(append(b, `"@odata.type":`...), kind...), ',')
		}
	}
	for _, m := range actual.Members() {
		if m.BetaOnly && !beta {
			continue
		}
		b = append(append(append(b, '"'), m.Name...), `":`...)
		var inner map[string]jsontext.Value
		if raw := item[m.Name]; m.Object != nil && json.Unmarshal(raw, &inner) == nil && inner != nil {
			b = appendObject(b, m.Object, inner, types, beta)
		} else {
			b = append(b, raw...)
		}
		b = append(b, ',')
	}
	return append(trimComma(b), '}')
}
