package admin

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/identity"
)

// secretLifetime is how long a secret is good unless it is said: Entra's longest.
const secretLifetime = 2 * 365 * 24 * time.Hour

func newApplication(a db.Application, c proofs) (Application, error) {
	application := Application{
		ClientId: a.ClientID, ServicePrincipalId: a.ServicePrincipalID, DisplayName: a.DisplayName,
		PublicClient: a.PublicClient, PublicClientFlows: a.PublicClientFlows, RedirectUris: list(a.RedirectUris),
		SpaRedirectUris: list(a.SpaRedirectUris), PublicClientRedirectUris: list(a.PublicClientRedirectUris),
		ExposedScopes: list(a.ExposedScopes), RequiredScopes: list(a.RequiredScopes), RequiredRoles: list(a.RequiredRoles),
		Secrets: []ApplicationSecret{}, Certificates: []ApplicationCertificate{}, FederatedCredentials: []FederatedCredential{},
		CreatedDateTime: a.CreatedAt.UTC(),
	}
	return application, c.add(&application)
}

// list is never null in JSON.
func list(items []string) []string {
	if items == nil {
		return []string{}
	}
	return items
}

// ListApplications lists the applications of a tenant.
func (a *API) ListApplications(c *gin.Context, id TenantId, p ListApplicationsParams) {
	a.answer(c, func(x *call) (answer, error) {
		after, err := parseAfter(p.After)
		if err != nil {
			return answer{}, err
		}
		ctx := c.Request.Context()
		rows, more, err := a.pageOfApplications(ctx, id, after, limit(p.Top))
		if err != nil {
			return answer{}, err
		}
		list := ApplicationList{Value: []Application{}}
		if more {
			list.NextLink = x.nextLink(rows[len(rows)-1].ClientID.String())
		}
		ids := make([]uuid.UUID, len(rows))
		for i, row := range rows {
			ids[i] = row.ClientID
		}
		proofs, err := loadProofs(ctx, a.queries, id, ids)
		if err != nil {
			return answer{}, err
		}
		for _, row := range rows {
			application, err := newApplication(row, proofs)
			if err != nil {
				return answer{}, err
			}
			list.Value = append(list.Value, application)
		}
		return ok(list), nil
	})
}

// GetApplication answers an application.
func (a *API) GetApplication(c *gin.Context, tenant TenantId, id ClientId) {
	a.answer(c, func(*call) (answer, error) {
		application, err := showApplication(c.Request.Context(), a.queries, tenant, id)
		return ok(application), err
	})
}

// fewApplications are read at once, and a page ends behind so many bytes of them: each
// may have half a megabyte of redirect URIs, and as much of scopes.
const (
	fewApplications     = 8
	maxApplicationsPage = 8 << 20
)

