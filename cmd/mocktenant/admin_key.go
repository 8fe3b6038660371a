package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/internal/admin"
	"github.com/mocktenant/mocktenant/internal/db"
)

func newAdminKey(c *cli) *cobra.Command {
	return family("admin-key", "Make, list and revoke keys of administrators.",
		newAdminKeyCreate(c), newAdminKeyList(c), newAdminKeyShow(c), newAdminKeyRevoke(c))
}

type adminKeyCreate struct {
	adminFlags
	outputFlags

	Name   string
	Role   string
	TTL    duration
	Direct bool
}

func newAdminKeyCreate(c *cli) *cobra.Command {
	k := &adminKeyCreate{}
	cmd := c.command("create <name>", "Make a key and print it, this once.", k, &k.adminFlags, &k.outputFlags)
	cmd.Long = cmd.Short + " The name says whose it is; keys of one name have the same tenants."
	arguments(cmd, readText(&k.Name))
	flags := cmd.Flags()
	choiceFlag(flags, &k.Role, "role", "", "", "What it may do: owner (all), manager (its tenants) or reader.", "owner", "manager", "reader")
	flags.Var(&k.TTL, "ttl", "How long it is good, such as 90s, 75m, 12h, 30d (default: until it is revoked).")
	truthFlag(flags, &k.Direct, "direct", "Write it into the database itself: for the first key of a service that asks for one.")
	must(cmd.MarkFlagRequired("role"))
	return cmd
}

// Run makes a key.
func (k *adminKeyCreate) Run(ctx context.Context, c *cli, con console) error {
	made, err := k.create(ctx, c, con)
	if err != nil {
		return err
	}
	return k.print(con, made, [][]string{{"ID", "NAME", "ROLE", "KEY"}, {made.Id.String(), made.Name, string(made.Role), made.Key}})
}

func (k *adminKeyCreate) create(ctx context.Context, c *cli, con console) (client.KeyCreated, error) {
	if !k.Direct {
		api, err := k.client(c)
		if err != nil {
			return client.KeyCreated{}, err
		}
		return client.Read[client.KeyCreated](api.CreateKey(ctx, nil, client.KeyCreate{Name: k.Name, Role: client.AdminRole(k.Role), TtlSeconds: k.TTL.seconds()}))
	}
	pool, err := c.Database.open(ctx, con.log)
	if err != nil {
		return client.KeyCreated{}, err
	}
	defer pool.Close()
	if err := db.MigrateUp(ctx, pool, con.log); err != nil {
		return client.KeyCreated{}, err
	}
	id, key, err := admin.CreateKey(ctx, db.New(pool), k.Name, db.AdminRole(k.Role), time.Duration(k.TTL), time.Now())
	if err != nil {
		return client.KeyCreated{}, fmt.Errorf("make a key: %w", err)
	}
	return client.KeyCreated{Id: id, Name: k.Name, Role: client.AdminRole(k.Role), Key: key}, nil
}

type adminKeyList struct {
	adminFlags
	outputFlags
}

func newAdminKeyList(c *cli) *cobra.Command {
	k := &adminKeyList{}
	return c.command("list", "List the keys, without what they are.", k, &k.adminFlags, &k.outputFlags)
}

// Run lists the keys.
func (k *adminKeyList) Run(ctx context.Context, c *cli, con console) error {
	api, err := k.client(c)
	if err != nil {
		return err
	}
	all, err := pages(func(after *string) (client.KeyList, error) {
		return client.Read[client.KeyList](api.ListKeys(ctx, &client.ListKeysParams{After: after}))
	}, func(l client.KeyList) ([]client.Key, *string) { return l.Value, l.NextLink })
	if err != nil {
		return err
	}
	rows := [][]string{{"ID", "NAME", "ROLE", "CREATED", "EXPIRES", "REVOKED"}}
	for _, key := range all {
		rows = append(rows, []string{key.Id.String(), key.Name, string(key.Role), moment(&key.CreatedDateTime), moment(key.ExpiresDateTime), moment(key.RevokedDateTime)})
	}
	return k.print(con, all, rows)
}

type adminKeyShow struct{}

func newAdminKeyShow(c *cli) *cobra.Command {
	cmd := c.command("show", "Print the key that the service made for itself.", adminKeyShow{})
	cmd.Long = cmd.Short + " It does so beyond loopback, with its own Postgres and no\nMOCKTENANT_ADMIN_KEY."
	return cmd
}

// Run prints the key.
func (adminKeyShow) Run(_ context.Context, c *cli, con console) error {
	key := c.Database.keptAdminKey()
	if key == "" {
		return errors.New("the service has made no key for itself: it does so if it listens for administration beyond loopback, with its own Postgres and no MOCKTENANT_ADMIN_KEY")
	}
	_, err := fmt.Fprintln(con.out, key)
	return err
}

type adminKeyRevoke struct {
	adminFlags

	ID uuid.UUID
}

func newAdminKeyRevoke(c *cli) *cobra.Command {
	k := &adminKeyRevoke{}
	cmd := c.command("revoke <id>", "Revoke a key.", k, &k.adminFlags)
	arguments(cmd, readID(&k.ID))
	return cmd
}

// Run revokes a key.
func (k *adminKeyRevoke) Run(ctx context.Context, c *cli, _ console) error {
	api, err := k.client(c)
	if err != nil {
		return err
	}
	return client.Done(api.RevokeKey(ctx, k.ID))
}

type auditCommand struct {
	adminFlags
	outputFlags

	Tenant uuid.UUID
	Top    int
}

func newAudit(c *cli) *cobra.Command {
	a := &auditCommand{}
	cmd := c.command("audit", "List the audit log.", a, &a.adminFlags, &a.outputFlags)
	flags := cmd.Flags()
	flags.Func("tenant", "Only what concerns the tenant of that `ID`.", readID(&a.Tenant))
	flags.IntVar(&a.Top, "top", 100, "List at most `N` entries, 1 to 1000.")
	return cmd
}

// Run lists the audit log.
func (a *auditCommand) Run(ctx context.Context, c *cli, con console) error {
	api, err := a.client(c)
	if err != nil {
		return err
	}
	list, err := client.Read[client.AuditList](api.ListAudit(ctx, &client.ListAuditParams{Top: &a.Top, TenantId: given(a.Tenant)}))
	if err != nil {
		return err
	}
	rows := [][]string{{"TIME", "WHO", "OUTCOME", "STATUS", "COUNT", "ACTION", "TENANT", "TARGET", "FROM"}}
	for _, e := range list.Value {
		rows = append(rows, []string{
			moment(&e.DateTime), orDash(e.KeyName), string(e.Outcome), fmt.Sprint(e.Status), fmt.Sprint(e.Count), e.Action, orDash(e.TenantId), orDash(e.Target), e.Address,
		})
	}
	return a.print(con, list.Value, rows)
}
