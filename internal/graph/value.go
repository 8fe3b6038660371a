package graph

import (
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// value is the value of one member of a body, still to be read. Its methods
// read it as one type and refuse every other in the words of Microsoft's OData
// reader.
type value struct {
	name    string
	decoder *jsontext.Decoder
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

// required reads a string that may not be null.
func (v value) required(edmType string) (string, error) {
	text, ok, err := v.text(edmType)
	if err == nil && !ok {
		err = errModelValidation(v.name, "A null value was found for the property named '%[1]s', which has the expected type '%[2]s[Nullable=False]'. The expected type '%[2]s[Nullable=False]' does not allow null values.", v.name, edmType)
	}
	return text, err
}

// nullableString reads an Edm.String of at most most characters. U+0000 is
// refused: Postgres can't keep it.
func (v value) nullableString(most int) (*string, error) {
	text, ok, err := v.text("Edm.String")
	switch {
	case err != nil || !ok:
		return nil, err
	case strings.ContainsRune(text, 0):
		return nil, errModelValidation(v.name, "The value of the property '%s' holds the character U+0000, which is not supported.", v.name)
	case utf8.RuneCountInString(text) > most:
		return nil, errModelValidation(v.name, "The value of the property '%s' has %d characters; at most %d are allowed.", v.name, utf8.RuneCountInString(text), most)
	}
	return &text, nil
}

// nullableURL reads an Edm.String that holds an absolute http or https URL.
func (v value) nullableURL(most int) (*string, error) {
	text, err := v.nullableString(most)
	if err == nil && text != nil && !absoluteURL(*text) {
		return nil, errModelValidation(v.name, "The value '%s' of the property '%s' is not an absolute http or https URL.", *text, v.name)
	}
	return text, err
}

func (v value) enum(edmType string, valid func(string) bool) (string, error) {
	name, err := v.required(edmType)
	switch {
	case err != nil:
		return "", err
	case strings.TrimSpace(name) == "":
		return "", errModelValidation(v.name, "Must specify valid information for parsing in the string.")
	case !valid(name):
		return "", errModelValidation(v.name, "Requested value '%s' was not found.", name)
	}
	return name, nil
}

func (v value) dateTimeOffset() (time.Time, error) {
	text, err := v.required("Edm.DateTimeOffset")
	if err != nil {
		return time.Time{}, err
	}
	t, err := odata.ParseDateTimeOffset(text)
	if err != nil {
		return time.Time{}, errModelValidation(v.name, "%s", err)
	}
	return t, nil
}

// annotation reads a control member: only the type is looked at, and must be
// the expected one.
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

// appendString appends text as JSON.
func appendString(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			b, _ = jsontext.AppendQuote(b, text) // invalid UTF-8, its only error, can't come out of Postgres
			return b
		}
	}
	return append(append(append(b, '"'), text...), '"') // nearly all
}

func appendNullableString(b []byte, text *string) []byte {
	if text == nil {
		return append(b, "null"...)
	}
	return appendString(b, *text)
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

// appendTime appends a date from the columns in which it is kept.
func appendTime(b []byte, at time.Time, hundredNs, offset int16) []byte {
	b = odata.AppendDateTimeOffset(append(b, '"'), db.JoinTime(at, hundredNs, offset))
	return append(b, '"')
}
