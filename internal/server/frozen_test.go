package server_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/graph"
	"github.com/mocktenant/mocktenant/internal/identity"
	"github.com/mocktenant/mocktenant/internal/server"
)

// frozen is the time on a tenant's clock while a test searches for other times.
var frozen = time.Date(2041, 5, 6, 7, 8, 9, 0, time.UTC)

// watched is a tenant with a frozen clock. A time in its answers or rows that is close to the
// real time or to the service's is an error.
type watched struct {
	*testing.T
	*server.Server
	made  api.TenantCreated
	wrong []time.Time
	sent  int
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	clock := newServiceClock()
	clock.advance(100 * 24 * time.Hour)
	w := &watched{T: t, wrong: []time.Time{time.Now(), clock.now()}}
	w.Server = start(t, server.Config{DatabaseURL: dbtest.NewDatabase(t), AdminAddr: "127.0.0.1:0", Now: clock.now})
	answer := w.administer("POST", "/v1/tenants", `{"displayName":"watched","ttlSeconds":9000000,"source":{"document":{"version":1,"clock":{"now":"`+frozen.Format(time.RFC3339)+`","rate":0},
		"faults":[{"match":{"path":"/nowhere"},"effect":{"status":500}}],"users":[{"userPrincipalName":"alice@contoso.example","password":"secret"}],
		"remoteAssistancePartners":[{"displayName":"one"}]}}}`)
	if err := json.Unmarshal([]byte(answer), &w.made); err != nil || w.made.Credentials == nil {
		t.Fatalf("%v: %s", err, answer)
	}
	clock.advance(time.Hour)
	w.wrong = append(w.wrong, clock.now())
	return w
}

// administer calls the administration, and checks the answer if it is about the tenant.
func (w *watched) administer(method, path, body string) string {
	w.Helper()
	r := httptest.NewRequestWithContext(w.Context(), method, path, strings.NewReader(body))
	r.Host = "127.0.0.1"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer := httptest.NewRecorder()
	w.AdminHandler().ServeHTTP(answer, r)
	text := answer.Body.String()
	if method == "POST" && path == "/v1/tenants" { // the tenant's expiry is by the service's clock
		text = expires.ReplaceAllString(text, "")
	}
	text = since.ReplaceAllString(text, "") // relates the tenant's clock to the service's
	w.check(method+" "+path, answer.Header(), text)
	return answer.Body.String()
}

var (
	expires = regexp.MustCompile(`"expiresDateTime":"[^"]*","id"`)
	since   = regexp.MustCompile(`"from":"[^"]*"`)
)

// call sends a request to Graph or the authority, and checks the answer.
func (w *watched) call(method, path, body string, header ...string) string {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, w.URL()+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.Fatal(err)
	}
	w.check(method+" "+path, answer.Header, string(text))
	return string(text)
}

