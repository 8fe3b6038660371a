package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/internal/admin"
	"github.com/mocktenant/mocktenant/internal/db"
)

type adminKeyCommand struct {
	Create adminKeyCreate `cmd:"" help:"Make a key and print it, this once."`
	List   adminKeyList   `cmd:"" help:"List the keys, without what they are."`
	Show   adminKeyShow   `cmd:"" help:"Print the key that the service made for itself: beyond loopback, with its own Postgres and no MOCKTENANT_ADMIN_KEY."`
	Revoke adminKeyRevoke `cmd:"" help:"Revoke a key."`
}

type adminKeyCreate struct {
	adminFlags  `embed:""`
	outputFlags `embed:""`

	Name   string   `arg:"" help:"Whose it is; keys of one name have the same tenants."`
	Role   string   `required:"" enum:"owner,manager,reader" help:"owner (all), manager (its tenants) or reader."`
	TTL    duration `name:"ttl" placeholder:"TIME" help:"How long it is good (default: until it is revoked)."`
	Direct bool     `help:"Write it into the database itself: for the first key of a service that asks for one."`
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
	adminFlags  `embed:""`
	outputFlags `embed:""`
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

// Run prints the key.
func (adminKeyShow) Run(c *cli, con console) error {
	key := c.Database.keptAdminKey()
	if key == "" {
		return errors.New("the service has made no key for itself: it does so if it listens for administration beyond loopback, with its own Postgres and no MOCKTENANT_ADMIN_KEY")
	}
	_, err := fmt.Fprintln(con.out, key)
	return err
}

type adminKeyRevoke struct {
	adminFlags `embed:""`

	ID uuid.UUID `arg:"" help:"The key's id."`
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
	adminFlags  `embed:""`
	outputFlags `embed:""`

	Tenant uuid.UUID `placeholder:"ID" help:"Of this tenant alone."`
	Top    int       `default:"100" help:"How many entries at most, 1 to 1000."`
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
	rows := [][]string{{"TIME", "WHO", "OUTCOME", "STATUS", "ACTION", "TENANT", "TARGET", "FROM"}}
	for _, e := range list.Value {
		rows = append(rows, []string{
			moment(&e.DateTime), orDash(e.KeyName), string(e.Outcome), fmt.Sprint(e.Status), e.Action, orDash(e.TenantId), orDash(e.Target), e.Address,
		})
	}
	return a.print(con, list.Value, rows)
}
