package identity

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // x5t is by definition one
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

const (
	// assertionSkew is how far a client's clock may be off.
	assertionSkew = 5 * time.Minute

	// assertionLifetime is how far in the future a client's own assertion may expire. Entra
	// recommends five to ten minutes.
	// https://learn.microsoft.com/entra/identity-platform/certificate-credentials#claims-payload
	assertionLifetime = 24 * time.Hour

	// maxAssertions is how many unexpired assertions of an application are remembered for
	// each first byte of their hashes: 131,072 in total.
	maxAssertions = 512
)

// checkAssertion checks the JWT with which a client proves its identity (RFC 7523 section
// 3): one signed with the client's own certificate or, if the issuer is a URL, by an issuer
// that the application trusts.
// https://learn.microsoft.com/entra/identity-platform/certificate-credentials
func (p *Provider) checkAssertion(x *exchange, app db.Application, c credentials) error {
	if c.assertionType != assertionType {
		return refuse(900144, invalidRequest, "The request body must contain the following parameter: 'client_assertion_type', with the value '%s'.", assertionType)
	}
	token, claimed, err := parseAssertion(c.assertion)
	if err != nil {
		return errBadAssertion(err)
	}
	if strings.Contains(claimed.Issuer, "://") {
		return p.checkFederatedAssertion(x, app, token, claimed)
	}
	return p.checkOwnAssertion(x, app, token)
}

// parseAssertion reads an assertion and its claims without checking the signature.
func parseAssertion(raw string) (*jwt.JSONWebToken, jwt.Claims, error) {
	var claimed jwt.Claims
	if len(raw) > maxTokenBytes {
		return nil, claimed, fmt.Errorf("longer than %d bytes", maxTokenBytes)
	}
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256, jose.PS256})
	if err == nil {
		err = token.UnsafeClaimsWithoutVerification(&claimed)
	}
	return token, claimed, err
}

func errBadAssertion(cause error) *aadError {
	e := refuseClient(50027, "JWT token is invalid or malformed.")
	e.cause = cause
	return e
}

// checkOwnAssertion checks an assertion signed by the application itself.
func (p *Provider) checkOwnAssertion(x *exchange, app db.Application, token *jwt.JSONWebToken) error {
	certificates, err := p.certificates(x.Request.Context(), app)
	if err != nil {
		return err
	}
	claims, err := verifyByCertificate(token, certificates, x.Now)
	if err != nil {
		return err
	}
	if id := app.ClientID.String(); !strings.EqualFold(claims.Issuer, id) || !strings.EqualFold(claims.Subject, id) {
		return refuseClient(700021, "Client assertion application identifier doesn't match 'client_id' parameter. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .")
	}
	if err := checkLifetime(claims, x.Arrived); err != nil { // clients date assertions by their own clocks, which nobody moves
		return err
	}
	if claims.Expiry.Time().After(x.Arrived.Add(assertionLifetime + assertionSkew)) {
		return errLifetime(claims, x.Arrived)
	}
	if err := p.checkAudience(x, app, claims.Audience); err != nil {
		return err
	}
	return p.useAssertion(x, app, claims)
}

func (p *Provider) certificates(ctx context.Context, app db.Application) ([]*x509.Certificate, error) {
	rows, err := p.queries.ListApplicationCertificates(ctx, db.ListApplicationCertificatesParams{TenantID: app.TenantID, ClientID: app.ClientID})
	if err != nil {
		return nil, err
	}
	certificates := make([]*x509.Certificate, len(rows))
	for i, row := range rows {
		if certificates[i], err = x509.ParseCertificate(row.Certificate); err != nil {
			return nil, fmt.Errorf("read certificate %s of application %s: %w", row.ID, app.ClientID, err)
		}
	}
	return certificates, nil
}

// verifyByCertificate reads an assertion signed with one of the certificates.
func verifyByCertificate(token *jwt.JSONWebToken, certificates []*x509.Certificate, now time.Time) (jwt.Claims, error) {
	var claims jwt.Claims
	certificate := findCertificate(token.Headers[0], certificates)
	if certificate == nil {
		return claims, refuseClient(700027, "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found.]")
	}
	if err := token.Claims(certificate.PublicKey, &claims); err != nil {
		return claims, errAssertionSignature(err)
	}
	const form = "01/02/2006 15:04:05"
	if now.After(certificate.NotAfter) || now.Before(certificate.NotBefore) {
		reason := "expired"
		if now.Before(certificate.NotBefore) {
			reason = "not yet valid"
		}
		return claims, refuseClient(700027, "The certificate with identifier used to sign the client assertion is %s on application. [Reason - The key used is %s., Found key 'Start=%s, End=%s']",
			reason, reason, certificate.NotBefore.UTC().Format(form), certificate.NotAfter.UTC().Format(form))
	}
	return claims, nil
}

