package signin

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
)

// maxName is the maximum length of a manager's name, as in the contract of the administration.
const maxName = 100

// maxManagers bounds the names under which a person may act, as JSON in bytes. The console keeps
// them in a cookie, for which browsers allow 4096 bytes.
const maxManagers = 1400

// Person is somebody who has signed in.
type Person struct {
	ID      uuid.UUID // the same for each sign-in of one person
	Name    string    // for people: it may change, and the identity provider may let people choose it
	Role    api.AdminRole
	Manager string // the name under which a manager acts; "" for other roles

	// Managers are the names under which a manager may act, one at a time: tenants belong to one
	// of them. At first the person acts under the first one.
	Managers []string
}

// person returns the person that an ID token describes.
func (c *Config) person(subject string, claims map[string]any) (Person, error) {
	p := Person{ID: uuid.NewSHA1(uuid.NameSpaceURL, []byte(c.Issuer+"\n"+subject)), Name: nameOf(claims)}
	values, err := valuesOf(claims, c.RoleClaim)
	if err != nil {
		return p, c.noRole(p, err.Error())
	}
	if p.Role = c.role(values); p.Role == "" {
		return p, c.noRole(p, fmt.Sprintf("none of its values %s is among MOCKTENANT_OIDC_ROLES", quoted(values)))
	}
	if p.Role != api.AdminRoleManager {
		return p, nil
	}
	if p.Managers, err = managersOf(claims, c.ManagerClaim); err == nil {
		p.Manager = p.Managers[0]
	}
	if err != nil {
		return p, refuse(http.StatusForbidden, "%s is a manager, but of unknown tenants. About the claim %q (MOCKTENANT_OIDC_MANAGER_CLAIM) of the ID token: %v.", p.Name, c.ManagerClaim, err)
	}
	return p, nil
}

func (c *Config) noRole(p Person, why string) error {
	return refuse(http.StatusForbidden, "%s has no role here. About the claim %q (MOCKTENANT_OIDC_ROLE_CLAIM) of the ID token: %s.", p.Name, c.RoleClaim, why)
}

// role returns the highest role that one of the values gives, or "".
func (c *Config) role(values []string) api.AdminRole {
	for _, role := range ranked {
		for _, value := range values {
			if slices.Contains(c.Roles, string(role)+"="+value) {
				return role
			}
		}
	}
	return ""
}

// managersOf returns the values of a claim, which must be managers' names, without repetitions.
func managersOf(claims map[string]any, claim string) (names []string, err error) {
	values, err := valuesOf(claims, claim)
	if err != nil {
		return nil, err
	}
	for _, name := range values {
		if name == "" || len([]rune(name)) > maxName || strings.ContainsFunc(name, unicode.IsControl) {
			return nil, fmt.Errorf("want names of 1 to %d characters, one is %s", maxName, quoted([]string{name}))
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	text, err := json.Marshal(names)
	switch {
	case err != nil:
		return nil, err
	case len(names) == 0:
		return nil, errors.New("want at least one name, it has none")
	case len(text) > maxManagers:
		return nil, fmt.Errorf("want at most %d bytes of names, because a cookie keeps them; its %d names have %d as JSON", maxManagers, len(names), len(text))
	}
	return names, nil
}

// valuesOf returns a claim that is a text or a list of texts.
func valuesOf(claims map[string]any, claim string) ([]string, error) {
	switch value := claims[claim].(type) {
	case nil:
		return nil, errors.New("it is missing")
	case string:
		return []string{value}, nil
	case []any:
		all := make([]string, len(value))
		for i, one := range value {
			text, ok := one.(string)
			if !ok {
				return nil, fmt.Errorf("want texts, %s isn't one", short(fmt.Sprint(one)))
			}
			all[i] = text
		}
		return all, nil
	default:
		return nil, fmt.Errorf("want a text or a list of texts, it is %s", short(fmt.Sprint(value)))
	}
}

// nameOf returns what people call a person. It has no characters that could disturb a log.
func nameOf(claims map[string]any) string {
	text := func(claim string) string {
		value, _ := claims[claim].(string)
		return strings.TrimSpace(strings.Map(func(c rune) rune {
			if unicode.IsGraphic(c) {
				return c
			}
			return -1
		}, value))
	}
	name := cmp.Or(text("preferred_username"), text("email"), text("name"), text("sub"))
	runes := []rune(name)
	return string(runes[:min(len(runes), maxName)])
}

func quoted(values []string) string {
	all := make([]string, len(values))
	for i, value := range values {
		all[i] = fmt.Sprintf("%q", value)
	}
	return short(strings.Join(all, ", "))
}
