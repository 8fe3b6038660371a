package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/api"
)

// propertiesArg reads the properties of an entity as JSON.
func propertiesArg(p **json.RawMessage) argument {
	return func(*adminCommand) func(string) error {
		return func(text string) error {
			var members map[string]json.RawMessage
			if json.Unmarshal([]byte(text), &members) != nil {
				return errors.New(`want a JSON object, such as {"displayName":"TeamViewer"}`)
			}
			raw := json.RawMessage(text)
			*p = &raw
			return nil
		}
	}
}

func newEntityCreate(c *cli) *cobra.Command {
	var set string
	var r api.EntityCreate
	cmd := c.ofTenant("create <set> [<properties>]", "Create an entity. The properties are JSON, as in Graph beta.", setArg(&set), propertiesArg(&r.Properties))
	cmd.Flags().Func("id", "The entity's `ID` in Graph; by default the service makes one.", optional(&r.Id, readText))
	return show(cmd, entityTable.one, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.CreateEntity(ctx, s.tenant, set, nil, r)
	})
}

func newEntityUpdate(c *cli) *cobra.Command {
	var set, id string
	var r api.EntityUpdate
	cmd := c.ofTenant("update <set> <id> <properties>", "Change properties of an entity. They are JSON, as in Graph beta.", setArg(&set), textArg(&id), propertiesArg(&r.Properties))
	cmd.Flags().Func("of-version", "Change nothing if the entity doesn't have the version `N`.", optional(&r.Version, readCount))
	must(cmd.Flags().SetAnnotation("of-version", memberOfFlag, []string{"/version"}))
	return show(cmd, entityTable.one, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.UpdateEntity(ctx, s.tenant, set, id, r)
	})
}

func newEntityDelete(c *cli) *cobra.Command {
	var set, id string
	cmd := c.ofTenant("delete <set> <id>", "Delete an entity, and what it contains. Its versions stay.", setArg(&set), textArg(&id))
	return done(cmd, "Deleted %[2]s.", func(ctx context.Context, s *session) (*http.Response, error) {
		return s.DeleteEntity(ctx, s.tenant, set, id)
	})
}

var entityVersionTable = table[api.EntityVersion]{
	[]string{"VERSION", "ENDED BY", "AT", "PROPERTIES"},
	func(v api.EntityVersion) []any {
		if v.Replaced == nil {
			return []any{v.Version, "-", "-", asJSON(v.Properties)}
		}
		return []any{v.Version, v.Replaced.Change, v.Replaced.DateTime, asJSON(v.Properties)}
	},
}

func newEntityVersions(c *cli) *cobra.Command {
	var set, id string
	cmd := c.ofTenant("versions <set> <id>", "List the versions of an entity, also of a deleted one, the newest first.", setArg(&set), textArg(&id))
	return list(cmd, entityVersionTable, func(ctx context.Context, s *session, after *api.After) (*http.Response, error) {
		return s.ListEntityVersions(ctx, s.tenant, set, id, &api.ListEntityVersionsParams{After: after})
	})
}

func newEntityRestore(c *cli) *cobra.Command {
	var set, id string
	var version int64
	cmd := c.ofTenant("restore <set> <id> <version>", "Give an entity the properties of one of its versions again. A deleted one exists again.", setArg(&set), textArg(&id), countArg(&version))
	return show(cmd, entityTable.one, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.RestoreEntityVersion(ctx, s.tenant, set, id, version)
	})
}

// countArg reads a number.
func countArg(p *int64) argument {
	return func(*adminCommand) func(string) error { return readCount(p) }
}
