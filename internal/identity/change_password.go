package identity

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/jackc/pgx/v5"
	g "maragu.dev/gomponents"
	"maragu.dev/gomponents/html"

	"github.com/mocktenant/mocktenant/internal/db"
)

// passwordExpired is the AADSTS number for a user who must change the password first.
const passwordExpired = 50055

// MaxPassword is the length of the longest password, in bytes: bcrypt's limit.
const MaxPassword = 72

// passwordPage is the content of the page on which users change their password. Its form
// carries the current password again, so the service keeps nothing between two pages.
type passwordPage struct {
	Action string // where its form is sent
	Device bool   // whether a device's code goes with it
	Code   string
	User   string
	Error  string
}

// wantsPasswordPage reports whether a refused user is shown the page to change the password.
func wantsPasswordPage(sent url.Values, refusal *aadError) bool {
	return refusal.number == passwordExpired || sent.Has("new_password")
}

// showPassword shows the page. After a failed attempt, it includes the reason.
func (x *exchange) showPassword(d passwordPage, refusal *aadError) error {
	status := http.StatusOK
	if refusal != nil && refusal.number != passwordExpired {
		status, d.Error = refusal.httpStatus(), x.describe(refusal)
	}
	return x.show(status, d.page())
}

func (d passwordPage) page() page {
	return page{title: "Update your password", main: g.Group{
		html.H1(g.Text("Update your password")),
		html.P(g.Text("Enter your current password and a new one. The new password ends your other sign-ins.")),
		alert(d.Error),
		html.Form(
			html.Method("post"), html.Action(d.Action), html.Aria("label", "Update your password"),
			lines(
				g.If(d.Device, html.Input(html.Type("hidden"), html.Name("code"), html.Value(d.Code))),
				userField(d.User),
				passwordField("password", "Current password", "current-password"),
				passwordField("new_password", "New password", "new-password"),
				passwordField("confirm_password", "Confirm the new password", "new-password"),
				html.Button(html.Name("action"), html.Value("sign-in"), g.Text("Sign in")),
				g.If(!d.Device, html.Button(html.Class("second"), html.Name("action"), html.Value("cancel"), html.FormNoValidate(), g.Text("Cancel"))),
			),
		),
	}}
}

// changePassword signs a user in by the old password and replaces it.
func (p *Provider) changePassword(x *exchange, tenant db.Tenant, name string, sent url.Values) (db.User, error) {
	password, changed := sent.Get("password"), sent.Get("new_password")
	user, err := p.checkOwnPassword(x, tenant, name, password)
	if err != nil {
		return user, err
	}
	if err := checkNewPassword(password, changed, sent.Get("confirm_password")); err != nil {
		return user, err
	}
	hash, err := HashPassword(changed)
	if err != nil {
		return user, err
	}
	ctx := x.Request.Context()
	err = p.revoke(ctx, p.pool, tenant.ID, user.ID, func(q *db.Queries) (int64, error) {
		return q.ChangeUserPassword(ctx, db.ChangeUserPasswordParams{
			TenantID: tenant.ID, ID: user.ID, PasswordHash: &hash, FormerHash: *user.PasswordHash, TokensValidFrom: x.Now,
		})
	})
	if errors.Is(err, ErrNoUser) { // or the password was replaced meanwhile
		return user, errWrongPassword()
	}
	if err != nil {
		return user, err
	}
	return p.changedUser(ctx, user)
}

func (p *Provider) changedUser(ctx context.Context, user db.User) (db.User, error) {
	changed, err := p.queries.GetUser(ctx, db.GetUserParams{TenantID: user.TenantID, ID: user.ID})
	if errors.Is(err, pgx.ErrNoRows) {
		return changed, errNoUser(user.TenantID.String())
	}
	return changed, err
}

// checkNewPassword refuses a password that can't replace the old one.
func checkNewPassword(old, changed, confirmed string) error {
	switch {
	case changed == "":
		return refuse(120002, invalidGrant, "Enter a new password.")
	case len(changed) > MaxPassword:
		return refuse(120002, invalidGrant, "The new password has %d bytes: at most %d are allowed.", len(changed), MaxPassword)
	case changed != confirmed:
		return refuse(120002, invalidGrant, "The new password and its confirmation differ.")
	case changed == old:
		return refuse(120002, invalidGrant, "The new password is the current one. Choose another.")
	}
	return nil
}
