package entity

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ReadStrings reads a collection of Edm.String, each of at most limit characters, from JSON.
// It reads null as an empty collection. It returns a *Fault for an invalid value.
func ReadStrings(limit int, raw jsontext.Value) (string, error) {
	var items []jsontext.Value
	switch kind := raw.Kind(); {
	case kind == 'n':
		return "[]", nil
	case kind != '[':
		return "", fault("", "A value that is not a collection was found. A 'StartArray' node was expected.")
	}
	if err := json.Unmarshal(raw, &items); err != nil {
		return "", fault("", "%s", err)
	}
	if len(items) > maxObjects {
		return "", fault("", "The collection has %d items; at most %d are allowed.", len(items), maxObjects)
	}
	b := []byte{'['}
	for _, item := range items {
		text, err := jsontext.AppendUnquote(nil, item)
		switch {
		case item.Kind() == 'n':
			return "", fault("", "A null value was found in a collection of 'Edm.String[Nullable=False]', which does not allow null values.")
		case err != nil: // not a text
			return "", fault("", "Cannot convert the literal '%s' to the expected type 'Edm.String'.", item)
		case bytes.IndexByte(text, 0) >= 0:
			return "", fault("", "An item holds the character U+0000, which is not supported.")
		case utf8.RuneCount(text) > limit:
			return "", fault("", "An item has %d characters; at most %d are allowed.", utf8.RuneCount(text), limit)
		}
		b = append(append(b, item...), ',')
	}
	return string(append(trimComma(b), ']')), nil
}
