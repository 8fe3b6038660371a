package identity_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
)

// changeForm is the form of the page on which users change their password.
func changeForm(user, old, changed string) url.Values {
	return fields("user", user, "password", old, "new_password", changed, "confirm_password", changed, "action", "sign-in")
}

// addExpired adds a user whose password is for the first sign-in only.
func (c *tenant) addExpired(name string) db.CreateUserParams {
	c.Helper()
	return c.addUser(name, func(u *db.CreateUserParams) {
		u.MustChangePassword = true
		u.DirectoryRoles = []uuid.UUID{uuid.MustParse("62e90394-69f5-4237-9190-012177145e10")}
	})
}

// wantPasswordPage checks that an answer is the page on which the user can change the
// password, without anything typed into it but the name.
func (c *tenant) wantPasswordPage(a answer, status int, user string) {
	c.Helper()
	d := c.document(c.want(status, a))
	if wrong := wantInputs(d, "user", user, "password", "", "new_password", "", "confirm_password", ""); wrong != "" {
		c.Errorf("%s in %s", wrong, a.body)
	}
	if _, found := d.inputs["new_password"]; !found || a.header.Get("Location") != "" || a.header.Get("Set-Cookie") != "" {
		c.Errorf("no page to change the password: %v %s", a.header, a.body)
	}
}

// A user whose password is for the first sign-in only gets no token by it, but a page on
// which to change it. After that the page leads on to the application.
func TestMustChangePassword(t *testing.T) {
	t.Parallel()
	c := setup(t)
	user := c.addExpired("new")
	byPassword := with(c.passwordForm(), "username", user.UserPrincipalName)
	a := c.token(byPassword)
	c.wantError(a, 400, "invalid_grant", 50055)
	if !strings.Contains(a.body, `"suberror":"user_password_expired"`) {
		t.Errorf("%s", a.body)
	}
	at := c.authorizePath(c.authorizeForm())
	c.wantPasswordPage(c.post(at, fields("user", user.UserPrincipalName, "password", password)), 200, user.UserPrincipalName)
	c.exec("UPDATE tenants SET user_picker = true WHERE id = $1")
	c.wantPasswordPage(c.post(at, fields("pick", user.ID.String())), 200, user.UserPrincipalName)
	// The page isn't shown to somebody who doesn't know the password.
	if a := c.want(400, c.post(at, fields("user", user.UserPrincipalName, "password", "wrong"))); strings.Contains(a.body, "new_password") {
		t.Errorf("a wrong password leads to %s", a.body)
	}
	got := c.answered(c.want(http.StatusFound, c.post(at, changeForm(user.UserPrincipalName, password, "another one"))))
	c.want(http.StatusCreated, c.graph("POST", c.redeem(c.codeForm(got)).AccessToken))
	c.redeem(with(byPassword, "password", "another one"))
	c.wantError(c.token(byPassword), 400, "invalid_grant", 50126)
}

// The consent page and the device page lead to the same page.
func TestMustChangePasswordElsewhere(t *testing.T) {
	t.Parallel()
	c := setup(t)
	user := c.addExpired("new")
	name := user.UserPrincipalName
	consent := "/" + c.id.String() + "/adminconsent?" + fields("client_id", c.app.String(), "redirect_uri", redirectURI).Encode()
	c.wantPasswordPage(c.post(consent, fields("user", name, "password", password)), 200, name)
	got := c.answered(c.want(http.StatusFound, c.post(consent, changeForm(name, password, "second"))))
	if got.Get("admin_consent") != "True" {
		t.Errorf("%v", got)
	}
	c.exec("UPDATE users SET must_change_password = true WHERE tenant_id = $1")
	d := c.device()
	c.wantPasswordPage(c.post(d.VerificationURI, fields("code", d.UserCode, "user", name, "password", "second", "action", "allow")), 200, name)
	poll := fields("grant_type", "device_code", "client_id", c.public.String(), "device_code", d.DeviceCode)
	c.wantError(c.token(poll), 400, "authorization_pending", 70016)
	c.want(200, c.post(d.VerificationURI, with(changeForm(name, "second", "third"), "code", d.UserCode)))
	c.redeem(poll)
}

