package identity

import (
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"math/big"
	"net/url"
	"strings"

	"github.com/mocktenant/mocktenant/internal/bearer"
)

const userInfoPath = "/oidc/userinfo"

// configuration describes an authority to clients (OpenID Connect Discovery 1.0 section 3),
// with its members in Entra's order. It lists only what this service supports.
type configuration struct {
	TokenEndpoint                string   `json:"token_endpoint"`
	TokenAuthMethods             []string `json:"token_endpoint_auth_methods_supported"`
	JWKSURI                      string   `json:"jwks_uri"`
	ResponseModes                []string `json:"response_modes_supported"`
	SubjectTypes                 []string `json:"subject_types_supported"`
	IDTokenAlgorithms            []string `json:"id_token_signing_alg_values_supported"`
	ResponseTypes                []string `json:"response_types_supported"`
	Scopes                       []string `json:"scopes_supported,omitempty"`
	Issuer                       string   `json:"issuer"`
	RequestURIParameterSupported bool     `json:"request_uri_parameter_supported"`
	UserInfoEndpoint             string   `json:"userinfo_endpoint"`
	AuthorizationEndpoint        string   `json:"authorization_endpoint"`
	DeviceAuthorizationEndpoint  string   `json:"device_authorization_endpoint"`
	HTTPLogoutSupported          bool     `json:"http_logout_supported"`
	FrontchannelLogoutSupported  bool     `json:"frontchannel_logout_supported"`
	EndSessionEndpoint           string   `json:"end_session_endpoint"`
	Claims                       []string `json:"claims_supported"`
	CodeChallengeMethods         []string `json:"code_challenge_methods_supported"`
	TenantRegionScope            *string  `json:"tenant_region_scope"`
	CloudInstanceName            string   `json:"cloud_instance_name"`
	CloudGraphHostName           string   `json:"cloud_graph_host_name"`
	MSGraphHost                  string   `json:"msgraph_host"`
	RBACURL                      *string  `json:"rbac_url"`
}

// discover describes the authority of v2.0.
func (p *Provider) discover(x *exchange) error {
	a, err := p.authority(x)
	if err != nil {
		return errUndescribed(err)
	}
	c := x.configuration(a, "/oauth2/v2.0")
	c.Issuer = x.Base + "/" + a.issuerSegment() + "/v2.0"
	c.JWKSURI = x.Base + "/" + a.name + "/discovery/v2.0/keys"
	c.Scopes = oidcScopes
	x.publish(c)
	return nil
}

// discoverV1 describes the authority of v1.0, whose issuer is the one in access
// tokens.
func (p *Provider) discoverV1(x *exchange) error {
	a, err := p.authority(x)
	if err != nil {
		return errUndescribed(err)
	}
	c := x.configuration(a, "/oauth2")
	c.Issuer = "https://sts.windows.net/" + a.issuerSegment() + "/"
	c.JWKSURI = x.Base + "/" + a.name + "/discovery/keys"
	x.publish(c)
	return nil
}

// errUndescribed returns the error for an authority that can't be described. Entra has a
// separate code for a tenant that doesn't exist.
func errUndescribed(err error) error {
	var refusal *aadError
	if errors.As(err, &refusal) && refusal.number == 90002 {
		refusal.code = "invalid_tenant"
	}
	return err
}

func (x *exchange) configuration(a authority, oauth2 string) configuration {
	at := x.Base + "/" + a.name + oauth2
	host := strings.TrimPrefix(strings.TrimPrefix(x.Base, "https://"), "http://")
	return configuration{
		TokenEndpoint:               at + "/token",
		TokenAuthMethods:            []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		ResponseModes:               []string{"query", "fragment", "form_post"},
		SubjectTypes:                []string{"pairwise"},
		IDTokenAlgorithms:           []string{"RS256"},
		ResponseTypes:               []string{"code", "id_token", "code id_token"},
		UserInfoEndpoint:            x.Base + userInfoPath,
		AuthorizationEndpoint:       at + "/authorize",
		DeviceAuthorizationEndpoint: at + "/devicecode",
		HTTPLogoutSupported:         true,
		EndSessionEndpoint:          at + "/logout",
		Claims: []string{
			"sub", "iss", "aud", "exp", "iat", "nbf", "nonce", "name", "preferred_username", "email", "oid", "tid", "ver", "uti", "c_hash",
		},
		CodeChallengeMethods: []string{"S256"},
		CloudInstanceName:    host,
		CloudGraphHostName:   host,
		MSGraphHost:          host,
	}
}

