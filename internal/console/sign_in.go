package console

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/internal/signin"
)

// attemptLifetime is how long a person may take to sign in at the identity provider.
const attemptLifetime = 10 * time.Minute

// attempt is a sign-in that a browser has begun. The browser keeps it, sealed.
type attempt struct {
	signin.Attempt
	To      string // the page to show afterwards
	Expires time.Time
}

// signInPath is the path of the sign-in page, below which a sign-in begins and ends.
const signInPath = Root + "/sign-in"

// askToSignIn shows the sign-in page instead of the requested one.
func (c *Console) askToSignIn(x *gin.Context, reason string) {
	to := Root
	if x.Request.Method == http.MethodGet {
		to = x.Request.URL.RequestURI()
	}
	c.write(x, http.StatusUnauthorized, c.signInPage(x, to, reason))
}

func (c *Console) showSignIn(x *gin.Context) {
	c.write(x, http.StatusOK, c.signInPage(x, ownPath(x.Query("to")), ""))
}

// signIn starts a session with a key that the administration accepts.
func (c *Console) signIn(x *gin.Context) {
	to := ownPath(x.PostForm("to"))
	if err := c.sameOrigin.Check(x.Request); err != nil {
		c.write(x, http.StatusForbidden, c.signInPage(x, to, "A page of another origin may not sign in here."))
		return
	}
	v := &visit{Context: x, console: c, session: session{Key: strings.TrimSpace(x.PostForm("key"))}}
	if v.session.Key == "" {
		c.write(x, http.StatusBadRequest, c.signInPage(x, to, "Type a key."))
		return
	}
	if err := v.call("whoAmI", nil, &v.caller); err != nil {
		c.write(x, http.StatusUnauthorized, c.signInPage(x, to, err.Error()))
		return
	}
	c.keepSession(x, v.session, sessionLifetime)
	x.Redirect(http.StatusSeeOther, to)
}

func (c *Console) signOut(v *visit) {
	if v.session.Person != nil {
		if err := c.record.End(v.Request.Context(), v.session.ID); err != nil {
			v.fail(err)
			return
		}
	}
	c.endSession(v.Context)
	v.Redirect(http.StatusSeeOther, signInPath)
}

// beginSignIn sends the browser to the identity provider. This is a link and not a form,
// because the Content-Security-Policy lets no form lead to another site.
func (c *Console) beginSignIn(x *gin.Context) {
	to := ownPath(x.Query("to"))
	if c.people == nil {
		c.write(x, http.StatusNotFound, c.signInPage(x, to, "This service has no identity provider; see MOCKTENANT_OIDC_ISSUER."))
		return
	}
	at, begun, err := c.people.Begin(x.Request.Context(), origin(x.Request)+signInPath+"/callback")
	if err != nil {
		c.refuseSignIn(x, to, err)
		return
	}
	a := attempt{begun, to, c.now().Add(attemptLifetime)}
	keepAttempt(x, c.sessions.seal(forAttempts, a), int(attemptLifetime/time.Second))
	x.Redirect(http.StatusSeeOther, at)
}

// keepAttempt sets the cookie of a sign-in. Browsers must send it when the identity provider's
// site leads back here, which SameSite=Strict would prevent.
func keepAttempt(x *gin.Context, sealed string, maxAge int) {
	setCookie(x, &http.Cookie{Name: attemptCookie(x.Request), Value: sealed, Path: signInPath, MaxAge: maxAge, SameSite: http.SameSiteLaxMode})
}

func attemptCookie(r *http.Request) string { return cookieName(r) + "_sign_in" }

