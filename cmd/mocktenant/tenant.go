package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

func newTenant(c *cli) *cobra.Command {
	return family("tenant", "Make, list, change, reset and remove tenants.",
		newTenantCreate(c), newTenantList(c), newTenantGet(c), newTenantUpdate(c), newTenantReset(c), newTenantDelete(c), newTenantToken(c), newTenantCheckToken(c))
}

var tenantTable = table[api.Tenant]{
	[]string{"ID", "DISPLAY NAME", "DOMAINS", "MANAGER", "CREATED", "EXPIRES"},
	func(t api.Tenant) []any {
		return []any{t.Id, t.DisplayName, t.Domains, t.Manager, t.CreatedDateTime, never(t.ExpiresDateTime)}
	},
}

// tenantDetails is a table with a tenant's settings and quota.
var tenantDetails = table[api.Tenant]{
	append(tenantTable.heads[:len(tenantTable.heads):len(tenantTable.heads)], "SETTINGS", "QUOTA"),
	func(t api.Tenant) []any {
		s, q := t.Settings, t.Quota
		return append(tenantTable.cells(t),
			fmt.Sprintf("page-size=%s partner-portal=%s permission-rule=%s repeatability-seconds=%s status-codes=%s throttling=%s user-picker=%s",
				cell(s.PageSize), cell(s.PartnerPortal), cell(s.PermissionRule), cell(s.RepeatabilitySeconds), cell(s.StatusCodes), throttlingCell(s.Throttling), cell(s.UserPicker)),
			fmt.Sprintf("entities=%s users=%s requests-per-second=%s", limit(q.Entities), limit(q.Users), limit(q.RequestsPerSecond)))
	},
}

func limit(n nullable.Nullable[int32]) string {
	if v, err := n.Get(); err == nil {
		return fmt.Sprint(v)
	}
	return "any"
}

func throttlingCell(t *api.Throttling) string {
	if t == nil {
		return "off"
	}
	text, _ := json.Marshal(t)
	return strings.Trim(strings.ReplaceAll(string(text), `"`, ""), "{}")
}

