package fault

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mocktenant/mocktenant/api"
)

const (
	nextLink = "@odata.nextLink"

	// extraProperty is a property that the metadata doesn't know.
	extraProperty = "futureProperty"
)

// change changes the body of an answer to a URL. A body that isn't the JSON that a change
// applies to stays.
func change(body []byte, changes []api.FaultChange, url string, random *rand.Rand) []byte {
	o, isObject := parseObject(body)
	if isObject {
		for _, c := range changes {
			o = o.change(c, url, random)
		}
		body = o.appendTo(nil)
	}
	for _, c := range changes {
		switch c {
		case api.FaultChangeEmpty:
			return nil
		case api.FaultChangeMalformedJson:
			body = body[:len(body)-len(body)/3-min(1, len(body))]
		}
	}
	return body
}

// object is a JSON object with its members in their order.
type object []member

type member struct {
	name  string
	value []byte
}

func parseObject(raw []byte) (o object, ok bool) {
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	if d.PeekKind() != '{' {
		return nil, false
	}
	_, _ = d.ReadToken()
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, false
		}
		m := member{name: name.String()}
		value, err := d.ReadValue()
		if err != nil {
			return nil, false
		}
		m.value = bytes.Clone(value)
		o = append(o, m)
	}
	return o, true
}

func (o object) appendTo(b []byte) []byte {
	b = append(b, '{')
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, quoted(m.name)...), ':'), m.value...)
	}
	return append(b, '}')
}

func quoted(text string) []byte {
	b, _ := jsontext.AppendQuote(nil, text)
	return b
}

func (o object) change(c api.FaultChange, url string, random *rand.Rand) object {
	switch c {
	case api.FaultChangeDuplicateNextLink:
		if link := o.at(nextLink); link >= 0 {
			return append(o[:link+1:link+1], o[link:]...)
		}
	case api.FaultChangeLoopNextLink:
		if link := o.at(nextLink); link >= 0 {
			o[link].value = quoted(url)
		}
	case api.FaultChangeEmptyPage:
		return o.emptied(url)
	case api.FaultChangeShuffleResponses:
		o.shuffle("responses", random)
	case api.FaultChangeShuffleProperties, api.FaultChangeExtraProperties, api.FaultChangeUpperCaseIds:
		return o.eachEntity(func(e object) object { return e.disguise(c, random) })
	}
	return o
}

func (o object) at(name string) int {
	for i, m := range o {
		if m.name == name {
			return i
		}
	}
	return -1
}

// emptied returns a page without its entities and with a link to itself.
func (o object) emptied(url string) object {
	value := o.at("value")
	if value < 0 || !bytes.HasPrefix(o[value].value, []byte("[")) {
		return o
	}
	o[value].value = []byte("[]")
	if link := o.at(nextLink); link >= 0 {
		o[link].value = quoted(url)
		return o
	}
	return append(o[:value:value], append(object{{nextLink, quoted(url)}}, o[value:]...)...)
}

func (o object) shuffle(name string, random *rand.Rand) {
	at := o.at(name)
	var items []json.RawMessage
	if at < 0 || json.Unmarshal(o[at].value, &items) != nil {
		return
	}
	random.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	o[at].value = joined(items)
}

func joined(items []json.RawMessage) []byte {
	parts := make([][]byte, len(items))
	for i, item := range items {
		parts[i] = item
	}
	return append(append([]byte{'['}, bytes.Join(parts, []byte{','})...), ']')
}

// eachEntity changes the object if it is an entity, or the entities in it if it is a page.
func (o object) eachEntity(f func(object) object) object {
	if o.at("error") >= 0 || o.at("responses") >= 0 {
		return o
	}
	at := o.at("value")
	if at < 0 {
		return f(o)
	}
	var items []json.RawMessage
	if json.Unmarshal(o[at].value, &items) != nil {
		return o
	}
	for i, item := range items {
		if e, ok := parseObject(item); ok {
			items[i] = f(e).appendTo(nil)
		}
	}
	o[at].value = joined(items)
	return o
}

// disguise changes the form of an entity but not its meaning.
func (o object) disguise(c api.FaultChange, random *rand.Rand) object {
	switch c {
	case api.FaultChangeExtraProperties:
		return append(o, member{extraProperty, []byte(`{"@odata.type":"#microsoft.graph.unknown","values":[1,null]}`)})
	case api.FaultChangeUpperCaseIds:
		if id := o.at("id"); id >= 0 {
			o[id].value = bytes.ToUpper(o[id].value)
		}
	case api.FaultChangeShuffleProperties: // annotations stay in front, as JSON Format 4.5 requires
		first := 0
		for first < len(o) && strings.HasPrefix(o[first].name, "@") {
			first++
		}
		rest := o[first:]
		random.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	}
	return o
}
