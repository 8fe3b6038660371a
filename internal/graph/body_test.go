package graph

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/odata"
)

// encoding/json reads the same members from everything that readObject accepts, each once.
func FuzzReadObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1,"b":[{"c":null}]}`, "\ufeff {\"a\":\"\\u00e9\\ud83d\\ude00\"} ", `{"a":1,"a":2}`, `{"a":`, `[]`, `{}{}`,
		`{"displayName":"x","@odata.type":"#microsoft.graph.remoteAssistancePartner"}`, `{"a":1e999}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r, err := http.NewRequest("POST", "http://localhost/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		members := map[string]string{}
		err = readObject(r, func(name string, d *jsontext.Decoder) error {
			v, err := d.ReadValue()
			if _, twice := members[name]; twice {
				t.Errorf("%q came twice", name)
			}
			members[name] = string(v)
			return err
		})
		if err != nil {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal([]byte(strings.TrimPrefix(body, "\ufeff")), &want); err != nil {
			t.Fatalf("%q isn't JSON: %v", body, err)
		}
		if len(want) != len(members) {
			t.Errorf("%q: got %v, want %v", body, members, want)
		}
		for name, value := range want {
			if members[name] != string(value) {
				t.Errorf("%q: %s is %s, want %s", body, name, members[name], value)
			}
		}
	})
}

// Tidying a tidied path doesn't change it.
func FuzzTidy(f *testing.F) {
	for _, seed := range []string{
		"/", "/v1.0/deviceManagement/remoteAssistancePartners('a')/microsoft.graph.disconnect", "/V1.0//x/", "/%28%27a%27%29", "/a('b')('c')",
		"/remoteAssistancePartners%28%27a''b%27%29", "/%zz", "/..//.", "/beta/('x')",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		once := tidy(path)
		if !strings.HasPrefix(once, "/") || strings.Contains(once, "//") {
			t.Errorf("%q became %q", path, once)
		}
	})
}

// An accepted batch has unique ids, and dependencies only on earlier requests.
func FuzzReadBatch(f *testing.F) {
	for _, seed := range []string{
		`{"requests":[{"id":"1","method":"GET","url":"/x"}]}`, `{"requests":[{"id":"1","method":"GET","url":"x","headers":null,"body":null,"dependsOn":[]}]}`,
		`{"requests":[{"id":"1","method":"GET","url":"x","dependsOn":["1"]}]}`, `{"requests":null}`, `[]`, "\ufeff{}",
		`{`, `{} {}`, strings.Repeat("[", 2*maxDepth), `{"requests":1}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r, err := http.NewRequest("POST", "http://localhost/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		items, err := readBatch(r)
		if err != nil {
			return
		}
		before := map[string]bool{}
		for _, item := range items {
			if before[strings.ToLower(item.ID)] || item.ID == "" {
				t.Errorf("%q: id %q", body, item.ID)
			}
			for _, id := range item.DependsOn {
				if !before[strings.ToLower(id)] {
					t.Errorf("%q: depends on %q", body, id)
				}
			}
			before[strings.ToLower(item.ID)] = true
		}
		if len(items) == 0 || len(items) > maxBatch {
			t.Errorf("%q: %d requests", body, len(items))
		}
	})
}

// A skip token is accepted only for the tenant and the query it was issued for.
func FuzzParseSkipToken(f *testing.F) {
	key, tenant, q := []byte("key"), uuid.MustParse("11111111-2222-3333-4444-555555555555"), odata.Query{Top: -1}
	given := skipToken{ID: tenant}.encode(key, tenant, "set", q)
	f.Add(given)
	f.Add(given + "=")
	f.Add("AAAA")
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		q := odata.Query{Top: -1, SkipToken: token}
		got, err := parseSkipToken(key, tenant, "set", q)
		if err != nil || token == "" {
			return
		}
		if again := got.encode(key, tenant, "set", q); again != token && token != given {
			t.Errorf("%q was accepted", token)
		}
		if _, err := parseSkipToken(key, tenant, "another", q); err == nil {
			t.Errorf("%q was accepted for another set", token)
		}
		if _, err := parseSkipToken([]byte("other"), tenant, "set", q); err == nil {
			t.Errorf("%q was accepted under another key", token)
		}
	})
}
