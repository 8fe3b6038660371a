package identity

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
)

// authorization is a request of the authorize endpoint (RFC 6749 section 4.1.1,
// OpenID Connect Core 3.1.2.1).
// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow
type authorization struct {
	x *exchange
	form
	authority authority
	scopes    scopes
}

// pageFields are the fields of a page's own form, sent in addition to the request's
// parameters.
var pageFields = []string{"user", "password", "pick", "action"}

// authorize shows the sign-in page, handles its form, and redirects to the application.
// Errors stay on our own page until the application and its redirect URI are verified;
// after that they go to the application.
func (p *Provider) authorize(x *exchange) error {
	f, err := x.authorizeForm()
	if err != nil {
		return err
	}
	a, err := p.authority(x)
	if err != nil {
		return err
	}
	r := authorization{x: x, form: f, authority: a}
	if x.submitted() {
		return p.submitAuthorization(r)
	}
	user, err := p.sessionUser(r)
	if err != nil {
		return err
	}
	if user != nil && r.silent() {
		return p.authorizeUser(r, *user)
	}
	app, err := p.checkRedirectOfAuthority(r)
	if err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return r.redirectError(err)
	}
	if r.get("prompt") == "none" {
		return r.redirectError(errNobodySignedIn())
	}
	return p.showSignIn(r, app, r.get("login_hint"), nil)
}

func errNobodySignedIn() *aadError {
	return refuse(50058, "login_required", "A silent sign-in request was sent but no user is signed in.")
}

// authorizeForm reads the request's parameters from the query, or from the form if the
// application posts one.
func (x *exchange) authorizeForm() (form, error) {
	if err := parseForm(x.Request); err != nil {
		return nil, err
	}
	values := x.Request.URL.Query()
	if !values.Has("client_id") && !x.submitted() {
		values = x.Request.PostForm
	}
	f, err := checkForm(values)
	if err != nil {
		return nil, err
	}
	if _, err := f.need("client_id"); err != nil {
		return nil, err
	}
	return f, nil
}

// submitted reports whether the request comes from a page's form.
func (x *exchange) submitted() bool {
	return x.Request.Method == http.MethodPost && slices.ContainsFunc(pageFields, x.Request.PostForm.Has)
}

// silent reports whether a signed-in user isn't asked again.
func (r authorization) silent() bool {
	prompt := r.get("prompt")
	return prompt == "" || prompt == "none"
}

// submitAuthorization signs in the user who submitted the page.
func (p *Provider) submitAuthorization(r authorization) error {
	if err := p.sameOrigin.Check(r.x.Request); err != nil {
		return errForeignForm(err)
	}
	page := r.x.Request.PostForm
	switch page.Get("action") {
	case "cancel":
		return p.cancelAuthorization(r)
	case "change-password":
		return p.showSignInAgain(r, db.User{}, nil)
	}
	user, err := p.signInByPage(r.x, r.authority, page)
	var refusal *aadError
	if errors.As(err, &refusal) {
		r.x.refused(refusal)
		return p.showSignInAgain(r, user, refusal)
	}
	if err != nil {
		return err
	}
	if err := p.startSession(r.x, user); err != nil {
		return err
	}
	return p.authorizeUser(r, user)
}

// showSignInAgain shows a page to a user who was refused, or who asks to change the password
// and isn't refused: the sign-in page, or the page on which the user can change it.
func (p *Provider) showSignInAgain(r authorization, user db.User, refusal *aadError) error {
	sent := r.x.Request.PostForm
	name := cmp.Or(sent.Get("user"), user.UserPrincipalName) // of a user who was picked
	if refusal == nil || wantsPasswordPage(sent, refusal) {
		return r.x.showPassword(passwordPage{Action: r.action(), User: name}, refusal)
	}
	return p.showSignIn(r, nil, name, refusal)
}

func errForeignForm(cause error) *aadError {
	e := refuse(165000, invalidRequest, "Invalid Request: The request did not include the required tokens for the user context. One or more of the user context values (cookies; form fields; headers) were not supplied, every request must include these values and maintain them across a complete single user flow.")
	e.status, e.cause = http.StatusForbidden, cause
	return e
}

// signInByPage finds the user who was picked, or who entered name and password, and maybe
// another password.
func (p *Provider) signInByPage(x *exchange, a authority, page url.Values) (db.User, error) {
	if id := page.Get("pick"); id != "" {
		return p.pickUser(x.Request.Context(), a, id)
	}
	name := strings.TrimSpace(page.Get("user"))
	tenant, err := p.tenantOfUser(x, a, name)
	if err != nil {
		return db.User{}, err
	}
	if page.Has("new_password") {
		return p.changePassword(x, tenant, name, page)
	}
	return p.checkPassword(x, tenant, name, page.Get("password"))
}

