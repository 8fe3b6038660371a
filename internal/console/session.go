package console

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	g "maragu.dev/gomponents"
	"maragu.dev/gomponents/html"

	"github.com/mocktenant/mocktenant/api"
)

// sessionLifetime is how long a browser stays signed in.
const sessionLifetime = 12 * time.Hour

// session has the key with which a browser signed in. The browser keeps it, sealed, and the
// service keeps nothing. Every page shows the key to the administration again, so a session
// ends with its key.
type session struct {
	Key     string    `json:"k"` // "" if the administration needs no key
	Expires time.Time `json:"e"`
	sealed  string
}

// sessions seals and opens what browsers keep.
type sessions struct {
	aead cipher.AEAD
	mac  []byte
}

func newSessions(secret []byte) sessions {
	derive := func(purpose string) []byte {
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(purpose))
		return h.Sum(nil)
	}
	block, err := aes.NewCipher(derive("session"))
	if err == nil {
		var aead cipher.AEAD
		if aead, err = cipher.NewGCMWithRandomNonce(block); err == nil {
			return sessions{aead, derive("token of forms")}
		}
	}
	panic(err) // can't happen: a hash has the size of a key
}

func (s sessions) seal(of session) string {
	text, err := json.Marshal(of)
	if err != nil {
		panic(err) // a string and a time can be encoded
	}
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, text, nil))
}

func (s sessions) open(sealed string, now time.Time) (of session, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err == nil {
		raw, err = s.aead.Open(nil, nil, raw, nil)
	}
	if err != nil || json.Unmarshal(raw, &of) != nil || !now.Before(of.Expires) {
		return session{}, false
	}
	of.sealed = sealed
	return of, true
}

// token returns the CSRF token of a session's forms, which pages of other origins can't know.
func (s sessions) token(of session) string {
	h := hmac.New(sha256.New, s.mac)
	h.Write([]byte(of.sealed))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// cookieName returns the name of the session's cookie. It contains the port: browsers send
// cookies to every port of a host, and two services on one machine must not sign each other
// out.
func cookieName(r *http.Request) string {
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		return "mocktenant_console"
	}
	return "mocktenant_console_" + port
}

func (c *Console) keepSession(x *gin.Context, key string) session {
	s := session{Key: key, Expires: c.now().Add(sessionLifetime)}
	s.sealed = c.sessions.seal(s)
	setCookie(x, s.sealed, int(sessionLifetime/time.Second))
	return s
}

func (c *Console) endSession(x *gin.Context) { setCookie(x, "", -1) }

func setCookie(x *gin.Context, value string, maxAge int) {
	http.SetCookie(x.Writer, &http.Cookie{
		Name: cookieName(x.Request), Value: value, Path: Root, MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: x.Request.TLS != nil || x.Request.URL.Scheme == "https",
	})
}

// signedIn serves browsers that have a session, and all browsers while the administration
// needs no key.
func (c *Console) signedIn(serve func(*visit)) gin.HandlerFunc {
	return func(x *gin.Context) {
		v := &visit{Context: x, console: c, now: c.now()}
		known := false
		if cookie, err := x.Request.Cookie(cookieName(x.Request)); err == nil {
			v.session, known = c.sessions.open(cookie.Value, v.now)
		}
		switch {
		case !known && crossSite(x.Request):
			c.comeAgain(x)
			return
		case x.Request.Method != http.MethodGet:
			if err := v.checkWrite(known); err != nil {
				v.fail(err)
				return
			}
		}
		if err := v.call("whoAmI", nil, &v.caller); err != nil {
			v.refuseEntry(err, known)
			return
		}
		if !known {
			v.session = c.keepSession(x, "")
		}
		serve(v)
	}
}

// refuseEntry asks a browser to sign in. It says why if the browser was signed in before.
func (v *visit) refuseEntry(err error, known bool) {
	var p *api.Problem
	if !errors.As(err, &p) || p.Status != http.StatusUnauthorized {
		v.fail(err)
		return
	}
	reason := ""
	if known {
		v.console.endSession(v.Context)
		reason = p.Error()
	}
	v.console.askToSignIn(v.Context, reason)
}

