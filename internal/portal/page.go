package portal

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"time"

	g "maragu.dev/gomponents"
	"maragu.dev/gomponents/html"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/front"
	"github.com/mocktenant/mocktenant/internal/odata"
)

//go:embed page.css
var style string

// policy lets a page use its own style and send its form, and nothing else.
var policy = func() string {
	hash := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

// open sets the headers of every answer.
func open(e *front.Exchange) *exchange {
	h := e.Writer.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // with no referrer at all, the origin of forms would be "null"
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex")
	return &exchange{e}
}

// refusal is the page of a request that isn't served.
type refusal struct {
	status      int
	title, text string
	cause       error
}

func (r *refusal) Error() string { return r.title }
func (r *refusal) Unwrap() error { return r.cause }

func (r refusal) because(err error) *refusal {
	r.cause = err
	return &r
}

var (
	errUnknown = &refusal{status: http.StatusNotFound, title: "This link is unknown", text: "It may be incomplete, or the administrator has begun again and there is a newer link."}
	errEnded   = &refusal{status: http.StatusGone, title: "This link has ended", text: "The request was declined or withdrawn, or it has expired. The administrator can begin again, which makes a new link."}
	errForm    = &refusal{status: http.StatusBadRequest, title: "Nothing was decided", text: "The form was incomplete. Open the link again."}
	errForeign = &refusal{status: http.StatusForbidden, title: "Nothing was decided", text: "The form came from another site. Open the link again, and decide there."}
	errMethod  = &refusal{status: http.StatusMethodNotAllowed, title: "Nothing was decided", text: "Open the link in a browser."}
	errBusy    = &refusal{status: http.StatusServiceUnavailable, title: "Try again in a moment", text: "The service is busy."}
	errFailed  = &refusal{status: http.StatusInternalServerError, title: "Something went wrong", text: "The service's log says what."}
)

// fail shows why a request isn't served.
func (x *exchange) fail(err error) {
	_ = x.Error(err) // for the log
	var r *refusal
	var refused *front.Refusal
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &refused):
		if refused.RetryAfter > 0 {
			x.Header("Retry-After", strconv.Itoa(int(refused.RetryAfter.Seconds())))
		}
		r = &refusal{status: refused.Status, title: cmp.Or(http.StatusText(refused.Status), "Refused"), text: refused.Message}
	case errors.As(err, &tooLarge):
		r = &refusal{status: http.StatusRequestEntityTooLarge, title: errForm.title, text: errForm.text}
	case errors.As(err, &r):
	case x.Request.Context().Err() != nil, errors.Is(db.Classify(err), db.ErrUnavailable):
		x.Header("Retry-After", "1")
		r = errBusy
	default:
		r = errFailed
	}
	x.write(r.status, message(r.title, g.Text(r.text)))
}

// write sends a page. It replaces invalid UTF-8, which a request can bring in.
func (x *exchange) write(status int, page g.Node) {
	var b bytes.Buffer
	if err := page.Render(&b); err != nil {
		panic(err) // writing to a buffer can't fail
	}
	x.Data(status, "text/html; charset=utf-8", bytes.ToValidUTF8(b.Bytes(), []byte("\uFFFD")))
}

// question asks a person to decide.
func (o *onboarding) question(secret string) g.Node {
	return document("Connection request",
		html.H1(g.Text("Connect to "), name(o.tenant.DisplayName), g.Text("?")),
		html.P(g.Text("The tenant asks to connect "), o.name(), g.Text(" for remote assistance. "), o.expiry()),
		html.Form(html.Method("post"),
			html.Input(html.Type("hidden"), html.Name("link"), html.Value(secret)),
			button("accept", "Accept"), button("decline", "Decline")),
	)
}

func button(decision, label string) g.Node {
	return html.Button(html.Name("decision"), html.Value(decision), html.Class(decision), html.Data("testid", decision), g.Text(label))
}

// outcome says what was decided.
func (o *onboarding) outcome(title, text string) g.Node {
	return message(title, o.name(), g.Text(" and "), name(o.tenant.DisplayName), g.Text(": "+text))
}

func (o *onboarding) name() g.Node {
	if o.partner.DisplayName == nil || *o.partner.DisplayName == "" {
		return g.Text("a partner without a name")
	}
	return name(*o.partner.DisplayName)
}

// name shows a name that somebody chose, apart from our own words even if it runs from right to
// left.
func name(text string) g.Node { return html.Strong(html.Dir("auto"), g.Text(text)) }

// expiry says until when a person can decide.
func (o *onboarding) expiry() g.Node {
	if o.partner.RequestExpiryTicks == 0 {
		return nil
	}
	at := odata.Time(o.partner.RequestExpiryTicks, 0).UTC()
	return g.Group{g.Text("You can decide until "), html.Time(html.DateTime(at.Format(time.RFC3339)), g.Text(at.Format("2 January 2006, 15:04 UTC"))), g.Text(".")}
}

func message(title string, text ...g.Node) g.Node {
	return document(title, html.H1(html.Data("testid", "outcome"), g.Text(title)), html.P(text...))
}

func document(title string, main ...g.Node) g.Node {
	return html.Doctype(html.HTML(html.Lang("en"),
		html.Head(html.Meta(html.Charset("utf-8")), html.Meta(html.Name("viewport"), html.Content("width=device-width, initial-scale=1")),
			html.Meta(html.Name("color-scheme"), html.Content("light dark")),
			html.TitleEl(g.Text(title)), html.StyleEl(g.Raw(style)),
			html.Link(html.Rel("icon"), html.Href("data:,"))),
		html.Body(html.Main(append(main, html.P(html.Class("note"), g.Text("This is a mock of a partner's portal, for tests.")))...)),
	))
}
