package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/identity"
	"github.com/mocktenant/mocktenant/internal/state"
)

// domainSuffix is what the domains of tenants that name none are under.
const domainSuffix = ".mocktenant.example"

// read decodes the body, which the contract has checked.
func read[T any](x *call) (T, error) {
	var v T
	err := json.Unmarshal(x.body, &v)
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		p := errBadRequest("%s: %v", semantic.JSONPointer, semantic.Err)
		p.pointer = string(semantic.JSONPointer)
		p.line = state.LineOf(x.body, p.pointer)
		return v, p
	}
	if err != nil {
		return v, errBadRequest("The body: %v", err)
	}
	return v, nil
}

// ListTenants lists the tenants.
func (a *API) ListTenants(c *gin.Context, p ListTenantsParams) {
	a.answer(c, func(x *call) (answer, error) {
		after, err := parseAfter(p.After)
		if err != nil {
			return answer{}, err
		}
		rows, err := a.queries.ListTenants(c.Request.Context(), db.ListTenantsParams{After: after, Manager: x.caller.manager(), Now: &x.now, RowLimit: limit(p.Top) + 1})
		if err != nil {
			return answer{}, err
		}
		list := TenantList{Value: []Tenant{}}
		rows, list.NextLink = page(x, rows, p.Top, func(t db.Tenant) string { return t.ID.String() })
		domains, err := domainsOf(c.Request.Context(), a.queries, rows)
		for _, t := range rows {
			list.Value = append(list.Value, newTenant(t, domains[t.ID]))
		}
		return ok(list), err
	})
}

func domainsOf(ctx context.Context, q *db.Queries, tenants []db.Tenant) (map[uuid.UUID][]string, error) {
	ids := make([]uuid.UUID, len(tenants))
	for i, t := range tenants {
		ids[i] = t.ID
	}
	rows, err := q.ListDomainsOf(ctx, ids)
	domains := map[uuid.UUID][]string{}
	for _, d := range rows {
		domains[d.TenantID] = append(domains[d.TenantID], d.Name)
	}
	return domains, err
}

