package identity

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
)

const (
	// refreshLifetime is Entra's lifetime for clients that aren't single-page apps.
	// https://learn.microsoft.com/entra/identity-platform/refresh-tokens#token-lifetime
	refreshLifetime = 90 * 24 * time.Hour

	// spaRefreshLifetime is the lifetime for single-page applications, counted from the
	// sign-in, however often the tokens are exchanged.
	spaRefreshLifetime = 24 * time.Hour

	idTokenLifetime = 65 * time.Minute
)

// tokenRequest is a call to the token endpoint.
type tokenRequest struct {
	x *exchange
	form
	authority authority
}

// grant is a way to obtain a token.
type grant struct {
	name   string
	answer func(*Provider, tokenRequest) (tokenAnswer, error)
}

// grants are the supported grants, by grant_type.
var grants = map[string]grant{
	"authorization_code": {"authorization_code", (*Provider).grantAuthorizationCode},
	"client_credentials": {"client_credentials", (*Provider).grantClientCredentials},
	"device_code":        {"device_code", (*Provider).grantDeviceCode}, // MSAL's name for it
	"urn:ietf:params:oauth:grant-type:device_code": {"device_code", (*Provider).grantDeviceCode},
	"urn:ietf:params:oauth:grant-type:jwt-bearer":  {"on_behalf_of", (*Provider).grantOnBehalfOf},
	"password":      {"password", (*Provider).grantPassword},
	"refresh_token": {"refresh_token", (*Provider).grantRefreshToken},
}

// token is the token endpoint (RFC 6749 section 3.2).
func (p *Provider) token(x *exchange) error {
	f, err := readForm(x.Request)
	if err != nil {
		return err
	}
	kind, err := f.need("grant_type")
	if err != nil {
		return err
	}
	grant, ok := grants[kind]
	if !ok {
		return refuse(70003, "unsupported_grant_type", "The app requested an unsupported grant type '%s'.", kind)
	}
	a, err := p.authority(x)
	if err != nil {
		return err
	}
	f["scope"] = []string{x.scopeOf(f)}
	answer, err := grant.answer(p, tokenRequest{x, f, a})
	if err != nil {
		return err
	}
	x.Grant = grant.name
	if x.v1 {
		x.writeJSON(200, answer.v1(x.Now, f.get("resource")))
		return nil
	}
	x.writeJSON(200, answer)
	return nil
}

// tokenAnswer is the answer to a token request (RFC 6749 section 5.1), with its members in
// Entra's order.
type tokenAnswer struct {
	TokenType    string `json:"token_type"`
	Scope        string `json:"scope,omitempty"`
	ExpiresIn    int    `json:"expires_in"` // seconds
	ExtExpiresIn int    `json:"ext_expires_in"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	RefreshEnds  int    `json:"refresh_token_expires_in,omitempty"` // seconds; only if fixed
	IDToken      string `json:"id_token,omitempty"`
	ClientInfo   string `json:"client_info,omitempty"`

	granted  []string // permissions, without the resource
	resource string   // as the scopes name it; "" is Graph
}

// tokenAnswerV1 is the answer of the v1.0 endpoint, with times as strings.
type tokenAnswerV1 struct {
	TokenType    string `json:"token_type"`
	Scope        string `json:"scope,omitempty"`
	ExpiresIn    string `json:"expires_in"`
	ExtExpiresIn string `json:"ext_expires_in"`
	ExpiresOn    string `json:"expires_on"` // seconds since 1970
	NotBefore    string `json:"not_before"`
	Resource     string `json:"resource,omitempty"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	ClientInfo   string `json:"client_info,omitempty"`
}

func (a tokenAnswer) v1(now time.Time, resource string) tokenAnswerV1 {
	return tokenAnswerV1{
		TokenType: a.TokenType, Scope: strings.Join(a.granted, " "), Resource: cmp.Or(resource, a.resource, GraphAudience),
		ExpiresIn: strconv.Itoa(a.ExpiresIn), ExtExpiresIn: strconv.Itoa(a.ExtExpiresIn),
		ExpiresOn:   strconv.FormatInt(now.Unix()+int64(a.ExpiresIn), 10),
		NotBefore:   strconv.FormatInt(now.Add(-clockSkew).Unix(), 10),
		AccessToken: a.AccessToken, RefreshToken: a.RefreshToken, IDToken: a.IDToken, ClientInfo: a.ClientInfo,
	}
}

