package mask

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// hidden is a secret without a form of its own: only its name says what it is.
const hidden = "hunter2-s3cret-Value"

// Secrets by their form, as the service makes them.
var byForm = map[string]string{
	"a token":         "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl",
	"a key":           "mocktenant_" + strings.Repeat("ABCDEFGH2345", 4),
	"a refresh token": "1." + base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("0123456789abcdef", 3))),
	"a client secret": strings.Repeat("ABCDEFGHIJKLM", 4),
}

// wantMasked checks that no spelling of a secret is left of a text.
func wantMasked(t *testing.T, what, got string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		for _, spelling := range []string{secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret))} {
			if strings.Contains(got, spelling) {
				t.Errorf("%s: %s is left of %q", what, spelling, got)
			}
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"/v1.0/deviceManagement/remoteAssistancePartners/8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44", "/v1.0/deviceManagement/remoteAssistancePartners/8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44"},
		{"application/json;odata.metadata=minimal;charset=utf-8", "application/json;odata.metadata=minimal;charset=utf-8"},
		{"$filter=displayName eq 'a=b' and $top=1", "$filter=displayName eq 'a=b' and $top=1"},
		{"$filter=displayName%20eq%20%27100%25%27", "$filter=displayName%20eq%20%27100%25%27"},
		{"100% = everything, 50 %zz", "100% = everything, 50 %zz"},
		{"token_type=Bearer&expires_in=3599", "token_type=Bearer&expires_in=3599"},
		{"Basic knowledge of bearer tokens", "Basic knowledge of bearer tokens"},
		{"https://x.example/?code=" + hidden + "&state=1", "https://x.example/?code=***&state=1"},
		{"redirect_uri=https%3A%2F%2Fx.example%3Fcode%3D" + hidden + "%26a%3Db", "redirect_uri=https%3A%2F%2Fx.example%3Fcode%3D%2A%2A%2A%26a%3Db"},
		{"pass%77ord=" + hidden, "pass%77ord=***"},
		{"a=client_secret=" + hidden, "a=client_secret=***"},
		{"the header Authorization: Bearer " + hidden + ", and more", "the header Authorization: ***, and more"},
		{"code=" + hidden + "==", "code=***"},
		{`password="` + hidden + ` and more", a='b'`, `password=***, a='b'`},
		{"password=", "password="},
		{"password= x", "password= x"},
	} {
		if got := Text(tt.text); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.text, got, tt.want)
		}
	}
	for what, secret := range byForm {
		for _, text := range spellings(secret) {
			wantMasked(t, what, Text("before "+text+" after"), secret)
			wantMasked(t, what, Text("x="+text), secret)
		}
	}
}

