// Package sample makes values of entities for tests.
package sample

import (
	"fmt"

	"github.com/mocktenant/mocktenant/internal/entity"
)

// Body returns a body with the nth value of every property that clients may set in a version of
// Graph. n is 1 for a create and greater for an update.
func Body(t *entity.Type, beta bool, n int) map[string]any {
	body := map[string]any{}
	for _, p := range t.Properties {
		if p.In(beta) && !p.ReadOnly {
			body[p.Name] = Value(p, n)
		}
	}
	if t.KeyPart != "" { // doesn't change
		body[t.KeyPart] = "zh-tw"
	}
	if t.Chosen != "" && n > 1 { // can't be taken back
		body[t.Chosen] = true
	}
	return body
}

// Value returns the nth value of a property in the form that package json decodes.
func Value(p entity.Property, n int) any {
	switch p.Kind {
	case entity.URLKind:
		return fmt.Sprintf("https://example.com/%d", n)
	case entity.EnumKind:
		return p.Enum.Members[n%len(p.Enum.Members)]
	case entity.DateKind:
		return fmt.Sprintf("2016-12-%02dT23:58:36.6670033-08:00", 1+n)
	case entity.BooleanKind:
		return n%2 == 1
	case entity.IntegerKind:
		return float64(10 + n)
	case entity.FlagsKind:
		return p.Enum.FlagNames(int64(1 + 2*n))
	case entity.StringsKind:
		return []any{fmt.Sprintf("text %d", n), "O'Neil"}
	case entity.ObjectsKind:
		return objects(p.Object, n)
	}
	return fmt.Sprintf("text %d", n)
}

// objects returns a collection with one value of each type that it may have.
func objects(c *entity.Complex, n int) []any {
	all := []any{}
	for _, m := range c.Properties {
		for _, target := range concrete(m.Object) {
			value := map[string]any{"@odata.type": "#" + entity.Namespace + "." + target.Name}
			for _, own := range target.Members() {
				if own.Enum == nil && !own.BetaOnly {
					value[own.Name] = fmt.Sprintf("id %d", n)
				}
			}
			all = append(all, map[string]any{m.Name: value})
		}
	}
	return all
}

// concrete lists the types that values of a type may have.
func concrete(c *entity.Complex) (all []*entity.Complex) {
	if !c.Abstract {
		all = append(all, c)
	}
	for _, d := range c.Derived {
		all = append(all, concrete(d)...)
	}
	return all
}
