package identity_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/html"

	"github.com/mocktenant/mocktenant/internal/identity"
)

// document is a page as a browser parses it.
type document struct {
	elements []string // with the names of their attributes
	texts    []string
	actions  []string          // of forms
	inputs   map[string]string // values by name
}

func (c *tenant) document(a answer) document {
	c.Helper()
	if kind := a.header.Get("Content-Type"); kind != "text/html; charset=utf-8" || !utf8.ValidString(a.body) || !strings.HasPrefix(a.body, "<!DOCTYPE html>\n") {
		c.Fatalf("no page: %d %s %q", a.status, kind, a.body)
	}
	root, err := html.Parse(strings.NewReader(a.body))
	c.must(err)
	d := document{inputs: map[string]string{}}
	for n := range root.Descendants() {
		switch n.Type {
		case html.ElementNode:
			d.addElement(n)
		case html.TextNode:
			d.texts = append(d.texts, n.Data)
		case html.CommentNode, html.RawNode, html.ErrorNode:
			c.Errorf("%q in %s", n.Data, a.body)
		}
	}
	return d
}

func (d *document) addElement(n *html.Node) {
	element, value := n.Data, map[string]string{}
	for _, attribute := range n.Attr {
		element += " " + attribute.Key
		value[attribute.Key] = attribute.Val
	}
	d.elements = append(d.elements, element)
	switch n.Data {
	case "form":
		d.actions = append(d.actions, value["action"])
	case "input":
		d.inputs[value["name"]] = value["value"]
	}
}

// shown is the text that a browser shows for a given text.
func shown(text string) string {
	return strings.NewReplacer("\x00", "\uFFFD", "\r\n", "\n", "\r", "\n").Replace(strings.ToValidUTF8(text, "\uFFFD"))
}

// hostile are texts that try to be more than text.
var hostile = []string{
	`"><b onclick=x>`, `'><script>alert(1)</script>`, "</title></style></script><!--", "</p></main><form action=//evil.example.test>", "&lt;b&gt;&amp;&quot;&#34;",
	"a\x00b", "line\nfeed\rand\r\nboth\ttab", "\u2028\u2029", "\uFEFF\uFFFE\U0001F600 ü", "\xff\xc3", `\x3cb\x3e ${x} {{.}} %3Cb%3E %s%d +`, "javascript:alert(1)", "` onfocus=x autofocus=`",
	strings.Repeat(`<"'&>`, 500), " ", "#f", "?q=1&r=2#f",
}

// Sources of what pages show.
const (
	anyBytes   = "any bytes"
	parameters = "parameters" // which are text
	rows       = "rows"       // of the database, which are text too
)