// finishSignIn starts a session with the person that the identity provider sends back.
func (c *Console) finishSignIn(x *gin.Context) {
	var a attempt
	cookie, err := x.Request.Cookie(attemptCookie(x.Request))
	keepAttempt(x, "", -1) // it can be used only once
	if err != nil || c.people == nil || !c.sessions.unseal(forAttempts, cookie.Value, &a) || !c.now().Before(a.Expires) {
		c.write(x, http.StatusBadRequest, c.signInPage(x, Root, "This browser hasn't begun to sign in, or took longer than ten minutes. Sign in again."))
		return
	}
	person, err := c.people.Finish(x.Request.Context(), a.Attempt, x.Request.URL.Query())
	if err != nil {
		c.refuseSignIn(x, a.To, err)
		return
	}
	id, err := c.record.Begin(x.Request.Context(), person, x.ClientIP(), c.now().Add(personLifetime))
	if err != nil {
		c.refuseSignIn(x, a.To, err)
		return
	}
	c.keepSession(x, session{Person: &person, ID: id, Settings: c.people.Settings()}, personLifetime)
	c.continueTo(x, a.To)
}

// actAs lets a person who may act under several managers' names choose another of them.
func (c *Console) actAs(v *visit) {
	p, manager := v.session.Person, v.PostForm("manager")
	if p == nil || !slices.Contains(p.Managers, manager) {
		v.fail(refusal(http.StatusForbidden, "You may not act as the manager "+manager+"."))
		return
	}
	p.Manager = manager
	c.sealSession(v.Context, v.session)
	v.Redirect(http.StatusSeeOther, Root+"/tenants") // the present page may be another manager's
}

// refuseSignIn says on the sign-in page, and in the log, why somebody can't sign in.
func (c *Console) refuseSignIn(x *gin.Context, to string, err error) {
	c.log.Warn("console: sign-in refused", "address", x.ClientIP(), "error", err)
	status := http.StatusInternalServerError
	if refusal := (*signin.Refusal)(nil); errors.As(err, &refusal) {
		status = refusal.Status
	}
	c.write(x, status, c.signInPage(x, to, err.Error()))
}

// origin returns the scheme and host under which the browser knows the console. The identity
// provider sends browsers only to addresses that it knows.
func origin(r *http.Request) string {
	return cmp.Or(r.URL.Scheme, "http") + "://" + cmp.Or(r.URL.Host, r.Host)
}

// ownPath returns text if it is a path of the console, and otherwise the console's start.
func ownPath(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.IsAbs() || u.Host != "" || !Serves(u.Path) || strings.Contains(text, "\\") {
		return Root
	}
	return u.RequestURI()
}

func (c *Console) signInPage(x *gin.Context, to, reason string) g.Node {
	return document("Sign in", nil, html.Main(html.Class("narrow"),
		html.H1(html.Text("mocktenant console")),
		alert(reason),
		c.personSignIn(x, to, reason),
		html.P(html.Text("Sign in with a key of the administration. An owner makes one: "), html.Code(html.Text("mocktenant admin-key create"))),
		html.Form(html.Method("post"), html.Action(signInPath), testID("sign-in"),
			html.Input(html.Type("hidden"), html.Name("to"), html.Value(to)),
			html.Label(html.For("key"), html.Text("Key")),
			html.Input(html.ID("key"), html.Name("key"), html.Type("password"), html.AutoComplete("current-password"), html.Required(), html.AutoFocus()),
			html.Button(html.Class("primary"), html.Text("Sign in")),
		),
	))
}

// personSignIn links to the identity provider. If that doesn't answer, it says why, unless the
// page gives this reason already.
func (c *Console) personSignIn(x *gin.Context, to, reason string) g.Node {
	if c.people == nil {
		return nil
	}
	issuer := c.people.Issuer()
	if u, err := url.Parse(issuer); err == nil {
		issuer = u.Host
	}
	var down g.Node
	if err := c.people.Ready(x.Request.Context()); err != nil && err.Error() != reason {
		down = alert(err.Error())
	}
	return g.Group{down, html.P(html.A(html.Class("button primary"), testID("sign-in-person"), html.Href(signInPath+"/begin?"+url.Values{"to": {to}}.Encode()), html.Text("Sign in at "+issuer)))}
}
