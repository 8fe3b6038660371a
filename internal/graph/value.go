package graph

import (
	"cmp"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// value is the value of a member in a body before it is read. Each method reads it as one
// type and refuses any other in the words of Microsoft's OData reader.
type value struct {
	name    string
	decoder *jsontext.Decoder
	beta    bool // the requested version is beta

	nullable bool
}

// read reads the value of a property.
func (v value) read(p *entity.Property) (entity.Value, error) {
	v.nullable = p.Nullable
	switch p.Kind {
	case entity.TextKind:
		return v.nullableString(p.Max)
	case entity.URLKind:
		return v.nullableURL(p.Max)
	case entity.EnumKind:
		return v.enum(p.EnumIn(v.beta))
	case entity.FlagsKind:
		return v.flags(p.Enum)
	case entity.DateKind:
		return v.dateTimeOffset()
	case entity.BooleanKind:
		return v.boolean()
	case entity.IntegerKind:
		return v.integer()
	case entity.StringsKind:
		return v.collection(func(raw jsontext.Value) (string, error) { return entity.ReadStrings(p.Max, raw) })
	default:
		return v.collection(func(raw jsontext.Value) (string, error) { return entity.ReadObjects(p.Object, raw, v.beta) })
	}
}

// errUnknownProperty refuses a member that doesn't exist in its type.
func errUnknownProperty(name, typeName string) error {
	return errModelValidation(name, "The property '%s' does not exist on type '%s'. Make sure to only use property names that are defined by the type.", name, typeName)
}

// text reads a string; ok is false for null.
func (v value) text(edmType string) (text string, ok bool, err error) {
	switch kind := v.decoder.PeekKind(); kind {
	case '"':
		token, err := v.decoder.ReadToken()
		return token.String(), true, err
	case 'n':
		_, err := v.decoder.ReadToken()
		return "", false, err
	case '{', '[':
		node := map[jsontext.Kind]string{'{': "StartObject", '[': "StartArray"}[kind]
		return "", false, errModelValidation(v.name, "An unexpected '%s' node was found when reading from the JSON reader. A 'PrimitiveValue' node was expected.", node)
	default:
		literal, err := v.decoder.ReadValue()
		if err != nil {
			return "", false, err
		}
		return "", false, errModelValidation(v.name, "Cannot convert the literal '%s' to the expected type '%s'.", literal, edmType)
	}
}

// required reads a string other than null.
func (v value) required(edmType string) (string, error) {
	text, ok, err := v.text(edmType)
	if err == nil && !ok {
		err = errNull(v.name, edmType)
	}
	return text, err
}

func errNull(name, edmType string) error {
	return errModelValidation(name, "A null value was found for the property named '%[1]s', which has the expected type '%[2]s[Nullable=False]'. The expected type '%[2]s[Nullable=False]' does not allow null values.", name, edmType)
}

// nullableString reads an Edm.String of up to most characters. It refuses U+0000, which
// Postgres can't store.
func (v value) nullableString(most int) (entity.Value, error) {
	text, ok, err := v.text("Edm.String")
	switch {
	case err == nil && !ok && !v.nullable:
		return entity.Value{}, errNull(v.name, "Edm.String")
	case err != nil || !ok:
		return entity.Value{Null: true}, err
	case strings.ContainsRune(text, 0):
		return entity.Value{}, errModelValidation(v.name, "The value of the property '%s' holds the character U+0000, which is not supported.", v.name)
	case utf8.RuneCountInString(text) > most:
		return entity.Value{}, errModelValidation(v.name, "The value of the property '%s' has %d characters; at most %d are allowed.", v.name, utf8.RuneCountInString(text), most)
	}
	return entity.Value{Text: text}, nil
}

// nullableURL reads an Edm.String that holds an absolute http or https URL.
func (v value) nullableURL(most int) (entity.Value, error) {
	read, err := v.nullableString(most)
	if err == nil && !read.Null && !entity.AbsoluteURL(read.Text) {
		return entity.Value{}, errModelValidation(v.name, "The value '%s' of the property '%s' is not an absolute http or https URL.", read.Text, v.name)
	}
	return read, err
}

// flags reads members of an enumeration, with commas between them.
func (v value) flags(t *odata.EnumType) (entity.Value, error) {
	text, err := v.required(t.Name)
	if err != nil {
		return entity.Value{}, err
	}
	sum, unknown, ok := t.ParseFlags(text)
	if !ok {
		return entity.Value{}, errModelValidation(v.name, "Requested value '%s' was not found.", unknown)
	}
	return entity.Value{Number: sum}, nil
}

func (v value) enum(t *odata.EnumType) (entity.Value, error) {
	name, err := v.required(t.Name)
	switch {
	case err != nil:
		return entity.Value{}, err
	case strings.TrimSpace(name) == "":
		return entity.Value{}, errModelValidation(v.name, "Must specify valid information for parsing in the string.")
	case !slices.Contains(t.Members, name):
		return entity.Value{}, errModelValidation(v.name, "Requested value '%s' was not found.", name)
	}
	return entity.Value{Text: name}, nil
}

func (v value) dateTimeOffset() (entity.Value, error) {
	text, ok, err := v.text("Edm.DateTimeOffset")
	switch {
	case err != nil:
		return entity.Value{}, err
	case !ok && v.nullable:
		return entity.Value{Null: true}, nil
	case !ok:
		return entity.Value{}, errNull(v.name, "Edm.DateTimeOffset")
	}
	t, err := odata.ParseDateTimeOffset(text)
	if err != nil {
		return entity.Value{}, errModelValidation(v.name, "%s", err)
	}
	return entity.DateValue(t), nil
}

// boolean reads an Edm.Boolean other than null.
func (v value) boolean() (entity.Value, error) {
	switch kind := v.decoder.PeekKind(); kind {
	case 't', 'f':
		token, err := v.decoder.ReadToken()
		return entity.BoolValue(token.Bool()), err
	case '"':
		literal, err := v.decoder.ReadValue()
		if err == nil {
			err = errModelValidation(v.name, "Cannot convert the literal '%s' to the expected type 'Edm.Boolean'.", strings.Trim(string(literal), `"`))
		}
		return entity.Value{}, err
	}
	_, err := v.required("Edm.Boolean")
	return entity.Value{}, err
}

// integer reads an Edm.Int32 other than null.
func (v value) integer() (entity.Value, error) {
	if v.decoder.PeekKind() != '0' {
		_, err := v.required("Edm.Int32")
		if err == nil {
			err = errModelValidation(v.name, "Cannot convert a string to the expected type 'Edm.Int32'.")
		}
		return entity.Value{}, err
	}
	literal, err := v.decoder.ReadValue()
	if err != nil {
		return entity.Value{}, err
	}
	n, err := strconv.ParseInt(string(literal), 10, 32)
	if err != nil {
		return entity.Value{}, errModelValidation(v.name, "Cannot convert the literal '%s' to the expected type 'Edm.Int32'.", literal)
	}
	return entity.Value{Number: n}, nil
}

// collection reads a collection or null; read reads its items.
func (v value) collection(read func(jsontext.Value) (string, error)) (entity.Value, error) {
	raw, err := v.decoder.ReadValue()
	if err != nil {
		return entity.Value{}, err
	}
	if raw.Kind() == 'n' && v.nullable {
		return entity.Value{Null: true}, nil
	}
	text, err := read(raw)
	var fault *entity.Fault
	if errors.As(err, &fault) {
		return entity.Value{}, errModelValidation(cmp.Or(fault.Member, v.name), "%s", fault.Message)
	}
	return entity.Value{Text: text}, err
}

// annotation reads a control member. Only the type is checked: it must be the expected one.
func (v value) annotation(expected string) error {
	if v.name != "@odata.type" && v.name != "@type" {
		return v.decoder.SkipValue()
	}
	name, err := v.required("Edm.String")
	if err != nil {
		return err
	}
	name = strings.TrimPrefix(name, "#")
	switch name {
	case expected:
		return nil
	case "microsoft.graph.entity", "microsoft.graph.deviceManagement":
		return errModelValidation(v.name, "An entry with type '%s' was found, but it is not assignable to the expected type '%s'.", name, expected)
	}
	return errModelValidation(v.name, "A type named '%s' could not be resolved by the model. When a model is available, each type name must resolve to a valid type.", name)
}

func appendUUID(b []byte, id uuid.UUID) []byte {
	var text [38]byte
	text[0], text[9], text[14], text[19], text[24], text[37] = '"', '-', '-', '-', '-', '"'
	hex.Encode(text[1:9], id[:4])
	hex.Encode(text[10:14], id[4:6])
	hex.Encode(text[15:19], id[6:8])
	hex.Encode(text[20:24], id[8:10])
	hex.Encode(text[25:37], id[10:])
	return append(b, text[:]...)
}

// appendValue appends the value of a property as JSON.
func (x *exchange) appendValue(b []byte, p *entity.Property, v entity.Value) []byte {
	return p.AppendJSON(b, v, entity.Form{Beta: x.version.beta, Typed: x.format.metadata != "none"})
}
