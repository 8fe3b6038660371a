package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/client"
)

type tenantCommand struct {
	Create tenantCreate `cmd:"" help:"Make a tenant with a user, an application and a ready token."`
	List   tenantList   `cmd:"" help:"List the tenants."`
	Get    tenantGet    `cmd:"" help:"Show a tenant."`
	Update tenantUpdate `cmd:"" help:"Change a tenant's settings, quota or time to live."`
	Reset  tenantReset  `cmd:"" help:"Put a tenant's partners back to those that it was made with."`
	Delete tenantDelete `cmd:"" help:"Remove a tenant and all that is its own."`
	Token  tenantToken  `cmd:"" help:"Print an access token of a user or an application, without a sign-in."`
}

// settingFlags are a tenant's settings and quota.
type settingFlags struct {
	PageSize          int32  `placeholder:"N" help:"How many partners a page holds at most, 1 to 1000."`
	PermissionRule    string `enum:"seed,current," default:"" placeholder:"RULE" help:"Who manages partners: seed (users only) or current (applications too)."`
	UserPicker        *bool  `negatable:"" help:"List the users on the sign-in page, to be picked without a password."`
	QuotaPartners     *int32 `placeholder:"N" help:"How many partners it may have; -1 for any number."`
	QuotaUsers        *int32 `placeholder:"N" help:"How many users it may have; -1 for any number."`
	RequestsPerSecond *int32 `placeholder:"N" help:"How many requests a second it may send; -1 for any number."`
}

func (f settingFlags) settings() *client.TenantSettings {
	return &client.TenantSettings{
		PageSize: given(f.PageSize), PermissionRule: given(client.PermissionRule(f.PermissionRule)), UserPicker: f.UserPicker,
	}
}

func (f settingFlags) quota() *client.TenantQuota {
	q := &client.TenantQuota{}
	for _, limit := range []struct {
		given *int32
		set   func(int32)
		none  func()
	}{
		{f.QuotaPartners, q.Partners.Set, q.Partners.SetNull},
		{f.QuotaUsers, q.Users.Set, q.Users.SetNull},
		{f.RequestsPerSecond, q.RequestsPerSecond.Set, q.RequestsPerSecond.SetNull},
	} {
		switch {
		case limit.given == nil:
		case *limit.given == -1:
			limit.none()
		default:
			limit.set(*limit.given)
		}
	}
	return q
}

type tenantCreate struct {
	adminFlags   `embed:""`
	outputFlags  `embed:""`
	settingFlags `embed:""`

	DisplayName   string    `required:"" placeholder:"NAME" help:"What it is called."`
	ID            uuid.UUID `placeholder:"ID" help:"Its id, if it is to be a certain one."`
	Domain        string    `placeholder:"NAME" help:"A domain for its users (default: one under mocktenant.example)."`
	TTL           duration  `name:"ttl" placeholder:"TIME" help:"How long it lives, such as 90s, 75m, 12h, 30d (default: forever)."`
	Manager       string    `placeholder:"NAME" help:"The name of the keys whose holders have it."`
	IDSeed        string    `name:"id-seed" placeholder:"TEXT" help:"Make the ids of what is created the same each time."`
	Seed          string    `xor:"source" placeholder:"NAME" help:"Start with a seed."`
	File          string    `xor:"source" type:"existingfile" placeholder:"FILE" help:"Start with a document, JSON or YAML (by .yaml, .yml)."`
	From          uuid.UUID `xor:"source" placeholder:"TENANT" help:"Start with what another tenant has."`
	Snapshot      string    `placeholder:"NAME" help:"With --from: as it was in this snapshot."`
	NoCredentials bool      `help:"Make no user, application and token."`
}

// Run makes a tenant.
func (t *tenantCreate) Run(ctx context.Context, c *cli, con console) error {
	api, err := t.client(c)
	if err != nil {
		return err
	}
	credentials := !t.NoCredentials
	r := client.TenantCreate{
		DisplayName: t.DisplayName, Id: given(t.ID), Domain: given(t.Domain), TtlSeconds: t.TTL.seconds(), Manager: given(t.Manager),
		IdSeed: given(t.IDSeed), Settings: t.settings(), Quota: t.quota(), Credentials: &credentials,
	}
	if r.Source, err = t.source(); err != nil {
		return err
	}
	made, err := client.Read[client.TenantCreated](api.CreateTenant(ctx, nil, r))
	if err != nil {
		return err
	}
	if made.Credentials == nil {
		return t.print(con, made.Tenant, tenantRows(made.Tenant))
	}
	k := made.Credentials
	return t.print(con, k, [][]string{
		{"tenantId", k.TenantId.String()},
		{"clientId", k.ClientId.String()},
		{"clientSecret", k.ClientSecret},
		{"userPrincipalName", k.UserPrincipalName},
		{"password", k.Password},
		{"accessToken", k.AccessToken},
	})
}

func (t *tenantCreate) source() (*client.TenantSource, error) {
	switch {
	case t.Snapshot != "" && t.From == uuid.Nil:
		return nil, fmt.Errorf("--snapshot %q: want --from, the tenant that has it", t.Snapshot)
	case t.Seed != "":
		return &client.TenantSource{Seed: &t.Seed}, nil
	case t.From != uuid.Nil:
		return &client.TenantSource{TenantId: &t.From, Snapshot: given(t.Snapshot)}, nil
	case t.File != "":
		document, err := readDocument(t.File)
		return &client.TenantSource{Document: &document}, err
	}
	return nil, nil
}