func newTenant(t db.Tenant, domains []string) Tenant {
	rule := PermissionRule(t.PermissionRule)
	tenant := Tenant{
		Id: t.ID, DisplayName: t.DisplayName, Domains: domains, CreatedDateTime: t.CreatedAt.UTC(), ExpiresDateTime: utc(t.ExpiresAt),
		Manager: t.Manager, IdSeed: t.IDSeed, Settings: TenantSettings{PageSize: &t.PageSize, PermissionRule: &rule, RepeatabilitySeconds: &t.RepeatabilitySeconds, UserPicker: &t.UserPicker},
	}
	if tenant.Domains == nil {
		tenant.Domains = []string{}
	}
	for quota, of := range map[*int32]func(int32){
		t.PartnerQuota: tenant.Quota.Partners.Set, t.UserQuota: tenant.Quota.Users.Set, t.RequestRate: tenant.Quota.RequestsPerSecond.Set,
	} {
		if quota != nil {
			of(*quota)
		}
	}
	return tenant
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// GetTenant answers a tenant.
func (a *API) GetTenant(c *gin.Context, _ TenantId) {
	a.answer(c, func(x *call) (answer, error) { return a.showTenant(c.Request.Context(), a.queries, x.tenant) })
}

func (a *API) showTenant(ctx context.Context, q *db.Queries, t db.Tenant) (answer, error) {
	domains, err := domainsOf(ctx, q, []db.Tenant{t})
	return ok(newTenant(t, domains[t.ID])), err
}

// CreateTenant makes a tenant, from what it is to start with, and the credentials
// that a test needs.
func (a *API) CreateTenant(c *gin.Context, _ CreateTenantParams) {
	a.answer(c, func(x *call) (answer, error) {
		r, err := read[TenantCreate](x)
		if err != nil {
			return answer{}, err
		}
		if r.Manager != nil && x.caller.role == db.AdminRoleManager && *r.Manager != x.caller.name {
			return answer{}, errForbidden("Owners alone may name another manager than %q.", x.caller.name)
		}
		if err := x.checkTenant(r); err != nil {
			return answer{}, err
		}
		if r.Id == nil {
			id := uuid.New()
			r.Id = &id
		}
		domain := strings.ReplaceAll(r.Id.String(), "-", "")[20:] + domainSuffix
		if r.Domain != nil {
			domain = strings.ToLower(*r.Domain)
		}
		var k *credentials
		if r.Credentials == nil || *r.Credentials {
			if k, err = a.newCredentials(db.Tenant{ID: *r.Id, IDSeed: r.IdSeed}, domain, x.now); err != nil {
				return answer{}, err
			}
		}
		end, err := a.takeTurn(x, r.Source)
		if err != nil {
			return answer{}, err
		}
		defer end()
		return a.creating(r)(x, r.Id.String(), func(ctx context.Context, c *change) (answer, error) {
			return c.createTenant(ctx, x, r, domain, k)
		})
	})
}

// creating is how the change is made that a tenant is created by: among few, if it has
// much to copy.
func (a *API) creating(r TenantCreate) func(*call, string, func(context.Context, *change) (answer, error)) (answer, error) {
	switch {
	case r.Source == nil:
		return a.change
	case r.Source.Document != nil:
		return a.transfer
	}
	return a.copying
}

// takeTurn waits for the tenant that a source is, which is locked while it is copied.
// One that isn't the caller's keeps nobody waiting: the change finds that out.
func (a *API) takeTurn(x *call, s *TenantSource) (end func(), err error) {
	if s == nil || s.TenantId == nil || s.Snapshot != nil {
		return func() {}, nil
	}
	if _, err := a.tenant(x, *s.TenantId); err != nil {
		return func() {}, nil
	}
	return a.turns.Take(x.Request.Context(), *s.TenantId)
}

// checkTenant refuses what the contract can't.
func (x *call) checkTenant(r TenantCreate) error {
	if r.Id != nil {
		if what := identity.ReservedID(*r.Id); what != "" {
			return x.errAt("/id", "%s is %s; take another id.", r.Id, what)
		}
	}
	if r.Domain != nil {
		if what := identity.ReservedDomain(*r.Domain); what != "" {
			return x.errAt("/domain", "%q is %s; take another domain.", *r.Domain, what)
		}
		if !validDomain(*r.Domain) {
			return x.errAt("/domain", "%q is no domain.", *r.Domain)
		}
	}
	switch s := r.Source; {
	case s == nil,
		s.Seed != nil && s.TenantId == nil && s.Snapshot == nil && s.Document == nil,
		s.Document != nil && s.TenantId == nil && s.Snapshot == nil && s.Seed == nil,
		s.TenantId != nil && s.Seed == nil && s.Document == nil:
		return nil
	}
	return x.errAt("/source", "want one of seed, document, tenantId, or tenantId with snapshot.")
}

// errAt refuses a part of the body.
func (x *call) errAt(pointer, format string, args ...any) *problem {
	p := errBadRequest(pointer+": "+format, args...)
	p.pointer, p.line = pointer, state.LineOf(x.body, pointer)
	return p
}

func (c *change) createTenant(ctx context.Context, x *call, r TenantCreate, domain string, k *credentials) (answer, error) {
	origin, err := c.origin(ctx, x, r)
	if err == nil {
		c.tenant, err = c.beginTenant(ctx, x, r, origin)
	}
	if err != nil {
		return answer{}, err
	}
	t := c.tenant
	_, err = c.later.CreateTenant(ctx, db.CreateTenantParams{
		TenantID: t.ID, DisplayName: t.DisplayName, PermissionRule: &t.PermissionRule, UserPicker: t.UserPicker, PageSize: &t.PageSize,
		RepeatabilitySeconds: t.RepeatabilitySeconds,
		ExpiresAt:            t.ExpiresAt, Manager: t.Manager, OriginID: t.OriginID, PartnerQuota: t.PartnerQuota, UserQuota: t.UserQuota, RequestRate: t.RequestRate,
		IDSeed: t.IDSeed, CreatedAt: t.CreatedAt,
	})
	c.later.OrElse(errConflict("There is a tenant %s.", t.ID))
	if err == nil {
		_, err = c.later.CreateDomain(ctx, db.CreateDomainParams{Name: domain, TenantID: t.ID, CreatedAt: t.CreatedAt})
		c.later.OrElse(errConflict("The domain %q is another tenant's.", domain))
	}
	if err == nil && origin != nil {
		if err = c.send(ctx); err == nil { // it is nobody else's, before anything goes into it
			err = state.Copy(ctx, c.later.Queries, t.ID, *origin)
		}
	}
	result := TenantCreated{Tenant: newTenant(t, []string{domain})}
	if err == nil && k != nil {
		result.Credentials = &k.Credentials
		err = c.createCredentials(ctx, k, x.now)
	}
	return created(result), err
}

// beginTenant is the tenant that is to be made: what the origin says of its settings
// holds where the request says nothing.
func (c *change) beginTenant(ctx context.Context, x *call, r TenantCreate, origin *uuid.UUID) (db.Tenant, error) {
	t := db.Tenant{
		ID: *r.Id, DisplayName: r.DisplayName, PermissionRule: db.PermissionRuleSeed, PageSize: 1000,
		Manager: x.caller.manager(), OriginID: origin, IDSeed: r.IdSeed, CreatedAt: x.now,
	}
	if r.Manager != nil {
		t.Manager = r.Manager
	}
	if r.TtlSeconds != nil {
		t.ExpiresAt = after(x.now, time.Duration(*r.TtlSeconds)*time.Second)
	}
	if origin != nil {
		kept, err := c.GetState(ctx, *origin)
		if err != nil {
			return t, err
		}
		t.PermissionRule, t.UserPicker, t.PageSize = kept.PermissionRule, kept.UserPicker, kept.PageSize
		t.RepeatabilitySeconds = kept.RepeatabilitySeconds
	}
	u := updated(t, r.Settings, r.Quota)
	t.PermissionRule, t.UserPicker, t.PageSize = u.PermissionRule, u.UserPicker, u.PageSize
	t.RepeatabilitySeconds = u.RepeatabilitySeconds
	t.PartnerQuota, t.UserQuota, t.RequestRate = u.PartnerQuota, u.UserQuota, u.RequestRate
	if origin == nil {
		return t, nil
	}
	return t, c.checkQuota(ctx, *origin, t.PartnerQuota, t.UserQuota)
}

func orConflict(err error, format string, args ...any) error {
	if err == nil {
		err = errConflict(format, args...)
	}
	return err
}

func validDomain(name string) bool {
	return name != "" && !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, ".") && !strings.ContainsAny(name, " @/:%?#\x00")
}