// pageOfApplications reads up to top applications behind an id, and whether there are
// more.
func (a *API) pageOfApplications(ctx context.Context, tenant, after uuid.UUID, top int64) (rows []db.Application, more bool, err error) {
	for size := 0; ; after = rows[len(rows)-1].ClientID {
		next, err := a.queries.ListApplications(ctx, db.ListApplicationsParams{TenantID: tenant, After: after, RowLimit: fewApplications})
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

// sizeOf is how many bytes an application's texts have.
func sizeOf(a db.Application) (n int) {
	for _, texts := range [][]string{a.RedirectUris, a.SpaRedirectUris, a.PublicClientRedirectUris, a.ExposedScopes, a.RequiredScopes, a.RequiredRoles} {
		for _, text := range texts {
			n += len(text)
		}
	}
	return n
}

func showApplication(ctx context.Context, q *db.Queries, tenant, id uuid.UUID) (Application, error) {
	app, err := q.GetApplication(ctx, db.GetApplicationParams{TenantID: tenant, ClientID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNotFound("The tenant has no application %s.", id)
	}
	if err != nil {
		return Application{}, err
	}
	proofs, err := loadProofs(ctx, q, tenant, []uuid.UUID{id})
	if err != nil {
		return Application{}, err
	}
	return newApplication(app, proofs)
}

func (c *change) findApplication(ctx context.Context, id uuid.UUID) (db.Application, error) {
	app, err := c.GetApplication(ctx, db.GetApplicationParams{TenantID: c.tenant.ID, ClientID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNotFound("The tenant has no application %s.", id)
	}
	return app, err
}

// newApplicationOf begins an application of a tenant; in one whose ids are to be the
// same each time, they come of its name or, of one whose id is given, of that: others
// may have the name.
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
	_, err := c.later.CreateApplication(ctx, p)
	c.later.OrElse(errConflict("The tenant has an application %s.", p.ClientID))
	return err
}

func (c *change) createSecret(ctx context.Context, client uuid.UUID, secret string, ttl time.Duration, now time.Time) (db.CreateApplicationSecretParams, error) {
	hash := sha256.Sum256([]byte(secret))
	p := db.CreateApplicationSecretParams{
		TenantID: c.tenant.ID, ClientID: client, ID: uuid.New(), SecretHash: hash[:], Hint: secret[:3], CreatedAt: now, ExpiresAt: now.Add(ttl).UTC(),
	}
	return p, c.later.CreateApplicationSecret(ctx, p)
}

// grant gives an application scopes, for one user or all, and roles.
func (c *change) grant(ctx context.Context, client, principal uuid.UUID, scopes, roles []string, now time.Time) error {
	err := c.later.GrantScopes(ctx, db.GrantScopesParams{TenantID: c.tenant.ID, ClientID: client, PrincipalID: principal, Scopes: scopes, CreatedAt: now})
	if err != nil {
		return err
	}
	return c.later.GrantRoles(ctx, db.GrantRolesParams{TenantID: c.tenant.ID, ClientID: client, Roles: roles, CreatedAt: now})
}

func (x *call) checkRedirectURIs(web, spa, publicClient []string) error {
	at, err := identity.CheckRedirectURIs(map[string][]string{"/redirectUris": web, "/spaRedirectUris": spa, "/publicClientRedirectUris": publicClient})
	if err != nil {
		return x.errAt(at, "%v.", err)
	}
	return nil
}

// CreateApplication makes an application.
func (a *API) CreateApplication(c *gin.Context, tenant TenantId, _ CreateApplicationParams) {
	a.answer(c, func(x *call) (answer, error) {
		r, err := read[ApplicationCreate](x)
		if err != nil {
			return answer{}, err
		}
		return a.change(x, r.DisplayName, func(ctx context.Context, c *change) (answer, error) {
			p := newApplicationOf(c.tenant, r.DisplayName, r.ClientId, x.now)
			set(&p.PublicClient, r.PublicClient)
			set(&p.PublicClientFlows, r.PublicClientFlows)
			set(&p.RedirectUris, r.RedirectUris)
			set(&p.SpaRedirectUris, r.SpaRedirectUris)
			set(&p.PublicClientRedirectUris, r.PublicClientRedirectUris)
			set(&p.ExposedScopes, r.ExposedScopes)
			set(&p.RequiredScopes, r.RequiredScopes)
			set(&p.RequiredRoles, r.RequiredRoles)
			if err := x.checkRedirectURIs(p.RedirectUris, p.SpaRedirectUris, p.PublicClientRedirectUris); err != nil {
				return answer{}, err
			}
			if err := c.createApplication(ctx, p); err != nil {
				return answer{}, err
			}
			result := ApplicationCreated{}
			if !p.PublicClient {
				secret := newSecret()
				result.ClientSecret = &secret
				if _, err := c.createSecret(ctx, p.ClientID, secret, secretLifetime, x.now); err != nil {
					return answer{}, err
				}
			}
			if r.Consent == nil || *r.Consent {
				if err := c.grant(ctx, p.ClientID, uuid.Nil, p.RequiredScopes, p.RequiredRoles, x.now); err != nil {
					return answer{}, err
				}
			}
			if err := c.send(ctx); err != nil {
				return answer{}, err
			}
			result.Application, err = showApplication(ctx, c.Queries, tenant, p.ClientID)
			return created(result), err
		})
	})
}

// UpdateApplication changes what the body names.
func (a *API) UpdateApplication(c *gin.Context, tenant TenantId, id ClientId) {
	a.answer(c, func(x *call) (answer, error) {
		r, err := read[ApplicationUpdate](x)
		if err != nil {
			return answer{}, err
		}
		return a.change(x, id.String(), func(ctx context.Context, c *change) (answer, error) {
			app, err := c.findApplication(ctx, id)
			if err != nil {
				return answer{}, err
			}
			set(&app.DisplayName, r.DisplayName)
			set(&app.PublicClientFlows, r.PublicClientFlows)
			set(&app.RedirectUris, r.RedirectUris)
			set(&app.SpaRedirectUris, r.SpaRedirectUris)
			set(&app.PublicClientRedirectUris, r.PublicClientRedirectUris)
			set(&app.ExposedScopes, r.ExposedScopes)
			set(&app.RequiredScopes, r.RequiredScopes)
			set(&app.RequiredRoles, r.RequiredRoles)
			if err := x.checkRedirectURIs(app.RedirectUris, app.SpaRedirectUris, app.PublicClientRedirectUris); err != nil {
				return answer{}, err
			}
			_, err = c.UpdateApplication(ctx, db.UpdateApplicationParams{
				TenantID: tenant, ClientID: id, DisplayName: app.DisplayName, PublicClientFlows: app.PublicClientFlows,
				RedirectUris: app.RedirectUris, SpaRedirectUris: app.SpaRedirectUris, PublicClientRedirectUris: app.PublicClientRedirectUris, ExposedScopes: app.ExposedScopes, RequiredScopes: app.RequiredScopes, RequiredRoles: app.RequiredRoles,
			})
			if err != nil {
				return answer{}, err
			}
			application, err := showApplication(ctx, c.Queries, tenant, id)
			return ok(application), err
		})
	})
}

// DeleteApplication removes an application, whose tokens are refused from then on.
func (a *API) DeleteApplication(c *gin.Context, tenant TenantId, id ClientId) {
	a.answer(c, func(x *call) (answer, error) {
		return a.change(x, id.String(), func(ctx context.Context, c *change) (answer, error) {
			n, err := c.DeleteApplication(ctx, db.DeleteApplicationParams{TenantID: tenant, ClientID: id})
			if err == nil && n == 0 {
				err = errNotFound("The tenant has no application %s.", id)
			}
			return done(), err
		})
	})
}

// CreateApplicationSecret gives an application a further secret.
func (a *API) CreateApplicationSecret(c *gin.Context, _ TenantId, id ClientId, _ CreateApplicationSecretParams) {
	a.answer(c, func(x *call) (answer, error) {
		r, err := read[ApplicationSecretCreate](x)
		if err != nil {
			return answer{}, err
		}
		return a.change(x, id.String(), func(ctx context.Context, c *change) (answer, error) {
			app, err := c.findApplication(ctx, id)
			if err != nil {
				return answer{}, err
			}
			if app.PublicClient {
				return answer{}, errBadRequest("The application is a public client, which has no secret.")
			}
			secret, ttl := newSecret(), secretLifetime
			if r.TtlSeconds != nil {
				ttl = time.Duration(*r.TtlSeconds) * time.Second
			}
			p, err := c.createSecret(ctx, id, secret, ttl, x.now)
			return created(ApplicationSecretCreated{Id: p.ID, ClientSecret: secret, ExpiresDateTime: p.ExpiresAt}), err
		})
	})
}

// DeleteApplicationSecret removes a secret.
func (a *API) DeleteApplicationSecret(c *gin.Context, tenant TenantId, id ClientId, secret SecretId) {
	a.answer(c, func(x *call) (answer, error) {
		return a.change(x, secret.String(), func(ctx context.Context, c *change) (answer, error) {
			n, err := c.DeleteApplicationSecret(ctx, db.DeleteApplicationSecretParams{TenantID: tenant, ClientID: id, ID: secret})
			if err == nil && n == 0 {
				err = errNotFound("The application has no secret %s.", secret)
			}
			return done(), err
		})
	})
}

// GrantConsent grants permissions.
func (a *API) GrantConsent(c *gin.Context, _ TenantId, id ClientId) {
	a.answer(c, func(x *call) (answer, error) {
		r, err := read[Consent](x)
		if err != nil {
			return answer{}, err
		}
		return a.change(x, id.String(), func(ctx context.Context, c *change) (answer, error) {
			if _, err := c.findApplication(ctx, id); err != nil {
				return answer{}, err
			}
			principal := uuid.Nil
			if r.UserId != nil {
				if _, err := c.findUser(ctx, *r.UserId); err != nil {
					return answer{}, err
				}
				principal = *r.UserId
			}
			var scopes, roles []string
			set(&scopes, r.Scopes)
			set(&roles, r.Roles)
			return done(), c.grant(ctx, id, principal, scopes, roles, x.now)
		})
	})
}

// RemoveConsent takes all permissions away.
func (a *API) RemoveConsent(c *gin.Context, _ TenantId, id ClientId) {
	a.answer(c, func(x *call) (answer, error) {
		return a.change(x, id.String(), func(ctx context.Context, c *change) (answer, error) {
			if _, err := c.findApplication(ctx, id); err != nil {
				return answer{}, err
			}
			return done(), a.identity.RemoveConsent(ctx, c.tx, c.tenant.ID, id)
		})
	})
}
