package console

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v4"

	"github.com/mocktenant/mocktenant/api"
)

// contractFile has the parts of the administration's contract that forms need: each
// operation's path, role and parameters, and the schema of its body. Properties keep the
// contract's order, in which forms show them.
type contractFile struct {
	operations map[string]*operation
	schemas    map[string]*schema
}

// operation is an operation of the contract.
type operation struct {
	name, method, path string
	document           bool   // the body or the answer is a state document
	reads              string // the operation that reads what this one updates; "" if none

	ID         string      `yaml:"operationId"`
	Summary    string      `yaml:"summary"`
	Role       string      `yaml:"x-role"`
	Parameters []parameter `yaml:"parameters"`
	Body       *content    `yaml:"requestBody"`
	Responses  map[string]content
}

type content struct {
	Content map[string]struct{ Schema *schema }
}

type parameter struct {
	Ref         string `yaml:"$ref"`
	Name, In    string
	Description string
	Required    bool
	Schema      *schema
}

// schema describes a value. Ref isn't resolved yet; resolve does that.
type schema struct {
	Ref         string     `yaml:"$ref"`
	Type        typeNames  `yaml:"type"`
	Format      string     `yaml:"format"`
	Description string     `yaml:"description"`
	Enum        []string   `yaml:"enum"`
	Default     any        `yaml:"default"`
	MaxLength   int        `yaml:"maxLength"`
	Required    []string   `yaml:"required"`
	Items       *schema    `yaml:"items"`
	Properties  properties `yaml:"properties"`

	flat   bool // the fields of its properties need no heading
	hidden bool // a person doesn't see its field
}

// typeNames are the types that a value may have, written as one name or as a list.
type typeNames []string

func (t *typeNames) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*t = typeNames{node.Value}
		return nil
	}
	return node.Decode((*[]string)(t))
}

type property struct {
	name   string
	schema *schema
}

// properties are in the contract's order.
type properties []property

func (p *properties) UnmarshalYAML(node *yaml.Node) error {
	for i := 0; i+1 < len(node.Content); i += 2 {
		s := new(schema)
		if err := node.Content[i+1].Decode(s); err != nil {
			return err
		}
		*p = append(*p, property{node.Content[i].Value, s})
	}
	return nil
}

// kind returns the schema's only type other than null, or "" if there isn't exactly one.
func (s *schema) kind() string {
	kinds := slices.DeleteFunc(slices.Clone(s.Type), func(t string) bool { return t == "null" })
	if len(kinds) != 1 {
		return ""
	}
	return kinds[0]
}

func (s *schema) nullable() bool { return slices.Contains(s.Type, "null") }

// describe returns the description of a body, or "" without a body.
func (s *schema) describe() string {
	if s == nil {
		return ""
	}
	return s.Description
}

// hint returns what a person needs to know to fill in a value.
func (s *schema) hint() string {
	if s.kind() != "array" {
		return s.Description
	}
	hint := s.Description + " One per line."
	if item := contract().resolve(s.Items); item != nil && len(item.Enum) > 0 {
		hint = s.Description + " One per line: " + strings.Join(item.Enum, ", ") + ". " + item.Description
	}
	return strings.TrimSpace(hint)
}

// property returns the schema of a property that exists.
func (s *schema) property(name string) *schema {
	i := slices.IndexFunc(s.Properties, func(p property) bool { return p.name == name })
	return contract().resolve(s.Properties[i].schema)
}

// requiredFirst returns the properties, required ones before optional ones.
func (s *schema) requiredFirst() properties {
	all := slices.Clone(s.Properties)
	optional := func(p property) int { return map[bool]int{false: 1}[slices.Contains(s.Required, p.name)] }
	slices.SortStableFunc(all, func(a, b property) int { return optional(a) - optional(b) })
	return all
}

func (c contractFile) resolve(s *schema) *schema {
	for s != nil && s.Ref != "" {
		found := *c.schemas[s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]]
		if s.Description != "" {
			found.Description = s.Description
		}
		s = &found
	}
	return s
}

// contract returns the contract, which it reads when the first page is shown.
var contract = sync.OnceValue(func() contractFile {
	var file struct {
		Paths      map[string]yaml.Node
		Components struct {
			Parameters map[string]parameter
			Schemas    map[string]*schema
		}
	}
	if err := yaml.Unmarshal(api.OpenAPI, &file); err != nil {
		panic(err) // it is embedded, and tests read it
	}
	c := contractFile{operations: map[string]*operation{}, schemas: file.Components.Schemas}
	for path, item := range file.Paths {
		c.readPath(path, item, file.Components.Parameters)
	}
	return c
})

func (c contractFile) readPath(path string, item yaml.Node, known map[string]parameter) {
	var common struct {
		Parameters []parameter
		Get        *operation
	}
	if err := item.Decode(&common); err != nil {
		panic(err)
	}
	for method, op := range readMethods(item) {
		op.name, op.method, op.path = op.ID, method, path
		op.Parameters = append(slices.Clone(common.Parameters), op.Parameters...)
		for i, p := range op.Parameters {
			if p.Ref != "" {
				op.Parameters[i] = known[p.Ref[strings.LastIndexByte(p.Ref, '/')+1:]]
			}
		}
		if common.Get != nil && method == http.MethodPatch {
			op.reads = common.Get.ID
		}
		op.document = op.Body.isDocument() || op.answersDocument()
		c.operations[op.name] = op
	}
}

// readMethods returns the operations of a path by method.
func readMethods(item yaml.Node) map[string]*operation {
	methods := map[string]*operation{}
	for i := 0; i+1 < len(item.Content); i += 2 {
		method := strings.ToUpper(item.Content[i].Value)
		if !slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, method) {
			continue
		}
		op := new(operation)
		if err := item.Content[i+1].Decode(op); err != nil {
			panic(err)
		}
		methods[method] = op
	}
	return methods
}

// The media types of a state document.
const (
	jsonType = "application/json"
	yamlType = "application/yaml"
)

func (c *content) isDocument() bool {
	if c == nil {
		return false
	}
	_, ok := c.Content[yamlType]
	return ok
}

func (o *operation) answersDocument() bool {
	ok := o.Responses["200"]
	return o.method == http.MethodGet && strings.HasPrefix(o.name, "export") && ok.isDocument()
}

// body returns the schema of the operation's body, or nil if it takes no body.
func (o *operation) body() *schema {
	if o.Body == nil {
		return nil
	}
	return contract().resolve(o.Body.Content[jsonType].Schema)
}

// creates reports whether the operation takes an Idempotency-Key, with which a form that is
// sent twice gets the first answer again.
func (o *operation) creates() bool {
	return slices.ContainsFunc(o.Parameters, func(p parameter) bool { return p.Name == idempotencyKey })
}

// ranks are the roles in increasing order of rights.
var ranks = []string{"anybody", "reader", "manager", "owner"}

// may reports whether the caller's role may call an operation.
func (v *visit) may(operation string) bool {
	op, ok := contract().operations[operation]
	return ok && slices.Index(ranks, string(v.caller.Role)) >= slices.Index(ranks, op.Role)
}