// Users can change their password whenever they sign in, which signs them out elsewhere.
func TestChangePassword(t *testing.T) {
	t.Parallel()
	c := setup(t)
	name, at := c.user.UserPrincipalName, c.authorizePath(c.authorizeForm())
	before := c.redeem(c.passwordForm())
	for _, path := range []string{at, "/" + c.id.String() + "/adminconsent?" + c.authorizeForm().Encode()} {
		c.wantPasswordPage(c.post(path, fields("action", "change-password", "user", name, "password", "")), 200, name)
	}
	for _, tt := range []struct {
		name   string
		form   url.Values
		number int
	}{
		{"wrong password", changeForm(name, "wrong", "new"), 50126},
		{"unknown user", changeForm("nobody@"+c.domain, password, "new"), 50034},
		{"the same", changeForm(name, password, password), 120002},
		{"empty", changeForm(name, password, ""), 120002},
		{"too long", changeForm(name, password, strings.Repeat("ü", 37)), 120002},
		{"not confirmed", with(changeForm(name, password, "new"), "confirm_password", "New"), 120002},
	} {
		a := c.post(at, tt.form)
		c.wantPasswordPage(a, 400, tt.form.Get("user"))
		if !strings.Contains(a.body, fmt.Sprintf("AADSTS%d: ", tt.number)) {
			t.Errorf("%s: %s", tt.name, a.body)
		}
	}
	if a := c.post(at, changeForm(name, password, "new"), "Origin", "https://evil.example.test", "Sec-Fetch-Site", "cross-site"); a.status != http.StatusForbidden {
		t.Errorf("a form from another site: %d %s", a.status, a.body)
	}
	if got := c.answered(c.post(at, with(changeForm(name, password, "new"), "action", "cancel"))); got.Get("error") != "access_denied" {
		t.Errorf("cancelled: %v", got)
	}
	c.redeem(c.passwordForm()) // none of them changed the password
	c.want(http.StatusFound, c.post(at, changeForm(name, password, strings.Repeat("ü", 36))))
	c.wantError(c.token(fields("grant_type", "refresh_token", "client_id", c.public.String(), "refresh_token", before.RefreshToken)), 400, "invalid_grant", 70000)
	c.redeem(with(c.passwordForm(), "password", strings.Repeat("ü", 36)))
}

// A disabled user can't change the password, and guesses on the page count like others.
func TestChangePasswordLimits(t *testing.T) {
	t.Parallel()
	c := setup(t)
	at := c.authorizePath(c.authorizeForm())
	disabled := c.addUser("disabled", func(u *db.CreateUserParams) { u.Enabled, u.MustChangePassword = false, true })
	if a := c.post(at, changeForm(disabled.UserPrincipalName, password, "new")); a.status != 400 || !strings.Contains(a.body, "AADSTS50057: ") {
		t.Errorf("%d %s", a.status, a.body)
	}
	for range 10 {
		c.want(400, c.post(at, changeForm(c.user.UserPrincipalName, "wrong", "new")))
	}
	if a := c.post(at, changeForm(c.user.UserPrincipalName, password, "new")); a.status != 400 || !strings.Contains(a.body, "AADSTS50053: ") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// Of concurrent changes from the same password, one is made.
func TestChangePasswordAtOnce(t *testing.T) {
	t.Parallel()
	c := setup(t)
	at := c.authorizePath(c.authorizeForm())
	var statuses [4]int
	var all sync.WaitGroup
	for i := range statuses {
		all.Go(func() {
			statuses[i] = c.post(at, changeForm(c.user.UserPrincipalName, password, fmt.Sprint("new", i))).status
		})
	}
	all.Wait()
	worked := 0
	for i, status := range statuses {
		a := c.token(with(c.passwordForm(), "password", fmt.Sprint("new", i)))
		if status == http.StatusFound {
			worked++
		}
		if (a.status == http.StatusOK) != (status == http.StatusFound) {
			t.Errorf("the change answered %d, and the password %d", status, a.status)
		}
	}
	if worked != 1 {
		t.Errorf("%d changes were made: %v", worked, statuses)
	}
}
