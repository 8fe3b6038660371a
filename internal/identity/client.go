package identity

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
)

// proof is how a client proved its identity: the appidacr of tokens.
type proof string

const (
	proofNone        proof = "0" // a public client
	proofSecret      proof = "1"
	proofCertificate proof = "2"
)

// client is an application that calls the authority.
type client struct {
	db.Application
	proof proof
	since time.Time // its tokens issued from then on are valid
}

// credentials are a client's claims about itself.
type credentials struct {
	id, secret, assertion, assertionType string
}

// readCredentials reads them from the form, or the secret from HTTP Basic (RFC 6749 section
// 2.3.1).
func readCredentials(r *http.Request, f form) credentials {
	c := credentials{id: f.get("client_id"), secret: f.get("client_secret"), assertion: f.get("client_assertion"), assertionType: f.get("client_assertion_type")}
	if id, secret, ok := r.BasicAuth(); ok && c.secret == "" {
		id, _ = url.QueryUnescape(id)
		c.secret, _ = url.QueryUnescape(secret)
		if c.id == "" {
			c.id = id
		}
	}
	return c
}

// flow says whether an application that isn't a public client must prove its identity.
type flow int

const (
	confidential    flow = iota // it must
	publicIfAllowed             // not if it allows public client flows
	publicAlways                // it must not
)

// authenticateClient finds the application and checks its credentials.
func (p *Provider) authenticateClient(x *exchange, f form, tenant db.Tenant, in flow) (client, error) {
	c := readCredentials(x.Request, f)
	if c.id == "" {
		return client{}, errMissing("client_id")
	}
	app, err := p.findApplication(x.Request.Context(), tenant, c.id)
	if err != nil {
		return client{}, err
	}
	since := latest(tenant.CreatedAt, app.TokensValidFrom)
	public := app.PublicClient || in == publicAlways
	switch {
	case public && (c.secret != "" || c.assertion != ""):
		return client{}, refuseClient(700025, "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.")
	case c.assertion != "":
		return client{app, proofCertificate, since}, p.checkAssertion(x, app, c)
	case c.secret != "":
		return client{app, proofSecret, since}, p.checkSecret(x, app, c.secret)
	case public, in == publicIfAllowed && app.PublicClientFlows:
		return client{app, proofNone, since}, nil
	}
	return client{}, refuseClient(7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
}

func (p *Provider) findApplication(ctx context.Context, tenant db.Tenant, clientID string) (db.Application, error) {
	id, err := uuid.Parse(clientID)
	if err != nil {
		return db.Application{}, errNoApplication(clientID, tenant)
	}
	app, err := p.queries.GetApplication(ctx, db.GetApplicationParams{TenantID: tenant.ID, ClientID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		return app, errNoApplication(clientID, tenant)
	}
	return app, err
}

func errNoApplication(clientID string, tenant db.Tenant) *aadError {
	return refuse(700016, unauthorizedClient, "Application with identifier '%s' was not found in the directory '%s'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.", clientID, tenant.DisplayName)
}

// checkSecret compares the secret with all of the application's, in constant time.
func (p *Provider) checkSecret(x *exchange, app db.Application, secret string) error {
	all, err := p.queries.ListApplicationSecrets(x.Request.Context(), db.ListApplicationSecretsParams{TenantID: app.TenantID, ClientID: app.ClientID})
	if err != nil {
		return err
	}
	hash, expired := hashOf(secret), false
	for _, s := range all {
		if subtle.ConstantTimeCompare(hash, s.SecretHash) == 0 {
			continue
		}
		if x.Now.Before(s.ExpiresAt) {
			return nil
		}
		expired = true
	}
	if expired {
		return refuseClient(7000222, "The provided client secret keys for app '%s' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.", app.ClientID)
	}
	return refuseClient(7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", app.ClientID)
}
