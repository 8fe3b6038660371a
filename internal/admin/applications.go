package admin

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/identity"
)

// secretLifetime is the default lifetime of a secret, Entra's maximum.
const secretLifetime = 2 * 365 * 24 * time.Hour

func newApplication(a db.Application, c proofs) (api.Application, error) {
	application := api.Application{
		ClientId: a.ClientID, ServicePrincipalId: a.ServicePrincipalID, DisplayName: a.DisplayName,
		PublicClient: a.PublicClient, PublicClientFlows: a.PublicClientFlows, RedirectUris: list(a.RedirectUris),
		SpaRedirectUris: list(a.SpaRedirectUris), PublicClientRedirectUris: list(a.PublicClientRedirectUris),
		ExposedScopes: list(a.ExposedScopes), RequiredScopes: list(a.RequiredScopes), RequiredRoles: list(a.RequiredRoles),
		Secrets: []api.ApplicationSecret{}, Certificates: []api.ApplicationCertificate{}, FederatedCredentials: []api.FederatedCredential{},
		CreatedDateTime: a.CreatedAt.UTC(),
	}
	return application, c.add(&application)
}

// list is [] instead of null in JSON.
func list(items []string) []string {
	if items == nil {
		return []string{}
	}
	return items
}

// listApplications lists the applications of a tenant.
func listApplications(ctx context.Context, x *call, p api.ListApplicationsParams) (list api.ApplicationList, err error) {
	after, err := parseAfter(p.After)
	if err != nil {
		return list, err
	}
	rows, more, err := x.admin.pageOfApplications(ctx, db.ListApplicationsParams{TenantID: x.tenant.ID, After: after, DisplayName: p.DisplayName, Search: afterText(p.Search)}, limit(p.Top))
	if err != nil {
		return list, err
	}
	if more {
		list.NextLink = x.nextLink(rows[len(rows)-1].ClientID.String())
	}
	proofs, err := loadProofs(ctx, x.admin.queries, x.tenant.ID, each(rows, func(a db.Application) uuid.UUID { return a.ClientID }))
	if err != nil {
		return list, err
	}
	list.Value = []api.Application{}
	for _, row := range rows {
		application, err := newApplication(row, proofs)
		if err != nil {
			return list, err
		}
		list.Value = append(list.Value, application)
	}
	return list, nil
}

// applicationPath names an application.
type applicationPath struct{ ClientID uuid.UUID }

func getApplication(ctx context.Context, x *call, r applicationPath) (api.Application, error) {
	return showApplication(ctx, x.admin.queries, x.tenant.ID, r.ClientID)
}

// fewApplications is how many applications are read at once. A page ends after
// maxApplicationsPage bytes, because an application may have half a megabyte of redirect URIs,
// and as much of scopes.
const (
	fewApplications     = 8
	maxApplicationsPage = 8 << 20
)

// pageOfApplications reads up to top applications, and reports whether there are more.
func (a *API) pageOfApplications(ctx context.Context, p db.ListApplicationsParams, top int64) (rows []db.Application, more bool, err error) {
	p.RowLimit = fewApplications
	for size := 0; ; p.After = rows[len(rows)-1].ClientID {
		next, err := a.queries.ListApplications(ctx, p)
		if err != nil {
			return nil, false, err
		}
		for _, row := range next {
			if int64(len(rows)) == top || size > maxApplicationsPage {
				return rows, true, nil
			}
			rows, size = append(rows, row), size+sizeOf(row)
		}
		if len(next) < fewApplications {
			return rows, false, nil
		}
	}
}

// sizeOf returns the size of an application's texts in bytes.
func sizeOf(a db.Application) (n int) {
	for _, texts := range [][]string{a.RedirectUris, a.SpaRedirectUris, a.PublicClientRedirectUris, a.ExposedScopes, a.RequiredScopes, a.RequiredRoles} {
		for _, text := range texts {
			n += len(text)
		}
	}
	return n
}

