package identity

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // x5t is by definition one
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/mocktenant/mocktenant/internal/db"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// assertionSkew is how far the clock of a client may be off.
const assertionSkew = 5 * time.Minute

// checkAssertion holds a client to a JWT that it signed by one of its
// certificates (RFC 7523 section 3).
// https://learn.microsoft.com/entra/identity-platform/certificate-credentials
func (p *Provider) checkAssertion(x *exchange, app db.Application, c credentials) error {
	if c.assertionType != assertionType {
		return refuse(900144, invalidRequest, "The request body must contain the following parameter: 'client_assertion_type', with the value '%s'.", assertionType)
	}
	rows, err := p.queries.ListApplicationCertificates(x.Request.Context(), db.ListApplicationCertificatesParams{TenantID: app.TenantID, ClientID: app.ClientID})
	if err != nil {
		return err
	}
	var certificates []*x509.Certificate
	for _, row := range rows {
		certificate, err := x509.ParseCertificate(row.Certificate)
		if err != nil {
			return fmt.Errorf("read certificate %s of application %s: %w", row.ID, app.ClientID, err)
		}
		certificates = append(certificates, certificate)
	}
	claims, err := verifyAssertion(c.assertion, certificates)
	if err != nil {
		return err
	}
	return claims.check(app.ClientID.String(), x)
}

// assertion is what a client assertion claims.
type assertion struct{ jwt.Claims }

// verifyAssertion reads an assertion that one of the certificates signed.
func verifyAssertion(raw string, certificates []*x509.Certificate) (assertion, error) {
	var claims assertion
	if len(raw) > maxTokenBytes {
		return claims, errBadAssertion(errors.New("too long"))
	}
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256, jose.PS256})
	if err != nil {
		return claims, errBadAssertion(err)
	}
	certificate := findCertificate(token.Headers[0], certificates)
	if certificate == nil {
		return claims, refuseClient(700027, "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found.]")
	}
	if err := token.Claims(certificate.PublicKey, &claims); err != nil {
		e := refuseClient(700027, "Client assertion failed signature validation. [Reason - The key was found, but use of the key to verify the signature failed.]")
		e.cause = err
		return claims, e
	}
	return claims, nil
}

func errBadAssertion(cause error) *aadError {
	e := refuseClient(50027, "JWT token is invalid or malformed.")
	e.cause = cause
	return e
}

// findCertificate finds the certificate whose thumbprint the header names, by
// x5t#S256, x5t, or the SHA-1 in hexadecimal as its kid.
func findCertificate(h jose.Header, certificates []*x509.Certificate) *x509.Certificate {
	for _, c := range certificates {
		old := sha1.Sum(c.Raw) //nolint:gosec // see above
		now := sha256.Sum256(c.Raw)
		if sameThumbprint(h.ExtraHeaders["x5t#S256"], now[:]) || sameThumbprint(h.ExtraHeaders["x5t"], old[:]) ||
			strings.EqualFold(h.KeyID, fmt.Sprintf("%x", old)) {
			return c
		}
	}
	return nil
}

// sameThumbprint takes base64 with padding and of the other alphabet too, since
// MSAL for Go sends it so.
func sameThumbprint(named any, thumbprint []byte) bool {
	text, _ := named.(string)
	raw, err := base64.RawURLEncoding.DecodeString(strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(text))
	return err == nil && bytes.Equal(raw, thumbprint)
}

// check holds what an assertion claims against the client and the endpoint.
func (a assertion) check(clientID string, x *exchange) error {
	switch {
	case !strings.EqualFold(a.Issuer, clientID) || !strings.EqualFold(a.Subject, clientID):
		return refuseClient(700021, "Client assertion application identifier does not match 'client_id' parameter.")
	case a.Expiry == nil || x.now.After(a.Expiry.Time().Add(assertionSkew)),
		a.NotBefore != nil && x.now.Before(a.NotBefore.Time().Add(-assertionSkew)):
		return refuseClient(700024, "Client assertion is not within its valid time range.")
	case !x.isAudience(a.Audience):
		return refuseClient(700023, "Client assertion audience claim does not match Realm issuer.")
	}
	return nil
}

// isAudience tells whether an audience is this very authority: its token
// endpoint or its issuer, in either version, on the host of the request.
func (x *exchange) isAudience(audience jwt.Audience) bool {
	for _, a := range audience {
		rest, ok := strings.CutPrefix(strings.ToLower(strings.TrimSuffix(a, "/")), strings.ToLower(x.base)+"/")
		_, place, _ := strings.Cut(rest, "/")
		if ok && (place == "oauth2/v2.0/token" || place == "oauth2/token" || place == "v2.0" || place == "") {
			return true
		}
	}
	return false
}
