package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mocktenant/mocktenant/client"
)

func newTenant(c *cli) *cobra.Command {
	return family("tenant", "Make, list, change, reset and remove tenants.",
		newTenantCreate(c), newTenantList(c), newTenantGet(c), newTenantUpdate(c), newTenantReset(c), newTenantDelete(c), newTenantToken(c))
}

// settingFlags are a tenant's settings and quota.
type settingFlags struct {
	PageSize             int32
	PermissionRule       string
	RepeatabilitySeconds *int32
	UserPicker           *bool
	QuotaPartners        *int32
	QuotaUsers           *int32
	RequestsPerSecond    *int32
}

func (f *settingFlags) register(flags *pflag.FlagSet) {
	flags.Int32Var(&f.PageSize, "page-size", 0, "Show at most `N` partners a page, 1 to 1000.")
	choiceFlag(flags, &f.PermissionRule, "permission-rule", "", "", "Who manages partners: seed (users only) or current (applications too).", "seed", "current", "")
	flags.Func("repeatability-seconds", "For `N` seconds, answer a change that is sent again with its client-request-id as before; 0 for never.", readLimit(&f.RepeatabilitySeconds))
	negatable(flags, &f.UserPicker, "user-picker", "List the users on the sign-in page, to be picked without a password.")
	flags.Func("quota-partners", "It may have `N` partners; -1 for any number.", readLimit(&f.QuotaPartners))
	flags.Func("quota-users", "It may have `N` users; -1 for any number.", readLimit(&f.QuotaUsers))
	flags.Func("requests-per-second", "It may send `N` requests a second; -1 for any number.", readLimit(&f.RequestsPerSecond))
}

func (f settingFlags) settings() *client.TenantSettings {
	return &client.TenantSettings{
		PageSize: given(f.PageSize), PermissionRule: given(client.PermissionRule(f.PermissionRule)), RepeatabilitySeconds: f.RepeatabilitySeconds,
		UserPicker: f.UserPicker,
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
	adminFlags
	outputFlags
	settingFlags

	DisplayName   string
	ID            uuid.UUID
	Domain        string
	TTL           duration
	Manager       string
	IDSeed        string
	Seed          string
	File          string
	From          uuid.UUID
	Snapshot      string
	NoCredentials bool
}

func newTenantCreate(c *cli) *cobra.Command {
	t := &tenantCreate{}
	cmd := c.command("create", "Make a tenant with a user, an application and a ready token.", t, &t.adminFlags, &t.outputFlags, &t.settingFlags)
	flags := cmd.Flags()
	flags.StringVar(&t.DisplayName, "display-name", "", "The `NAME` to show for it.")
	flags.Func("id", "Its `ID`, if it is to be a certain one.", readID(&t.ID))
	flags.StringVar(&t.Domain, "domain", "", "The `NAME` of a domain for its users (default: one under mocktenant.example).")
	flags.Var(&t.TTL, "ttl", "How long it lives, such as 90s, 75m, 12h, 30d (default: forever).")
	flags.StringVar(&t.Manager, "manager", "", "The `NAME` of the keys whose holders have it.")
	flags.StringVar(&t.IDSeed, "id-seed", "", "Make the ids of what is created from a `TEXT`, the same each time.")
	flags.StringVar(&t.Seed, "seed", "", "Start with the seed `NAME`.")
	flags.Func("file", "Start with the document in a `FILE`, JSON or YAML (by .yaml, .yml).", readFileName(&t.File))
	flags.Func("from", "Start with what another `TENANT` has.", readID(&t.From))
	flags.StringVar(&t.Snapshot, "snapshot", "", "With --from: as it was in the snapshot `NAME`.")
	truthFlag(flags, &t.NoCredentials, "no-credentials", "Make no user, application and token.")
	must(cmd.MarkFlagRequired("display-name"))
	must(cmd.MarkFlagFilename("file", "json", "yaml", "yml"))
	cmd.MarkFlagsMutuallyExclusive("seed", "file", "from")
	return cmd
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
	adminFlags
	outputFlags
}

func newTenantList(c *cli) *cobra.Command {
	t := &tenantList{}
	return c.command("list", "List the tenants.", t, &t.adminFlags, &t.outputFlags)
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
	adminFlags
	outputFlags

	ID uuid.UUID
}

func newTenantGet(c *cli) *cobra.Command {
	t := &tenantGet{}
	cmd := c.command("get <id>", "Show a tenant.", t, &t.adminFlags, &t.outputFlags)
	arguments(cmd, readID(&t.ID))
	return cmd
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
	adminFlags
	outputFlags
	settingFlags

	ID          uuid.UUID
	DisplayName string
	TTL         duration
	Forever     bool
	Manager     string

	KeepCredentials bool
}

func newTenantUpdate(c *cli) *cobra.Command {
	t := &tenantUpdate{}
	cmd := c.command("update <id>", "Change a tenant's settings, quota or time to live.", t, &t.adminFlags, &t.outputFlags, &t.settingFlags)
	arguments(cmd, readID(&t.ID))
	flags := cmd.Flags()
	flags.StringVar(&t.DisplayName, "display-name", "", "The `NAME` to show for it.")
	flags.Var(&t.TTL, "ttl", "How long it lives from now, such as 90s, 75m, 12h, 30d.")
	truthFlag(flags, &t.Forever, "forever", "It lives forever.")
	flags.StringVar(&t.Manager, "manager", "", "The `NAME` of the keys whose holders have it.")
	truthFlag(flags, &t.KeepCredentials, "keep-credentials", "With --manager: keep the passwords, secrets and tokens that the manager before may know.")
	cmd.MarkFlagsMutuallyExclusive("ttl", "forever")
	return cmd
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
	r.KeepCredentials = given(t.KeepCredentials)
	tenant, err := client.Read[client.Tenant](api.UpdateTenant(ctx, t.ID, r))
	if err != nil {
		return err
	}
	return t.print(con, tenant, tenantRows(tenant))
}

type tenantReset struct {
	adminFlags

	ID uuid.UUID
}

func newTenantReset(c *cli) *cobra.Command {
	t := &tenantReset{}
	cmd := c.command("reset <id>", "Put a tenant's partners back to those that it was made with.", t, &t.adminFlags)
	arguments(cmd, readID(&t.ID))
	return cmd
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
	adminFlags

	ID []uuid.UUID
}

func newTenantDelete(c *cli) *cobra.Command {
	t := &tenantDelete{}
	cmd := c.command("delete <id>...", "Remove tenants and all that is their own.", t, &t.adminFlags)
	arguments(cmd, readIDs(&t.ID))
	return cmd
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
	adminFlags
	outputFlags

	ID         uuid.UUID
	Client     uuid.UUID
	User       uuid.UUID
	Permission []string
	Lifetime   duration
}

func newTenantToken(c *cli) *cobra.Command {
	t := &tenantToken{}
	cmd := c.command("token <id>", "Print an access token of a user or an application, without a sign-in.", t, &t.adminFlags, &t.outputFlags)
	arguments(cmd, readID(&t.ID))
	flags := cmd.Flags()
	flags.Func("client", "The `ID` of the application.", readID(&t.Client))
	flags.Func("user", "The `ID` of the user; without one, the token is the application's own.", readID(&t.User))
	flags.StringSliceVar(&t.Permission, "permission", nil, "The `NAME` of a scope, or of a role of the application (default: what may be written).")
	flags.Var(&t.Lifetime, "lifetime", "How long it is valid, such as 90s, 75m, 12h, 30d (default: 75m).")
	must(cmd.MarkFlagRequired("client"))
	return cmd
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
