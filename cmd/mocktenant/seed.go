package main

import (
	"context"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/api"
)

func newSeed(c *cli) *cobra.Command {
	return family("seed", "Store documents to make tenants from.",
		newSeedCreate(c), newSeedList(c), newSeedExport(c), newSeedDelete(c))
}

var seedTable = table[api.Seed]{
	append([]string{"NAME", "MANAGER", "CREATED"}, countTable.heads...),
	func(s api.Seed) []any {
		return append([]any{s.Name, s.Manager, s.CreatedDateTime}, countTable.cells(s.Counts)...)
	},
}

func newSeedCreate(c *cli) *cobra.Command {
	var name, file string
	cmd := c.administer("create <name> <file>", "Store a document under a name, to make tenants from.", textArg(&name), textArg(&file))
	return send(cmd, &file, seedTable.one, func(ctx context.Context, s *session, contentType string, document io.Reader) (*http.Response, error) {
		return s.CreateSeed(ctx, &api.CreateSeedParams{Name: name}, contentType, document)
	})
}

func newSeedList(c *cli) *cobra.Command {
	cmd := c.administer("list", "List the seeds.")
	return list(cmd, seedTable, func(ctx context.Context, s *session, after *api.After) (*http.Response, error) {
		return s.ListSeeds(ctx, &api.ListSeedsParams{After: after})
	})
}

func newSeedExport(c *cli) *cobra.Command {
	var name string
	cmd := c.administer("export <name>", "Export a seed as a document.", textArg(&name))
	return save(cmd, func(ctx context.Context, s *session, format *api.ExportSeedParamsFormat) (*http.Response, error) {
		return s.ExportSeed(ctx, name, &api.ExportSeedParams{Format: format})
	})
}

func newSeedDelete(c *cli) *cobra.Command {
	var name string
	cmd := c.administer("delete <name>", "Remove a seed.", textArg(&name))
	return done(cmd, "Removed seed %[1]s.", func(ctx context.Context, s *session) (*http.Response, error) {
		return s.DeleteSeed(ctx, name)
	})
}