// origin is the state that the tenant starts with and goes back to. Who names it is
// held until the tenant is there, so that the state stays, too.
func (c *change) origin(ctx context.Context, x *call, r TenantCreate) (*uuid.UUID, error) {
	switch s := r.Source; {
	case s == nil:
		return nil, nil
	case s.Document != nil:
		m := state.Importer{Now: x.now, By: x.caller.id}
		set(&m.IDSeed, r.IdSeed)
		id, err := m.Import(ctx, c.tx, x.state)
		return &id, within("/source/document", err)
	case s.Seed != nil:
		seed, err := c.LockSeed(ctx, db.LockSeedParams{Name: *s.Seed, Manager: x.caller.manager()})
		return &seed.StateID, orNoSeed(err, *s.Seed)
	default:
		return c.originOf(ctx, x, *s.TenantId, s.Snapshot)
	}
}

// originOf is the state of a snapshot of a tenant, or one made of it as it is now.
func (c *change) originOf(ctx context.Context, x *call, tenant uuid.UUID, snapshot *string) (*uuid.UUID, error) {
	if _, err := managed(ctx, c.Queries, x, tenant); err != nil {
		return nil, err
	}
	id, err := c.stateOf(ctx, tenant, snapshot, x.now)
	if err != nil {
		return nil, err
	}
	_, err = managed(ctx, c.Queries, x, tenant) // and still is, now that it is locked
	return &id, err
}