func errAssertionSignature(cause error) *aadError {
	e := refuseClient(700027, "Client assertion failed signature validation. [Reason - The key was found, but use of the key to verify the signature failed.]")
	e.cause = cause
	return e
}

// findCertificate finds the certificate whose thumbprint is in the header as x5t#S256 or
// x5t, or as hexadecimal SHA-1 in kid.
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

// sameThumbprint accepts base64 with padding and in the standard alphabet too, because MSAL
// for Go sends that.
func sameThumbprint(named any, thumbprint []byte) bool {
	text, _ := named.(string)
	raw, err := base64.RawURLEncoding.DecodeString(strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(text))
	return err == nil && bytes.Equal(raw, thumbprint)
}

// checkLifetime checks an assertion's times against the clock: it must expire, and must not
// start or have been issued in the future.
func checkLifetime(claims jwt.Claims, now time.Time) error {
	later := func(d *jwt.NumericDate) bool { return d != nil && now.Add(assertionSkew).Before(d.Time()) }
	if claims.Expiry == nil || now.After(claims.Expiry.Time().Add(assertionSkew)) || later(claims.NotBefore) || later(claims.IssuedAt) {
		return errLifetime(claims, now)
	}
	return nil
}

func errLifetime(claims jwt.Claims, now time.Time) *aadError {
	date := func(d *jwt.NumericDate) string {
		at := time.Unix(0, 0)
		if d != nil {
			at = d.Time()
		}
		return inTicks(at)
	}
	return refuseClient(700024, "Client assertion is not within its valid time range. Current time: %s, assertion valid from %s, expiry time of assertion %s. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
		inTicks(now), date(claims.NotBefore), date(claims.Expiry))
}

// checkAudience checks that an assertion is meant for this authority.
func (p *Provider) checkAudience(x *exchange, app db.Application, audience jwt.Audience) error {
	for _, a := range audience {
		ok, err := p.isAudience(x, app, a)
		if err != nil || ok {
			return err
		}
	}
	return refuseClient(700023, "Client assertion audience claim does not match Realm issuer. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .")
}

// isAudience reports whether an audience is the application's tenant: the token endpoint or
// the issuer, of either version, on the requested host or in the public URL. The tenant may
// be named as in the request, by its id, or by a domain.
func (p *Provider) isAudience(x *exchange, app db.Application, audience string) (bool, error) {
	if strings.EqualFold(audience, issuer(app.TenantID)) {
		return true, nil
	}
	audience = strings.ToLower(strings.TrimSuffix(audience, "/"))
	for _, base := range []string{x.Base, x.RequestBase()} {
		rest, ok := strings.CutPrefix(audience, strings.ToLower(base)+"/")
		name, place, _ := strings.Cut(rest, "/")
		if !ok || !slices.Contains([]string{"oauth2/v2.0/token", "oauth2/token", "v2.0", ""}, place) {
			continue
		}
		if name == strings.ToLower(x.Param("tenant")) {
			return true, nil
		}
		tenant, err := p.findTenant(x.Request.Context(), name)
		if errors.Is(err, pgx.ErrNoRows) {
			continue
		}
		return tenant.ID == app.TenantID, err
	}
	return false, nil
}

// useAssertion refuses an assertion that was used before, at any replica, if the service is
// configured so. MSAL for Python and for Node reuse an assertion for ten minutes.
func (p *Provider) useAssertion(x *exchange, app db.Application, claims jwt.Claims) error {
	if !p.assertOnce {
		return nil
	}
	if claims.ID == "" {
		return errUsedAssertion("it has no jti")
	}
	used, err := p.queries.UseClientAssertion(x.Request.Context(), db.UseClientAssertionParams{
		TenantID: app.TenantID, ClientID: app.ClientID, Hash: hashOf(claims.ID), ExpiresAt: claims.Expiry.Time().Add(assertionSkew), Most: maxAssertions,
	})
	switch {
	case err != nil:
		return err
	case !used.Room:
		return errThrottled("The application has used too many client assertions that have not expired. Let them expire sooner.")
	case used.Used == 0:
		return errUsedAssertion("its jti was used before")
	}
	return nil
}

func errUsedAssertion(reason string) *aadError {
	return refuseClient(50013, "Assertion failed: each client assertion is good for one request here, and %s.", reason)
}

// errThrottled refuses a request when there are too many already: 429, with Retry-After.
func errThrottled(message string) *aadError {
	e := refuse(90055, invalidRequest, "%s", message)
	e.status, e.retryAfter = http.StatusTooManyRequests, time.Minute
	return e
}