func tenantRows(tenants ...client.Tenant) [][]string {
	rows := [][]string{{"ID", "DISPLAY NAME", "DOMAINS", "MANAGER", "CREATED", "EXPIRES"}}
	for _, t := range tenants {
		rows = append(rows, []string{
			t.Id.String(), t.DisplayName, strings.Join(t.Domains, ","), orDash(t.Manager), moment(&t.CreatedDateTime), moment(t.ExpiresDateTime),
		})
	}
	return rows
}

// afterOf is where the page starts that a link leads to.
func afterOf(link string) (*string, error) {
	u, err := url.Parse(link)
	if err != nil {
		return nil, err
	}
	after := u.Query().Get("after")
	return &after, nil
}

type tenantList struct {
	adminFlags  `embed:""`
	outputFlags `embed:""`
}

// Run lists the tenants.
func (t *tenantList) Run(ctx context.Context, c *cli, con console) error {
	api, err := t.client(c)
	if err != nil {
		return err
	}
	all, err := pages(func(after *string) (client.TenantList, error) {
		return client.Read[client.TenantList](api.ListTenants(ctx, &client.ListTenantsParams{After: after}))
	}, func(l client.TenantList) ([]client.Tenant, *string) { return l.Value, l.NextLink })
	if err != nil {
		return err
	}
	return t.print(con, all, tenantRows(all...))
}

type tenantGet struct {
	adminFlags  `embed:""`
	outputFlags `embed:""`

	ID uuid.UUID `arg:"" help:"The tenant."`
}

// Run shows a tenant.
func (t *tenantGet) Run(ctx context.Context, c *cli, con console) error {
	api, err := t.client(c)
	if err != nil {
		return err
	}
	tenant, err := client.Read[client.Tenant](api.GetTenant(ctx, t.ID))
	if err != nil {
		return err
	}
	return t.print(con, tenant, tenantRows(tenant))
}

type tenantUpdate struct {
	adminFlags   `embed:""`
	outputFlags  `embed:""`
	settingFlags `embed:""`

	ID          uuid.UUID `arg:"" help:"The tenant."`
	DisplayName string    `placeholder:"NAME" help:"What it is called."`
	TTL         duration  `name:"ttl" xor:"ttl" placeholder:"TIME" help:"How long it lives from now."`
	Forever     bool      `xor:"ttl" help:"It lives forever."`
	Manager     string    `placeholder:"NAME" help:"The name of the keys whose holders have it."`
}

// Run changes a tenant.
func (t *tenantUpdate) Run(ctx context.Context, c *cli, con console) error {
	api, err := t.client(c)
	if err != nil {
		return err
	}
	r := client.TenantUpdate{DisplayName: given(t.DisplayName), Settings: t.settings(), Quota: t.quota()}
	if t.TTL != 0 {
		r.TtlSeconds.Set(*t.TTL.seconds())
	}
	if t.Forever {
		r.TtlSeconds.SetNull()
	}
	if t.Manager != "" {
		r.Manager.Set(t.Manager)
	}
	tenant, err := client.Read[client.Tenant](api.UpdateTenant(ctx, t.ID, r))
	if err != nil {
		return err
	}
	return t.print(con, tenant, tenantRows(tenant))
}

type tenantReset struct {
	adminFlags `embed:""`

	ID uuid.UUID `arg:"" help:"The tenant."`
}

// Run resets a tenant.
func (t *tenantReset) Run(ctx context.Context, c *cli, _ console) error {
	api, err := t.client(c)
	if err != nil {
		return err
	}
	return client.Done(api.ResetTenant(ctx, t.ID))
}

type tenantDelete struct {
	adminFlags `embed:""`

	ID []uuid.UUID `arg:"" help:"The tenants."`
}

// Run removes tenants.
func (t *tenantDelete) Run(ctx context.Context, c *cli, _ console) error {
	api, err := t.client(c)
	if err != nil {
		return err
	}
	for _, id := range t.ID {
		if err := client.Done(api.DeleteTenant(ctx, id)); err != nil {
			return err
		}
	}
	return nil
}

type tenantToken struct {
	adminFlags  `embed:""`
	outputFlags `embed:""`

	ID         uuid.UUID `arg:"" help:"The tenant."`
	Client     uuid.UUID `required:"" placeholder:"ID" help:"The application."`
	User       uuid.UUID `placeholder:"ID" help:"The user; without one, the token is the application's own."`
	Permission []string  `placeholder:"NAME" help:"Scopes, or roles of the application (default: what may be written)."`
	Lifetime   duration  `placeholder:"TIME" help:"How long it is valid (default: 75m)."`
}

// Run prints a token.
func (t *tenantToken) Run(ctx context.Context, c *cli, con console) error {
	api, err := t.client(c)
	if err != nil {
		return err
	}
	token, err := client.Read[client.Token](api.IssueToken(ctx, t.ID, client.TokenRequest{
		ClientId: t.Client, UserId: given(t.User), Permissions: some(t.Permission), LifetimeSeconds: t.Lifetime.seconds(),
	}))
	if err != nil {
		return err
	}
	return t.print(con, token, [][]string{{token.AccessToken}})
}
