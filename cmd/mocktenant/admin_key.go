package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/internal/admin"
	"github.com/mocktenant/mocktenant/internal/db"
)

func newAdminKey(c *cli) *cobra.Command {
	return family("admin-key", "Make, list and revoke administrators' keys.",
		newAdminKeyCreate(c), newAdminKeyList(c), newAdminKeyShow(c), newAdminKeyRevoke(c))
}

var (
	newKeyTable = table[api.KeyCreated]{
		[]string{"ID", "NAME", "ROLE", "KEY"},
		func(k api.KeyCreated) []any { return []any{k.Id, k.Name, k.Role, k.Key} },
	}
	keyTable = table[api.Key]{
		[]string{"ID", "NAME", "ROLE", "CREATED", "EXPIRES", "REVOKED"},
		func(k api.Key) []any {
			return []any{k.Id, k.Name, k.Role, k.CreatedDateTime, never(k.ExpiresDateTime), k.RevokedDateTime}
		},
	}
)

// adminKeyCreate makes a key through the service or, with --direct, in the database.
type adminKeyCreate struct {
	admin *adminCommand

	key    api.KeyCreate
	direct bool
	output *printer
}

func newAdminKeyCreate(c *cli) *cobra.Command {
	k := &adminKeyCreate{admin: &adminCommand{}}
	cmd := c.command("create <name>", "Make a key and print it. It is shown only once.", k, &k.admin.service)
	k.admin.Command = cmd
	cmd.Long = cmd.Short + " The name says whose it is; keys of one name have the same tenants."
	arguments(cmd, readText(&k.key.Name))
	flags := cmd.Flags()
	choiceFlag(flags, &k.key.Role, "role", "", "", "What it may do: owner (all), manager (its tenants) or reader.", "owner", "manager", "reader")
	flags.Var(seconds(set(&k.key.TtlSeconds)), "ttl", "How long it is valid, such as 90s, 75m, 12h, 30d (default: until it is revoked).")
	truthFlag(flags, &k.direct, "direct", "Write it directly into the database. Use this for the first key of a service that requires one.")
	must(cmd.MarkFlagRequired("role"))
	k.output = newPrinter(flags)
	return k.admin.does(func(ctx context.Context, s *session, con console) error {
		made, err := client.Read[api.KeyCreated](s.CreateKey(ctx, nil, k.key))
		if err != nil {
			return err
		}
		return k.output.print(con, made, newKeyTable.one(made))
	})
}

// Run makes a key.
func (k *adminKeyCreate) Run(ctx context.Context, c *cli, con console) error {
	if !k.direct {
		return k.admin.Run(ctx, c, con)
	}
	made, err := createKey(ctx, c.Database, con, k.key)
	if err != nil {
		return err
	}
	return k.output.print(con, made, newKeyTable.one(made))
}

// createKey applies pending migrations and writes a key into the database.
func createKey(ctx context.Context, f databaseFlags, con console, r api.KeyCreate) (api.KeyCreated, error) {
	pool, err := f.open(ctx, con.log)
	if err != nil {
		return api.KeyCreated{}, err
	}
	defer pool.Close()
	if err := db.MigrateUp(ctx, pool, con.log); err != nil {
		return api.KeyCreated{}, err
	}
	ttl := time.Duration(*cmp.Or(r.TtlSeconds, new(int64))) * time.Second
	id, key, err := admin.CreateKey(ctx, db.New(pool), r.Name, db.AdminRole(r.Role), ttl, time.Now())
	if err != nil {
		return api.KeyCreated{}, fmt.Errorf("make a key: %w", err)
	}
	return api.KeyCreated{Id: id, Name: r.Name, Role: r.Role, Key: key}, nil
}

func newAdminKeyList(c *cli) *cobra.Command {
	cmd := c.administer("list", "List the keys, without the secrets.")
	return list(cmd, keyTable, func(ctx context.Context, s *session, after *api.After) (*http.Response, error) {
		return s.ListKeys(ctx, &api.ListKeysParams{After: after})
	})
}

func newAdminKeyShow(c *cli) *cobra.Command {
	cmd := c.command("show", "Print the key that the service made at its start.", runFunc(showKey))
	cmd.Long = cmd.Short + " It does so beyond loopback, with its own Postgres and no\nMOCKTENANT_ADMIN_KEY."
	return cmd
}

func showKey(_ context.Context, c *cli, con console) error {
	key := c.Database.keptAdminKey()
	if key == "" {
		return errors.New("the service hasn't made a key: it does so only if its administration listens beyond loopback, with its own Postgres and without MOCKTENANT_ADMIN_KEY")
	}
	_, err := fmt.Fprintln(con.out, key)
	return err
}

func newAdminKeyRevoke(c *cli) *cobra.Command {
	var id uuid.UUID
	cmd := c.administer("revoke <id>", "Revoke a key.", idArg(&id))
	return done(cmd, "Revoked key %[1]s.", func(ctx context.Context, s *session) (*http.Response, error) {
		return s.RevokeKey(ctx, id)
	})
}
