package server

import (
	"net/http"
	"strings"

	g "maragu.dev/gomponents"
	"maragu.dev/gomponents/html"

	"github.com/mocktenant/mocktenant/internal/console"
)

// documentation is the address of the documentation.
const documentation = "https://github.com/mocktenant/mocktenant/tree/main/docs"

// entry is a line of a front page: a link, and what it leads to.
type entry struct{ href, text string }

// wantsPage reports whether a browser asks for the front page. Other clients get what
// Microsoft Graph and the administration answer there.
func wantsPage(r *http.Request) bool {
	return r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// welcome shows people what the service is.
func (s *Server) welcome(w http.ResponseWriter, _ *http.Request) {
	entries := []entry{
		{"/v1.0/$metadata", "what it serves of Microsoft Graph v1.0"},
		{"/beta/$metadata", "and of beta"},
		{"/common/v2.0/.well-known/openid-configuration", "the authority's configuration"},
		{"/readyz", "whether it is ready"},
	}
	if s.ca != nil {
		entries = append(entries, entry{caPath, "the certificate authority to trust"})
	}
	if s.adminURL != "" && s.config.AdminLoopback() {
		entries = append(entries, entry{s.adminURL + "/", "the administration, on the service's machine alone"})
	}
	intro := "This is a mock Microsoft Graph tenant: Graph and the Microsoft identity platform are below this address. mocktenant token prints an access token."
	showPage(w, "mocktenant", intro, append(entries, entry{documentation, "documentation"}))
}

// welcomeAdministrator does the same for the administration.
func welcomeAdministrator(w http.ResponseWriter, _ *http.Request) {
	intro := "This is the administration of a mock Microsoft Graph tenant. mocktenant tenant --help says what the command line does with it."
	showPage(w, "mocktenant administration", intro, []entry{
		{console.Root, "the console: tenants and what they hold, to see and to change"},
		{"/openapi.yaml", "the contract of the API"},
		{"/schemas/state-v1.json", "the schema of documents"},
		{"/metrics", "what is measured, for Prometheus"},
		{documentation + "/administration.md", "documentation"},
	})
}

func showPage(w http.ResponseWriter, title, intro string, entries []entry) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	_ = html.Doctype(html.HTML(html.Lang("en"),
		html.Head(html.Meta(html.Charset("utf-8")), html.Meta(html.Name("viewport"), html.Content("width=device-width")), html.TitleEl(g.Text(title))),
		html.Body(html.Main(html.H1(g.Text(title)), html.P(g.Text(intro)), html.Ul(g.Map(entries, func(e entry) g.Node {
			return html.Li(html.A(html.Href(e.href), g.Text(e.href)), g.Text(": "+e.text))
		})...))),
	)).Render(w)
}
