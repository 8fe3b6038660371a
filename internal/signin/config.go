package signin

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/mocktenant/mocktenant/api"
)

// Config says who may sign in, and as what. The zero Config lets nobody sign in.
type Config struct {
	// Issuer is the identity provider's URL, below which its discovery document is.
	Issuer string

	// ClientID and ClientSecret are those under which the identity provider knows the
	// console. A public client has no secret.
	ClientID, ClientSecret string

	// RoleClaim is the claim of the ID token that decides a person's role: a text or a list.
	RoleClaim string

	// Roles are the values of that claim that give a role, as ROLE=VALUE. The highest role
	// wins. Without any of them a person may not sign in.
	Roles []string

	// ManagerClaim is the claim whose values are the names under which a person with the role
	// manager may act: a text or a list. People with the same value share its tenants.
	ManagerClaim string
}

// Defaults returns the settings that need no thought if the identity provider has the roles.
func Defaults() Config {
	c := Config{RoleClaim: "roles", ManagerClaim: "sub"}
	for _, role := range ranked {
		c.Roles = append(c.Roles, string(role)+"="+string(role))
	}
	return c
}

// ranked are the roles in decreasing order of rights.
var ranked = []api.AdminRole{api.AdminRoleOwner, api.AdminRoleManager, api.AdminRoleReader}

// Enabled reports whether people can sign in.
func (c *Config) Enabled() bool { return c.Issuer != "" }

// Validate returns an error that names the invalid setting and how to correct it.
func (c *Config) Validate() error {
	switch {
	case c.Issuer == "" && c.ClientID == "" && c.ClientSecret == "":
		return nil
	case c.Issuer == "":
		return fmt.Errorf("MOCKTENANT_OIDC_CLIENT_ID %q: want MOCKTENANT_OIDC_ISSUER with it", c.ClientID)
	case c.ClientID == "":
		return fmt.Errorf("MOCKTENANT_OIDC_ISSUER %q: want MOCKTENANT_OIDC_CLIENT_ID with it", c.Issuer)
	case c.RoleClaim == "":
		return errors.New(`MOCKTENANT_OIDC_ROLE_CLAIM "": want the name of a claim, such as roles or groups`)
	case c.ManagerClaim == "":
		return errors.New(`MOCKTENANT_OIDC_MANAGER_CLAIM "": want the name of a claim, such as sub or team`)
	}
	return errors.Join(c.validateIssuer(), c.validateRoles())
}

func (c *Config) validateIssuer() error {
	u, err := url.Parse(c.Issuer)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return fmt.Errorf("MOCKTENANT_OIDC_ISSUER %q: want https://HOST[:PORT][/PATH], exactly as the identity provider writes its issuer", c.Issuer)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return fmt.Errorf("MOCKTENANT_OIDC_ISSUER %q: want https, because anybody on the way could change its keys", c.Issuer)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *Config) validateRoles() error {
	for _, pair := range c.Roles {
		role, value, ok := strings.Cut(pair, "=")
		if !ok || value == "" || !slices.Contains(ranked, api.AdminRole(role)) {
			return fmt.Errorf("MOCKTENANT_OIDC_ROLES %q: want ROLE=VALUE, with the role owner, manager or reader", pair)
		}
	}
	if len(c.Roles) == 0 {
		return errors.New(`MOCKTENANT_OIDC_ROLES "": want ROLE=VALUE[,…], or nobody can sign in`)
	}
	return nil
}

// scopes returns the scopes to request: those that give the claims about a person and, if the
// identity provider has it, the scope that is named like the claim with the roles.
func (c *Config) scopes(supported []string) []string {
	scopes := []string{"openid"}
	for _, scope := range []string{"profile", "email"} {
		if len(supported) == 0 || slices.Contains(supported, scope) {
			scopes = append(scopes, scope)
		}
	}
	if slices.Contains(supported, c.RoleClaim) && !slices.Contains(scopes, c.RoleClaim) {
		scopes = append(scopes, c.RoleClaim)
	}
	return scopes
}
