package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/oapi-codegen/nullable"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/identity"
	"github.com/mocktenant/mocktenant/internal/state"
)

// domainSuffix is the suffix of the default domains of tenants.
const domainSuffix = ".mocktenant.example"

// listTenants lists the tenants that the caller can see.
func listTenants(ctx context.Context, x *call, p api.ListTenantsParams) (list api.TenantList, err error) {
	after, err := parseAfter(p.After)
	if err != nil {
		return list, err
	}
	domain, err := tenantOfDomain(ctx, x.admin.queries, p.Name)
	if err != nil {
		return list, err
	}
	rows, err := x.admin.queries.ListTenants(ctx, db.ListTenantsParams{
		After: after, Name: p.Name, DomainTenantID: domain, Search: afterText(p.Search), Manager: x.caller.manager(), Now: &x.Now, RowLimit: limit(p.Top) + 1,
	})
	if err != nil {
		return list, err
	}
	rows, list.NextLink = page(x, rows, p.Top, func(t db.Tenant) string { return t.ID.String() })
	domains, err := domainsOf(ctx, x.admin.queries, rows)
	list.Value = each(rows, func(t db.Tenant) api.Tenant { return newTenant(t, domains[t.ID]) })
	return list, err
}

// tenantOfDomain returns the tenant of a domain, or nil.
func tenantOfDomain(ctx context.Context, q *db.Queries, name *string) (*uuid.UUID, error) {
	if name == nil {
		return nil, nil
	}
	domain, err := q.GetDomain(ctx, *name)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return &domain.TenantID, err
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

func newTenant(t db.Tenant, domains []string) api.Tenant {
	rule, codes := api.PermissionRule(t.PermissionRule), api.StatusCodes(t.StatusCodes)
	return api.Tenant{
		Id: t.ID, DisplayName: t.DisplayName, Domains: list(domains), CreatedDateTime: t.CreatedAt.UTC(), ExpiresDateTime: utc(t.ExpiresAt),
		Manager: t.Manager, IdSeed: t.IDSeed,
		Settings: api.TenantSettings{PageSize: &t.PageSize, PartnerPortal: &t.PartnerPortal, PermissionRule: &rule, StatusCodes: &codes, RepeatabilitySeconds: &t.RepeatabilitySeconds, UserPicker: &t.UserPicker, Throttling: throttlingOf(t), JournalLimit: &t.JournalLimit, JournalSeconds: &t.JournalSeconds},
		Quota:    api.TenantQuota{Entities: nullableOf(t.EntityQuota), Users: nullableOf(t.UserQuota), RequestsPerSecond: nullableOf(t.RequestRate)},
	}
}

// throttlingOf returns a tenant's throttling for the API.
func throttlingOf(t db.Tenant) *api.Throttling {
	s := &api.Throttling{Limits: api.ThrottlingLimitsOff}
	if t.Throttling == nil || json.Unmarshal(t.Throttling, s) != nil {
		return &api.Throttling{Limits: api.ThrottlingLimitsOff}
	}
	return s
}

// throttlingAs returns throttling in the database's form.
func throttlingAs(s *api.Throttling) []byte {
	if s.Limits == api.ThrottlingLimitsOff {
		return nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // only texts and numbers, which can't fail
	}
	return text
}

// checkThrottling refuses numbers that don't apply.
func (x *call) checkThrottling(s *api.TenantSettings) error {
	if s == nil || s.Throttling == nil {
		return nil
	}
	t := s.Throttling
	if limits := t.ApplicationRequests != nil || t.ApplicationWrites != nil || t.TenantRequests != nil || t.TenantWrites != nil; limits != (t.Limits == api.ThrottlingLimitsOwn) {
		return x.errAt("/settings/throttling/limits", "numbers require the limits own, and the limits own require numbers.")
	}
	if t.WindowSeconds != nil && t.Limits != api.ThrottlingLimitsOwn {
		return x.errAt("/settings/throttling/windowSeconds", "requires the limits own.")
	}
	return nil
}

// nullableOf returns a value that JSON omits if it is nil.
func nullableOf[T any](value *T) nullable.Nullable[T] {
	if value == nil {
		return nil
	}
	return nullable.NewNullableWithValue(*value)
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

func getTenant(ctx context.Context, x *call, _ none) (api.Tenant, error) {
	return showTenant(ctx, x.admin.queries, x.tenant)
}

func showTenant(ctx context.Context, q *db.Queries, t db.Tenant) (api.Tenant, error) {
	domains, err := domainsOf(ctx, q, []db.Tenant{t})
	return newTenant(t, domains[t.ID]), err
}

// tenantCreate is a request to make a tenant.
type tenantCreate struct {
	api.TenantCreate
	domain      string
	credentials *credentials // nil without credentials
}

// prepareTenant checks what the contract can't, and fills in defaults.
func prepareTenant(_ context.Context, x *call, r *tenantCreate) error {
	if m := x.caller.manager(); r.Manager != nil && m != nil && *r.Manager != *m {
		return errForbidden("Only owners can name a manager other than %q.", *m)
	}
	if err := x.checkTenant(r.TenantCreate); err != nil {
		return err
	}
	if err := x.checkThrottling(r.Settings); err != nil {
		return err
	}
	if r.Id == nil {
		id := uuid.New()
		r.Id = &id
	}
	r.domain = strings.ReplaceAll(r.Id.String(), "-", "")[20:] + domainSuffix
	if r.Domain != nil {
		r.domain = strings.ToLower(*r.Domain)
	}
	x.queueFor(r.Source)
	if r.Credentials != nil && !*r.Credentials {
		return nil
	}
	var err error
	r.credentials, err = x.admin.newCredentials(db.Tenant{ID: *r.Id, IDSeed: r.IdSeed}, r.domain, x.Now)
	return err
}

// queueFor chooses the slots and the queue in which the change waits. A copy waits in the
// queue of the tenant that it reads and locks. If that tenant isn't the caller's, the copy
// doesn't wait; the change then fails.
func (x *call) queueFor(s *api.TenantSource) {
	switch {
	case s == nil:
	case s.Document != nil:
		x.slots = x.admin.transfers
	default:
		x.slots = x.admin.copies
		if s.TenantId != nil && s.Snapshot == nil {
			if _, err := x.admin.tenant(x, *s.TenantId); err == nil {
				x.copied = *s.TenantId
			}
		}
	}
}

// checkTenant checks what the contract can't.
func (x *call) checkTenant(r api.TenantCreate) error {
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
			return x.errAt("/domain", "%q isn't a domain.", *r.Domain)
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

// createTenant makes a tenant with its initial content, and credentials for a test.
func createTenant(ctx context.Context, c *change, r tenantCreate) (made api.TenantCreated, err error) {
	c.target = r.Id.String()
	origin, err := c.origin(ctx, r.TenantCreate)
	if err != nil {
		return made, err
	}
	if c.tenant, err = c.beginTenant(ctx, r.TenantCreate, origin); err != nil {
		return made, err
	}
	if err := c.insertTenant(ctx, r.domain, origin); err != nil {
		return made, err
	}
	made.Tenant = newTenant(c.tenant, []string{r.domain})
	if r.credentials == nil {
		return made, nil
	}
	if !c.x.Now.Equal(c.x.Arrived) { // prepareTenant used the service's clock
		if r.credentials, err = c.x.admin.newCredentials(c.tenant, r.domain, c.x.Now); err != nil {
			return made, err
		}
	}
	made.Credentials = &r.credentials.Credentials
	return made, c.createCredentials(ctx, r.credentials)
}

// insertTenant inserts the change's tenant with its domain and, if it has an origin, that
// state's content.
func (c *change) insertTenant(ctx context.Context, domain string, origin *uuid.UUID) error {
	if err := c.queueTenant(ctx, domain); err != nil || origin == nil {
		return err
	}
	if err := c.send(ctx); err != nil { // fails if the id is taken, before the tenant gets its content
		return err
	}
	return state.Copy(ctx, c.later.Queries, c.tenant.ID, *origin, c.x.Arrived)
}

// queueTenant queues the rows of the change's tenant and its domain.
func (c *change) queueTenant(ctx context.Context, domain string) error {
	t := c.tenant
	_, err := c.later.Queries.CreateTenant(ctx, db.CreateTenantParams{
		TenantID: t.ID, DisplayName: t.DisplayName, PermissionRule: &t.PermissionRule, StatusCodes: &t.StatusCodes, UserPicker: t.UserPicker, PartnerPortal: t.PartnerPortal, PageSize: &t.PageSize,
		RepeatabilitySeconds: t.RepeatabilitySeconds, Throttling: t.Throttling,
		ExpiresAt: t.ExpiresAt, Manager: t.Manager, OriginID: t.OriginID, EntityQuota: t.EntityQuota, UserQuota: t.UserQuota, RequestRate: t.RequestRate,
		IDSeed: t.IDSeed, JournalLimit: &t.JournalLimit, JournalSeconds: &t.JournalSeconds, CreatedAt: t.CreatedAt,
	})
	if err != nil {
		return err
	}
	c.later.OrElse(errConflict("There is a tenant %s.", t.ID))
	if _, err := c.later.Queries.CreateDomain(ctx, db.CreateDomainParams{Name: domain, TenantID: t.ID, CreatedAt: t.CreatedAt}); err != nil {
		return err
	}
	c.later.OrElse(errConflict("The domain %q is another tenant's.", domain))
	return nil
}

// beginTenant returns the row of the new tenant, and sets the change's time by the tenant's
// clock. Omitted settings come from the origin.
func (c *change) beginTenant(ctx context.Context, r api.TenantCreate, origin *uuid.UUID) (db.Tenant, error) {
	t := db.Tenant{
		ID: *r.Id, DisplayName: r.DisplayName, PermissionRule: db.PermissionRuleSeed, StatusCodes: db.StatusCodesDocumented, PageSize: 1000, JournalLimit: 10_000, JournalSeconds: 86400,
		Manager: c.x.caller.manager(), OriginID: origin, IDSeed: r.IdSeed, CreatedAt: c.x.Arrived,
	}
	if r.Manager != nil {
		t.Manager = r.Manager
	}
	if r.TtlSeconds != nil {
		t.ExpiresAt = after(c.x.Arrived, time.Duration(*r.TtlSeconds)*time.Second)
	}
	if origin != nil {
		if err := c.inherit(ctx, &t, *origin); err != nil {
			return t, err
		}
	}
	u := updated(t, r.Settings, r.Quota)
	t.PermissionRule, t.UserPicker, t.PartnerPortal, t.PageSize = u.PermissionRule, u.UserPicker, u.PartnerPortal, u.PageSize
	t.RepeatabilitySeconds, t.StatusCodes, t.Throttling = u.RepeatabilitySeconds, u.StatusCodes, u.Throttling
	t.JournalLimit, t.JournalSeconds = u.JournalLimit, u.JournalSeconds
	t.EntityQuota, t.UserQuota, t.RequestRate = u.EntityQuota, u.UserQuota, u.RequestRate
	if origin == nil {
		return t, nil
	}
	return t, c.checkQuota(ctx, *origin, t.EntityQuota, t.UserQuota)
}

// inherit gives a new tenant the settings and the clock of a state.
func (c *change) inherit(ctx context.Context, t *db.Tenant, origin uuid.UUID) error {
	kept, err := c.queries.GetState(ctx, origin)
	if err != nil {
		return err
	}
	t.PermissionRule, t.UserPicker, t.PartnerPortal, t.PageSize = kept.PermissionRule, kept.UserPicker, kept.PartnerPortal, kept.PageSize
	t.RepeatabilitySeconds, t.StatusCodes, t.Throttling = kept.RepeatabilitySeconds, kept.StatusCodes, kept.Throttling
	c.x.Now = clockOf(kept, c.x.Arrived).Now(c.x.Arrived).UTC().Truncate(time.Microsecond)
	t.CreatedAt = c.x.Now // so that a slow clock shows no time before the creation
	return nil
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

// origin returns the state that the tenant starts with and can be reset to. The row that
// refers to the state is locked until the tenant exists, so that the state stays.
func (c *change) origin(ctx context.Context, r api.TenantCreate) (*uuid.UUID, error) {
	switch s := r.Source; {
	case s == nil:
		return nil, nil
	case s.Document != nil:
		m := c.x.importer()
		set(&m.IDSeed, r.IdSeed)
		id, err := m.Import(ctx, c.tx, c.x.state)
		return &id, within("/source/document", err)
	case s.Seed != nil:
		seed, err := c.queries.LockSeed(ctx, db.LockSeedParams{Name: *s.Seed, Manager: c.x.caller.manager()})
		return &seed.StateID, orNoSeed(err, *s.Seed)
	default:
		return c.originOf(ctx, *s.TenantId, s.Snapshot)
	}
}

// originOf returns the state of a tenant's snapshot, or a new state with the tenant's
// current content.
func (c *change) originOf(ctx context.Context, tenant uuid.UUID, snapshot *string) (*uuid.UUID, error) {
	if _, err := managed(ctx, c.queries, c.x, tenant); err != nil {
		return nil, err
	}
	id, err := c.stateOf(ctx, tenant, snapshot)
	if err != nil {
		return nil, err
	}
	_, err = managed(ctx, c.queries, c.x, tenant) // still true now that it is locked
	return &id, err
}

func (c *change) stateOf(ctx context.Context, tenant uuid.UUID, snapshot *string) (uuid.UUID, error) {
	if snapshot == nil {
		id, err := c.keep(ctx, tenant)
		return id, orNoTenant(err, tenant)
	}
	row, err := c.queries.LockSnapshot(ctx, db.LockSnapshotParams{TenantID: tenant, Name: *snapshot})
	return row.StateID, orNoSnapshot(err, *snapshot)
}

// within adds the position in the body to an error of a document.
func within(pointer string, err error) error {
	var document *state.Error
	if errors.As(err, &document) {
		return &problem{status: http.StatusBadRequest, detail: pointer + document.Pointer + ": " + document.Message, pointer: pointer + document.Pointer, line: document.Line}
	}
	return err
}

// keep makes a state from a tenant, which is locked meanwhile.
func (c *change) keep(ctx context.Context, tenant uuid.UUID) (uuid.UUID, error) {
	if _, err := c.queries.LockTenant(ctx, tenant); err != nil {
		return uuid.Nil, err
	}
	return state.Keep(ctx, c.queries, tenant, c.x.Arrived)
}

func updated(t db.Tenant, settings *api.TenantSettings, quota *api.TenantQuota) db.UpdateTenantParams {
	p := db.UpdateTenantParams{
		TenantID: t.ID, DisplayName: t.DisplayName, PermissionRule: t.PermissionRule, StatusCodes: t.StatusCodes, UserPicker: t.UserPicker, PartnerPortal: t.PartnerPortal, PageSize: t.PageSize,
		RepeatabilitySeconds: t.RepeatabilitySeconds, Throttling: t.Throttling, JournalLimit: t.JournalLimit, JournalSeconds: t.JournalSeconds,
		ExpiresAt: t.ExpiresAt, Manager: t.Manager, EntityQuota: t.EntityQuota, UserQuota: t.UserQuota, RequestRate: t.RequestRate,
	}
	if settings != nil {
		set(&p.PageSize, settings.PageSize)
		set(&p.PartnerPortal, settings.PartnerPortal)
		set((*api.PermissionRule)(&p.PermissionRule), settings.PermissionRule)
		set(&p.RepeatabilitySeconds, settings.RepeatabilitySeconds)
		set((*api.StatusCodes)(&p.StatusCodes), settings.StatusCodes)
		if settings.Throttling != nil {
			p.Throttling = throttlingAs(settings.Throttling)
		}
		set(&p.UserPicker, settings.UserPicker)
		set(&p.JournalLimit, settings.JournalLimit)
		set(&p.JournalSeconds, settings.JournalSeconds)
	}
	if quota != nil {
		setNullable(&p.EntityQuota, quota.Entities)
		setNullable(&p.UserQuota, quota.Users)
		setNullable(&p.RequestRate, quota.RequestsPerSecond)
	}
	return p
}

// setNullable sets a value if the body has it; null clears the value.
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

func checkTenantUpdate(_ context.Context, x *call, r *api.TenantUpdate) error {
	if len(r.Manager) > 0 && x.caller.role != db.AdminRoleOwner {
		return errForbidden("Only owners can change the manager.")
	}
	if r.KeepCredentials != nil && len(r.Manager) == 0 {
		return x.errAt("/keepCredentials", "requires a manager.")
	}
	return x.checkThrottling(r.Settings)
}

// updateTenant changes the members that are present.
func updateTenant(ctx context.Context, c *change, r api.TenantUpdate) (api.Tenant, error) {
	p := updated(c.tenant, r.Settings, r.Quota)
	set(&p.DisplayName, r.DisplayName)
	setNullable(&p.Manager, r.Manager)
	if len(r.TtlSeconds) > 0 {
		p.ExpiresAt = nil
	}
	if ttl, err := r.TtlSeconds.Get(); err == nil {
		p.ExpiresAt = after(c.x.Arrived, time.Duration(ttl)*time.Second)
	}
	if quota := raised(c.tenant, p); quota != "" && c.x.caller.role != db.AdminRoleOwner {
		return api.Tenant{}, errForbidden("Only owners can raise or remove a quota: %s.", quota)
	}
	tenant, err := c.queries.UpdateTenant(ctx, p)
	if err != nil {
		return api.Tenant{}, err
	}
	if len(r.Manager) > 0 {
		if err := c.handOver(ctx, tenant.Manager, r.KeepCredentials != nil && *r.KeepCredentials); err != nil {
			return api.Tenant{}, err
		}
	}
	return showTenant(ctx, c.queries, tenant)
}

// raised returns the first quota that a change would raise or remove, or "". A manager must
// not do that, or quotas would be useless.
func raised(t db.Tenant, p db.UpdateTenantParams) string {
	for _, quota := range []struct {
		name    string
		old, to *int32
	}{
		{"entities", t.EntityQuota, p.EntityQuota},
		{"users", t.UserQuota, p.UserQuota},
		{"requestsPerSecond", t.RequestRate, p.RequestRate},
	} {
		if quota.old != nil && (quota.to == nil || *quota.to > *quota.old) {
			return quota.name
		}
	}
	return ""
}

// handOver revokes the previous manager's access if the manager changes: report logins and,
// unless they are kept, all credentials. A tenant that gets its first manager from an owner
// keeps them.
func (c *change) handOver(ctx context.Context, manager *string, keep bool) error {
	err := c.queries.RemoveManagersReportLogins(ctx, db.RemoveManagersReportLoginsParams{TenantID: c.tenant.ID, Manager: manager})
	former := c.tenant.Manager
	if err != nil || keep || former == nil || manager != nil && *manager == *former {
		return err
	}
	return c.queries.EndCredentials(ctx, db.EndCredentialsParams{TenantID: c.tenant.ID, Now: c.x.Now})
}

// deleteTenant hides a tenant immediately and then removes it, even if the client goes
// away.
func deleteTenant(ctx context.Context, c *change, _ none) (none, error) {
	id := c.tenant.ID
	c.then = func(ctx context.Context, a *API) error { return a.purge(context.WithoutCancel(ctx), id) }
	return none{}, c.queries.ExpireTenant(ctx, db.ExpireTenantParams{TenantID: id, ExpiresAt: &c.x.Arrived})
}

// purge removes a tenant and everything in it.
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

// resetTenant resets the entities.
func resetTenant(ctx context.Context, c *change, _ none) (api.Tenant, error) {
	if c.tenant.OriginID != nil { // only its entities are restored
		if err := c.checkQuota(ctx, *c.tenant.OriginID, c.tenant.EntityQuota, nil); err != nil {
			return api.Tenant{}, err
		}
	}
	if err := state.Reset(ctx, c.queries, c.tenant.ID, c.tenant.OriginID); err != nil {
		return api.Tenant{}, err
	}
	return showTenant(ctx, c.queries, c.tenant)
}