func (c *change) stateOf(ctx context.Context, tenant uuid.UUID, snapshot *string, now time.Time) (uuid.UUID, error) {
	if snapshot == nil {
		id, err := c.keep(ctx, tenant, now)
		return id, orNoTenant(err, tenant)
	}
	row, err := c.LockSnapshot(ctx, db.LockSnapshotParams{TenantID: tenant, Name: *snapshot})
	return row.StateID, orNoSnapshot(err, *snapshot)
}

// within says of a document that is part of a body where it is wrong.
func within(pointer string, err error) error {
	var document *state.Error
	if errors.As(err, &document) {
		return &problem{status: http.StatusBadRequest, detail: pointer + document.Pointer + ": " + document.Message, pointer: pointer + document.Pointer, line: document.Line}
	}
	return err
}

// keep makes a state of a tenant, which is locked meanwhile.
func (c *change) keep(ctx context.Context, tenant uuid.UUID, now time.Time) (uuid.UUID, error) {
	if _, err := c.LockTenant(ctx, tenant); err != nil {
		return uuid.Nil, err
	}
	return state.Keep(ctx, c.Queries, tenant, now)
}

func updated(t db.Tenant, settings *TenantSettings, quota *TenantQuota) db.UpdateTenantParams {
	p := db.UpdateTenantParams{
		TenantID: t.ID, DisplayName: t.DisplayName, PermissionRule: t.PermissionRule, UserPicker: t.UserPicker, PageSize: t.PageSize,
		RepeatabilitySeconds: t.RepeatabilitySeconds,
		ExpiresAt:            t.ExpiresAt, Manager: t.Manager, PartnerQuota: t.PartnerQuota, UserQuota: t.UserQuota, RequestRate: t.RequestRate,
	}
	if settings != nil {
		if settings.PageSize != nil {
			p.PageSize = *settings.PageSize
		}
		if settings.PermissionRule != nil {
			p.PermissionRule = db.PermissionRule(*settings.PermissionRule)
		}
		if settings.RepeatabilitySeconds != nil {
			p.RepeatabilitySeconds = *settings.RepeatabilitySeconds
		}
		if settings.UserPicker != nil {
			p.UserPicker = *settings.UserPicker
		}
	}
	if quota != nil {
		setNullable(&p.PartnerQuota, quota.Partners)
		setNullable(&p.UserQuota, quota.Users)
		setNullable(&p.RequestRate, quota.RequestsPerSecond)
	}
	return p
}

// setNullable takes over what a body says of a value: another, or, by null, none.
func setNullable[T any, N ~map[bool]T](value **T, given N) {
	v, has := given[true]
	_, null := given[false]
	switch {
	case has:
		*value = &v
	case null:
		*value = nil
	}
}

// UpdateTenant changes what the body names.
func (a *API) UpdateTenant(c *gin.Context, _ TenantId) {
	a.answer(c, func(x *call) (answer, error) {
		r, err := read[TenantUpdate](x)
		if err != nil {
			return answer{}, err
		}
		if len(r.Manager) > 0 && x.caller.role != db.AdminRoleOwner {
			return answer{}, errForbidden("Owners alone may change the manager.")
		}
		if r.KeepCredentials != nil && len(r.Manager) == 0 {
			return answer{}, x.errAt("/keepCredentials", "comes with a manager.")
		}
		return a.change(x, "", func(ctx context.Context, c *change) (answer, error) {
			p := updated(c.tenant, r.Settings, r.Quota)
			if r.DisplayName != nil {
				p.DisplayName = *r.DisplayName
			}
			setNullable(&p.Manager, r.Manager)
			var ttl *int64
			if setNullable(&ttl, r.TtlSeconds); len(r.TtlSeconds) > 0 {
				p.ExpiresAt = nil
			}
			if ttl != nil {
				p.ExpiresAt = after(x.now, time.Duration(*ttl)*time.Second)
			}
			if quota := raised(c.tenant, p); quota != "" && x.caller.role != db.AdminRoleOwner {
				return answer{}, errForbidden("Owners alone may raise a quota, or take it away: %s.", quota)
			}
			tenant, err := c.UpdateTenant(ctx, p)
			if err == nil && len(r.Manager) > 0 {
				err = c.handOver(ctx, tenant.Manager, r.KeepCredentials != nil && *r.KeepCredentials, x.now)
			}
			if err != nil {
				return answer{}, err
			}
			return a.showTenant(ctx, c.Queries, tenant)
		})
	})
}