// checkWrite refuses a change that isn't from a form of this session.
func (v *visit) checkWrite(known bool) error {
	if err := v.console.sameOrigin.Check(v.Request); err != nil {
		return refusal(http.StatusForbidden, "A page of another origin, "+v.GetHeader("Origin")+", can't change anything here.")
	}
	if !known {
		return refusal(http.StatusForbidden, "The session has ended. Reload the page and try again.")
	}
	if !hmac.Equal([]byte(v.PostForm(tokenField)), []byte(v.console.sessions.token(v.session))) {
		return refusal(http.StatusForbidden, "The form is not from this session. Reload the page and try again.")
	}
	return nil
}

// crossSite reports whether a link on another site led here, in which case the browser
// doesn't send the session.
func crossSite(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") == "navigate"
}

// comeAgain makes the browser repeat the request from the console's own site, with its
// session, so that links in chats and issues work.
func (c *Console) comeAgain(x *gin.Context) {
	c.write(x, http.StatusOK, document("mocktenant console", g.Group{
		html.Meta(g.Attr("http-equiv", "refresh"), html.Content("0")),
	}, html.Main(html.P(html.A(html.Href(x.Request.URL.RequestURI()), g.Text("Continue to the console"))))))
}

// askToSignIn shows the sign-in page instead of the requested one.
func (c *Console) askToSignIn(x *gin.Context, reason string) {
	to := Root
	if x.Request.Method == http.MethodGet {
		to = x.Request.URL.RequestURI()
	}
	c.write(x, http.StatusUnauthorized, signInPage(to, reason))
}

func (c *Console) showSignIn(x *gin.Context) {
	c.write(x, http.StatusOK, signInPage(ownPath(x.Query("to")), ""))
}

// signIn starts a session with a key that the administration accepts.
func (c *Console) signIn(x *gin.Context) {
	to := ownPath(x.PostForm("to"))
	if err := c.sameOrigin.Check(x.Request); err != nil {
		c.write(x, http.StatusForbidden, signInPage(to, "A page of another origin may not sign in here."))
		return
	}
	v := &visit{Context: x, console: c, session: session{Key: strings.TrimSpace(x.PostForm("key"))}}
	if v.session.Key == "" {
		c.write(x, http.StatusBadRequest, signInPage(to, "Type a key."))
		return
	}
	if err := v.call("whoAmI", nil, &v.caller); err != nil {
		c.write(x, http.StatusUnauthorized, signInPage(to, err.Error()))
		return
	}
	c.keepSession(x, v.session.Key)
	x.Redirect(http.StatusSeeOther, to)
}

func (c *Console) signOut(v *visit) {
	c.endSession(v.Context)
	v.Redirect(http.StatusSeeOther, Root+"/sign-in")
}

// ownPath returns text if it is a path of the console, and otherwise the console's start.
func ownPath(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.IsAbs() || u.Host != "" || !Serves(u.Path) || strings.Contains(text, "\\") {
		return Root
	}
	return u.RequestURI()
}

func signInPage(to, reason string) g.Node {
	return document("Sign in", nil, html.Main(html.Class("narrow"),
		html.H1(g.Text("mocktenant console")),
		html.P(g.Text("Sign in with a key of the administration. An owner makes one: "), html.Code(g.Text("mocktenant admin-key create"))),
		alert(reason),
		html.Form(html.Method("post"), html.Action(Root+"/sign-in"), testID("sign-in"),
			html.Input(html.Type("hidden"), html.Name("to"), html.Value(to)),
			html.Label(html.For("key"), g.Text("Key")),
			html.Input(html.ID("key"), html.Name("key"), html.Type("password"), html.AutoComplete("current-password"), html.Required(), html.AutoFocus()),
			html.Button(html.Class("primary"), g.Text("Sign in")),
		),
	))
}