// readThrottling reads off, graph, or numbers such as applicationWrites=3, optionally with
// retryAfter.
func readThrottling(t *api.Throttling) func(string) error {
	return func(s string) error {
		members := map[string]any{"limits": api.ThrottlingLimitsOwn}
		for part := range strings.SplitSeq(s, ",") {
			name, value, found := strings.Cut(part, "=")
			n, err := strconv.ParseInt(value, 10, 64)
			switch {
			case !found:
				members["limits"] = name
			case err == nil:
				members[name] = n
			default:
				members[name] = value
			}
		}
		text, err := json.Marshal(members)
		if err != nil {
			return err
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if d.Decode(t) != nil {
			return errors.New("must be off, graph, or such as applicationWrites=3,tenantRequests=50,windowSeconds=20,retryAfter=none")
		}
		return nil
	}
}

// settingFlags declares the flags of a tenant's settings and quota.
func settingFlags(flags *pflag.FlagSet, s *api.TenantSettings, q *api.TenantQuota) {
	flags.Func("page-size", "Put up to `N` entities on a page, 1 to 1000.", optional(&s.PageSize, readInteger))
	negatable(flags, &s.PartnerPortal, "partner-portal", "Let beginOnboarding fill in the link to a page where a person accepts or declines as the partner would.")
	optionalChoice(flags, &s.PermissionRule, "permission-rule", "Who can manage entities: seed (users only) or current (applications too).", "seed", "current")
	flags.Func("repeatability-seconds", "For `N` seconds, give a repeated change with the same client-request-id the same answer; 0 means never.", optional(&s.RepeatabilitySeconds, readInteger))
	optionalChoice(flags, &s.StatusCodes, "status-codes", "What to answer where Graph's pages and what clients met differ: documented (201, 204) or observed (200).", "documented", "observed")
	flags.Func("throttling", "Limit requests as Graph does: off, graph, or numbers in `LIMITS` such as applicationWrites=3,tenantRequests=50,windowSeconds=20.", optional(&s.Throttling, readThrottling))
	negatable(flags, &s.UserPicker, "user-picker", "List the users on the sign-in page, where they can sign in without a password.")
	flags.Func("quota-entities", "Each of its sets may have `N` entities; -1 means no limit.", readLimit(&q.Entities))
	flags.Func("quota-users", "It may have `N` users; -1 means no limit.", readLimit(&q.Users))
	flags.Func("requests-per-second", "It may send `N` requests a second; -1 means no limit.", readLimit(&q.RequestsPerSecond))
}

func newTenantCreate(c *cli) *cobra.Command {
	r := api.TenantCreate{Settings: &api.TenantSettings{}, Quota: &api.TenantQuota{}}
	var source tenantSource
	cmd := c.administer("create", "Make a tenant with a user, an application and an access token.")
	flags := cmd.Flags()
	flags.StringVar(&r.DisplayName, "display-name", "", "Its display `NAME`.")
	flags.Func("id", "Give it this `ID` (default: a random one).", optional(&r.Id, readID))
	flags.Func("domain", "The `NAME` of a domain for its users (default: a subdomain of mocktenant.example).", optional(&r.Domain, readText))
	flags.Var(seconds(set(&r.TtlSeconds)), "ttl", "How long it lives, such as 90s, 75m, 12h, 30d (default: forever).")
	flags.Func("manager", "The `NAME` of the keys of its manager.", optional(&r.Manager, readText))
	flags.Func("id-seed", "Derive the ids of new items from a `TEXT`, always the same ones.", optional(&r.IdSeed, readText))
	source.register(cmd)
	flags.BoolFunc("no-credentials", "Don't make a user, an application and a token.", means(&r.Credentials, false))
	settingFlags(flags, r.Settings, r.Quota)
	must(cmd.MarkFlagRequired("display-name"))
	where := newPlaces(flags)
	output := &printer{}
	choiceFlag(flags, &output.format, "output", "o", "table", "The output format; env, or the name of a shell, sets the variables of mocktenant env.", slices.Concat([]string{"table", "json", "env"}, shells)...)
	return cmd.does(func(ctx context.Context, s *session, con console) (err error) {
		if r.Source, err = source.read(); err != nil {
			return err
		}
		made, err := client.Read[api.TenantCreated](s.CreateTenant(ctx, nil, r))
		switch {
		case err != nil:
			return err
		case made.Credentials == nil:
			return output.print(con, made.Tenant, tenantDetails.one(made.Tenant))
		}
		if slices.Contains(shells, output.format) || output.format == "env" {
			hosts, err := where.locate(c.Database)
			if err != nil {
				return err
			}
			return printCredentials(con, output.format, *made.Credentials, hosts)
		}
		return output.print(con, made.Credentials, credentialRows(*made.Credentials))
	})
}

// printCredentials prints the variables of mocktenant env, including secrets.
func printCredentials(con console, shell string, k api.Credentials, hosts []variable) error {
	return printVariables(con.out, shell, append([]variable{
		{"AZURE_TENANT_ID", k.TenantId.String()},
		{"AZURE_CLIENT_ID", k.ClientId.String()},
		{"AZURE_CLIENT_SECRET", k.ClientSecret},
		{"AZURE_USERNAME", k.UserPrincipalName},
		{"AZURE_PASSWORD", k.Password},
	}, hosts...))
}

func credentialRows(k api.Credentials) [][]string {
	return [][]string{
		{"tenantId", k.TenantId.String()},
		{"clientId", k.ClientId.String()},
		{"clientSecret", k.ClientSecret},
		{"userPrincipalName", k.UserPrincipalName},
		{"password", k.Password},
		{"accessToken", k.AccessToken},
	}
}

// tenantSource selects the initial content of a tenant.
type tenantSource struct {
	seed, file, snapshot string
	preset               *string
	from                 uuid.UUID
}

func (t *tenantSource) register(cmd *adminCommand) {
	flags := cmd.Flags()
	flags.StringVar(&t.seed, "seed", "", "Start with the seed `NAME`.")
	flags.Func("file", "Start with the document in a `FILE`, JSON or YAML (by .yaml, .yml).", readFileName(&t.file))
	flags.Func("from", "Start with the content of another `TENANT`, by its id, a domain or its name.", tenantArg(&t.from)(cmd))
	flags.StringVar(&t.snapshot, "snapshot", "", "With --from: the content of its snapshot `NAME`.")
	optionalChoice(flags, &t.preset, "preset", "Start with what a new Intune tenant holds (fresh), or with something of everything (demo).", api.PresetNames()...)
	must(cmd.MarkFlagFilename("file", "json", "yaml", "yml"))
	cmd.MarkFlagsMutuallyExclusive("seed", "file", "from", "preset")
}

// read returns nil for a tenant that starts empty.
func (t *tenantSource) read() (*api.TenantSource, error) {
	switch {
	case t.snapshot != "" && t.from == uuid.Nil:
		return nil, fmt.Errorf("--snapshot %q: also name its tenant with --from", t.snapshot)
	case t.preset != nil:
		document, _ := api.Preset(*t.preset)
		return &api.TenantSource{Document: &document}, nil
	case t.seed != "":
		return &api.TenantSource{Seed: &t.seed}, nil
	case t.from != uuid.Nil:
		return &api.TenantSource{TenantId: &t.from, Snapshot: given(t.snapshot)}, nil
	case t.file != "":
		document, err := readDocument(t.file)
		return &api.TenantSource{Document: &document}, err
	}
	return nil, nil
}

func newTenantList(c *cli) *cobra.Command {
	var search string
	cmd := c.administer("list", "List the tenants.")
	cmd.Flags().StringVar(&search, "search", "", "Only tenants whose name contains `TEXT`, or whose id begins with it.")
	return list(cmd, tenantTable, func(ctx context.Context, s *session, after *api.After) (*http.Response, error) {
		return s.ListTenants(ctx, &api.ListTenantsParams{After: after, Search: given(search)})
	})
}

func newTenantGet(c *cli) *cobra.Command {
	var id uuid.UUID
	cmd := c.administer("get [<tenant>]", "Show a tenant.", thisTenantArg(&id))
	return show(cmd, tenantDetails.one, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.GetTenant(ctx, id)
	})
}

