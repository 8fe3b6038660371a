package admin_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/admin"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
)

// embedding returns the body that makes a tenant from a document.
func embedding(document string) string {
	return "{\"displayName\": \"x\",\n\"credentials\": false,\n\"source\": {\"document\": " + document + "}}"
}

// entrance is a way to send a document.
type entrance struct {
	yaml    bool
	pointer string // the document's place in the body
	bring   func(c *client, document string) reply
}

// entrances are all ways to send a document, except the command line, which TestTenantFile
// covers.
var entrances = map[string]entrance{
	"create": {pointer: "/source/document", bring: func(c *client, d string) reply { return c.do("POST", "/v1/tenants", embedding(d)) }},
	"create, long": {pointer: "/source/document", bring: func(c *client, d string) reply {
		return c.do("POST", "/v1/tenants", strings.Repeat(" ", 300<<10)+embedding(d)) // too large to stay in memory
	}},
	"import": {bring: func(c *client, d string) reply {
		return c.do("PUT", tenantPath(c.newTenant(api.TenantCreate{Credentials: ptr(false)}).Tenant.Id, "/state"), d)
	}},
	"import YAML": {yaml: true, bring: func(c *client, d string) reply {
		return c.do("PUT", tenantPath(c.newTenant(api.TenantCreate{Credentials: ptr(false)}).Tenant.Id, "/state"), d, "Content-Type", "application/yaml")
	}},
	"seed": {bring: func(c *client, d string) reply { return c.do("POST", "/v1/seeds?name=s-"+uuid.NewString(), d) }},
	"seed YAML": {yaml: true, bring: func(c *client, d string) reply {
		return c.do("POST", "/v1/seeds?name=s-"+uuid.NewString(), d, "Content-Type", "application/yaml")
	}},
	"seed file":      {bring: func(c *client, d string) reply { return c.seedFile(".json", d) }},
	"seed file YAML": {yaml: true, bring: func(c *client, d string) reply { return c.seedFile(".yml", d) }},
}

// seedFile starts a service that reads a seed file, and returns the result like an answer.
func (c *client) seedFile(ext, document string) reply {
	if err := startWith(c.TB.(*testing.T), dbtest.URL(c), map[string]string{"f-" + uuid.NewString() + ext: document}); err != nil {
		return reply{400, nil, fmt.Sprintf(`{"detail": %q}`, err.Error())}
	}
	return reply{status: 201}
}

