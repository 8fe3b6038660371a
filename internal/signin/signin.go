// Package signin signs people in by OpenID Connect: it sends a browser to the company's
// identity provider and turns the answer into a person with a role. It keeps nothing about
// people; the caller keeps the Attempt while the browser is away.
//
//	url, attempt, err := provider.Begin(ctx, "https://mock.example.com/console/sign-in/callback")
//	// … the browser comes back with a query
//	person, err := provider.Finish(ctx, attempt, query)
//
// It uses the authorization code flow with PKCE, a state and a nonce
// (https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth).
package signin

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	// patience is how long the identity provider may take to answer a request.
	patience = 5 * time.Second

	// pause is how long after a failure the identity provider isn't asked again, so that
	// sign-in pages are fast while it is down.
	pause = 5 * time.Second

	// maxForeignText bounds what a message quotes from the identity provider, in characters.
	maxForeignText = 300
)

// Provider is an identity provider. It is looked up when somebody first signs in, so it may be
// down before.
type Provider struct {
	config Config
	now    func() time.Time
	client *http.Client

	mu     sync.Mutex
	known  *endpoints // nil until it was looked up
	failed error      // of the last look-up
	again  time.Time  // when it may be looked up again
}

// endpoints are what a provider's discovery document says.
type endpoints struct {
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
}

// New returns the identity provider of a valid configuration.
func New(c Config, now func() time.Time) *Provider {
	return &Provider{config: c, now: now, client: &http.Client{Timeout: patience}}
}

// Issuer is the URL of the identity provider.
func (p *Provider) Issuer() string { return p.config.Issuer }

// Settings identifies the settings by which people get their roles. It changes with them.
func (p *Provider) Settings() string {
	text, err := json.Marshal(p.config)
	if err != nil {
		panic(err) // only texts, which can't fail
	}
	hash := sha256.Sum256(text)
	return hex.EncodeToString(hash[:8])
}

// Ready returns an error that says why nobody can sign in now.
func (p *Provider) Ready(ctx context.Context) error {
	_, err := p.find(ctx)
	return err
}

// Attempt is what Finish has to know about a Begin. It is secret.
type Attempt struct {
	State, Nonce, Verifier string
	Redirect               string // the address to which the browser returns
}

// Begin returns the address to which a browser must go to sign in. The identity provider sends
// it back to redirect.
func (p *Provider) Begin(ctx context.Context, redirect string) (string, Attempt, error) {
	e, err := p.find(ctx)
	if err != nil {
		return "", Attempt{}, err
	}
	a := Attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Redirect: redirect}
	return e.at(redirect).AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)), a, nil
}

// Finish returns the person who signed in. query comes from the address to which the browser
// returned. An error is a *Refusal.
func (p *Provider) Finish(ctx context.Context, a Attempt, query url.Values) (Person, error) {
	if a.State == "" || subtle.ConstantTimeCompare([]byte(a.State), []byte(query.Get("state"))) == 0 {
		return Person{}, refuse(http.StatusBadRequest, "The answer doesn't belong to the sign-in that this browser began last: its state differs. Sign in again.")
	}
	if code := query.Get("error"); code != "" {
		return Person{}, refuse(http.StatusForbidden, "%s refused to sign you in: %s", p.config.Issuer, short(code+" "+query.Get("error_description")))
	}
	e, err := p.find(ctx)
	if err != nil {
		return Person{}, err
	}
	raw, err := p.redeem(ctx, e, a, query.Get("code"))
	if err != nil {
		return Person{}, err
	}
	return p.read(ctx, e, raw, a.Nonce)
}

// redeem exchanges a code for an ID token.
func (p *Provider) redeem(ctx context.Context, e *endpoints, a Attempt, code string) (string, error) {
	token, err := e.at(a.Redirect).Exchange(oidc.ClientContext(ctx, p.client), code, oauth2.VerifierOption(a.Verifier))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused):
		return "", refuse(http.StatusBadGateway, "%s refused the code or the client %q: %s", p.config.Issuer, p.config.ClientID, short(cmp.Or(strings.TrimSpace(refused.ErrorCode+" "+refused.ErrorDescription), string(refused.Body))))
	case err != nil:
		return "", p.unreachable(err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return "", refuse(http.StatusBadGateway, "%s answered without an ID token.", p.config.Issuer)
	}
	return raw, nil
}

// read checks an ID token and returns its person.
func (p *Provider) read(ctx context.Context, e *endpoints, raw, nonce string) (Person, error) {
	token, err := e.verifier.Verify(ctx, raw)
	if err != nil {
		return Person{}, p.invalid(strings.TrimPrefix(err.Error(), "oidc: "))
	}
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) == 0 {
		return Person{}, p.invalid("its nonce belongs to another sign-in.")
	}
	claims := map[string]any{}
	if err := token.Claims(&claims); err != nil {
		return Person{}, p.invalid(err.Error())
	}
	return p.config.person(token.Subject, claims)
}

func (p *Provider) invalid(why string) error {
	return refuse(http.StatusForbidden, "The ID token of %s isn't valid: %s", p.config.Issuer, short(why))
}

// find looks the provider up, unless it is known or was down a moment ago.
func (p *Provider) find(ctx context.Context) (*endpoints, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.known != nil:
		return p.known, nil
	case p.failed != nil && p.now().Before(p.again):
		return nil, p.failed
	}
	p.known, p.failed = p.discover(context.WithoutCancel(ctx)) // others wait for it too
	p.again = p.now().Add(pause)
	return p.known, p.failed
}

// discover reads the provider's discovery document
// (https://openid.net/specs/openid-connect-discovery-1_0.html).
func (p *Provider) discover(ctx context.Context) (*endpoints, error) {
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.config.Issuer)
	if err != nil {
		return nil, p.unreachable(err)
	}
	var says struct {
		Scopes []string `json:"scopes_supported"`
		Auth   []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := found.Claims(&says); err != nil {
		return nil, p.unreachable(err)
	}
	oauth := oauth2.Config{ClientID: p.config.ClientID, ClientSecret: p.config.ClientSecret, Endpoint: found.Endpoint(), Scopes: p.config.scopes(says.Scopes)}
	oauth.Endpoint.AuthStyle = oauth2.AuthStyleInHeader // the default of OpenID Connect
	if p.config.ClientSecret == "" || len(says.Auth) > 0 && !slices.Contains(says.Auth, "client_secret_basic") {
		oauth.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &endpoints{oauth, found.Verifier(&oidc.Config{ClientID: p.config.ClientID, Now: p.now})}, nil
}

func (p *Provider) unreachable(err error) error {
	return refuse(http.StatusBadGateway, "The identity provider %s (MOCKTENANT_OIDC_ISSUER) doesn't answer as it should: %s", p.config.Issuer, short(strings.TrimPrefix(err.Error(), "oidc: ")))
}

// at returns the client's configuration with an address to which browsers return.
func (e *endpoints) at(redirect string) *oauth2.Config {
	c := e.oauth
	c.RedirectURL = redirect
	return &c
}

// Refusal says why somebody can't sign in, for that person to read.
type Refusal struct {
	Status int // for the answer
	Text   string
}

func (r *Refusal) Error() string { return r.Text }

func refuse(status int, format string, args ...any) *Refusal {
	return &Refusal{status, fmt.Sprintf(format, args...)}
}

// short returns the beginning of a foreign text.
func short(text string) string {
	text = strings.TrimSpace(strings.ToValidUTF8(text, "\uFFFD"))
	if runes := []rune(text); len(runes) > maxForeignText {
		return string(runes[:maxForeignText]) + "…"
	}
	return text
}