// pickUser signs a user in without a password, if the tenant allows it.
func (p *Provider) pickUser(ctx context.Context, a authority, id string) (db.User, error) {
	user, err := uuid.Parse(id)
	if err != nil || a.tenant == nil || !a.tenant.UserPicker {
		return db.User{}, errWrongPassword()
	}
	found, err := p.queries.GetUser(ctx, db.GetUserParams{TenantID: a.tenant.ID, ID: user})
	if errors.Is(err, pgx.ErrNoRows) {
		return found, errNoUser(a.name)
	}
	if err != nil {
		return found, err
	}
	return found, maySignIn(found)
}

func (p *Provider) cancelAuthorization(r authorization) error {
	if _, err := p.checkRedirectOfAuthority(r); err != nil {
		return err
	}
	return r.redirectError(refuse(65004, "access_denied", "User declined to consent to access the app."))
}

// authorizeUser redirects a signed-in user to the application, with what it asked for.
func (p *Provider) authorizeUser(r authorization, user db.User) error {
	ctx := r.x.Request.Context()
	tenant, err := p.tenant(r.x, user.TenantID)
	if err != nil {
		return err
	}
	app, err := p.checkRedirect(r, tenant)
	if err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return r.redirectError(err)
	}
	to, err := p.findResource(ctx, r.x, tenant.ID, r.scopes.resource)
	if err == nil {
		_, err = p.grantScopes(ctx, app, user.ID, to, r.scopes)
	}
	var refusal *aadError
	if errors.As(err, &refusal) {
		if refusal.number == 65001 && r.get("prompt") != "none" {
			return errNeedsAdmin(app)
		}
		return r.redirectError(refusal)
	}
	if err != nil {
		return err
	}
	return p.redirectUser(r, app, user)
}

// errNeedsAdmin is shown to a user whose administrator hasn't consented.
func errNeedsAdmin(app db.Application) *aadError {
	return refuse(90094, "consent_required", "The grant requires admin permission. %s needs permission to access resources in your organization that only an admin can grant. Please ask an admin to grant permission to this app before you can use it.", app.DisplayName)
}