// pages lists all pages that show untrusted values: which values, and how to make the page
// show each; the second result is what is wrong.
var pages = map[string]struct {
	shows string
	show  func(c *tenant, text string) (answer, string)
}{
	"sign in": {parameters, func(c *tenant, text string) (answer, string) {
		a := c.get(c.authorizePath(with(c.authorizeForm(), "login_hint", text, "state", text)))
		return a, c.wantSignIn(a, text)
	}},
	"sign in again": {parameters, func(c *tenant, text string) (answer, string) {
		a := c.post(c.authorizePath(with(c.authorizeForm(), "state", text)), fields("user", text, "pick", "nobody"))
		return a, c.wantSignIn(a, text)
	}},
	"sign in, by names": {rows, func(c *tenant, text string) (answer, string) {
		c.exec("UPDATE tenants SET display_name = $2, user_picker = true WHERE id = $1", text)
		c.exec("UPDATE applications SET display_name = $2 WHERE tenant_id = $1", text)
		c.exec("UPDATE users SET display_name = $2, enabled = false WHERE tenant_id = $1", text)
		a := c.get(c.authorizePath(with(c.authorizeForm(), "login_hint", text, "state", text)))
		wrong, d := c.wantSignIn(a, text), c.document(a)
		for _, want := range []string{shown(text), "Sign in to " + shown(text), "button class name value title"} {
			if !slices.Contains(append(d.texts, d.elements...), want) {
				wrong += fmt.Sprintf("no %q", want)
			}
		}
		return a, wrong
	}},
	"update password": {parameters, func(c *tenant, text string) (answer, string) {
		a := c.post(c.authorizePath(with(c.authorizeForm(), "state", text)), fields("user", text, "action", "change-password"))
		return a, c.wantSignIn(a, text)
	}},
	"update password again": {parameters, func(c *tenant, text string) (answer, string) {
		a := c.post(c.authorizePath(with(c.authorizeForm(), "state", text)), fields("user", text, "pick", "nobody", "new_password", text))
		return a, c.wantSignIn(a, text)
	}},
	"update password, on a device": {parameters, func(c *tenant, text string) (answer, string) {
		a := c.post("/common/oauth2/deviceauth", fields("code", text, "user", text, "new_password", text))
		return a, wantInputs(c.document(a), "code", normalCode(text), "user", shown(text), "new_password", "")
	}},
	"device": {parameters, func(c *tenant, text string) (answer, string) {
		a := c.get("/common/oauth2/deviceauth?" + fields("code", text).Encode())
		return a, wantInputs(c.document(a), "code", normalCode(text))
	}},
	"device again": {parameters, func(c *tenant, text string) (answer, string) {
		a := c.post("/common/oauth2/deviceauth", fields("code", text, "user", text, "password", "wrong"))
		return a, wantInputs(c.document(a), "code", normalCode(text), "user", shown(text))
	}},
	"message": {parameters, func(c *tenant, text string) (answer, string) {
		a := c.get(c.authorizePath(with(c.authorizeForm(), "redirect_uri", "x"+text)))
		if !strings.Contains(strings.Join(c.document(a).texts, ""), "AADSTS50011: The redirect URI 'x"+shown(text)+"' specified") {
			return a, "another message"
		}
		return a, ""
	}},
	"message, of a name": {anyBytes, func(c *tenant, text string) (answer, string) {
		twice := "&" + url.QueryEscape("x"+text) + "="
		a := c.get(c.authorizePath(c.authorizeForm()) + twice + twice)
		if !strings.Contains(strings.Join(c.document(a).texts, ""), "AADSTS90100: The parameter 'x"+shown(text)+"' came more than once.") {
			return a, "another message"
		}
		return a, ""
	}},
	"form post": {parameters, func(c *tenant, text string) (answer, string) {
		a := c.pick(with(c.authorizeForm(), "response_mode", "form_post", "state", text))
		return a, wantInputs(c.document(a), "state", shown(text))
	}},
	"form post, by address": {rows, func(c *tenant, text string) (answer, string) {
		uri := redirectURI + text
		if _, err := identity.CheckRedirectURIs(map[string][]string{"": {uri}}); err != nil {
			uri = redirectURI // this address doesn't exist
		}
		parsed, err := url.Parse(uri)
		c.must(err)
		c.exec("UPDATE applications SET redirect_uris = ARRAY[$2] WHERE tenant_id = $1", uri)
		a := c.pick(with(c.authorizeForm(), "response_mode", "form_post", "redirect_uri", uri))
		if got := c.document(a).actions; !slices.Equal(got, []string{parsed.String()}) {
			return a, fmt.Sprintf("actions %q", got)
		}
		return a, ""
	}},
}

// pick signs the user in without a password, so that failures of other tests at the same
// address don't matter.
func (c *tenant) pick(form url.Values) answer {
	c.Helper()
	c.exec("UPDATE tenants SET user_picker = true WHERE id = $1")
	return c.post(c.authorizePath(form), fields("pick", c.user.ID.String()))
}

// wantSignIn describes what is wrong with the sign-in page for a request with text as its
// state and, through its hint or the page's form, as the user's name.
func (c *tenant) wantSignIn(a answer, text string) string {
	d := c.document(a)
	for _, action := range d.actions {
		query, found := strings.CutPrefix(action, "?")
		if form, err := url.ParseQuery(query); !found || err != nil || form.Get("state") != text {
			return fmt.Sprintf("action %q", action)
		}
	}
	return wantInputs(d, "user", shown(text))
}

func wantInputs(d document, pairs ...string) string {
	for name, want := range fields(pairs...) {
		if d.inputs[name] != want[0] {
			return fmt.Sprintf("%s is %q, want %q", name, d.inputs[name], want[0])
		}
	}
	return ""
}

func normalCode(text string) string {
	return shown(strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(text)))
}

// Whatever a page shows is text: the page has the same elements and attributes as with a
// harmless word, and a browser shows the same text.
func FuzzPages(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" || len(text) > 4<<10 {
			return
		}
		for name, page := range pages {
			c := setup(t)
			harmless, wrong := page.show(c, "x")
			if wrong != "" {
				t.Fatalf("%s: %s", name, wrong)
			}
			noText := strings.ContainsRune(text, 0) || !utf8.ValidString(text)
			if noText && page.shows == rows {
				continue
			}
			a, wrong := page.show(c, text)
			if noText && page.shows == parameters {
				if a.status != 400 || !strings.Contains(a.body, "AADSTS9002313: ") {
					t.Errorf("%s of %q: %d in\n%s", name, text, a.status, a.body)
				}
				continue
			}
			if wrong != "" || a.status != harmless.status {
				t.Errorf("%s of %q: %d %s in\n%s", name, text, a.status, wrong, a.body)
			}
			diff(t, c.document(harmless).elements, c.document(a).elements)
		}
	})
}
