package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/entity"
)

func newEntity(c *cli) *cobra.Command {
	return family("entity", "Show and change the entities of a set, and play the other side, such as a partner who confirms.",
		newEntityList(c), newEntityGet(c), newEntityCreate(c), newEntityUpdate(c), newEntityAct(c), newEntityDelete(c), newEntityVersions(c), newEntityRestore(c))
}

// entityTable shows an entity's name, state, and when the other side was last seen,
// whatever the set calls these properties.
var entityTable = table[api.Entity]{
	[]string{"ID", "DISPLAY NAME", "STATE", "LAST SEEN", "VERSION"},
	func(e api.Entity) []any {
		state, seen := "", ""
		if t := typeOf(e); t != nil {
			state, seen = t.State, firstDate(t)
		}
		return []any{e.Id, property(e, "displayName"), property(e, state), graphTime(property(e, seen)), e.Version}
	},
}

// property is a property in a table of entities; "" means that the entity has none.
func property(e api.Entity, name string) string {
	text, _ := e.Properties[name].(string)
	return text
}

// typeOf finds the type of an entity by the names of its properties.
func typeOf(e api.Entity) *entity.Type {
	for _, t := range entity.All {
		if !slices.ContainsFunc(t.Properties, func(p entity.Property) bool { _, has := e.Properties[p.Name]; return !has }) {
			return t
		}
	}
	return nil
}

// firstDate returns the first property of a type that is a date.
func firstDate(t *entity.Type) string {
	i := slices.IndexFunc(t.Properties, func(p entity.Property) bool { return p.Kind == entity.DateKind })
	if i < 0 {
		return ""
	}
	return t.Properties[i].Name
}

// setArg reads the name of a set.
func setArg(set *string) argument {
	return func(*adminCommand) func(string) error {
		return func(text string) error {
			if _, ok := entity.Find(text); !ok {
				return fmt.Errorf("want one of %s", strings.Join(setNames(), ", "))
			}
			*set = text
			return nil
		}
	}
}

func setNames() (names []string) {
	for _, t := range entity.All {
		names = append(names, t.SetName())
	}
	return names
}

func newEntityList(c *cli) *cobra.Command {
	var set string
	cmd := c.ofTenant("list <set>", "List the entities of a set: "+strings.Join(setNames(), ", ")+".", setArg(&set))
	top := 1000
	p := api.ListEntitiesParams{Top: &top}
	cmd.Flags().Func("filter", "List only entities that match the `FILTER`, in the language of $filter.", optional(&p.Filter, readText))
	cmd.Flags().Func("order-by", "List in this `ORDER`, in the language of $orderby.", optional(&p.OrderBy, readText))
	return list(cmd, entityTable, func(ctx context.Context, s *session, after *api.After) (*http.Response, error) {
		p.After = after
		return s.ListEntities(ctx, s.tenant, set, &p)
	})
}

func newEntityGet(c *cli) *cobra.Command {
	var set, id string
	cmd := c.ofTenant("get <set> <id>", "Show an entity.", setArg(&set), textArg(&id))
	return show(cmd, entityTable.one, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.GetEntity(ctx, s.tenant, set, id)
	})
}

func newEntityAct(c *cli) *cobra.Command {
	var set, id, action string
	cmd := c.ofTenant("act <set> <id> <action>", "Run an action of Graph, or play the other side: "+otherSide()+".", setArg(&set), textArg(&id), textArg(&action))
	return show(cmd, entityTable.one, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.ActOnEntity(ctx, s.tenant, set, id, action)
	})
}

// otherSide lists the actions of the other side by set.
func otherSide() string {
	var sets []string
	for _, t := range entity.All {
		var names []string
		for _, a := range t.Actions {
			if a.ByPartner {
				names = append(names, a.Name)
			}
		}
		sets = append(sets, t.SetName()+" "+strings.Join(names, ", "))
	}
	return strings.Join(sets, "; ")
}
