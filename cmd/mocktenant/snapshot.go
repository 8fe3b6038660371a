package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/api"
)

func newSnapshot(c *cli) *cobra.Command {
	return family("snapshot", "Make, restore and compare snapshots of a tenant.",
		newSnapshotCreate(c), newSnapshotList(c), newSnapshotRestore(c), newSnapshotDiff(c), newSnapshotExport(c), newSnapshotDelete(c))
}

var snapshotTable = table[api.Snapshot]{
	append([]string{"NAME", "CREATED"}, countTable.heads...),
	func(s api.Snapshot) []any {
		return append([]any{s.Name, s.CreatedDateTime}, countTable.cells(s.Counts)...)
	},
}

func newSnapshotCreate(c *cli) *cobra.Command {
	var r api.SnapshotCreate
	cmd := c.ofTenant("create <name>", "Store a tenant's current state under a name.", textArg(&r.Name))
	return show(cmd, snapshotTable.one, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.CreateSnapshot(ctx, s.tenant, nil, r)
	})
}

func newSnapshotList(c *cli) *cobra.Command {
	cmd := c.ofTenant("list", "List the snapshots of a tenant.")
	return list(cmd, snapshotTable, func(ctx context.Context, s *session, after *api.After) (*http.Response, error) {
		return s.ListSnapshots(ctx, s.tenant, &api.ListSnapshotsParams{After: after})
	})
}

func newSnapshotRestore(c *cli) *cobra.Command {
	var name string
	cmd := c.ofTenant("restore <name>", "Restore a tenant to a snapshot.", textArg(&name))
	return show(cmd, countTable.one, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.RestoreSnapshot(ctx, s.tenant, name)
	})
}

func newSnapshotDiff(c *cli) *cobra.Command {
	var r api.DiffStatesParams
	cmd := c.ofTenant("diff <from> [<to>]", "Show the changes between two snapshots, or since one.", textArg(&r.From), optionalArg(&r.To, textArg))
	return list(cmd, changeTable, func(ctx context.Context, s *session, after *api.After) (*http.Response, error) {
		r.After = after
		return s.DiffStates(ctx, s.tenant, &r)
	})
}

var changeTable = table[api.DiffEntry]{
	[]string{"CHANGE", "ENTITY", "ID", "BEFORE", "AFTER"},
	func(e api.DiffEntry) []any {
		before, after := differing(e.Before, e.After)
		return []any{e.Change, e.Entity, e.Id, before, after}
	},
}

// differing returns the members in which two objects differ.
func differing(before, after *api.State) (string, string) {
	a, b := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if before != nil {
		_ = json.Unmarshal(*before, &a)
	}
	if after != nil {
		_ = json.Unmarshal(*after, &b)
	}
	for name := range a {
		if bytes.Equal(a[name], b[name]) {
			delete(a, name)
			delete(b, name)
		}
	}
	text := func(members map[string]json.RawMessage) string {
		if len(members) == 0 {
			return "-"
		}
		text, _ := json.Marshal(members) // can't fail, because it came from JSON
		return string(text)
	}
	return text(a), text(b)
}

func newSnapshotExport(c *cli) *cobra.Command {
	var name string
	cmd := c.ofTenant("export <name>", "Export a snapshot as a document.", textArg(&name))
	return save(cmd, func(ctx context.Context, s *session, format *api.ExportSnapshotParamsFormat) (*http.Response, error) {
		return s.ExportSnapshot(ctx, s.tenant, name, &api.ExportSnapshotParams{Format: format})
	})
}

func newSnapshotDelete(c *cli) *cobra.Command {
	var name string
	cmd := c.ofTenant("delete <name>", "Remove a snapshot.", textArg(&name))
	return done(cmd, "Removed snapshot %[1]s.", func(ctx context.Context, s *session) (*http.Response, error) {
		return s.DeleteSnapshot(ctx, s.tenant, name)
	})
}