func (w *watched) form(path string, fields ...string) string {
	w.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return w.call("POST", path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

// The forms in which the service writes times.
var (
	isoDate  = regexp.MustCompile(`\d{4}-\d\d-\d\d`)
	httpDate = regexp.MustCompile(`\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT`)
	usDate   = regexp.MustCompile(`\d\d/\d\d/\d{4}`)
	number   = regexp.MustCompile(`\d{10,18}`)
	jwt      = regexp.MustCompile(`eyJ[\w-]+\.(eyJ[\w-]+)\.`)
)

// check checks that no time in an answer is close to a wrong one.
func (w *watched) check(what string, header http.Header, body string) {
	w.Helper()
	w.sent++
	if dates := header.Values("Date"); len(dates) > 0 && dates[0] != frozen.Format(http.TimeFormat) {
		w.Errorf("%s: Date %s", what, dates[0])
	}
	var text strings.Builder
	_ = header.Write(&text)
	text.WriteString(body)
	for _, token := range jwt.FindAllStringSubmatch(text.String(), -1) {
		if claims, err := base64.RawURLEncoding.DecodeString(token[1]); err == nil {
			text.Write(claims)
		}
	}
	for _, t := range timesIn(text.String()) {
		if w.isWrong(t) {
			w.Errorf("%s: has the time %s\n%.2000s", what, t, text.String())
		}
	}
}

func timesIn(text string) (all []time.Time) {
	for form, written := range map[string]*regexp.Regexp{time.DateOnly: isoDate, http.TimeFormat: httpDate, "01/02/2006": usDate} {
		for _, found := range written.FindAllString(text, -1) {
			if t, err := time.Parse(form, found); err == nil {
				all = append(all, t)
			}
		}
	}
	for _, found := range number.FindAllString(text, -1) {
		n, err := strconv.ParseInt(found, 10, 64)
		if err != nil {
			continue
		}
		for _, unit := range []int64{1, 1e3, 1e6, 1e7} { // seconds, milliseconds, microseconds, ticks
			all = append(all, time.Unix(n/unit, 0))
		}
	}
	return all
}

func (w *watched) isWrong(t time.Time) bool {
	for _, wrong := range w.wrong {
		if d := t.Sub(wrong).Abs(); d < 48*time.Hour {
			return true
		}
	}
	return false
}

// rowsOfWall lists the columns of tenants' tables that have the service's time, with the
// reason.
var rowsOfWall = map[string]string{
	"audit_entries.at":                "the audit log is the administration's, of all tenants",
	"device_codes.kept_until":         "bounds what anonymous callers make the service keep, which a frozen clock must not undo",
	"client_assertions.expires_at":    "clients date their assertions by their own clocks",
	"report_login_tenants.created_at": "logins are the administration's",
}

// With a frozen clock, no time in any answer, row or token of a tenant comes from the real or
// the service's clock. The test covers every route of Graph, the authority and the tenant's
// administration, with successes and refusals.
func TestNothingTellsTheTime(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	w.authority()
	w.graph()
	w.administration()
	if w.sent < 300 {
		t.Errorf("%d answers were checked", w.sent)
	}
	w.rows()
}

// authority signs in in every way, and calls each route with an invalid request.
func (w *watched) authority() {
	c, base := w.made.Credentials, "/"+w.made.Tenant.Id.String()+"/oauth2/v2.0"
	const scopes = "openid profile offline_access https://graph.microsoft.com/User.Read"
	client := []string{"client_id", c.ClientId.String(), "client_secret", c.ClientSecret, "scope", scopes}
	token := func(fields ...string) (answer struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	},
	) {
		w.Helper()
		text := w.form(base+"/token", append(fields, client...)...)
		if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Access == "" {
			w.Errorf("%v: %s", err, text)
		}
		return answer
	}
	first := token("grant_type", "password", "username", c.UserPrincipalName, "password", c.Password)
	token("grant_type", "refresh_token", "refresh_token", first.Refresh)
	w.form(base+"/token", append(client, "grant_type", "refresh_token", "refresh_token", first.Refresh)...) // again
	w.form(base+"/token", "grant_type", "client_credentials", "client_id", c.ClientId.String(), "client_secret", c.ClientSecret, "scope", "https://graph.microsoft.com/.default")
	w.form(base+"/token", append(client, "grant_type", "password", "username", c.UserPrincipalName, "password", "wrong")...)
	var device struct {
		UserCode   string `json:"user_code"`
		DeviceCode string `json:"device_code"`
	}
	if err := json.Unmarshal([]byte(w.form(base+"/devicecode", client...)), &device); err != nil {
		w.Error(err)
	}
	poll := []string{"grant_type", "urn:ietf:params:oauth:grant-type:device_code", "device_code", device.DeviceCode}
	w.form(base+"/token", append(poll, client...)...)
	w.form("/"+w.made.Tenant.Id.String()+"/oauth2/deviceauth", "code", device.UserCode, "user", c.UserPrincipalName, "password", c.Password, "action", "allow")
	token(poll...)
	w.form(base+"/devicecode", client...) // stays pending
	query := url.Values{"client_id": {c.ClientId.String()}, "response_type": {"code"}, "redirect_uri": {"http://localhost"}, "scope": {scopes}, "code_challenge_method": {"S256"}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}}
	w.call("GET", base+"/authorize?"+query.Encode(), "")
	query.Set("user", c.UserPrincipalName)
	query.Set("password", c.Password)
	w.call("POST", base+"/authorize", query.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Origin", w.URL())
	for _, route := range identity.Routes() {
		method, path, _ := strings.Cut(route, " ")
		if !strings.Contains(path, ":tenant") {
			continue // names no tenant; the call with a token is below
		}
		path = strings.NewReplacer(":tenant", w.made.Tenant.Id.String(), ":upn", c.UserPrincipalName).Replace(path)
		for _, body := range []string{"", "client_id=" + uuid.NewString()} {
			w.call(method, path+"?"+body, body, "Content-Type", "application/x-www-form-urlencoded")
		}
	}
	w.call("GET", "/oidc/userinfo", "", "Authorization", "Bearer "+c.AccessToken)
}

// graph calls each route with a valid token and an invalid body, for items that exist and
// that don't.
func (w *watched) graph() {
	good := []string{"Authorization", "Bearer " + w.made.Credentials.AccessToken, "Content-Type", "application/json"}
	var old api.Token
	if err := json.Unmarshal([]byte(w.administer("POST", "/v1/tenants/"+w.made.Tenant.Id.String()+"/tokens", `{"clientId":"`+w.made.Credentials.ClientId.String()+`","lifetimeSeconds":1}`)), &old); err != nil {
		w.Fatal(err)
	}
	for _, route := range graph.Routes() {
		method, path, _ := strings.Cut(route, " ")
		id := uuid.NewString()
		if at := strings.Index(path, "/:id"); at > 0 && !strings.Contains(path, "$") {
			var made struct{ ID string }
			if _ = json.Unmarshal([]byte(w.call("POST", path[:at], `{}`, good...)), &made); made.ID != "" {
				id = made.ID
			}
		}
		for _, id := range []string{id, uuid.NewString()} {
			path := strings.NewReplacer(":id", id, ":childId", uuid.NewString(), ":property", "displayName").Replace(path)
			for _, body := range []string{`{}`, `{"displayName":1}`} {
				if method == "GET" || method == "DELETE" {
					body = ""
				}
				w.call(method, path, body, good...)
			}
		}
	}
	batch := `{"requests":[{"id":"1","method":"GET","url":"/deviceManagement/remoteAssistancePartners?$top=1"},{"id":"2","method":"GET","url":"/deviceManagement/remoteAssistancePartners/x"}]}`
	w.call("POST", "/v1.0/$batch", batch, good...)
	w.call("GET", partners+"?$filter=lastConnectionDateTime%20lt%20now()", "", good...)
	w.administer("PUT", "/v1/tenants/"+w.made.Tenant.Id.String()+"/clock", `{"now":"`+frozen.Format(time.RFC3339)+`"}`)
	w.fault(`{"match":{"method":"GET"},"schedule":{"times":1},"effect":{"error":"throttled","retryAfterSeconds":5,"retryAfterForm":"date"}}`)
	w.call("GET", partners, "", good...)
}

func (w *watched) fault(rule string) {
	w.Helper()
	if answer := w.administer("POST", "/v1/tenants/"+w.made.Tenant.Id.String()+"/faults", rule); !strings.Contains(answer, `"id"`) {
		w.Error(answer)
	}
}

// administration calls each operation of the tenant, beginning with those that create
// something.
func (w *watched) administration() {
	contract, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		w.Fatal(err)
	}
	tenant, c := "/v1/tenants/"+w.made.Tenant.Id.String(), w.made.Credentials
	for path, body := range map[string]string{
		"/users":        `{"userPrincipalName":"bob@` + w.made.Tenant.Domains[0] + `"}`,
		"/applications": `{"displayName":"another"}`,
		"/applications/" + c.ClientId.String() + "/secrets":              `{}`,
		"/applications/" + c.ClientId.String() + "/federatedCredentials": `{"name":"f","issuer":"https://issuer.example","subject":"s"}`,
		"/snapshots": `{"name":"s"}`,
		"/scenarios": `{"name":"license-lost"}`,
		"/verify":    `{"retryAfterHonoured":true}`,
	} {
		w.administer("POST", tenant+path, body)
	}
	names := strings.NewReplacer("{tenantId}", w.made.Tenant.Id.String(), "{userId}", c.UserId.String(), "{clientId}", c.ClientId.String(),
		"{entitySet}", "remoteAssistancePartners", "{name}", "s", "{scenario}", "license-lost", "{action}", "confirm")
	for path, item := range contract.Paths.Map() {
		if !strings.HasPrefix(path, "/v1/tenants/{tenantId}/") {
			continue // the tenant's expiry is by the service's clock
		}
		for method := range item.Operations() {
			if method == http.MethodDelete || strings.HasSuffix(path, "/clock") || strings.HasSuffix(path, "/wait") {
				continue
			}
			query := ""
			if strings.HasSuffix(path, "/diff") {
				query = "?from=s"
			}
			made := names.Replace(path)
			made = regexp.MustCompile(`\{\w+\}`).ReplaceAllStringFunc(made, func(string) string { return uuid.NewString() })
			body := ""
			if method != http.MethodGet {
				body = `{}`
			}
			w.administer(method, made+query, body)
		}
	}
}

