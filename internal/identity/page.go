package identity

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/google/uuid"
	g "maragu.dev/gomponents"
	"maragu.dev/gomponents/html"

	"github.com/mocktenant/mocktenant/internal/db"
)

//go:embed page.css
var style string

// maxPicked is how many users a page lists to pick from.
const maxPicked = 50

// page is the content of a page. Untrusted values go only into text and attribute values,
// which gomponents escapes. It can't check attributes that hold URLs, so an action is a
// query of ours, or a redirect URI that is postable.
type page struct {
	title  string
	main   g.Group
	script string // executed at once; a constant
}

// signInPage is the content of the sign-in page.
type signInPage struct {
	Action      string // where its forms are sent
	Tenant      string // display name, "" if not known yet
	Application string
	User        string
	Error       string
	Users       []db.User // to pick from
}

// showSignIn shows the sign-in page. After a failed attempt, it includes the reason.
func (p *Provider) showSignIn(r authorization, app *db.Application, user string, refusal *aadError) error {
	s := signInPage{User: user, Action: r.action()}
	if app != nil {
		s.Application = app.DisplayName
	}
	if tenant := r.authority.tenant; tenant != nil {
		s.Tenant = tenant.DisplayName
		if tenant.UserPicker {
			var err error
			s.Users, err = p.queries.ListUsers(r.x.Request.Context(), db.ListUsersParams{TenantID: tenant.ID, After: uuid.Nil, RowLimit: maxPicked})
			if err != nil {
				return err
			}
		}
	}
	status := http.StatusOK
	if refusal != nil {
		status, s.Error = refusal.httpStatus(), r.x.describe(refusal)
	}
	return r.x.show(status, s.page())
}

// action returns where the forms of pages are sent: the request's own parameters.
func (r authorization) action() string { return "?" + url.Values(r.form).Encode() }

func (s signInPage) page() page {
	return page{title: "Sign in", main: g.Group{
		html.H1(g.Text("Sign in"), g.If(s.Application != "", g.Text(" to "+s.Application))),
		g.If(s.Tenant != "", html.P(g.Text(s.Tenant))),
		alert(s.Error),
		g.If(len(s.Users) > 0, html.Form(
			html.Method("post"), html.Action(s.Action), html.Aria("label", "Pick an account"),
			lines(g.Map(s.Users, pickButton)...),
		)),
		html.Form(
			html.Method("post"), html.Action(s.Action), html.Aria("label", "Sign in"),
			lines(
				userField(s.User),
				passwordField("password", "Password", "current-password"),
				html.Button(html.Name("action"), html.Value("sign-in"), g.Text("Sign in")),
				html.Button(html.Class("second"), html.Name("action"), html.Value("change-password"), html.FormNoValidate(), g.Text("Change password")),
				html.Button(html.Class("second"), html.Name("action"), html.Value("cancel"), html.FormNoValidate(), g.Text("Cancel")),
			),
		),
	}}
}

func pickButton(u db.User) g.Node {
	return html.Button(
		html.Class("user"), html.Name("pick"), html.Value(u.ID.String()), g.If(!u.Enabled, html.Title("disabled")),
		g.Text(u.DisplayName), html.Span(g.Text(u.UserPrincipalName)),
	)
}

func userField(user string) g.Node {
	return textField("user", "User name", user, "username", "none")
}

func textField(name, label, value, autocomplete, autocapitalize string) g.Node {
	return g.Group{
		html.Label(html.For(name), g.Text(label)), g.Text("\n"),
		html.Input(
			html.ID(name), html.Name(name), html.Type("text"), html.Value(value), html.AutoComplete(autocomplete),
			g.Attr("autocapitalize", autocapitalize), g.Attr("spellcheck", "false"), html.Required(),
		),
	}
}

func passwordField(name, label, autocomplete string) g.Node {
	return g.Group{
		html.Label(html.For(name), g.Text(label)), g.Text("\n"),
		html.Input(html.ID(name), html.Name(name), html.Type("password"), html.AutoComplete(autocomplete), html.Required()),
	}
}

func alert(text string) g.Node {
	return g.If(text != "", html.P(html.Class("error"), html.Role("alert"), g.Text(text)))
}

// showFormPost answers with a form that the browser posts to the application (OAuth 2.0
// Form Post Response Mode). Without JavaScript, the user clicks a button.
func (x *exchange) showFormPost(target string, answer url.Values) error {
	fields := g.Group{}
	for _, name := range slices.Sorted(maps.Keys(answer)) {
		for _, value := range answer[name] {
			fields = append(fields, html.Input(html.Type("hidden"), html.Name(name), html.Value(value)))
		}
	}
	fields = append(fields, html.P(g.Text("You are signed in. Continue to the application.")), html.Button(g.Text("Continue")))
	return x.show(http.StatusOK, page{
		title:  "Working...",
		main:   g.Group{html.Form(html.ID("answer"), html.Method("post"), html.Action(target), lines(fields...))},
		script: `document.getElementById("answer").submit()`,
	})
}

func (x *exchange) showMessage(status int, title, text string) error {
	return x.show(status, page{title: title, main: g.Group{html.H1(g.Text(title)), html.P(g.Text(text))}})
}

// showError shows an error to a person.
func (x *exchange) showError(err error) {
	e := asAADError(err)
	x.refused(e)
	if err := x.showMessage(e.httpStatus(), "Sorry, but we're having trouble signing you in.", x.describe(e)); err != nil {
		x.writeError(err)
	}
}

// show writes a page that loads nothing, can't be framed, and sends no referrer to other
// sites.
func (x *exchange) show(status int, p page) error {
	nonce := rand.Text()
	var b bytes.Buffer
	if err := p.document(g.Attr("nonce", nonce)).Render(&b); err != nil {
		return fmt.Errorf("show page %s: %w", p.title, err)
	}
	h := x.Writer.Header()
	h.Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; style-src 'nonce-%s'; script-src 'nonce-%[1]s'; base-uri 'none'; frame-ancestors 'none'", nonce))
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // with no referrer at all, the origin of forms would be "null"
	x.Data(status, "text/html; charset=utf-8", bytes.ToValidUTF8(b.Bytes(), []byte("\uFFFD")))
	return nil
}

// document returns the page within the frame common to all pages. It writes its own
// doctype, because that of Doctype is in lower case and on the same line as what follows.
func (p page) document(nonce g.Node) g.Node {
	main := append(g.Group{}, p.main...)
	if p.script != "" {
		main = append(main, html.Script(nonce, g.Raw(p.script)))
	}
	main = append(main, html.P(html.Class("note"), g.Text("This is a mock of the Microsoft identity platform, for tests. Type no real password.")))
	return g.Group{
		g.Raw("<!DOCTYPE html>"),
		lines(html.HTML(html.Lang("en"), lines(
			html.Head(lines(
				html.Meta(html.Charset("utf-8")),
				html.Meta(html.Name("viewport"), html.Content("width=device-width, initial-scale=1")),
				html.StyleEl(nonce, g.Raw("\n"+style)),
				html.TitleEl(g.Text(p.title)),
			)),
			html.Body(lines(html.Main(lines(main...)))),
		))),
	}
}

// lines puts each node on its own line. That makes the source readable, and the line break
// separates two buttons on the screen.
func lines(nodes ...g.Node) g.Group {
	all := g.Group{g.Text("\n")}
	for _, node := range nodes {
		if node != nil {
			all = append(all, node, g.Text("\n"))
		}
	}
	return all
}