// raised is the first quota that a change would raise or take away; "" is none. A manager
// may do that to none, or a quota would hold for nobody.
func raised(t db.Tenant, p db.UpdateTenantParams) string {
	for _, quota := range []struct {
		name    string
		old, to *int32
	}{
		{"partners", t.PartnerQuota, p.PartnerQuota},
		{"users", t.UserQuota, p.UserQuota},
		{"requestsPerSecond", t.RequestRate, p.RequestRate},
	} {
		if quota.old != nil && (quota.to == nil || *quota.to > *quota.old) {
			return quota.name
		}
	}
	return ""
}

// handOver ends what the manager until now came into the tenant by, if it gets another
// one: what report logins read of it and, unless those are kept, all credentials. An
// owner's tenant that gets a manager for the first time keeps them.
func (c *change) handOver(ctx context.Context, manager *string, keep bool, now time.Time) error {
	err := c.RemoveManagersReportLogins(ctx, db.RemoveManagersReportLoginsParams{TenantID: c.tenant.ID, Manager: manager})
	former := c.tenant.Manager
	if err != nil || keep || former == nil || manager != nil && *manager == *former {
		return err
	}
	return c.EndCredentials(ctx, db.EndCredentialsParams{TenantID: c.tenant.ID, Now: now})
}

// DeleteTenant removes a tenant: first nobody finds it any more, then it goes.
func (a *API) DeleteTenant(c *gin.Context, id TenantId) {
	a.answer(c, func(x *call) (answer, error) {
		result, err := a.change(x, "", func(ctx context.Context, c *change) (answer, error) {
			return done(), c.ExpireTenant(ctx, db.ExpireTenantParams{TenantID: id, ExpiresAt: &x.now})
		})
		if err != nil {
			return result, err
		}
		// A client that goes away leaves no half-removed tenant.
		return result, a.purge(context.WithoutCancel(c.Request.Context()), id)
	})
}

// purge removes a tenant and all that is its own.
func (a *API) purge(ctx context.Context, id uuid.UUID) (err error) {
	for range tries {
		err = pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
			q := db.New(tx)
			states, err := q.ListStatesOf(ctx, id)
			if err != nil {
				return err
			}
			if err := q.DeleteTenantReferences(ctx, id); err != nil {
				return err
			}
			if _, err := q.DeleteTenant(ctx, id); err != nil {
				return err
			}
			_, err = q.DeleteUnusedStates(ctx, states)
			return err
		})
		if !rolledBack(err) {
			break
		}
	}
	a.identity.ForgetCallers()
	return err
}

// ResetTenant puts the partners back.
func (a *API) ResetTenant(c *gin.Context, _ TenantId) {
	a.answer(c, func(x *call) (answer, error) {
		return a.copying(x, "", func(ctx context.Context, c *change) (answer, error) {
			if c.tenant.OriginID != nil { // whose partners alone come back
				if err := c.checkQuota(ctx, *c.tenant.OriginID, c.tenant.PartnerQuota, nil); err != nil {
					return answer{}, err
				}
			}
			if err := state.Reset(ctx, c.Queries, c.tenant.ID, c.tenant.OriginID); err != nil {
				return answer{}, err
			}
			return a.showTenant(ctx, c.Queries, c.tenant)
		})
	})
}

// tokenLifetime is the middle of Entra's 60 to 90 minutes.
const tokenLifetime = 75 * time.Minute

// What may be written here, and read.
const (
	readPermission  = "DeviceManagementServiceConfig.Read.All"
	writePermission = "DeviceManagementServiceConfig.ReadWrite.All"
)

// https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference#intune-administrator
var intuneAdministrator = uuid.MustParse("3a2c62db-5318-420d-8d74-23affee5d9d5")

