package identity

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/go-jose/go-jose/v4/jwt"
)

// idToken is the payload of an id_token of v2.0.
// https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference
type idToken struct {
	Version           string           `json:"ver"`
	Issuer            string           `json:"iss"`
	Subject           string           `json:"sub"`
	Audience          string           `json:"aud"`
	Expiry            *jwt.NumericDate `json:"exp"`
	IssuedAt          *jwt.NumericDate `json:"iat"`
	NotBefore         *jwt.NumericDate `json:"nbf"`
	Name              string           `json:"name,omitempty"`
	PreferredUsername string           `json:"preferred_username,omitempty"`
	Email             string           `json:"email,omitempty"`
	ObjectID          string           `json:"oid"`
	TenantID          string           `json:"tid"`
	Nonce             string           `json:"nonce,omitempty"`
	CodeHash          string           `json:"c_hash,omitempty"`
	UTI               string           `json:"uti"`
}

// issueIDToken issues the token that tells an application who signed in. It contains the
// hash of a code that is issued along with it (OpenID Connect Core 3.3.2.11).
func (p *Provider) issueIDToken(x *exchange, s signIn, code string) (string, error) {
	issued := jwt.NewNumericDate(x.Now.Add(-clockSkew))
	t := idToken{
		Version: "2.0", Issuer: x.Base + "/" + s.TenantID.String() + "/v2.0", Audience: s.ClientID.String(),
		Subject:  pairwise(s.ClientID.String(), s.user.ID.String()),
		IssuedAt: issued, NotBefore: issued, Expiry: jwt.NewNumericDate(x.Now.Add(idTokenLifetime)),
		ObjectID: s.user.ID.String(), TenantID: s.TenantID.String(), Nonce: s.nonce, UTI: newUTI(),
		Name: s.user.DisplayName, PreferredUsername: s.user.UserPrincipalName,
	}
	if s.scopes.wants("email") {
		t.Email = s.user.UserPrincipalName
	}
	if code != "" {
		hash := sha256.Sum256([]byte(code))
		t.CodeHash = base64.RawURLEncoding.EncodeToString(hash[:len(hash)/2])
	}
	return p.sign(t)
}

// pairwise returns the subject under which a single application knows a user (OpenID
// Connect Core 8.1).
func pairwise(application, user string) string {
	hash := sha256.Sum256([]byte(application + "\n" + user))
	return base64.RawURLEncoding.EncodeToString(hash[:])
}
