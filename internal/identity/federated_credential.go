package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
)

// FederatedAudience is the default audience of a federated credential.
// https://learn.microsoft.com/graph/api/resources/federatedidentitycredential
const FederatedAudience = "api://AzureADTokenExchange"

const (
	// MaxFederatedCredentials is how many an application may have.
	// https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations
	MaxFederatedCredentials = 20

	maxKeySet = 32 << 10 // bytes
)

var (
	errIssuerURL = errors.New("want an https URL without query and fragment, as in the iss of its tokens; http only on localhost")
	errKeySet    = fmt.Errorf(`want a JSON Web Key Set ({"keys": [...]}) of public RSA keys, at most %d bytes`, maxKeySet)
)

// CheckIssuer returns an error unless a federated credential may have the issuer.
func CheckIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || !mayFetch(u) || strings.ContainsAny(issuer, "?#") {
		return errIssuerURL
	}
	return nil
}

// mayFetch reports whether an issuer's documents may be fetched from a URL.
func mayFetch(u *url.URL) bool {
	if u.Hostname() == "" || u.User != nil {
		return false
	}
	if u.Scheme == "http" {
		return isLoopback(u.Hostname())
	}
	return u.Scheme == "https"
}

// CheckKeySet returns an error unless a federated credential may have the key set.
func CheckKeySet(raw []byte) error {
	if len(raw) > maxKeySet {
		return errKeySet
	}
	var set jose.JSONWebKeySet
	if json.Unmarshal(raw, &set) != nil || len(set.Keys) == 0 {
		return errKeySet
	}
	for _, key := range set.Keys {
		if !key.Valid() || signingAlgorithm(key) == "" {
			return errKeySet
		}
	}
	return nil
}

// checkFederatedAssertion checks a token of another issuer that the application trusts. It
// compares the claims first, so that the service never fetches keys from an issuer that
// nobody configured. Errors come in Entra's order.
// https://learn.microsoft.com/entra/workload-id/workload-identity-federation
func (p *Provider) checkFederatedAssertion(x *exchange, app db.Application, token *jwt.JSONWebToken, claimed jwt.Claims) error {
	ctx := x.Request.Context()
	all, err := p.queries.ListFederatedCredentialsOf(ctx, db.ListFederatedCredentialsOfParams{TenantID: app.TenantID, ClientIds: []uuid.UUID{app.ClientID}})
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return refuseClient(70025, "The client '%s'(%s) has no configured federated identity credentials.", app.ClientID, app.DisplayName)
	}
	credential, err := matchFederatedCredential(all, claimed)
	if err != nil {
		return err
	}
	if token.Headers[0].Algorithm != string(jose.RS256) {
		return errBadAssertion(fmt.Errorf("signed by %s: want RS256", token.Headers[0].Algorithm))
	}
	key, err := p.federatedKey(ctx, credential, token.Headers[0].KeyID)
	if err != nil {
		return err
	}
	var claims jwt.Claims
	if err := token.Claims(key, &claims); err != nil {
		return errAssertionSignature(err)
	}
	return checkLifetime(claims, x.Arrived) // as its issuer dates it
}

// matchFederatedCredential finds the credential with an assertion's issuer, subject and
// audience, comparing exactly.
func matchFederatedCredential(all []db.ApplicationFederatedCredential, claimed jwt.Claims) (db.ApplicationFederatedCredential, error) {
	type credential = db.ApplicationFederatedCredential
	keep := func(f func(credential) bool) bool {
		all = slices.DeleteFunc(all, func(c credential) bool { return !f(c) })
		return len(all) > 0
	}
	if !keep(func(c credential) bool { return c.Issuer == claimed.Issuer }) {
		return credential{}, errNoFederatedCredential(700211, "issuer", claimed.Issuer, "")
	}
	nearly := slices.ContainsFunc(all, func(c credential) bool { return strings.EqualFold(c.Subject, claimed.Subject) })
	if !keep(func(c credential) bool { return c.Subject == claimed.Subject }) {
		if nearly {
			return credential{}, errNoFederatedCredential(7002138, "subject", claimed.Subject, " The subject matches with case-insensitive comparison, but not with case-sensitive comparison.")
		}
		return credential{}, errNoFederatedCredential(700213, "subject", claimed.Subject, "")
	}
	if !keep(func(c credential) bool { return slices.ContainsFunc(c.Audiences, claimed.Audience.Contains) }) {
		return credential{}, errNoFederatedCredential(700212, "audience", strings.Join(claimed.Audience, ", "), "")
	}
	return all[0], nil
}

func errNoFederatedCredential(number int, part, value, hint string) *aadError {
	return refuseClient(number, "No matching federated identity record found for presented assertion %s '%s'.%s Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation", part, value, hint)
}
