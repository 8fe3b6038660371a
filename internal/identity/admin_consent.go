package identity

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
)

// globalAdministrator is the template id of the role that may consent on behalf of all
// users.
// https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference
var globalAdministrator = uuid.MustParse("62e90394-69f5-4237-9190-012177145e10")

// adminConsent lets an administrator grant an application, for the whole tenant,
// the permissions that its registration requires.
// https://learn.microsoft.com/entra/identity-platform/v2-admin-consent
func (p *Provider) adminConsent(x *exchange) error {
	f, err := x.authorizeForm()
	if err != nil {
		return err
	}
	a, err := p.authority(x)
	if err != nil {
		return err
	}
	r := authorization{x: x, form: f, authority: a}
	if a.tenant != nil {
		if _, err := p.checkRedirect(r, *a.tenant); err != nil {
			return err
		}
	}
	if !x.submitted() {
		return p.showSignIn(r, nil, "", nil)
	}
	if err := p.sameOrigin.Check(x.Request); err != nil {
		return errForeignForm(err)
	}
	switch x.Request.PostForm.Get("action") {
	case "cancel":
		return p.cancelAuthorization(r)
	case "change-password":
		return p.showSignInAgain(r, db.User{}, nil)
	}
	return p.consent(r)
}

func (p *Provider) consent(r authorization) error {
	user, err := p.signInByPage(r.x, r.authority, r.x.Request.PostForm)
	var refusal *aadError
	if errors.As(err, &refusal) {
		r.x.refused(refusal)
		return p.showSignInAgain(r, user, refusal)
	}
	if err != nil {
		return err
	}
	tenant, err := p.tenant(r.x, user.TenantID)
	if err != nil {
		return err
	}
	app, err := p.checkRedirect(r, tenant)
	if err != nil {
		return err
	}
	if !slices.Contains(user.DirectoryRoles, globalAdministrator) {
		e := errNeedsAdmin(app)
		e.status = http.StatusForbidden
		return e
	}
	if err := p.grantRequired(r, app); err != nil {
		return err
	}
	return r.redirect(url.Values{"tenant": {tenant.ID.String()}, "admin_consent": {"True"}})
}

// grantRequired grants an application everything that it requires, for every user, or
// nothing.
func (p *Provider) grantRequired(r authorization, app db.Application) error {
	ctx := r.x.Request.Context()
	return pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		err := q.GrantScopes(ctx, db.GrantScopesParams{TenantID: app.TenantID, ClientID: app.ClientID, Scopes: app.RequiredScopes, CreatedAt: r.x.Now})
		if err != nil {
			return err
		}
		return q.GrantRoles(ctx, db.GrantRolesParams{TenantID: app.TenantID, ClientID: app.ClientID, Roles: app.RequiredRoles, CreatedAt: r.x.Now})
	})
}