func utf16Of(order binary.AppendByteOrder, text string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

// Every way to send a document accepts and refuses the same: a byte order mark, other
// encodings, a second document, too much nesting, too many bytes.
func TestEntrances(t *testing.T) {
	t.Parallel()
	deep := "{\"version\": 1,\n\"remoteAssistancePartners\": [" + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "]}"
	for _, tt := range []struct {
		name, document  string
		yaml, json      bool // the formats that the text has
		embedded        bool // whether it can be part of a body
		want, wantsYAML string
	}{
		{name: "as it is", document: `{"version": 1, "remoteAssistancePartners": [{"displayName": "Ü"}]}`, yaml: true, json: true, embedded: true},
		{name: "with a mark", document: "\uFEFF" + `{"version": 1, "remoteAssistancePartners": [{"displayName": "Ü"}]}`, yaml: true, json: true},
		{name: "YAML with a mark", document: "\uFEFFversion: 1\nremoteAssistancePartners: [{displayName: Ü}]\n", yaml: true},
		{name: "one YAML document", document: "%YAML 1.1\n---\nversion: 1\n...\n", yaml: true},
		{name: "two documents", document: "version: 1\n---\nversion: 1\n", yaml: true, want: "line 2, the document: a second document begins; a file may have only one"},
		{name: "an empty second one", document: "version: 1\n\n---\n", yaml: true, want: "line 3, the document: a second document begins"},
		{name: "no document", document: "# nothing\n", yaml: true, want: "line 1, the document: the document is empty"},
		{name: "UTF-16 with a mark", document: utf16Of(binary.LittleEndian, "\uFEFF{\"version\": 1}"), yaml: true, json: true, want: "line 1, the document: is UTF-16; save it as UTF-8"},
		{name: "UTF-16, the other way round", document: utf16Of(binary.BigEndian, "\uFEFFversion: 1"), yaml: true, json: true, want: "is UTF-16; save it as UTF-8"},
		{name: "UTF-16 without a mark", document: utf16Of(binary.LittleEndian, `{"version": 1}`), yaml: true, json: true, want: "is UTF-16; save it as UTF-8"},
		{name: "UTF-32", document: "\xFF\xFE\x00\x00{\x00\x00\x00", yaml: true, json: true, want: "is UTF-32; save it as UTF-8"},
		{name: "deep", document: deep, yaml: true, json: true, embedded: true, want: "/remoteAssistancePartners/0: is nested deeper than 32", wantsYAML: "line 2, the document: yaml: line 2: exceeded max depth of 32"},
		{name: "a large value", document: "{\"version\": 1,\n\"settings\": {\"x\": [" + strings.Repeat("1"+strings.Repeat("0", 99)+",", 100_000) + "1]}}", json: true, embedded: true, want: "/settings: is larger than 8388608 bytes"},
		{name: "a value of many parts", document: "{\"version\": 1,\n\"settings\": {\"x\": [" + strings.Repeat("{},", 300_000) + "1]}}", json: true, embedded: true, want: "/settings: has more than 800000 brackets, braces, commas and colons"},
		{name: "large YAML", document: "version: 1\n#" + strings.Repeat("x", 4<<20), yaml: true, want: "a YAML document may have 4194304 bytes; use JSON for larger ones"},
		{name: "aliases", document: "version: 1\nusers: &u []\nremoteAssistancePartners: *u\n", yaml: true, want: "line 3, the document: anchors and aliases are not supported"},
	} {
		for name, e := range entrances {
			takes := tt.json
			if e.yaml {
				takes = tt.yaml
			}
			if embedded := e.pointer != ""; !takes || embedded && !tt.embedded {
				continue
			}
			t.Run(tt.name+" by "+name, func(t *testing.T) {
				t.Parallel()
				want := tt.want
				if e.yaml && tt.wantsYAML != "" {
					want = tt.wantsYAML
				}
				r := e.bring(setup(t), tt.document)
				if want == "" {
					if r.status != 200 && r.status != 201 {
						t.Errorf("%d %s", r.status, r.body)
					}
					return
				}
				if detail := *decode[api.Problem](t, r).Detail; r.status != 400 || !strings.Contains(detail, want) {
					t.Errorf("%d %s, want %s", r.status, detail, want)
				}
			})
		}
	}
}

// Other bodies may also have a byte order mark. UTF-16 is refused with the reason.
func TestByteOrderMarks(t *testing.T) {
	t.Parallel()
	c := setup(t)
	made := c.newTenant(api.TenantCreate{}).Tenant.Id
	c.want(201, c.do("POST", "/v1/tenants", "\uFEFF"+`{"displayName": "x"}`))
	c.want(200, c.do("PATCH", tenantPath(made), "\uFEFF"+`{"displayName": "x"}`))
	for path, method := range map[string]string{"/v1/tenants": "POST", tenantPath(made): "PATCH"} {
		if detail := c.refused(400, "", c.do(method, path, utf16Of(binary.LittleEndian, `{"displayName": "x"}`))); !strings.Contains(detail, "is UTF-16; save it as UTF-8") {
			t.Error(detail)
		}
	}
}

// Errors in an embedded document, and after it, name their place in the whole body.
func TestPlaceWithinBody(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for body, want := range map[string]struct {
		pointer string
		line    int
	}{
		embedding("{\"version\": 1,\n\"remoteAssistancePartners\": [{},\n{\"color\": 1}]}"):                       {"/source/document/remoteAssistancePartners/1/color", 5},
		"{\"source\": {\"document\": {\"version\": 1,\n\n\"users\": []\n}},\n\"displayName\": 1}":                 {"/displayName", 5},
		"{\"displayName\": \"x\", \"source\": {\"document\": {\"version\": 1},\n\"seed\": \"s\"}}":                {"/source", 1},
		"{\"displayName\": \"x\", \"source\": {\"document\":\n[]}}":                                               {"/source/document", 1},
		"{\"displayName\": \"x\",\n\"source\": {\"document\": {\"version\": 1}}, \"source\": {}}":                 {"/source", 2},
		"{\"displayName\": \"x\",\n\"source\": {\"document\": {\"version\": 1}}, \"nested\": {\"document\": {}}}": {"/nested", 2},
	} {
		r := c.do("POST", "/v1/tenants", body)
		c.refused(400, want.pointer, r)
		if p := decode[api.Problem](t, r); p.Line == nil || *p.Line != want.line {
			t.Errorf("%s: want line %d", r.body, want.line)
		}
	}
	if detail := c.refused(413, "", c.do("POST", "/v1/tenants", "{\"displayName\": ["+strings.Repeat("1,", 1<<20)+"1], \"source\": {\"document\": {}}}")); !strings.Contains(detail, "The body without its source.document is larger than 1048576 bytes") {
		t.Error(detail)
	}
	c.refused(413, "", c.do("POST", "/v1/tenants", embedding(`{"version": 1}`+strings.Repeat(" ", 17<<20))))
}

// endless is a body of 2 GB that counts the bytes read from it.
type endless struct {
	begin, repeat string
	read          int
}

func (e *endless) Read(b []byte) (int, error) {
	if e.read > 2<<30 {
		return 0, io.EOF
	}
	n := 0
	if e.read < len(e.begin) {
		n = copy(b, e.begin[e.read:])
	}
	for n < len(b) {
		n += copy(b[n:], e.repeat)
	}
	e.read += n
	return n, nil
}

// A document is read only up to its first error.
func TestRefusedWhileReading(t *testing.T) {
	t.Parallel()
	c := setup(t)
	path := tenantPath(c.newTenant(api.TenantCreate{}).Tenant.Id, "/state")
	for _, tt := range []struct {
		kind string
		body endless
		want string
	}{
		{"application/yaml", endless{begin: "version: 1\nremoteAssistancePartners:\n", repeat: "- {displayName: x}\n"}, "a YAML document may have 4194304 bytes"},
		{"application/json", endless{begin: "{\"version\": 1,\n\"remoteAssistancePartners\": [{\"displayName\": \"", repeat: "x"}, "line 2, /remoteAssistancePartners/0: is larger than 8388608 bytes"},
		{"application/json", endless{begin: "{\"version\": 1,\n\"settings\": {\"x\": [", repeat: "1,"}, "line 2, /settings: has more than 800000 brackets, braces, commas and colons"},
		{"application/json", endless{begin: "{\"version\": 1,\n\"remoteAssistancePartners\": [{},", repeat: " "}, "line 2, /remoteAssistancePartners/1: is larger than 8388608 bytes"},
		{"application/json", endless{begin: "{\"version\": 1,\n\"remoteAssistancePartners\": ", repeat: "["}, "line 2, /remoteAssistancePartners/0: is nested deeper than 32"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "PUT", path, &tt.body)
		r.Header.Set("Authorization", "Bearer "+c.key)
		r.Header.Set("Content-Type", tt.kind)
		w := httptest.NewRecorder()
		c.server.AdminHandler().ServeHTTP(w, r)
		if tt.body.read > 16<<20 || w.Code != 400 || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%d bytes read: %d %s, want %s", tt.body.read, w.Code, w.Body, tt.want)
		}
	}
}

