package state

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// These limits bound a YAML document in bytes and in values, whose number is estimated from
// the characters that end them. YAML is read as a whole and takes many times its size in
// memory. JSON has no such limits.
const (
	MaxYAML       = 4 << 20
	maxYAMLValues = 300_000
)

// readYAML converts a YAML document to JSON with the same line numbers.
func readYAML(in io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(in, MaxYAML+1))
	if err != nil {
		return nil, err
	}
	if len(text) > MaxYAML {
		return nil, &Error{Message: fmt.Sprintf("a YAML document may have %d bytes; use JSON for larger ones", MaxYAML)}
	}
	if n := bytes.Count(text, []byte(",")) + bytes.Count(text, []byte(":")) + bytes.Count(text, []byte("\n")); n > maxYAMLValues {
		return nil, &Error{Message: fmt.Sprintf("a YAML document may have %d values, and this one has about %d; use JSON for larger ones", maxYAMLValues, n)}
	}
	root, err := loadYAML(text)
	if err != nil {
		return nil, err
	}
	c := converter{line: 1}
	if err := c.value(root); err != nil {
		return nil, err
	}
	return c.json, nil
}

// loadYAML reads the only document of a YAML stream.
func loadYAML(text []byte) (*yaml.Node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(text), yaml.WithV3Defaults(), yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth))))
	if err != nil {
		return nil, err
	}
	var root, next yaml.Node
	if err := loader.Load(&root); err != nil && !errors.Is(err, io.EOF) {
		return nil, yamlError(err)
	}
	if len(root.Content) != 1 {
		return nil, &Error{Line: 1, Message: "the document is empty"}
	}
	switch err := loader.Load(&next); {
	case err == nil:
		return nil, &Error{Line: next.Line, Message: "a second document begins; a file may have only one"}
	case !errors.Is(err, io.EOF):
		return nil, yamlError(err)
	}
	return root.Content[0], nil
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

func yamlError(err error) error {
	e := &Error{Message: err.Error()}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
	}
	return e
}

// converter writes JSON.
type converter struct {
	json []byte
	line int
}

// begin moves to the line of the next value.
func (c *converter) begin(n *yaml.Node) {
	for ; c.line < n.Line; c.line++ {
		c.json = append(c.json, '\n')
	}
}

func (c *converter) value(n *yaml.Node) error {
	c.begin(n)
	switch n.Kind {
	case yaml.MappingNode:
		return c.list('{', '}', n.Content, 2)
	case yaml.SequenceNode:
		return c.list('[', ']', n.Content, 1)
	case yaml.ScalarNode:
		return c.scalar(n)
	}
	return &Error{Line: n.Line, Message: "anchors and aliases are not supported; write the value out"}
}

func (c *converter) list(open, end byte, nodes []*yaml.Node, step int) error {
	c.json = append(c.json, open)
	for i, n := range nodes {
		if i > 0 {
			c.json = append(c.json, ",:"[i%step])
		}
		if step == 2 && i%2 == 0 { // a name is a string, whatever it looks like
			if n.Kind != yaml.ScalarNode {
				return &Error{Line: n.Line, Message: "want a name"}
			}
			c.begin(n)
			c.json, _ = jsontext.AppendQuote(c.json, n.Value)
			continue
		}
		if err := c.value(n); err != nil {
			return err
		}
	}
	c.json = append(c.json, end)
	return nil
}

// scalar writes a number, a boolean or null as such. A date becomes a string.
func (c *converter) scalar(n *yaml.Node) error {
	switch n.ShortTag() {
	case "!!null":
		c.json = append(c.json, "null"...)
	case "!!bool", "!!int", "!!float":
		var v any
		if err := n.Decode(&v); err != nil {
			return &Error{Line: n.Line, Message: err.Error()}
		}
		text := jsontext.Value(fmt.Sprint(v))
		if !text.IsValid() {
			return &Error{Line: n.Line, Message: fmt.Sprintf("%s: JSON doesn't have such numbers", n.Value)}
		}
		c.json = append(c.json, text...)
	case "!!str", "!!timestamp", "!!binary":
		quoted, err := jsontext.AppendQuote(nil, n.Value)
		if err != nil {
			return &Error{Line: n.Line, Message: "want UTF-8"}
		}
		c.json = append(c.json, quoted...)
	default:
		return &Error{Line: n.Line, Message: fmt.Sprintf("the tag %s is not supported", n.Tag)}
	}
	return nil
}

// appendYAML appends a JSON value as YAML, in block style.
func appendYAML(b, value []byte, indent string) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(value, &root); err != nil {
		return nil, err
	}
	plain(&root)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(&root), encoder.Close()); err != nil {
		return nil, err
	}
	for line := range bytes.Lines(out.Bytes()) {
		b = append(append(b, indent...), line...)
	}
	return b, nil
}

// plain removes JSON's style, except quotes that a string needs.
func plain(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		plain(c)
	}
}
