package signin

import (
	"cmp"
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

// Person is somebody who has signed in.
type Person struct {
	ID      uuid.UUID // the same for each sign-in of one person
	Name    string    // for people: it may change, and the identity provider may let people choose it
	Role    api.AdminRole
	Manager string // the name under which a manager acts; "" for other roles
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
	p.Manager, err = managerOf(claims, c.ManagerClaim)
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

// managerOf returns the only value of a claim, which must be a manager's name.
func managerOf(claims map[string]any, claim string) (string, error) {
	values, err := valuesOf(claims, claim)
	switch {
	case err != nil:
		return "", err
	case len(values) != 1:
		return "", fmt.Errorf("want one value, it has %d: %s", len(values), quoted(values))
	case values[0] == "" || len([]rune(values[0])) > maxName || strings.ContainsFunc(values[0], unicode.IsControl):
		return "", fmt.Errorf("want a name of 1 to %d characters, it is %s", maxName, quoted(values))
	}
	return values[0], nil
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
