package identity

import (
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/bearer"
	"github.com/mocktenant/mocktenant/internal/db"
)

// defaultScope requests everything that was consented to.
// https://learn.microsoft.com/entra/identity-platform/scopes-oidc#the-default-scope
const defaultScope = ".default"

// oidcScopes are the scopes that concern the sign-in itself, not a resource.
var oidcScopes = []string{"openid", "profile", "email", "offline_access"}

// graphHosts are Graph's hosts in the public and the national clouds.
// https://learn.microsoft.com/graph/deployments
var graphHosts = []string{
	"graph.microsoft.com", "graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn",
}

// scopes is a parsed scope parameter.
type scopes struct {
	text     string   // as sent
	oidc     []string // those in oidcScopes
	resource string   // as the scopes name it; "" is Graph
	names    []string // the requested scopes, without the resource
	literals []string // the same, as sent
}

// parseScopes parses a scope parameter (RFC 6749 section 3.3).
func parseScopes(text string) (scopes, error) {
	s := scopes{text: text}
	for _, word := range strings.Fields(text) {
		if i := slices.IndexFunc(oidcScopes, func(o string) bool { return strings.EqualFold(o, word) }); i >= 0 {
			s.oidc = append(s.oidc, oidcScopes[i])
			continue
		}
		resource, name := "", word
		if i := strings.LastIndex(word, "/"); i >= 0 {
			resource, name = strings.TrimRight(word[:i], "/"), word[i+1:]
		}
		if name == "" {
			return s, errScope(word)
		}
		if len(s.names) > 0 && !strings.EqualFold(resource, s.resource) {
			return s, refuse(28000, invalidRequest, "Provided value for the input parameter scope is not valid because it contains more than one resource. Scope %s is not valid.", text)
		}
		s.resource = resource
		s.names = append(s.names, name)
		s.literals = append(s.literals, word)
	}
	if len(s.names) > 1 && slices.Contains(s.names, defaultScope) {
		return s, refuse(70011, invalidScope, "The provided value for the input parameter 'scope' is not valid. %s/.default scope can't be combined with resource-specific scopes.", s.resource)
	}
	return s, nil
}

// scopeOf returns the scope that a request asks for. A v1.0 request names a resource, and
// only the scopes for the sign-in in its scope parameter count: it gets everything that was
// consented to, and users always get a refresh token.
// https://learn.microsoft.com/previous-versions/azure/active-directory/azuread-dev/v1-protocols-oauth-code
func (x *exchange) scopeOf(f form) string {
	scope, resource := f.get("scope"), strings.TrimRight(f.get("resource"), "/")
	switch {
	case resource == "" && x.v1 && scope != "":
		return scope + " offline_access"
	case resource == "", !x.v1 && scope != "":
		return scope
	}
	words := []string{resource + "/" + defaultScope, "openid", "offline_access"}
	for word := range strings.FieldsSeq(scope) {
		if containsFold(oidcScopes, word) && !containsFold(words, word) {
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}

func errScope(scope string) *aadError {
	return refuse(70011, invalidScope, "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope %s is not valid.", scope)
}

// all reports whether the request asks for everything that was consented to.
func (s scopes) all() bool { return slices.Contains(s.names, defaultScope) }

func (s scopes) wants(oidc string) bool { return slices.Contains(s.oidc, oidc) }

// resource is a token's audience.
type resource struct {
	audience string
	api      *db.Application // nil for Graph
}

// findResource finds the resource named in scopes: Graph under any of its names, including
// this service's own, or one of the tenant's applications by its id, plain or as
// api://{id}.
func (p *Provider) findResource(ctx context.Context, x *exchange, tenant uuid.UUID, name string) (resource, error) {
	if isGraph(name, x.Base) {
		return resource{audience: GraphAudience}, nil
	}
	if id, err := uuid.Parse(strings.TrimPrefix(name, "api://")); err == nil {
		app, err := p.queries.GetApplication(ctx, db.GetApplicationParams{TenantID: tenant, ClientID: id})
		if err == nil {
			return resource{name, &app}, nil
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return resource{}, err
		}
	}
	return resource{}, refuse(500011, invalidResource, "The resource principal named %s was not found in the tenant named %s. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.", name, tenant)
}

func isGraph(name, base string) bool {
	if name == "" || strings.EqualFold(name, bearer.GraphAppID) || strings.EqualFold(name, base) {
		return true
	}
	u, err := url.Parse(name)
	if err != nil || !isHTTP(u) || u.Path != "" {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return slices.Contains(graphHosts, host) || isLoopback(host)
}

// isLoopback reports whether a host, a name or an address, is this machine itself.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// grantScopes returns the permissions for a token of the application for the user: like
// Entra, everything that was consented to. It refuses scopes without consent.
func (p *Provider) grantScopes(ctx context.Context, app db.Application, user uuid.UUID, to resource, s scopes) ([]string, error) {
	granted, err := p.consented(ctx, app, user, to)
	if err != nil {
		return nil, err
	}
	if s.all() && len(granted) == 0 {
		return nil, errConsent(app)
	}
	for _, name := range s.names {
		if name == defaultScope || containsFold(granted, name) {
			continue
		}
		if to.api != nil {
			return nil, refuse(650053, invalidClient, "The application '%s' asked for scope '%s' that doesn't exist on the resource '%s'. Contact the app vendor.", app.DisplayName, name, to.api.ClientID)
		}
		return nil, errConsent(app)
	}
	return granted, nil
}

// consented lists what an application may do for a user: in Graph, what was granted; in one
// of the tenant's APIs, everything that the API exposes.
func (p *Provider) consented(ctx context.Context, app db.Application, user uuid.UUID, to resource) ([]string, error) {
	if to.api != nil {
		return to.api.ExposedScopes, nil
	}
	return p.queries.ListGrantedScopes(ctx, db.ListGrantedScopesParams{
		TenantID: app.TenantID, ClientID: app.ClientID, PrincipalID: user,
	})
}

// echo returns the answer's scope member: every requested scope as written, which MSAL
// looks for, and everything else that the token has.
func (s scopes) echo(granted []string) string {
	words := slices.Concat(s.oidc, s.literals)
	for _, name := range granted {
		if !containsFold(s.names, name) {
			if s.resource != "" {
				name = s.resource + "/" + name
			}
			words = append(words, name)
		}
	}
	return strings.Join(words, " ")
}

func containsFold(list []string, s string) bool {
	return slices.ContainsFunc(list, func(e string) bool { return strings.EqualFold(e, s) })
}