// credentials are a user who may do everything here, an application that may ask for
// it, and what both are let in by.
type credentials struct {
	Credentials
	user        db.CreateUserParams
	application db.CreateApplicationParams
}

// newCredentials makes up the credentials of a tenant. It takes a millisecond, for
// the signature of the token, in which nobody need wait for a transaction.
func (a *API) newCredentials(t db.Tenant, domain string, now time.Time) (*credentials, error) {
	user, application := newUserOf(t, "user@"+domain, now), newApplicationOf(t, "application", nil, now)
	password, hash, err := passwordOf(nil)
	if err != nil {
		return nil, err
	}
	user.DisplayName, user.DirectoryRoles, user.PasswordHash = "User", []uuid.UUID{intuneAdministrator}, &hash
	application.DisplayName, application.PublicClientFlows = "Application", true
	application.RedirectUris, application.SpaRedirectUris = identity.LocalRedirectURIs()
	application.RequiredScopes, application.RequiredRoles = []string{"User.Read", writePermission}, []string{writePermission}
	token, err := a.identity.IssueAccessToken(identity.AccessToken{
		TenantID: t.ID, ObjectID: user.ID, AppID: application.ClientID, AppName: application.DisplayName,
		UserName: user.UserPrincipalName, DisplayName: user.DisplayName, DirectoryRoles: user.DirectoryRoles,
		Scopes: []string{"User.Read", writePermission}, Lifetime: tokenLifetime, ValidFrom: now,
	})
	return &credentials{Credentials{
		TenantId: t.ID, ClientId: application.ClientID, ClientSecret: newSecret(), UserId: user.ID,
		UserPrincipalName: user.UserPrincipalName, Password: password, AccessToken: token, ExpiresDateTime: now.Add(tokenLifetime).UTC(),
	}, user, application}, err
}

func (c *change) createCredentials(ctx context.Context, k *credentials, now time.Time) error {
	if err := c.createUser(ctx, k.user); err != nil {
		return err
	}
	if err := c.createApplication(ctx, k.application); err != nil {
		return err
	}
	if _, err := c.createSecret(ctx, k.ClientId, k.ClientSecret, secretLifetime, now); err != nil {
		return err
	}
	return c.grant(ctx, k.ClientId, uuid.Nil, []string{"User.Read", readPermission, writePermission}, []string{readPermission, writePermission}, now)
}

// IssueToken issues a token without a sign-in.
func (a *API) IssueToken(c *gin.Context, _ TenantId) {
	a.answer(c, func(x *call) (answer, error) {
		r, err := read[TokenRequest](x)
		if err != nil {
			return answer{}, err
		}
		return a.change(x, r.ClientId.String(), func(ctx context.Context, c *change) (answer, error) {
			app, err := c.findApplication(ctx, r.ClientId)
			if err != nil {
				return answer{}, err
			}
			permissions, lifetime := []string{writePermission}, tokenLifetime
			if r.Permissions != nil {
				permissions = *r.Permissions
			}
			if r.LifetimeSeconds != nil {
				lifetime = time.Duration(*r.LifetimeSeconds) * time.Second
			}
			t := identity.AccessToken{TenantID: c.tenant.ID, ObjectID: app.ServicePrincipalID, AppID: app.ClientID, AppName: app.DisplayName, Roles: permissions, Lifetime: lifetime}
			since := []time.Time{c.tenant.CreatedAt, app.TokensValidFrom}
			if r.UserId != nil {
				user, err := c.findUser(ctx, *r.UserId)
				if err != nil {
					return answer{}, err
				}
				t.Roles, t.Scopes = nil, permissions
				t.ObjectID, t.UserName, t.DisplayName, t.DirectoryRoles = user.ID, user.UserPrincipalName, user.DisplayName, user.DirectoryRoles
				since = append(since, user.TokensValidFrom)
			}
			t.ValidFrom = slices.MaxFunc(since, time.Time.Compare)
			token, err := a.identity.IssueAccessToken(t)
			return created(Token{AccessToken: token, ExpiresDateTime: x.now.Add(lifetime).UTC()}), err
		})
	})
}