func (p *Provider) redirectUser(r authorization, app db.Application, user db.User) error {
	answer := url.Values{}
	types := strings.Fields(r.get("response_type"))
	var code string
	if slices.Contains(types, "code") {
		t := newTicket(user.TenantID)
		code = t.value
		err := p.queries.CreateAuthorizationCode(r.x.Request.Context(), db.CreateAuthorizationCodeParams{
			TenantID: user.TenantID, Hash: t.hash, FamilyID: uuid.Must(uuid.NewV7()), ClientID: app.ClientID, UserID: user.ID,
			RedirectUri: r.get("redirect_uri"), RedirectType: redirectType(app, r.get("redirect_uri")), Scope: r.scopes.text,
			Nonce: optional(r.get("nonce")), CodeChallenge: optional(r.get("code_challenge")),
			CreatedAt: latest(r.x.Now, user.TokensValidFrom), ExpiresAt: r.x.Now.Add(codeLifetime),
		})
		if err != nil {
			return err
		}
		answer.Set("code", code)
	}
	if slices.Contains(types, "id_token") {
		token, err := p.issueIDToken(r.x, signIn{client: client{Application: app}, user: user, scopes: r.scopes, nonce: r.get("nonce")}, code)
		if err != nil {
			return err
		}
		answer.Set("id_token", token)
	}
	if r.get("client_info") == "1" {
		answer.Set("client_info", clientInfo(user))
	}
	return r.redirect(answer)
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// checkRedirect finds the application and checks that it has registered the redirect URI.
func (p *Provider) checkRedirect(r authorization, tenant db.Tenant) (db.Application, error) {
	app, err := p.findApplication(r.x.Request.Context(), tenant, r.get("client_id"))
	if err != nil {
		return app, err
	}
	return app, r.matchRedirect(app.ClientID, redirectURIs(app))
}

// checkRedirectOfAuthority is checkRedirect for a user who isn't known yet. At an authority
// for many tenants, it returns no application: several tenants may have registered one with
// this id and redirect URI, and the choice would affect only where an error goes.
func (p *Provider) checkRedirectOfAuthority(r authorization) (*db.Application, error) {
	if r.authority.tenant != nil {
		app, err := p.checkRedirect(r, *r.authority.tenant)
		return &app, err
	}
	id, err := uuid.Parse(r.get("client_id"))
	if err != nil {
		return nil, errNoApplication(r.get("client_id"), db.Tenant{DisplayName: r.authority.name})
	}
	uris, err := p.queries.ListRedirectURIsOfClient(r.x.Request.Context(), db.ListRedirectURIsOfClientParams{ClientID: id, Now: &r.x.Arrived})
	if err == nil && len(uris) == 0 {
		err = errNoApplication(id.String(), db.Tenant{DisplayName: r.authority.name})
	}
	if err != nil {
		return nil, err
	}
	return nil, r.matchRedirect(id, uris)
}

// matchRedirect returns an error unless the redirect URI is registered.
func (r authorization) matchRedirect(client uuid.UUID, registered []string) error {
	uri := r.get("redirect_uri")
	if uri == "" {
		return refuse(900971, invalidRequest, "No reply address provided.")
	}
	if !slices.ContainsFunc(registered, func(one string) bool { return sameRedirect(one, uri) }) {
		return refuseRedirect(invalidRequest, "The redirect URI '%s' specified in the request does not match the redirect URIs configured for the application '%s'. Make sure the redirect URI sent in the request matches one added to your application in the Azure portal. Navigate to https://aka.ms/redirectUriMismatchError to learn more about how to fix this.", uri, client)
	}
	return nil
}

// check checks that the rest of the request is supported, and parses its scopes.
func (r *authorization) check() error {
	types := strings.Fields(r.get("response_type"))
	slices.Sort(types)
	switch kind := strings.Join(types, " "); {
	case kind == "":
		return errMissing("response_type")
	case strings.Contains(kind, "token") && slices.Contains(types, "token"):
		return refuse(700051, "unsupported_response_type", "response_type 'token' is not enabled for the application.")
	case kind != "code" && kind != "id_token" && kind != "code id_token":
		return refuse(70005, "unsupported_response_type", "response_type '%s' is not supported.", r.get("response_type"))
	case slices.Contains(types, "id_token") && r.get("nonce") == "":
		return refuse(900144, invalidRequest, "The request body must contain the following parameter: 'nonce'.")
	}
	if err := r.checkPrompt(); err != nil {
		return err
	}
	if err := r.checkModes(types); err != nil {
		return err
	}
	text := r.x.scopeOf(r.form)
	if text == "" && r.x.v1 {
		text = "openid offline_access"
	}
	if text == "" {
		return errMissing("scope")
	}
	var err error
	r.scopes, err = parseScopes(text)
	if err == nil && slices.Contains(types, "id_token") && !r.scopes.wants("openid") {
		err = refuse(70011, invalidScope, "The provided value for the input parameter 'scope' is not valid: response_type 'id_token' needs the scope 'openid'.")
	}
	return err
}

// prompts are the values of prompt, of which Entra accepts one at a time.
var prompts = []string{"", "login", "none", "consent", "select_account"}

func (r *authorization) checkPrompt() error {
	prompt := r.get("prompt")
	if slices.Contains(prompts, prompt) || r.x.v1 && prompt == "admin_consent" {
		return nil
	}
	return refuse(90023, invalidRequest, "Unsupported 'prompt' value.")
}

func (r *authorization) checkModes(types []string) error {
	switch r.get("response_mode") {
	case "", "fragment":
	case "form_post":
		if !postable(r.get("redirect_uri")) {
			return refuse(70007, "unsupported_response_mode", "'form_post' is not a supported value of 'response_mode' when the redirect URI is neither http nor https.")
		}
	case "query":
		if slices.Contains(types, "id_token") {
			return refuse(70007, "unsupported_response_mode", "'query' is not a supported value of 'response_mode' when requesting a token.")
		}
	default:
		return refuse(70007, "unsupported_response_mode", "'%s' is not a supported value of 'response_mode'.", r.get("response_mode"))
	}
	method := r.get("code_challenge_method")
	switch {
	case method == "S256" && r.get("code_challenge") != "" && len(r.get("code_challenge")) != 43:
		return refuse(501491, invalidRequest, "Invalid size of Code_Challenge parameter: the S256 of a code verifier has 43 characters.")
	case r.get("code_challenge") == "" && method == "", method == "S256" && r.get("code_challenge") != "":
		return nil
	case r.get("code_challenge") == "":
		return errMissing("code_challenge")
	}
	return refuse(501491, invalidRequest, "The code_challenge_method '%s' is not supported: use 'S256'.", method)
}

// responseMode returns how the answer reaches the application (OAuth 2.0 Multiple Response
// Type Encoding Practices, section 2.1).
func (r authorization) responseMode() string {
	switch mode := r.get("response_mode"); {
	case mode == "query", mode == "fragment", mode == "form_post" && postable(r.get("redirect_uri")):
		return mode
	}
	if slices.Contains(strings.Fields(r.get("response_type")), "id_token") {
		return "fragment"
	}
	return "query"
}

// redirectError sends an error to the application.
func (r authorization) redirectError(err error) error {
	e := asAADError(err)
	if e.httpStatus() >= http.StatusInternalServerError {
		return err
	}
	r.x.refused(e)
	return r.redirect(url.Values{"error": {e.code}, "error_description": {r.x.describe(e)}, "error_uri": {r.x.explanation(e)}})
}

// redirect sends the browser to the verified redirect URI, with an answer and the
// application's unchanged state.
func (r authorization) redirect(answer url.Values) error {
	if r.form["state"] != nil {
		answer["state"] = r.form["state"]
	}
	target, err := parseRedirect(r.get("redirect_uri"))
	if err != nil {
		return err
	}
	switch r.responseMode() {
	case "form_post":
		return r.x.showFormPost(target.String(), answer)
	case "fragment":
		target.Fragment, target.RawFragment = "", ""
		r.x.Redirect(http.StatusFound, target.String()+"#"+answer.Encode())
	default:
		if err := addQuery(target, answer); err != nil {
			return err
		}
		r.x.Redirect(http.StatusFound, target.String())
	}
	return nil
}
