package server_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	administration "github.com/mocktenant/mocktenant/internal/admin"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/server"
)

// secretsOf collects texts that must not be in the database or the log.
type secretsOf struct {
	mu  sync.Mutex
	all map[string]string
}

func (s *secretsOf) add(what, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(secret) > 5 {
		s.all[secret] = what
	}
}

// No secret that clients send or receive is stored or logged. The test searches the whole
// database and the log.
func TestJournalKeepsNoSecrets(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var logging sync.Mutex
	d := journaled(t, server.Config{Log: slog.New(slog.NewJSONHandler(lockedWriter{&logging, &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	s := &secretsOf{all: map[string]string{}}
	s.add("token", d.token)
	s.add("password", server.DemoPassword)
	post := func(path string, form url.Values) map[string]any {
		response, err := http.PostForm(d.URL()+path, form)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		var answer map[string]any
		_ = json.NewDecoder(response.Body).Decode(&answer)
		for _, name := range []string{"access_token", "refresh_token", "id_token", "device_code", "user_code"} {
			if text, ok := answer[name].(string); ok {
				s.add(name, text)
			}
		}
		for name, values := range form {
			if name != "grant_type" && name != "client_id" && name != "scope" && name != "username" && name != "redirect_uri" && name != "client_assertion_type" {
				s.add(name, values[0])
			}
		}
		return answer
	}
	at := "/" + server.DemoTenantID.String() + "/oauth2/v2.0"
	client := server.DemoPublicClientID.String()
	scope := "https://graph.microsoft.com/.default offline_access openid"
	answer := post(at+"/token", url.Values{"grant_type": {"password"}, "client_id": {client}, "scope": {scope}, "username": {server.DemoUserName}, "password": {server.DemoPassword}})
	post(at+"/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {client}, "scope": {scope}, "refresh_token": {fmt.Sprint(answer["refresh_token"])}})
	device := post(at+"/devicecode", url.Values{"client_id": {client}, "scope": {scope}})
	post(at+"/token", url.Values{"grant_type": {"device_code"}, "client_id": {client}, "device_code": {fmt.Sprint(device["device_code"])}})
	post(at+"/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {server.DemoClientID.String()}, "client_secret": {"a-wrong-secret-0815"}, "scope": {scope}})
	post(at+"/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {server.DemoClientID.String()}, "client_assertion": {d.token}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "scope": {scope}})
	post(at+"/token", url.Values{"grant_type": {"authorization_code"}, "client_id": {client}, "code": {"a-made-up-code-4711"}, "code_verifier": {"a-made-up-verifier-4711"}, "redirect_uri": {"http://localhost"}})
	post(at+"/token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "client_id": {client}, "assertion": {d.token}, "something": {"unknown-secret-4711"}})
	for _, header := range []string{"Authorization", "Cookie", "X-Api-Key", "X-Forwarded-Access-Token", "Proxy-Authorization"} {
		secret := "secret-in-" + header
		s.add(header, secret)
		r, err := http.NewRequestWithContext(t.Context(), "POST", d.URL()+partners+"?access_token=in-the-query-4711&$top=1", strings.NewReader(`{"displayName":"x","password":"in-a-body-4711","pass\u0077ord":{"a":["in-a-body-4712"]},"x":"https://y.example?code=in-a-body-4713"`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+d.token)
		r.Header.Set(header, secret)
		r.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	for _, secret := range []string{"in-the-query-4711", "in-a-body-4711", "in-a-body-4712", "in-a-body-4713", "a-code-of-a-page-4711"} {
		s.add("a query or a body", secret)
	}
	call(t, "POST", d.URL()+"/v1.0/$batch", d.token, `{"requests":[{"id":"1","method":"GET","url":"/deviceManagement/remoteAssistancePartners?access_token=in-the-query-4711","headers":{"Authorization":"Bearer `+d.token+`","Cookie":"in-a-body-4711"}}]}`)
	call(t, "GET", d.URL()+at+"/authorize?client_id="+client+"&code=a-code-of-a-page-4711&state=in-the-query-4711#x", "", "")
	made := want[map[string]any](d, "POST", "/applications/"+server.DemoClientID.String()+"/secrets", `{}`, 201)
	for _, value := range made {
		if text, ok := value.(string); ok && len(text) > 36 {
			s.add("a secret", text)
			post(at+"/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {server.DemoClientID.String()}, "client_secret": {text}, "scope": {"https://graph.microsoft.com/.default"}})
		}
	}
	signInAtPage(t, d, s, post, at)
	key := sendSpellings(t, d, s)
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/tenants/"+server.DemoTenantID.String()+"/requests?top=1000", nil)
	r.Header.Set("Authorization", "Bearer "+key)
	w := httptest.NewRecorder()
	d.AdminHandler().ServeHTTP(w, r)
	if n := strings.Count(w.Body.String(), `"requestId":`); w.Code != 200 || n < 60 {
		t.Errorf("%d: the journal has %d requests", w.Code, n)
	}
	if len(s.all) < 30 {
		t.Errorf("only %d secrets are searched for", len(s.all))
	}
	tables := everything(t, d)
	logging.Lock()
	tables["the log"] = log.String()
	logging.Unlock()
	for secret, what := range s.all {
		for _, spelling := range []string{secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret))} {
			for table, text := range tables {
				if what == "user_code" && table == "device_codes" {
					continue // the authority looks up the user code that a user types
				}
				if strings.Contains(text, spelling) {
					t.Errorf("%s has %s %q", table, what, spelling)
				}
			}
		}
	}
}

// signInAtPage signs the user in at the page, and adds the code, the cookies and the tokens.
func signInAtPage(t *testing.T, d *demo, s *secretsOf, post func(string, url.Values) map[string]any, at string) {
	t.Helper()
	verifier := "a-verifier-of-forty-three-letters-or-more-0815"
	sum := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"client_id": {server.DemoPublicClientID.String()}, "response_type": {"code"}, "redirect_uri": {"http://localhost"}, "scope": {"https://graph.microsoft.com/.default offline_access"},
		"state": {"a-state-that-is-the-clients-0815"}, "nonce": {"a-nonce-0815"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	page := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := page.PostForm(d.URL()+at+"/authorize?"+query.Encode(), url.Values{"user": {server.DemoUserName}, "password": {server.DemoPassword}})
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	target, err := response.Location()
	if err != nil || target.Query().Get("code") == "" {
		t.Fatalf("%v %v", response, err)
	}
	s.add("a code", target.Query().Get("code"))
	s.add("a verifier", verifier)
	for _, c := range response.Cookies() {
		s.add("a cookie", c.Value)
	}
	post(at+"/token", url.Values{"grant_type": {"authorization_code"}, "client_id": {server.DemoPublicClientID.String()}, "code": {target.Query().Get("code")}, "code_verifier": {verifier}, "redirect_uri": {"http://localhost"}})
	silent, err := http.NewRequestWithContext(t.Context(), "GET", d.URL()+at+"/authorize?prompt=none&response_mode=fragment&"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range response.Cookies() {
		silent.AddCookie(c)
	}
	again, err := page.Do(silent)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Body.Close()
	if target, err := again.Location(); err == nil {
		values, _ := url.ParseQuery(target.Fragment)
		s.add("a code", values.Get("code"))
	}
	for _, c := range again.Cookies() {
		s.add("a cookie", c.Value)
	}
}

// sendSpellings sends a token, a key and a password in every part of a request to Graph,
// unchanged, percent-encoded, escaped and in base64.
func sendSpellings(t *testing.T, d *demo, s *secretsOf) (key string) {
	t.Helper()
	_, key, err := administration.CreateKey(t.Context(), db.New(d.Pool()), "by mistake", db.AdminRoleOwner, 0, d.clock.now())
	if err != nil {
		t.Fatal(err)
	}
	s.add("a key", key)
	for _, secret := range []string{key, d.token} {
		call(t, "GET", d.URL()+partners, secret+"x", "")
		call(t, "GET", d.URL()+partners+"/"+secret, d.token, "")
		escaped, percent := "", ""
		for _, c := range []byte(secret) {
			escaped += fmt.Sprintf(`\u%04x`, c)
			percent += fmt.Sprintf("%%%02x", c)
		}
		in64 := base64.StdEncoding.EncodeToString([]byte("user:" + secret))
		for _, spelling := range []string{secret, percent, in64, url.QueryEscape(in64)} {
			call(t, "GET", d.URL()+partners+"?$filter="+spelling, d.token, "")
			call(t, "GET", d.URL()+partners+"?x=https%3A%2F%2Fx.example%3Fkey%3D"+url.QueryEscape(spelling), d.token, "")
			call(t, "POST", d.URL()+partners, d.token, `{"displayName":"of `+spelling+`"`) // refused, so that no entity has it
			call(t, "POST", d.URL()+"/v1.0/$batch", d.token, `{"requests":[{"id":"`+spelling+`","method":"GET","url":"/me?a=`+spelling+`","headers":{"Authorization":"Bearer `+spelling+`","X-Anything":"`+spelling+`"},"body":{"a":"`+spelling+`","password":"`+spelling+`"}}]}`)
		}
		call(t, "POST", d.URL()+partners, d.token, `{"displayName":"`+escaped+`"`)
		call(t, "POST", d.URL()+"/v1.0/$batch", d.token, `{"requests":[{"id":"1","method":"POST","url":"/me","headers":{"Content-Type":"application/json"},"body":{"message":"{\"password\":\"in-a-body-4713\",\"`+"x"+`\":\"`+escaped+`\"}"}}]}`)
	}
	return key
}

// everything returns the rows of each table as text.
func everything(t *testing.T, d *demo) map[string]string {
	t.Helper()
	rows, err := d.Pool().Query(t.Context(), "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]string{}
	for _, name := range names {
		var text string
		if err := d.Pool().QueryRow(t.Context(), "SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM "+name+" AS t").Scan(&text); err != nil {
			t.Fatal(err)
		}
		tables[name] = text
	}
	if len(tables) < 20 || !strings.Contains(tables["journal_entries"], "remoteAssistancePartners") {
		t.Errorf("%d tables", len(tables))
	}
	return tables
}

type lockedWriter struct {
	mu *sync.Mutex
	to *bytes.Buffer
}

// Write implements io.Writer.
func (w lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(b)
}
