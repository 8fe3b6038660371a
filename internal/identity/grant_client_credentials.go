package identity

import "github.com/mocktenant/mocktenant/internal/db"

// grantClientCredentials issues a token to an application for itself (RFC 6749 section
// 4.4).
// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
func (p *Provider) grantClientCredentials(r tokenRequest) (tokenAnswer, error) {
	if r.authority.tenant == nil {
		return tokenAnswer{}, refuse(50059, invalidRequest, "No tenant-identifying information found in either the request or implied by any provided credentials.")
	}
	if err := r.checkOrigin(db.RedirectUriTypeWeb); err != nil {
		return tokenAnswer{}, err
	}
	c, err := p.authenticateClient(r.x, r.form, *r.authority.tenant, confidential)
	if err != nil {
		return tokenAnswer{}, err
	}
	if c.proof == proofNone {
		return tokenAnswer{}, refuseClient(7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	}
	text, err := r.need("scope")
	if err != nil {
		return tokenAnswer{}, err
	}
	s, err := parseScopes(text) // MSAL for Go adds the scopes of a sign-in
	if err != nil {
		return tokenAnswer{}, err
	}
	if !s.all() {
		return tokenAnswer{}, refuse(1002012, invalidScope, "The provided value for scope %s is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).", text)
	}
	return p.answerApplication(r, c, s)
}

func (p *Provider) answerApplication(r tokenRequest, c client, s scopes) (tokenAnswer, error) {
	ctx := r.x.Request.Context()
	to, err := p.findResource(ctx, r.x, c.TenantID, s.resource)
	if err != nil {
		return tokenAnswer{}, err
	}
	var roles []string
	if to.api == nil {
		roles, err = p.queries.ListGrantedRoles(ctx, db.ListGrantedRolesParams{TenantID: c.TenantID, ClientID: c.ClientID})
		if err != nil {
			return tokenAnswer{}, err
		}
	}
	lifetime, capable := r.lifetime()
	a := tokenAnswer{TokenType: "Bearer", resource: s.resource}
	a.setLifetime(lifetime)
	a.AccessToken, err = p.IssueAccessToken(AccessToken{
		Audience: to.audience, TenantID: c.TenantID, ObjectID: c.ServicePrincipalID, AppID: c.ClientID, AppName: c.DisplayName,
		Proof: string(c.proof), Roles: roles, Now: r.x.Now, Lifetime: lifetime, ClaimsCapable: capable, ValidFrom: c.since,
	})
	return a, err
}
