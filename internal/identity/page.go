package identity

import (
	"bytes"
	"crypto/rand"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
)

//go:embed pages/*.html
var pageFiles embed.FS

var pages = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

// maxPicked is how many users a page offers to pick from.
const maxPicked = 50

// signInPage is what the sign-in page shows.
type signInPage struct {
	Action      string // where its form goes: the request's own parameters
	Tenant      string // display name, "" if not known yet
	Application string
	User        string
	Error       string
	Users       []db.User // to pick from
}

// showSignIn shows the sign-in page, again with why it did not work.
func (p *Provider) showSignIn(r authorization, app *db.Application, user string, refusal *aadError) error {
	page := signInPage{User: user, Action: "?" + url.Values(r.form).Encode()}
	if app != nil {
		page.Application = app.DisplayName
	}
	if tenant := r.authority.tenant; tenant != nil {
		page.Tenant = tenant.DisplayName
		if tenant.UserPicker {
			var err error
			page.Users, err = p.queries.ListUsers(r.Request.Context(), db.ListUsersParams{TenantID: tenant.ID, After: uuid.Nil, RowLimit: maxPicked})
			if err != nil {
				return err
			}
		}
	}
	status := http.StatusOK
	if refusal != nil {
		status, page.Error = refusal.httpStatus(), r.describe(refusal)
	}
	return r.show(status, "sign_in", page)
}

// showFormPost answers by a form that the browser posts to the application
// (OAuth 2.0 Form Post Response Mode); without JavaScript, by a click.
func (x *exchange) showFormPost(target string, answer url.Values) error {
	return x.show(http.StatusOK, "form_post", struct {
		Target string
		Fields url.Values
	}{target, answer})
}

type messagePage struct{ Title, Text string }

func (x *exchange) showMessage(status int, title, text string) error {
	return x.show(status, "message", messagePage{title, text})
}

// showError shows a refusal to a person.
func (x *exchange) showError(err error) {
	e := asAADError(err)
	x.refused(e)
	if err := x.showMessage(e.httpStatus(), "Sorry, but we're having trouble signing you in.", x.describe(e)); err != nil {
		x.writeError(err)
	}
}

// show writes a page that loads nothing, can't be framed, and tells no other
// site where it was.
func (x *exchange) show(status int, name string, data any) error {
	nonce := rand.Text()
	var b bytes.Buffer
	err := pages.ExecuteTemplate(&b, name, struct {
		Nonce string
		Data  any
	}{nonce, data})
	if err != nil {
		return fmt.Errorf("show page %s: %w", name, err)
	}
	h := x.Writer.Header()
	h.Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; style-src 'nonce-%s'; script-src 'nonce-%[1]s'; base-uri 'none'; frame-ancestors 'none'", nonce))
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // with none at all, forms would come from the origin "null"
	x.Data(status, "text/html; charset=utf-8", b.Bytes())
	return nil
}