// An embedded document isn't decoded to values of many times its size.
func TestEmbeddedDocumentIsNotUnmarshalled(t *testing.T) { //nolint:paralleltest // what others allocate would count
	c := setup(t)
	body := embedding(`{"version": 2, "remoteAssistancePartners": [` + strings.Repeat("{},", 5<<20) + `{}]}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := c.do("POST", "/v1/tenants", body)
	runtime.ReadMemStats(&after)
	c.refused(400, "/source/document/version", r)
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
		t.Errorf("%d bytes allocated for a body of %d", n, len(body))
	}
}

// The total size of documents' files is limited, and each file's size is released at its end.
func TestSpoolIsBounded(t *testing.T) {
	t.Parallel()
	c := few(t, 8)
	handler, base := c.listen(admin.Config{Spool: 3 << 20})
	first, second := c.newTenant(api.TenantCreate{}).Tenant.Id, c.newTenant(api.TenantCreate{}).Tenant.Id
	c.want(200, c.do("PUT", tenantPath(second, "/state"), large(2_000)))
	answers := map[string]func() reply{
		"create": func() reply { return c.call(base, "POST", "/v1/tenants", embedding(large(2_000))) },
		"import": func() reply { return c.call(base, "PUT", tenantPath(second, "/state"), large(2_000)) },
		"seed":   func() reply { return c.call(base, "POST", "/v1/seeds?name=s-"+uuid.NewString(), large(2_000)) },
		"export": func() reply { return c.call(base, "GET", tenantPath(second, "/state"), "") },
	}

	body, rest := io.Pipe()
	r := httptest.NewRequestWithContext(t.Context(), "PUT", tenantPath(first, "/state"), body)
	r.Host = "localhost"
	r.Header.Set("Content-Type", "application/json")
	ended := make(chan int)
	go func() {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		ended <- w.Code
	}()
	document := large(2_000)
	for _, part := range []string{document[:2_000_000], document[2_000_000:2_000_001]} { // once the service has read the second, it has stored the first
		if _, err := io.WriteString(rest, part); err != nil {
			t.Fatal(err)
		}
	}
	for name, answer := range answers {
		r := answer()
		if detail := c.refused(503, "", r); !strings.Contains(detail, "the limit of 3145728 bytes (MOCKTENANT_SPOOL_MEGABYTES)") || r.header.Get("Retry-After") == "" {
			t.Errorf("%s: %s %v", name, detail, r.header)
		}
	}
	c.want(201, c.call(base, "POST", "/v1/seeds?name=small", `{"version": 1}`)) // it needs no file

	_ = rest.CloseWithError(io.ErrUnexpectedEOF)
	if status := <-ended; status != 400 {
		t.Errorf("a body that breaks off: %d", status)
	}
	for name, answer := range answers {
		if r := answer(); r.status != 200 && r.status != 201 {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if detail := c.refused(413, "", c.call(base, "POST", "/v1/seeds?name=huge", large(4_000))); !strings.Contains(detail, "larger than 3145728 bytes") {
		t.Error(detail)
	}
}