// signIn is a user's sign-in to an application, by any grant.
type signIn struct {
	client
	user   db.User
	scopes scopes
	grant  *redeemable // the code or token that was redeemed; nil if none was
	nonce  string

	refreshUntil time.Time // when its refresh tokens end; zero counts from their last use
}

// answer issues the tokens for a sign-in.
func (p *Provider) answer(r tokenRequest, s signIn) (tokenAnswer, error) {
	ctx := r.x.Request.Context()
	to, err := p.findResource(ctx, r.x, s.TenantID, s.scopes.resource)
	if err != nil {
		return tokenAnswer{}, err
	}
	granted, err := p.grantScopes(ctx, s.Application, s.user.ID, to, s.scopes)
	if err != nil {
		return tokenAnswer{}, err
	}
	lifetime, capable := r.lifetime()
	a := tokenAnswer{TokenType: "Bearer", Scope: s.scopes.echo(granted), granted: granted, resource: s.scopes.resource}
	a.setLifetime(lifetime)
	if a.AccessToken, err = p.IssueAccessToken(AccessToken{
		Audience: to.audience, TenantID: s.TenantID, AppID: s.ClientID, AppName: s.DisplayName, Proof: string(s.proof),
		ObjectID: s.user.ID, UserName: s.user.UserPrincipalName, DisplayName: s.user.DisplayName,
		GivenName: deref(s.user.GivenName), FamilyName: deref(s.user.Surname), DirectoryRoles: s.user.DirectoryRoles,
		Scopes: append(granted, s.signInScopes()...), Now: r.x.Now, Lifetime: lifetime, ClaimsCapable: capable, Address: r.x.ClientIP(),
		ValidFrom: latest(s.since, s.user.TokensValidFrom),
	}); err != nil {
		return a, err
	}
	if s.scopes.wants("openid") {
		if a.IDToken, err = p.issueIDToken(r.x, s, ""); err != nil {
			return a, err
		}
	}
	if r.get("client_info") == "1" {
		a.ClientInfo = clientInfo(s.user)
	}
	a.RefreshToken, err = p.issueRefreshToken(ctx, r.x.Now, s)
	if a.RefreshToken != "" && !s.refreshUntil.IsZero() {
		a.RefreshEnds = int(s.refreshUntil.Sub(r.x.Now).Seconds())
	}
	return a, err
}

// signInScopes are the sign-in's scopes that an access token shows.
func (s signIn) signInScopes() []string {
	var all []string
	for _, o := range s.scopes.oidc {
		if o != "offline_access" {
			all = append(all, o)
		}
	}
	return all
}

func (a *tokenAnswer) setLifetime(d time.Duration) {
	a.ExpiresIn = int(d.Seconds())
	a.ExtExpiresIn = a.ExpiresIn
}

// lifetime returns an access token's lifetime: 60 to 90 minutes at random, or 20 to 28
// hours for a client that understands claims challenges.
// https://learn.microsoft.com/entra/identity-platform/access-tokens#token-lifetime
// https://learn.microsoft.com/entra/identity/conditional-access/concept-continuous-access-evaluation#token-lifetime
func (r tokenRequest) lifetime() (lifetime time.Duration, capable bool) {
	if claimsCapable(r.get("claims")) {
		return time.Duration(20*3600+rand.IntN(8*3600+1)) * time.Second, true
	}
	return time.Duration(3600+rand.IntN(1801)) * time.Second, false
}

// claimsCapable reports whether a claims parameter declares that the client understands
// claims challenges.
// https://learn.microsoft.com/entra/identity-platform/claims-challenge#how-to-communicate-client-capabilities-to-microsoft-entra-id
func claimsCapable(claims string) bool {
	var c struct {
		AccessToken struct {
			XMSCC struct {
				Values []string `json:"values"`
			} `json:"xms_cc"`
		} `json:"access_token"`
	}
	return json.Unmarshal([]byte(claims), &c) == nil && containsFold(c.AccessToken.XMSCC.Values, "CP1")
}

// clientInfo returns an answer's client_info, which identifies the account to MSAL.
func clientInfo(u db.User) string {
	text, _ := json.Marshal(struct {
		UID  uuid.UUID `json:"uid"`
		UTID uuid.UUID `json:"utid"`
	}{u.ID, u.TenantID})
	return base64.RawURLEncoding.EncodeToString(text)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