// rows checks all times in the tenant's rows.
func (w *watched) rows() {
	columns, err := w.Pool().Query(w.Context(), `SELECT c.table_name || '.' || c.column_name FROM information_schema.columns AS c
		JOIN information_schema.columns AS t ON t.table_schema = c.table_schema AND t.table_name = c.table_name AND t.column_name = 'tenant_id'
		JOIN information_schema.tables AS b ON b.table_schema = c.table_schema AND b.table_name = c.table_name AND b.table_type = 'BASE TABLE'
		WHERE c.table_schema = current_schema() AND c.data_type = 'timestamp with time zone'`)
	if err != nil {
		w.Fatal(err)
	}
	var all []string
	for columns.Next() {
		var name string
		if err := columns.Scan(&name); err != nil {
			w.Fatal(err)
		}
		all = append(all, name)
	}
	checked := 0
	for _, name := range all {
		if rowsOfWall[name] != "" {
			continue
		}
		table, column, _ := strings.Cut(name, ".")
		rows, err := w.Pool().Query(w.Context(), fmt.Sprintf(`SELECT %s FROM %s WHERE tenant_id = $1 AND isfinite(%[1]s)`, column, table), w.made.Tenant.Id)
		if err != nil {
			w.Fatalf("%s: %v", name, err)
		}
		for rows.Next() {
			var at time.Time
			if err := rows.Scan(&at); err != nil {
				w.Fatal(err)
			}
			if checked++; w.isWrong(at) {
				w.Errorf("%s: %s", name, at)
			}
		}
		if err := rows.Err(); err != nil {
			w.Fatal(err)
		}
	}
	if len(all) < 20 || checked < 100 {
		w.Errorf("%d times of %d columns were checked", checked, len(all))
	}
}