// spellings are ways in which a text may hold a secret that its form gives away.
func spellings(secret string) []string {
	percent := ""
	for _, c := range []byte(secret) {
		percent += fmt.Sprintf("%%%02X", c)
	}
	in64 := base64.StdEncoding.EncodeToString
	return []string{
		secret, "(" + secret + ")", "/path/" + secret + "/x", percent, url.QueryEscape(percent), in64([]byte("x:" + secret)), in64([]byte("token " + secret)),
		base64.RawURLEncoding.EncodeToString([]byte("a text with " + secret)), url.QueryEscape(in64([]byte("user:" + secret + "?"))), in64([]byte(in64([]byte(secret)))),
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	quoted := func(text string) string { b, _ := json.Marshal(text); return string(b) }
	escaped := ""
	for _, c := range hidden {
		escaped += fmt.Sprintf(`\u%04x`, c)
	}
	for _, tt := range []struct{ text, want string }{
		{`{"displayName":"a","n":[1,2,{"x":null}]}`, `{"displayName":"a","n":[1,2,{"x":null}]}`},
		{`{"error":{"code":"BadRequest","message":"no"}}`, ""},
		{`{"password":"` + hidden + `","a":1}`, `{"password":"***","a":1}`},
		{`{"password" : {"a":["` + hidden + `"]}, "a":1}`, `{"password" :"***", "a":1}`},
		{`{"pass\u0077ord":"` + hidden + `"}`, `{"pass\u0077ord":"***"}`},
		{`{"headers":{"Authorization":"Bearer ` + hidden + `"}}`, `{"headers":{"Authorization":"***"}}`},
		{`[{"name":"Authorization","value":"Bearer ` + hidden + `"}]`, `[{"name":"Authorization","value":"***"}]`},
		{`{"url":"/x?access_token=` + hidden + `\u0026a=b"}`, `{"url":"/x?access_token=***&a=b"}`},
		{`{"url":"/x?access_token\u003d` + escaped + `"}`, `{"url":"/x?access_token=***"}`},
		{`{"message":` + quoted(`{"clientSecret":"`+hidden+`"}`) + `}`, `{"message":"{\"clientSecret\":\"***\"}"}`},
		{`{"message":` + quoted(quoted(`{"clientSecret":"`+hidden+`"}`)) + `}`, ""},
		{`{"password":"` + hidden, `{"password":"***"`},
		{`{"a":"b","client_assertion":` + hidden + `,"c":1`, `{"a":"b","client_assertion":"***","c":1`},
		{`{"body":"` + base64.StdEncoding.EncodeToString([]byte("grant_type=password&password="+hidden)) + `"}`, `{"body":"***"}`},
		{`{"body":"` + base64.StdEncoding.EncodeToString([]byte(`{"password":"`+hidden+`"}`)) + `"}`, `{"body":"***"}`},
		{`password=` + hidden, `password=***`},
		{`"password":"` + hidden + `"`, `"password":"***"`},
	} {
		got := JSON([]byte(tt.text), InAnswers)
		if tt.want != "" && got != tt.want {
			t.Errorf("%s:\n%s, want\n%s", tt.text, got, tt.want)
		}
		wantMasked(t, tt.text, got, hidden)
	}
	if got := JSON([]byte(`{"code":"`+hidden+`"}`), InRequests); got != `{"code":"***"}` {
		t.Errorf("a code that a client sends: %s", got)
	}
	for what, secret := range byForm {
		for _, text := range spellings(secret) {
			wantMasked(t, what, JSON([]byte(`{"a":`+quoted(text)+`,"b":"`+text+`"}`), InAnswers), secret)
		}
	}
}

// However deep a secret is, and wherever a body ends, nothing of it is left.
func TestNested(t *testing.T) {
	t.Parallel()
	text := `{"password":"` + hidden + `"}`
	for range 12 {
		quoted, _ := json.Marshal(text)
		text = `{"a":` + string(quoted) + `}`
		if len(text) > 1<<16 {
			break
		}
		wantMasked(t, "nested", JSON([]byte(text), InAnswers), hidden)
	}
	body := `{"a":[{"client_secret":"` + hidden + `"}],"url":"/x?code=` + hidden + `&a=1","h":{"Authorization":"Bearer ` + hidden + `"},"t":"` + byForm["a token"] + `"}`
	for i := range body {
		got := JSON([]byte(body[:i]), InAnswers)
		if strings.Contains(got, hidden[:12]) || strings.Contains(got, "c2lnbmF0") {
			t.Errorf("%d bytes: %s", i, got)
		}
	}
}

func TestForm(t *testing.T) {
	t.Parallel()
	for form, want := range map[string]string{
		"grant_type=password&username=alice&password=" + hidden + "&client_id=1": "grant_type=password&username=alice&password=***&client_id=1",
		"anything=" + hidden:         "anything=***",
		hidden:                       "***",
		"code=&scope=openid+profile": "code=&scope=openid+profile",
		"re%64irect_uri=" + url.QueryEscape("http://x/?code="+hidden): "re%64irect_uri=http%3A%2F%2Fx%2F%3Fcode%3D%2A%2A%2A",
		"%zz=" + hidden:              "***=***",
		"scope=" + byForm["a token"]: "scope=***",
		"":                           "",
	} {
		if got := Form(form); got != want {
			t.Errorf("%q: %q, want %q", form, got, want)
		}
	}
	for at, want := range map[string]string{
		"http://localhost/?code=" + hidden + "&session_state=1#id_token=" + hidden: "http://localhost/?code=***&session_state=***#id_token=***",
		"https://alice:" + hidden + "@x.example/p":                                 "https://***@x.example/p",
		"/relative?error=x": "/relative?error=x",
	} {
		if got := URL(at); got != want {
			t.Errorf("%q: %q, want %q", at, got, want)
		}
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "Ocp-Apim-Subscription-Key", "X-Functions-Key", "X-Auth", "X-Access-Token", "X-Ms-Token-Aad-Access-Token",
		"X-Client-Secret", "X-Password", "X-Amz-Signature",
	} {
		wantMasked(t, name, Header(name, hidden), hidden)
		wantMasked(t, name, Header(name, "Scheme "+hidden), hidden)
	}
	for name, values := range (http.Header{
		"User-Agent": {"NativeHost Graph-dotnet/5.0 (azsdk-net-Core; 1.0)", "NativeHost Graph-dotnet/5.0 (azsdk-net-Core; 1.0)"}, "Client-Request-Id": {"8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44", "8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44"},
		"Authorization": {"Bearer x", "Bearer ***"}, "Location": {"http://x/?code=" + hidden, "http://x/?code=***"}, "Idempotency-Key": {"a-name", "a-name"},
		"Www-Authenticate": {`Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"`, `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"`},
		"X-Custom":         {byForm["a key"], "***"},
	}) {
		if got := Header(name, values[0]); got != values[1] {
			t.Errorf("%s: %q, want %q", name, got, values[1])
		}
	}
}

// FuzzMask puts secrets next to any text.
func FuzzMask(f *testing.F) {
	for _, seed := range []string{"", "a=b", `{"a":"`, `\`, `%25`, "password", `":"`, "Bearer ", "eyJ", "\x00\xff", strings.Repeat("=", 40), "é\u2028", `\u0022`} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a)+len(b) > 1<<12 || strings.Contains(hidden, a) || strings.Contains(hidden, b) {
			return
		}
		document, err := json.Marshal(map[string]any{"a" + a: b, "password": hidden, "b": []any{map[string]any{"client_secret": []string{a, hidden}}, a + " " + byForm["a token"] + " " + b}})
		if err != nil {
			return
		}
		wantMasked(t, "a document", JSON(document, InAnswers), hidden, byForm["a token"])
		wantMasked(t, "a document in base64", JSON([]byte(`{"body":"`+base64.StdEncoding.EncodeToString(document)+`"}`), InAnswers), string(document))
		wantMasked(t, "a form", Form(url.Values{a: {b}, "client_secret": {hidden}, "scope": {byForm["a token"]}, b: {a}}.Encode()), hidden, byForm["a token"])
		wantMasked(t, "a query", Query(url.Values{a: {b}, "access_token": {hidden}, "$top": {byForm["a key"]}}.Encode()), hidden, byForm["a key"])
		for _, anything := range []string{Text(a + b), JSON([]byte(a+b), InRequests), Form(a + b), Query(a + "&" + b), URL(a + "?" + b), Header(a, b)} {
			if strings.Contains(anything, byForm["a key"]) {
				t.Error(anything)
			}
		}
	})
}
