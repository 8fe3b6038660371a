package db_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// kind is everything that the tests of expressions know of one kind of properties. The
// generator finds the names of an entity's properties, and their types, in its description.
type kind struct {
	// random makes a value that isn't null.
	random func(generator, *entity.Property) entity.Value

	// evaluated is such a value as evaluate computes with it; nil for a kind whose values no
	// operator takes.
	evaluated func(entity.Value) any

	// condition writes a Boolean expression about a property of a kind whose values no operator
	// takes, such as one with any or all; nil if expressions can't name it. The operators of such
	// an expression are cases of evaluate.
	condition func(g generator, p *entity.Property, depth int) string
}

// kinds are all kinds. A new one is tried, in every entity that has it, once it is here.
var kinds map[entity.Kind]kind

func init() { // because conditions have expressions about properties of all kinds in them
	kinds = map[entity.Kind]kind{
		entity.TextKind: {random: randomText, evaluated: textOf},
		entity.URLKind:  {random: randomText, evaluated: textOf},
		entity.EnumKind: {
			random: func(g generator, p *entity.Property) entity.Value {
				return entity.Value{Text: g.pick(p.Enum.Members...)}
			},
			evaluated: textOf,
		},
		entity.DateKind: {
			random:    func(g generator, _ *entity.Property) entity.Value { return entity.DateValue(g.zoned()) },
			evaluated: func(v entity.Value) any { return v.Number },
		},
		entity.BooleanKind: {
			random:    func(g generator, _ *entity.Property) entity.Value { return entity.BoolValue(g.IntN(2) == 0) },
			evaluated: func(v entity.Value) any { return v.Bool() },
		},
		entity.IntegerKind: { // small, so that no product of them is too large for an Edm.Int64
			random:    func(g generator, _ *entity.Property) entity.Value { return entity.Value{Number: g.Int64N(19) - 9} },
			evaluated: func(v entity.Value) any { return v.Number },
		},
		entity.FlagsKind: {
			random:    func(g generator, p *entity.Property) entity.Value { return entity.Value{Number: g.flags(p)} },
			evaluated: func(v entity.Value) any { return v.Number },
			condition: generator.members,
		},
		entity.GUIDKind: {
			random: func(g generator, p *entity.Property) entity.Value { // of a few parents
				return entity.Value{Text: uuid.UUID{15: byte(g.IntN(4))}.String()}
			},
			evaluated: textOf,
		},
		entity.StringsKind: {
			random: randomTexts, evaluated: textOf,
			condition: generator.lambda,
		},
		entity.ObjectsKind: {random: randomObjects, condition: generator.lambda},
	}
}

func randomText(g generator, _ *entity.Property) entity.Value { return entity.Value{Text: g.text()} }

func randomTexts(g generator, _ *entity.Property) entity.Value {
	texts := make([]string, g.IntN(3))
	for i := range texts {
		texts[i] = g.text()
	}
	b, err := json.Marshal(texts)
	if err != nil {
		panic(err) // texts can be written
	}
	return entity.Value{Text: string(b)}
}

// randomObjects makes complex values with the texts that expressions can ask for.
func randomObjects(g generator, p *entity.Property) entity.Value {
	objects := []map[string]any{}
	for range g.IntN(3) {
		object := map[string]any{}
		for _, m := range texts(p.Queried(g.beta)) {
			object[m] = nil
			if g.IntN(3) > 0 {
				object[m] = g.text()
			}
		}
		objects = append(objects, object)
	}
	b, err := json.Marshal(objects)
	if err != nil {
		panic(err) // texts can be written
	}
	return entity.Value{Text: string(b)}
}

// texts names the texts in a complex value.
func texts(q odata.Property) (names []string) {
	for _, m := range q.Members {
		if !m.SelectOnly && m.Members == nil {
			names = append(names, m.Name)
		}
	}
	return names
}

// lambda asks for an item of a collection, or for all. The depth, which is another in each lambda
// around it, names the variable.
func (g generator) lambda(p *entity.Property, depth int) string {
	if g.IntN(6) == 0 {
		return p.Name + g.pick("/any()", "/Any( )")
	}
	variable, q := fmt.Sprintf("item%d", depth), p.Queried(g.beta)
	names := []string{variable, variable}
	if q.Members != nil {
		names = nil
		for _, m := range texts(q) {
			names = append(names, variable+"/"+m)
		}
	}
	g.names = maps.Clone(g.names)
	g.names[odata.String] = append(slices.Clone(g.names[odata.String]), names...)
	return p.Name + "/" + g.pick("any", "all") + "(" + variable + g.pick(":", " : ") + g.boolean(depth) + ")"
}

// flags is the sum of random members.
func (g generator) flags(p *entity.Property) int64 { return g.Int64N(1 << (len(p.Enum.Members) - 1)) }

// members compares flags.
func (g generator) members(p *entity.Property, _ int) string {
	literal := func() string {
		sum := g.flags(p)
		sum &= g.flags(p) // of fewer members
		names := p.Enum.FlagNames(sum)
		return g.pick("'"+names+"'", p.Enum.Name+"'"+strings.ReplaceAll(names, ",", ", ")+"'", "'"+strconv.FormatInt(sum, 10)+"'")
	}
	switch g.IntN(4) {
	case 0:
		return "(" + p.Name + " " + g.comparison() + " " + g.pick(literal(), "null", p.Name) + ")"
	case 1:
		return "(" + p.Name + " in (" + literal() + "," + g.pick("null", literal()) + "))"
	}
	return "(" + g.pick(p.Name, p.Enum.Name+"'"+p.Enum.FlagNames(g.flags(p))+"'") + " has " + literal() + ")"
}

func textOf(v entity.Value) any { return v.Text }