// issuerSegment returns the tenant's segment in an issuer; Entra leaves a placeholder for
// an authority that serves many tenants.
func (a authority) issuerSegment() string {
	switch {
	case a.tenant != nil:
		return a.tenant.ID.String()
	case a.name == consumers:
		return bearer.ConsumersTenantID.String()
	}
	return "{tenantid}"
}

// publish answers with a document that pages of any origin may read.
func (x *exchange) publish(v any) {
	x.Header("Access-Control-Allow-Origin", "*")
	x.Header("Access-Control-Allow-Methods", "GET, OPTIONS")
	x.writeJSON(200, v)
}

// webKey is a public key (RFC 7517), with its members in Entra's order.
type webKey struct {
	Type        string   `json:"kty"`
	Use         string   `json:"use"`
	ID          string   `json:"kid"`
	Thumbprint  string   `json:"x5t"`
	Modulus     string   `json:"n"`
	Exponent    string   `json:"e"`
	Certificate []string `json:"x5c,omitempty"`
	Issuer      string   `json:"issuer"`
}

// listKeys publishes every key that signs tokens now or soon.
func (p *Provider) listKeys(x *exchange) error {
	a, err := p.authority(x)
	if err != nil {
		return errUndescribed(err)
	}
	issuer := x.Base + "/" + a.issuerSegment() + "/v2.0"
	all := struct {
		Keys []webKey `json:"keys"`
	}{[]webKey{}}
	for _, k := range p.keys.all() {
		all.Keys = append(all.Keys, k.webKey(issuer))
	}
	x.publish(all)
	return nil
}

func (k signingKey) webKey(issuer string) webKey {
	public := k.private.Public().(*rsa.PublicKey)
	w := webKey{
		Type: "RSA", Use: "sig", ID: k.kid, Thumbprint: k.kid, Issuer: issuer,
		Modulus:  base64.RawURLEncoding.EncodeToString(public.N.Bytes()),
		Exponent: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
	}
	if len(k.certificate) > 0 {
		w.Certificate = []string{base64.StdEncoding.EncodeToString(k.certificate)}
	}
	return w
}

// instance lists the hosts that an authority's host regards as equivalent to itself.
type instance struct {
	TenantDiscoveryEndpoint string          `json:"tenant_discovery_endpoint"`
	APIVersion              string          `json:"api-version"`
	Metadata                []instanceAlias `json:"metadata"`
}

type instanceAlias struct {
	PreferredNetwork string   `json:"preferred_network"`
	PreferredCache   string   `json:"preferred_cache"`
	Aliases          []string `json:"aliases"`
}

// discoverInstance confirms an authority that a client doesn't know, so that the client
// keeps using the authority at which it was told to sign in.
// https://learn.microsoft.com/entra/msal/dotnet/advanced/extract-authentication-parameters
func (p *Provider) discoverInstance(x *exchange) error {
	endpoint, err := url.Parse(x.Query("authorization_endpoint"))
	if err != nil || !isHTTP(endpoint) || endpoint.Host == "" {
		return refuse(50049, "invalid_instance", "Unknown or invalid instance.")
	}
	tenant, _, _ := strings.Cut(strings.TrimPrefix(endpoint.Path, "/"), "/")
	a, err := p.findAuthority(x.Request.Context(), tenant)
	if err != nil {
		return errUndescribed(err)
	}
	x.publish(instance{
		TenantDiscoveryEndpoint: endpoint.Scheme + "://" + endpoint.Host + "/" + a.name + "/v2.0/.well-known/openid-configuration",
		APIVersion:              "1.1",
		Metadata:                []instanceAlias{{endpoint.Host, endpoint.Host, []string{endpoint.Host}}},
	})
	return nil
}

// realm says how the users of a domain sign in.
type realm struct {
	Version           string `json:"ver"`
	AccountType       string `json:"account_type"`
	DomainName        string `json:"domain_name,omitempty"`
	CloudInstanceName string `json:"cloud_instance_name"`
	CloudAudienceURN  string `json:"cloud_audience_urn"`
}

// userRealm answers that users of a verified domain sign in here with a password, and that
// others are unknown.
func (p *Provider) userRealm(x *exchange) error {
	_, domain, _ := strings.Cut(x.Param("upn"), "@")
	answer := realm{
		Version: "1.0", AccountType: "Unknown",
		CloudInstanceName: strings.TrimPrefix(strings.TrimPrefix(x.Base, "https://"), "http://"), CloudAudienceURN: "urn:federation:MicrosoftOnline",
	}
	if _, err := p.tenantOfUser(x, authority{name: organizations}, x.Param("upn")); err == nil {
		answer.AccountType, answer.DomainName = "Managed", domain
	} else if e := asAADError(err); e.number != 50034 {
		return err
	}
	x.writeJSON(200, answer)
	return nil
}
