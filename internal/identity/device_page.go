package identity

import (
	"errors"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	g "maragu.dev/gomponents"
	"maragu.dev/gomponents/html"

	"github.com/mocktenant/mocktenant/internal/db"
)

// deviceAuth is the page on which a user approves a device (RFC 8628 section 3.3): a single
// form for the code, the name and the password.
func (p *Provider) deviceAuth(x *exchange) error {
	if _, err := p.authority(x); err != nil {
		return err
	}
	if err := parseForm(x.Request); err != nil {
		return err
	}
	code := normalUserCode(x.Request.Form.Get("code"))
	if x.Request.Method != http.MethodPost {
		return x.show(http.StatusOK, devicePage{Code: code}.page())
	}
	if err := p.sameOrigin.Check(x.Request); err != nil {
		return errForeignForm(err)
	}
	done, err := p.decideDevice(x, code)
	var refusal *aadError
	if errors.As(err, &refusal) {
		x.refused(refusal)
		if sent := x.Request.PostForm; wantsPasswordPage(sent, refusal) {
			return x.showPassword(passwordPage{Action: "deviceauth", Device: true, Code: code, User: sent.Get("user")}, refusal)
		}
		return x.show(refusal.httpStatus(), devicePage{Code: code, User: x.Request.PostForm.Get("user"), Error: x.describe(refusal)}.page())
	}
	if err != nil {
		return err
	}
	return x.showMessage(http.StatusOK, done, "You can close this window and go back to your device.")
}

type devicePage struct{ Code, User, Error string }

func (d devicePage) page() page {
	return page{title: "Sign in on a device", main: g.Group{
		html.H1(g.Text("Enter code to allow access")),
		html.P(g.Text("Enter the code that your app or device shows. Continue only if you know where it comes from.")),
		alert(d.Error),
		html.Form(
			html.Method("post"), html.Action("deviceauth"), html.Aria("label", "Allow access"),
			lines(
				textField("code", "Code", d.Code, "one-time-code", "characters"),
				userField(d.User),
				passwordField("password", "Password", "current-password"),
				html.Button(html.Name("action"), html.Value("allow"), g.Text("Allow")),
				html.Button(html.Class("second"), html.Name("action"), html.Value("decline"), g.Text("Decline")),
			),
		),
	}}
}

// normalUserCode normalizes a code as people type it: in any case, with spaces or dashes.
func normalUserCode(code string) string {
	return strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(code))
}

// decideDevice signs the user in and approves or declines the device.
func (p *Provider) decideDevice(x *exchange, userCode string) (done string, err error) {
	code, err := p.findUserCode(x, userCode)
	if err != nil {
		return "", err
	}
	ctx, page := x.Request.Context(), x.Request.PostForm
	a, err := p.findAuthority(ctx, code.Authority)
	if err != nil {
		return "", err
	}
	user, err := p.signInByPage(x, a, page)
	if err != nil {
		return "", err
	}
	tenant, err := p.tenant(x, user.TenantID)
	if err != nil {
		return "", err
	}
	app, err := p.findApplication(ctx, tenant, code.ClientID.String())
	if err != nil {
		return "", err
	}
	decision := db.DecideDeviceCodeParams{Hash: code.Hash, TenantID: tenant.ID, UserID: user.ID, DecidedAt: latest(x.Now, user.TokensValidFrom), Status: db.DeviceCodeStatusApproved}
	done = "You have signed in to " + app.DisplayName
	if page.Get("action") == "decline" {
		decision.Status, done = db.DeviceCodeStatusDeclined, "You have declined to sign in to "+app.DisplayName
	}
	decided, err := p.queries.DecideDeviceCode(ctx, decision)
	if err == nil && decided == 0 {
		err = errUserCode()
	}
	return done, err
}

func (p *Provider) findUserCode(x *exchange, userCode string) (db.DeviceCode, error) {
	failures := p.failures.limiter(x, uuid.Nil) // a code names no tenant
	if failures.TokensAt(x.Arrived) < 1 {
		return db.DeviceCode{}, refuse(50053, invalidGrant, "Too many wrong codes came from your address. Wait a moment.")
	}
	code, err := p.queries.GetDeviceCodeByUserCode(x.Request.Context(), userCode)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return code, err
	}
	good := err == nil && code.Status == db.DeviceCodeStatusPending
	if good {
		now, err := p.clockOfCode(x, code)
		if err != nil {
			return code, err
		}
		good = now.Before(code.ExpiresAt)
	}
	if !good {
		failures.AllowN(x.Arrived, 1)
		return code, errUserCode()
	}
	return code, nil
}

func errUserCode() *aadError {
	return refuse(70018, "bad_verification_code", "That code didn't work. Check the code and try again: it may have been used already, or have expired.")
}

// deviceApplication returns the id of the application that requests a device code. If the
// tenant is known, the application must exist; otherwise that is checked after a user has
// signed in and so determined the tenant.
func (p *Provider) deviceApplication(r tokenRequest) (uuid.UUID, error) {
	text, err := r.need("client_id")
	if err != nil {
		return uuid.Nil, err
	}
	if r.authority.tenant == nil {
		id, err := uuid.Parse(text)
		if err != nil {
			return id, errNoApplication(text, db.Tenant{DisplayName: r.authority.name})
		}
		return id, nil
	}
	app, err := p.findApplication(r.x.Request.Context(), *r.authority.tenant, text)
	if err == nil && !app.PublicClient && !app.PublicClientFlows {
		err = refuseClient(7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	}
	return app.ClientID, err
}