func newTenantUpdate(c *cli) *cobra.Command {
	var id uuid.UUID
	r := api.TenantUpdate{Settings: &api.TenantSettings{}, Quota: &api.TenantQuota{}}
	cmd := c.administer("update [<tenant>]", "Change a tenant's settings, quota or time to live.", thisTenantArg(&id))
	flags := cmd.Flags()
	flags.Func("display-name", "Its display `NAME`.", optional(&r.DisplayName, readText))
	flags.Var(seconds(r.TtlSeconds.Set), "ttl", "How long it lives from now, such as 90s, 75m, 12h, 30d.")
	flags.BoolFunc("forever", "Let it live forever.", whenTrue(r.TtlSeconds.SetNull))
	flags.Func("manager", "The `NAME` of the keys of its new manager.", func(s string) error { r.Manager.Set(s); return nil })
	flags.BoolFunc("keep-credentials", "With --manager: keep the passwords, secrets and tokens that the previous manager may know.", means(&r.KeepCredentials, true))
	settingFlags(flags, r.Settings, r.Quota)
	cmd.MarkFlagsMutuallyExclusive("ttl", "forever")
	return show(cmd, tenantDetails.one, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.UpdateTenant(ctx, id, r)
	})
}

func newTenantReset(c *cli) *cobra.Command {
	var id uuid.UUID
	cmd := c.administer("reset <tenant>", "Reset a tenant's entities to those that it was made with.", tenantArg(&id))
	cmd.asks("Reset the entities of tenant %s to those that it was made with?")
	return done(cmd, "Reset tenant %[1]s.", func(ctx context.Context, s *session) (*http.Response, error) {
		return s.ResetTenant(ctx, id)
	})
}

func newTenantDelete(c *cli) *cobra.Command {
	var ids []uuid.UUID
	cmd := c.administer("delete <tenant>...", "Remove tenants and everything in them.", tenantsArg(&ids))
	cmd.asks("Remove %s and everything in it?")
	return cmd.does(func(ctx context.Context, s *session, con console) error {
		for _, id := range ids {
			if err := client.Done(s.DeleteTenant(ctx, id)); err != nil {
				return err
			}
			if err := con.say("Removed tenant %s.", []string{id.String()}); err != nil {
				return err
			}
		}
		return nil
	})
}

func newTenantCheckToken(c *cli) *cobra.Command {
	var r api.TokenCheckRequest
	cmd := c.ofTenant("check-token <token>", "Decode a token, and say whether Graph accepts it now, and for which sets.", textArg(&r.Token))
	return show(cmd, tokenCheckRows, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.CheckToken(ctx, s.tenant, r)
	})
}

// tokenCheckRows shows why a token is refused, or what it may do.
func tokenCheckRows(t api.TokenCheck) [][]string {
	if !t.Accepted {
		return [][]string{cells("refused:", t.Reason)}
	}
	rows := [][]string{{"SET", "READ", "WRITE"}}
	for _, a := range t.Access {
		rows = append(rows, cells(a.EntitySet, a.Read, a.Write))
	}
	return rows
}

func newTenantToken(c *cli) *cobra.Command {
	var id uuid.UUID
	var r api.TokenRequest
	cmd := c.administer("token [<tenant>]", "Print an access token for a user or an application, without a sign-in.", thisTenantArg(&id))
	flags := cmd.Flags()
	flags.Func("client", "The `APPLICATION`, by its client id or name.", appArg(&r.ClientId)(cmd))
	flags.Func("user", "The `USER`, by id or user principal name; without one, the token is app-only.", optionalArg(&r.UserId, userArg)(cmd))
	flags.Func("permission", "The `NAME` of a scope, or of a role of the application (default: all write permissions).", optional(&r.Permissions, readTexts))
	flags.Var(seconds(set(&r.LifetimeSeconds)), "lifetime", "How long it is valid, such as 90s, 75m, 12h, 30d (default: 75m).")
	must(cmd.MarkFlagRequired("client"))
	rows := func(t api.Token) [][]string { return [][]string{{t.AccessToken}} }
	return show(cmd, rows, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.IssueToken(ctx, id, r)
	})
}