func showApplication(ctx context.Context, q *db.Queries, tenant, id uuid.UUID) (api.Application, error) {
	app, err := q.GetApplication(ctx, db.GetApplicationParams{TenantID: tenant, ClientID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNotFound("The tenant has no application %s.", id)
	}
	if err != nil {
		return api.Application{}, err
	}
	proofs, err := loadProofs(ctx, q, tenant, []uuid.UUID{id})
	if err != nil {
		return api.Application{}, err
	}
	return newApplication(app, proofs)
}

func (c *change) findApplication(ctx context.Context, id uuid.UUID) (db.Application, error) {
	app, err := c.queries.GetApplication(ctx, db.GetApplicationParams{TenantID: c.tenant.ID, ClientID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNotFound("The tenant has no application %s.", id)
	}
	return app, err
}

// newApplicationOf makes an application of a tenant. In a tenant with an id seed, its ids
// derive from its name or, if the client id is given, from that, because others may have
// the name.
func newApplicationOf(t db.Tenant, name string, id *uuid.UUID, now time.Time) db.CreateApplicationParams {
	p := db.CreateApplicationParams{TenantID: t.ID, ClientID: uuid.New(), ServicePrincipalID: uuid.New(), DisplayName: name, TokensValidFrom: &now, CreatedAt: now}
	if seed := t.IDSeed; seed != nil {
		p.ClientID, p.ServicePrincipalID = db.SeededID(*seed, "application "+name, 0), db.SeededID(*seed, "servicePrincipal "+name, 0)
		if id != nil {
			p.ServicePrincipalID = db.SeededID(*seed, "servicePrincipal of "+id.String(), 0)
		}
	}
	set(&p.ClientID, id)
	return p
}

func (c *change) createApplication(ctx context.Context, p db.CreateApplicationParams) error {
	_, err := c.later.Queries.CreateApplication(ctx, p)
	c.later.OrElse(errConflict("The tenant has an application %s.", p.ClientID))
	return err
}

func (c *change) createSecret(ctx context.Context, client uuid.UUID, secret string, ttl time.Duration) (db.CreateApplicationSecretParams, error) {
	hash := sha256.Sum256([]byte(secret))
	p := db.CreateApplicationSecretParams{
		TenantID: c.tenant.ID, ClientID: client, ID: uuid.New(), SecretHash: hash[:], Hint: secret[:3], CreatedAt: c.x.Now, ExpiresAt: c.x.Now.Add(ttl).UTC(),
	}
	return p, c.later.Queries.CreateApplicationSecret(ctx, p)
}

// grant grants an application scopes, for one user or all, and roles.
func (c *change) grant(ctx context.Context, client, principal uuid.UUID, scopes, roles []string) error {
	err := c.later.Queries.GrantScopes(ctx, db.GrantScopesParams{TenantID: c.tenant.ID, ClientID: client, PrincipalID: principal, Scopes: scopes, CreatedAt: c.x.Now})
	if err != nil {
		return err
	}
	return c.later.Queries.GrantRoles(ctx, db.GrantRolesParams{TenantID: c.tenant.ID, ClientID: client, Roles: roles, CreatedAt: c.x.Now})
}

func (x *call) checkRedirectURIs(web, spa, publicClient []string) error {
	at, err := identity.CheckRedirectURIs(map[string][]string{"/redirectUris": web, "/spaRedirectUris": spa, "/publicClientRedirectUris": publicClient})
	if err != nil {
		return x.errAt(at, "%v.", err)
	}
	return nil
}

func createApplication(ctx context.Context, c *change, r api.ApplicationCreate) (made api.ApplicationCreated, err error) {
	c.target = r.DisplayName
	p, err := c.describeApplication(r)
	if err != nil {
		return made, err
	}
	if err := c.createApplication(ctx, p); err != nil {
		return made, err
	}
	if !p.PublicClient {
		secret := newSecret()
		made.ClientSecret = &secret
		if _, err := c.createSecret(ctx, p.ClientID, secret, secretLifetime); err != nil {
			return made, err
		}
	}
	if r.Consent == nil || *r.Consent {
		if err := c.grant(ctx, p.ClientID, uuid.Nil, p.RequiredScopes, p.RequiredRoles); err != nil {
			return made, err
		}
	}
	if err := c.send(ctx); err != nil {
		return made, err
	}
	made.Application, err = showApplication(ctx, c.queries, c.tenant.ID, p.ClientID)
	return made, err
}

// describeApplication returns the row of a new application.
func (c *change) describeApplication(r api.ApplicationCreate) (db.CreateApplicationParams, error) {
	p := newApplicationOf(c.tenant, r.DisplayName, r.ClientId, c.x.Now)
	set(&p.PublicClient, r.PublicClient)
	set(&p.PublicClientFlows, r.PublicClientFlows)
	set(&p.RedirectUris, r.RedirectUris)
	set(&p.SpaRedirectUris, r.SpaRedirectUris)
	set(&p.PublicClientRedirectUris, r.PublicClientRedirectUris)
	set(&p.ExposedScopes, r.ExposedScopes)
	set(&p.RequiredScopes, r.RequiredScopes)
	set(&p.RequiredRoles, r.RequiredRoles)
	return p, c.x.checkRedirectURIs(p.RedirectUris, p.SpaRedirectUris, p.PublicClientRedirectUris)
}

type updateApplicationRequest struct {
	applicationPath
	api.ApplicationUpdate
}

// updateApplication changes the members that are present.
func updateApplication(ctx context.Context, c *change, r updateApplicationRequest) (api.Application, error) {
	app, err := c.findApplication(ctx, r.ClientID)
	if err != nil {
		return api.Application{}, err
	}
	set(&app.DisplayName, r.DisplayName)
	set(&app.PublicClientFlows, r.PublicClientFlows)
	set(&app.RedirectUris, r.RedirectUris)
	set(&app.SpaRedirectUris, r.SpaRedirectUris)
	set(&app.PublicClientRedirectUris, r.PublicClientRedirectUris)
	set(&app.ExposedScopes, r.ExposedScopes)
	set(&app.RequiredScopes, r.RequiredScopes)
	set(&app.RequiredRoles, r.RequiredRoles)
	if err := c.x.checkRedirectURIs(app.RedirectUris, app.SpaRedirectUris, app.PublicClientRedirectUris); err != nil {
		return api.Application{}, err
	}
	_, err = c.queries.UpdateApplication(ctx, db.UpdateApplicationParams{
		TenantID: c.tenant.ID, ClientID: r.ClientID, DisplayName: app.DisplayName, PublicClientFlows: app.PublicClientFlows,
		RedirectUris: app.RedirectUris, SpaRedirectUris: app.SpaRedirectUris, PublicClientRedirectUris: app.PublicClientRedirectUris,
		ExposedScopes: app.ExposedScopes, RequiredScopes: app.RequiredScopes, RequiredRoles: app.RequiredRoles,
	})
	if err != nil {
		return api.Application{}, err
	}
	return showApplication(ctx, c.queries, c.tenant.ID, r.ClientID)
}

// deleteApplication removes an application. Its tokens are refused from then on.
func deleteApplication(ctx context.Context, c *change, r applicationPath) (none, error) {
	n, err := c.queries.DeleteApplication(ctx, db.DeleteApplicationParams{TenantID: c.tenant.ID, ClientID: r.ClientID})
	if err == nil && n == 0 {
		err = errNotFound("The tenant has no application %s.", r.ClientID)
	}
	return none{}, err
}

type createApplicationSecretRequest struct {
	applicationPath
	api.ApplicationSecretCreate
}

// createApplicationSecret makes another secret for an application.
func createApplicationSecret(ctx context.Context, c *change, r createApplicationSecretRequest) (api.ApplicationSecretCreated, error) {
	app, err := c.findApplication(ctx, r.ClientID)
	if err != nil {
		return api.ApplicationSecretCreated{}, err
	}
	if app.PublicClient {
		return api.ApplicationSecretCreated{}, errBadRequest("The application is a public client, which can't have a secret.")
	}
	secret, ttl := newSecret(), secretLifetime
	if r.TtlSeconds != nil {
		ttl = time.Duration(*r.TtlSeconds) * time.Second
	}
	p, err := c.createSecret(ctx, r.ClientID, secret, ttl)
	return api.ApplicationSecretCreated{Id: p.ID, ClientSecret: secret, ExpiresDateTime: p.ExpiresAt}, err
}

func deleteApplicationSecret(ctx context.Context, c *change, r struct{ ClientID, SecretID uuid.UUID }) (none, error) {
	n, err := c.queries.DeleteApplicationSecret(ctx, db.DeleteApplicationSecretParams{TenantID: c.tenant.ID, ClientID: r.ClientID, ID: r.SecretID})
	if err == nil && n == 0 {
		err = errNotFound("The application has no secret %s.", r.SecretID)
	}
	return none{}, err
}

type grantConsentRequest struct {
	applicationPath
	api.Consent
}

// grantConsent grants permissions.
func grantConsent(ctx context.Context, c *change, r grantConsentRequest) (none, error) {
	if _, err := c.findApplication(ctx, r.ClientID); err != nil {
		return none{}, err
	}
	principal := uuid.Nil
	if r.UserId != nil {
		if _, err := c.findUser(ctx, *r.UserId); err != nil {
			return none{}, err
		}
		principal = *r.UserId
	}
	var scopes, roles []string
	set(&scopes, r.Scopes)
	set(&roles, r.Roles)
	return none{}, c.grant(ctx, r.ClientID, principal, scopes, roles)
}

// removeConsent removes all permissions.
func removeConsent(ctx context.Context, c *change, r applicationPath) (none, error) {
	if _, err := c.findApplication(ctx, r.ClientID); err != nil {
		return none{}, err
	}
	return none{}, c.x.admin.identity.RemoveConsent(ctx, c.tx, c.tenant.ID, r.ClientID, c.x.Now)
}
