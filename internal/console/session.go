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
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/signin"
)

const (
	// sessionLifetime is how long a browser stays signed in with a key.
	sessionLifetime = 12 * time.Hour

	// personLifetime is how long a person stays signed in. Their identity provider tells the
	// service only then if they have lost their role.
	personLifetime = time.Hour
)

// session has the key or the person with which a browser signed in; it has neither if the
// administration needs no key. The browser keeps it, sealed; the service keeps only which people
// are signed in. Every page shows it to the administration again, so a session ends with its key,
// and a person's one when an owner ends it or the settings change by which they got their role.
type session struct {
	Key      string         `json:"k,omitempty"`
	Person   *signin.Person `json:"p,omitempty"`
	ID       uuid.UUID      `json:"i,omitzero"`  // of a person's session
	Settings string         `json:"s,omitempty"` // of the person's identity provider
	Expires  time.Time      `json:"e"`
	sealed   string
}

// known reports whether the browser signed in.
func (s session) known() bool { return s.Key != "" || s.Person != nil }

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

// The purposes of sealed texts. A text sealed for one can't be used for another.
const (
	forSessions = "session"
	forAttempts = "sign-in"
)

// seal encrypts a value for a purpose.
func (s sessions) seal(purpose string, value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // texts and times can be encoded
	}
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, text, []byte(purpose)))
}

// unseal decrypts a value, and reports whether it was sealed for the purpose.
func (s sessions) unseal(purpose, sealed string, value any) bool {
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err == nil {
		raw, err = s.aead.Open(nil, nil, raw, []byte(purpose))
	}
	return err == nil && json.Unmarshal(raw, value) == nil
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

func (c *Console) keepSession(x *gin.Context, s session, lifetime time.Duration) session {
	s.Expires = c.now().Add(lifetime)
	return c.sealSession(x, s)
}

// sealSession sets the cookie of a session, which lasts as long as before.
func (c *Console) sealSession(x *gin.Context, s session) session {
	s.sealed = c.sessions.seal(forSessions, s)
	left := s.Expires.Sub(c.now())
	setCookie(x, &http.Cookie{Name: cookieName(x.Request), Value: s.sealed, Path: Root, MaxAge: int(left.Round(time.Second) / time.Second), SameSite: http.SameSiteStrictMode})
	return s
}

// sessionOf returns the session that a browser shows, if it is valid.
func (c *Console) sessionOf(x *gin.Context) (s session, ok bool) {
	cookie, err := x.Request.Cookie(cookieName(x.Request))
	switch {
	case err != nil, !c.sessions.unseal(forSessions, cookie.Value, &s), !c.now().Before(s.Expires),
		s.Person != nil && (c.people == nil || c.people.Settings() != s.Settings):
		return session{}, false
	}
	s.sealed = cookie.Value
	return s, true
}

func (c *Console) endSession(x *gin.Context) {
	setCookie(x, &http.Cookie{Name: cookieName(x.Request), Path: Root, MaxAge: -1, SameSite: http.SameSiteStrictMode})
}

// setCookie sets a cookie that scripts can't read and that doesn't leave HTTPS.
func setCookie(x *gin.Context, cookie *http.Cookie) {
	cookie.HttpOnly, cookie.Secure = true, x.Request.TLS != nil || x.Request.URL.Scheme == "https"
	http.SetCookie(x.Writer, cookie)
}

// signedIn serves browsers that have a session, and all browsers while the administration
// needs no key.
func (c *Console) signedIn(serve func(*visit)) gin.HandlerFunc {
	return func(x *gin.Context) {
		v := &visit{Context: x, console: c, now: c.now()}
		known := false
		v.session, known = c.sessionOf(x)
		switch {
		case !known && crossSite(x.Request):
			c.continueTo(x, x.Request.URL.RequestURI())
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
			v.session = c.keepSession(x, session{}, sessionLifetime)
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

// continueTo makes the browser request a page from the console's own site. It then sends the
// session, which it doesn't do if a link or a redirect of another site led here, so that links
// in chats and issues work.
func (c *Console) continueTo(x *gin.Context, to string) {
	c.write(x, http.StatusOK, document("mocktenant console", g.Group{
		html.Meta(html.Attr("http-equiv", "refresh"), html.Content("0; url="+to)),
	}, html.Main(html.P(html.A(html.Href(to), html.Text("Continue to the console"))))))
}
