package identity

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
)

const (
	sessionCookie   = "ESTSAUTH" // Entra's name for it
	sessionLifetime = 24 * time.Hour
)

// startSession remembers the user in this browser for a while.
func (p *Provider) startSession(x *exchange, user db.User) error {
	t := newTicket(user.TenantID)
	err := p.queries.CreateSession(x.Request.Context(), db.CreateSessionParams{
		TenantID: user.TenantID, Hash: t.hash, UserID: user.ID, CreatedAt: x.Now, ExpiresAt: x.Now.Add(sessionLifetime),
	})
	if err == nil {
		x.setSessionCookie(t.value, 0)
	}
	return err
}

// setSessionCookie sets a cookie that the browser also sends with requests from other
// sites' pages, because a single-page application signs in silently in a hidden frame. So
// no page treats the session as consent: a user who submits a form must enter a password or
// pick a user, and only in a form of ours (see sameOrigin).
func (x *exchange) setSessionCookie(value string, maxAge int) {
	http.SetCookie(x.Writer, &http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", MaxAge: maxAge,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteNoneMode,
	})
}

// session returns the ticket in the browser's cookie.
func (x *exchange) session() (ticket, bool) {
	value, err := x.Request.Cookie(sessionCookie)
	if err != nil {
		return ticket{}, false
	}
	return parseTicket(value.Value)
}

// sessionUser returns the browser's user if the authority serves the user's tenant and the
// request hints at nobody else; otherwise nil.
func (p *Provider) sessionUser(r authorization) (*db.User, error) {
	t, ok := r.x.session()
	if !ok || r.authority.admits(t.tenant) != nil {
		return nil, nil
	}
	var refusal *aadError
	if _, err := p.tenant(r.x, t.tenant); errors.As(err, &refusal) { // it is gone
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	user, err := p.queries.GetSessionUser(r.x.Request.Context(), db.GetSessionUserParams{TenantID: t.tenant, Hash: t.hash, Now: r.x.Now})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if hint := r.get("login_hint"); hint != "" && !strings.EqualFold(hint, user.UserPrincipalName) {
		return nil, nil
	}
	if maySignIn(user) != nil {
		return nil, nil
	}
	return &user, nil
}

// logout ends the browser's session (OpenID Connect RP-Initiated Logout 1.0). It redirects
// to an address only if one of the tenant's applications has registered it.
// https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc#send-a-sign-out-request
func (p *Provider) logout(x *exchange) error {
	a, err := p.authority(x)
	if err != nil {
		return err
	}
	if err := parseForm(x.Request); err != nil {
		return err
	}
	t, signedIn := x.session()
	if signedIn {
		if err := p.queries.DeleteSession(x.Request.Context(), db.DeleteSessionParams{TenantID: t.tenant, Hash: t.hash}); err != nil {
			return err
		}
		x.setSessionCookie("", -1)
	}
	tenant := t.tenant // at an authority for many
	if a.tenant != nil {
		tenant = a.tenant.ID
	}
	return p.leadOn(x, tenant)
}

// leadOn redirects a signed-out user to where the application wants.
func (p *Provider) leadOn(x *exchange, tenant uuid.UUID) error {
	target := x.Request.Form.Get("post_logout_redirect_uri")
	registered, err := p.isLogoutTarget(x, tenant, target)
	if err != nil {
		return err
	}
	if !registered {
		return x.showMessage(http.StatusOK, "You signed out of your account", "It's a good idea to close all browser windows.")
	}
	u, err := parseRedirect(target)
	if err != nil {
		return err
	}
	if x.Request.Form.Has("state") {
		if err := addQuery(u, url.Values{"state": x.Request.Form["state"]}); err != nil {
			return err
		}
	}
	x.Redirect(http.StatusFound, u.String())
	return nil
}

// isLogoutTarget reports whether one of the tenant's applications has registered the
// address.
func (p *Provider) isLogoutTarget(x *exchange, tenant uuid.UUID, target string) (bool, error) {
	if target == "" {
		return false, nil
	}
	uris, err := p.queries.ListRedirectURIs(x.Request.Context(), tenant)
	return slices.ContainsFunc(uris, func(uri string) bool { return sameRedirect(uri, target) }), err
}
