package identity

import (
	"crypto/x509"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// parseScopes loses nothing.
func FuzzParseScopes(f *testing.F) {
	for _, seed := range []string{
		"https://graph.microsoft.com/.default openid offline_access profile", "User.Read", "api://x/y api://x/z", "//.default", "/", " a ", "openid OPENID",
		"https://graph.microsoft.com//.default", "a/b c/d",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseScopes(text)
		if err != nil {
			return
		}
		words := strings.Fields(text)
		if len(s.oidc)+len(s.literals) != len(words) || len(s.names) != len(s.literals) {
			t.Errorf("%q became %+v", text, s)
		}
		for i, literal := range s.literals {
			if !slices.Contains(words, literal) || !strings.HasSuffix(literal, s.names[i]) || strings.Contains(s.names[i], "/") {
				t.Errorf("%q became %+v", text, s)
			}
		}
	})
}

// A parsed ticket formats back to the same value.
func FuzzParseTicket(f *testing.F) {
	f.Add(newTicket(uuid.New()).value)
	f.Add("1.")
	f.Add("")
	f.Fuzz(func(t *testing.T, value string) {
		got, ok := parseTicket(value)
		if ok && (got.value != value || !strings.HasPrefix(value, ticketPrefix)) {
			t.Errorf("%q became %+v", value, got)
		}
	})
}

// Without a certificate, every assertion is refused.
func FuzzVerifyAssertion(f *testing.F) {
	f.Add("eyJhbGciOiJQUzI1NiIsIng1dCNTMjU2IjoiIn0.e30.AA")
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, raw string) {
		token, claimed, err := parseAssertion(raw)
		if err != nil {
			return
		}
		if _, err := verifyByCertificate(token, []*x509.Certificate{}, time.Now()); err == nil {
			t.Errorf("%q got in", raw)
		}
		if _, err := matchFederatedCredential(nil, claimed); err == nil {
			t.Errorf("%q matched", raw)
		}
	})
}

// An accepted form has each parameter once, with the value that net/url reads.
func FuzzReadForm(f *testing.F) {
	for _, seed := range []string{"a=1&b=2", "a=1&a=2", "%zz", "a=%00", "scope=a+b%20c", ";", "&&", "=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r, err := http.NewRequest("POST", "http://localhost/?q=1", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		got, err := readForm(r)
		if err != nil {
			return
		}
		want, err := url.ParseQuery(strings.ReplaceAll(body, ";", "%3B"))
		if err != nil || len(want) != len(got) {
			t.Errorf("%q became %v: %v", body, got, err)
		}
		for name, all := range want {
			if len(all) != 1 || got.get(name) != all[0] {
				t.Errorf("%q became %v", body, got)
			}
		}
	})
}

// An accepted redirect URI is the registered one, or differs only in its port.
func FuzzSameRedirect(f *testing.F) {
	f.Add("http://localhost", "http://localhost:4711/")
	f.Add("https://app.example.test/a?b=c", "https://app.example.test/a?b=c")
	f.Add("http://localhost", "http://localhost@evil.example.test")
	f.Add("http://127.0.0.1/x", "http://127.0.0.1:1/x#y")
	f.Fuzz(func(t *testing.T, registered, uri string) {
		if !sameRedirect(registered, uri) || registered == uri {
			return
		}
		a, errA := url.Parse(registered)
		b, errB := url.Parse(uri)
		if errA != nil || errB != nil || a.Hostname() != b.Hostname() || !slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, b.Hostname()) || b.User != nil {
			t.Errorf("%q was taken for %q", uri, registered)
		}
	})
}

// Claims parameters of any form are read without a panic.
func FuzzClaimsCapable(f *testing.F) {
	f.Add(`{"access_token":{"xms_cc":{"values":["CP1"]}}}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, claims string) {
		if claimsCapable(claims) && utf8.ValidString(claims) && !strings.Contains(claims, `\u`) && !strings.Contains(strings.ToUpper(claims), "CP1") {
			t.Errorf("%q", claims)
		}
	})
}
