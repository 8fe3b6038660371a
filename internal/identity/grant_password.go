package identity

// grantPassword signs a user in with name and password (RFC 6749 section 4.3).
// https://learn.microsoft.com/entra/identity-platform/v2-oauth-ropc
func (p *Provider) grantPassword(r tokenRequest) (tokenAnswer, error) {
	if r.authority.name == common || r.authority.name == consumers {
		return tokenAnswer{}, refuse(9001023, invalidRequest, "The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint.")
	}
	name, err := r.need("username")
	if err != nil {
		return tokenAnswer{}, err
	}
	password, err := r.need("password")
	if err != nil {
		return tokenAnswer{}, err
	}
	tenant, err := p.tenantOfUser(r.x, r.authority, name)
	if err != nil {
		return tokenAnswer{}, err
	}
	c, err := p.authenticateClient(r.x, r.form, tenant, publicIfAllowed)
	if err != nil {
		return tokenAnswer{}, err
	}
	s, err := r.scopes()
	if err != nil {
		return tokenAnswer{}, err
	}
	user, err := p.checkPassword(r.x, tenant, name, password)
	if err != nil {
		return tokenAnswer{}, err
	}
	return p.answer(r, signIn{client: c, user: user, scopes: s})
}

// scopes returns the form's scopes, of which it must have at least one.
func (r tokenRequest) scopes() (scopes, error) {
	if r.x.v1 && r.get("scope") == "" {
		return scopes{}, errMissing("resource")
	}
	text, err := r.need("scope")
	if err != nil {
		return scopes{}, err
	}
	return parseScopes(text)
}