// An onboarding ends when the tenant's clock passes its expiry, and the history shows it. One
// whose expiry was already past when it was written stays.
func TestOnboardingExpires(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.setClock(`{"now":"2031-05-06T07:00:00Z","rate":0}`)
	d.token = d.signIn()
	id, filtered := d.make("a"), d.make("b")
	old := `{"displayName":"c","onboardingStatus":"onboarding","onboardingRequestExpiryDateTime":"2017-01-01T00:02:07.7573274-08:00"}`
	if r, body := d.send("POST", "/beta/deviceManagement/remoteAssistancePartners", old); r.StatusCode != 201 {
		t.Fatal(body)
	}
	for _, id := range []string{id, filtered} {
		if r, body := d.send("POST", partners+"/"+id+"/beginOnboarding", ""); r.StatusCode != 204 {
			t.Fatal(body)
		}
	}
	status := func(id string) string {
		t.Helper()
		_, body := d.send("GET", "/beta/deviceManagement/remoteAssistancePartners/"+id, "")
		var got struct{ OnboardingStatus, OnboardingRequestExpiryDateTime string }
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(body)
		}
		return got.OnboardingStatus + " " + got.OnboardingRequestExpiryDateTime
	}
	d.setClock(`{"now":"2031-05-13T06:59:59Z"}`)
	d.token = d.signIn()
	if got := status(id); got != "onboarding 2031-05-13T07:00:00Z" {
		t.Errorf("a second before: %s", got)
	}
	d.setClock(`{"now":"2031-05-20T00:00:00Z"}`)
	d.token = d.signIn()
	if got := d.count("onboardingStatus eq 'notOnboarded'"); got != "2" {
		t.Errorf("%s are notOnboarded", got)
	}
	if got := status(id); got != "notOnboarded 2031-05-13T07:00:00Z" {
		t.Errorf("after it: %s", got)
	}
	if got := d.count("onboardingStatus eq 'onboarding'"); got != "1" {
		t.Errorf("%s are onboarding", got)
	}
	var ended int
	if err := d.Pool().QueryRow(t.Context(), `SELECT count(*) FROM entity_versions
		WHERE change = 'expireOnboarding' AND changed_at = '2031-05-13T07:00:00Z' AND id = ANY ($1::uuid[])`, []string{id, filtered}).Scan(&ended); err != nil || ended != 2 {
		t.Errorf("the history has %d: %v", ended, err)
	}
	if r, body := d.send("POST", partners+"/"+id+"/beginOnboarding", ""); r.StatusCode != 204 || status(id) != "onboarding 2031-05-27T00:00:00Z" {
		t.Errorf("again: %d %s %s", r.StatusCode, body, status(id))
	}
}

func (d *demo) count(filter string) string {
	d.Helper()
	_, body := d.send("GET", partners+"/$count?$filter="+url.QueryEscape(filter), "")
	return strings.TrimPrefix(body, "\ufeff")
}
