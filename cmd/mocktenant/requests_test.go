package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/archive"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// journaling is a service, its tenant, and commands about the tenant's journal.
type journaling struct {
	administration
	*process

	tenant, token string
}

// Each subtest has its own tenant on the same service.
func TestRequests(t *testing.T) {
	t.Parallel()
	settings := []string{"MOCKTENANT_DATA_DIR=" + preparedDir(t)}
	p := serve(t, settings)
	for _, tt := range []struct {
		name, domain string
		run          func(*journaling)
	}{
		{"list, verify, wait and clear", "fabrikam.example", (*journaling).commands},
		{"follow", "a.example", (*journaling).follow},
		{"examples", "contoso.example", (*journaling).examples},
		{"curl", "b.example", (*journaling).curl},
		{"HAR", "c.example", (*journaling).har},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := &journaling{process: p, administration: administration{t, settings}}
			made := parse[map[string]string](t, j.run("tenant", "create", "--display-name", tt.name, "--domain", tt.domain, "-o", "json"))
			j.tenant, j.token = made["tenantId"], made["accessToken"]
			j.settings = append(slices.Clip(settings), "AZURE_TENANT_ID="+j.tenant)
			tt.run(j)
		})
	}
}

func (j *journaling) send(method, path, body string, status int, header ...string) {
	j.Helper()
	if got, text, err := j.doAs(j.token, method, "/v1.0/deviceManagement"+path, body, header...); err != nil || got != status {
		j.Fatalf("%s %s: %d %s %v, want %d", method, path, got, text, err, status)
	}
}

func (j *journaling) requests(args ...string) []api.Request {
	j.Helper()
	return parse[[]api.Request](j.T, j.run(append([]string{"requests", "list", "-o", "json"}, args...)...))
}

const partnersSet = "/remoteAssistancePartners"

// The commands find, check and remove requests. A command that fails says why.
func (j *journaling) commands() {
	t := j.T
	rule := parse[api.Fault](t, j.run("fault", "add", "--method", "DELETE", "--status", "423", "-o", "json")).Id.String()
	for i := range 3 {
		j.send("POST", partnersSet, fmt.Sprintf(`{"displayName":"number %d"}`, i), 201)
	}
	j.send("GET", partnersSet, "", 200)
	j.send("DELETE", partnersSet+"/8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44", "", 423)
	j.send("GET", "/nothing", "", 400)
	all := j.requests()
	if len(all) != 6 {
		t.Fatalf("%+v", all)
	}
	middle := all[2].DateTime.Format(time.RFC3339Nano)
	for _, tt := range []struct {
		want int
		args []string
	}{
		{3, []string{"--method", "POST"}},
		{3, []string{"--status", "2xx", "--method", "POST"}},
		{2, []string{"--status", "4xx"}},
		{1, []string{"--status", "423"}},
		{0, []string{"--status", "cut"}},
		{4, []string{"--path", "*remoteAssistancePartners"}},
		{1, []string{"--rule", rule}},
		{2, []string{"--text", "number 1"}},
		{6, []string{"--front", "graph"}},
		{0, []string{"--front", "authority"}},
		{4, []string{"--since", middle}},
		{3, []string{"--until", middle}},
		{1, []string{"--since", middle, "--until", middle}},
		{2, []string{"--top", "2"}},
		{6, []string{"--user", all[0].User.String()}},
		{6, []string{"--client", *all[0].Application}},
		{0, []string{"--batch", all[0].Id.String()}},
	} {
		if got := j.requests(tt.args...); len(got) != tt.want {
			t.Errorf("%q: %d requests, want %d", tt.args, len(got), tt.want)
		}
	}
	table := j.run("requests", "list", "--method", "DELETE")
	for _, want := range []string{"TIME", "DELETE", "423", rule, j.url + "/v1.0"} {
		if !strings.Contains(table, want) {
			t.Errorf("%q isn't in\n%s", want, table)
		}
	}
	for _, args := range [][]string{
		{"verify", "--method", "POST", "--exactly", "3"},
		{"verify", "--method", "PUT", "--exactly", "0"},
		{"verify", "--method", "POST", "--at-least", "2", "--at-most", "3"},
		{"verify", "--body", `{"displayName":"number 2"}`},
		{"verify", "--retry-after-honoured", "--no-expired-token"},
		{"verify", "--tenant", "fabrikam.example"},
		{"wait", "--method", "DELETE", "--timeout", "10s"},
	} {
		if got := j.run(args...); !strings.Contains(got, "Verified.") {
			t.Errorf("%q: %s", args, got)
		}
	}
	checks := filepath.Join(t.TempDir(), "checks.json")
	if err := os.WriteFile(checks, []byte(`{"order":[{"method":"POST"},{"method":"DELETE"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	j.run("verify", "--file", checks)
	for _, tt := range []struct {
		exit int
		want string
		args []string
	}{
		{exitFailure, "3 requests match: want exactly 4", []string{"verify", "--method", "POST", "--exactly", "4"}},
		{exitFailure, "nearest: POST " + j.url + "/v1.0/deviceManagement/remoteAssistancePartners 201", []string{"verify", "--body", `{"displayName":"number 7"}`}},
		{exitFailure, `body/displayName: want "number 7", got "number 0"`, []string{"verify", "--body", `{"displayName":"number 7"}`}},
		{exitFailure, "the JSON", []string{"verify", "--body", "{"}},
		{exitFailure, "no-such-file.json", []string{"verify", "--file", "no-such-file.json"}},
		{exitFailure, "want exactly 9", []string{"wait", "--method", "POST", "--exactly", "9", "--timeout", "100ms"}},
		{exitFailure, "--timeout: want at most 5m", []string{"wait", "--method", "POST", "--timeout", "1h"}},
		{exitFailure, "want a status such as 429", []string{"requests", "list", "--status", "teapot"}},
		{exitUsage, "since", []string{"requests", "list", "--since", "yesterday"}},
		{exitUsage, `"xml"`, []string{"requests", "list", "-o", "xml"}},
		{exitFailure, "an HTTP archive has an end", []string{"requests", "list", "-o", "har", "--follow"}},
		{exitNotFound, "There is no tenant", []string{"requests", "list", "--tenant", "00000000-0000-4000-8000-000000000009"}},
		{exitNotFound, "There is no tenant", []string{"verify", "--tenant", "00000000-0000-4000-8000-000000000009"}},
		{exitNotFound, "There is no tenant", []string{"requests", "clear", "--tenant", "00000000-0000-4000-8000-000000000009"}},
	} {
		j.fails(tt.exit, tt.want, tt.args...)
	}
	for _, tt := range []struct {
		args []string
		left int
	}{{[]string{"--status", "4xx"}, 4}, {[]string{"--until", middle}, 1}, {nil, 0}} {
		j.run(append([]string{"requests", "clear"}, tt.args...)...)
		if left := j.requests(); len(left) != tt.left {
			t.Errorf("clear %q leaves %d, want %d", tt.args, len(left), tt.left)
		}
	}
	if state := j.run("export", j.tenant); strings.Count(state, `"displayName":"number`) != 3 {
		t.Errorf("clearing changed the state:\n%s", state)
	}
}

// --follow shows new requests until it is interrupted.
func (j *journaling) follow() {
	t := j.T
	j.send("GET", partnersSet, "", 200)
	c := command(t, j.settings, "requests", "list", "--method", "POST", "--follow")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	lines := bufio.NewScanner(out)
	if !lines.Scan() || !strings.Contains(lines.Text(), "METHOD") {
		t.Fatalf("it begins with %q", lines.Text())
	}
	for range 2 {
		j.send("GET", partnersSet, "", 200)
		j.send("POST", partnersSet, `{}`, 201)
		if !lines.Scan() || !strings.Contains(lines.Text(), "POST ") || strings.Contains(lines.Text(), "METHOD") {
			t.Fatalf("it continues with %q", lines.Text())
		}
	}
	j.run("fault", "add", "--header", "X-Slow", "--delay", "1500") // so that it is recorded after the next one
	var slow sync.WaitGroup
	slow.Go(func() { j.send("POST", partnersSet, `{}`, 201, "X-Slow", "1") })
	j.send("POST", partnersSet, `{}`, 201)
	for range 2 {
		if !lines.Scan() || !strings.Contains(lines.Text(), "POST ") {
			t.Fatalf("it continues with %q", lines.Text())
		}
	}
	slow.Wait()
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("after an interrupt: %v", err)
	}
}

// The examples in the help work as shown.
func (j *journaling) examples() {
	t := j.T
	for range 4 {
		j.send("POST", partnersSet, `{}`, 201)
	}
	j.send("DELETE", partnersSet+"/8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44", "", 404)
	for _, name := range []string{"mocktenant verify", "mocktenant wait", "mocktenant requests clear"} {
		script := "mocktenant() { " + quote(os.Args[0]) + " \"$@\"; }\n" + examples[name]
		c := exec.CommandContext(t.Context(), "sh", "-c", script)
		c.Env = command(t, j.settings).Env
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", examples[name], err, out)
		}
	}
	if left := j.requests(); len(left) != 4 {
		t.Errorf("%d requests are left", len(left))
	}
}

// sentBy records the requests that curl sends in a shell.
type sentBy struct {
	Method, URI, Body string
	Header            http.Header
}

// A command printed by -o curl sends the same request again.
func (j *journaling) curl() {
	t := j.T
	if _, err := exec.LookPath("curl"); err != nil {
		testenv.Skip(t, "curl is not installed")
	}
	var sent []sentBy
	echo := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body := make([]byte, 1<<16)
		n := 0
		for more, err := 0, error(nil); err == nil; n += more {
			more, err = r.Body.Read(body[n:])
		}
		sent = append(sent, sentBy{Method: r.Method, URI: r.RequestURI, Body: string(body[:n]), Header: r.Header})
	}))
	defer echo.Close()
	for _, r := range []struct {
		method, path, body string
		header             []string
		status             int
	}{
		{method: "POST", path: partnersSet, body: `{"displayName":"it's $HOME, \"quoted\" \\ and ` + "`ls`" + `"}`, header: []string{"Prefer", "return=minimal", "User-Agent", "it's me; $(ls)", "Accept", ""}, status: 204},
		{method: "GET", path: partnersSet + "?$filter=displayName%20eq%20'it''s'&$top=1", header: []string{"Accept", "application/json", "X-Empty", ""}, status: 200},
		{method: "GET", path: partnersSet + "/{[1-3]}/../x", status: 400},
		{method: "HEAD", path: partnersSet, status: 200},
		{method: "PATCH", path: partnersSet + "('8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44')", body: "{\n  \"displayName\": \"a\\u00e9\"\n}\n", header: []string{"Content-Type", "application/json; charset=utf-8"}, status: 404},
	} {
		j.send(r.method, r.path, r.body, r.status, r.header...)
	}
	want := j.requests()
	script := strings.ReplaceAll(j.run("requests", "list", "-o", "curl"), j.url, echo.URL)
	c := exec.CommandContext(t.Context(), "bash", "-euc", script)
	c.Env = append(os.Environ(), "ACCESS_TOKEN="+j.token)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s\n%s", err, out, script)
	}
	notSent := map[string]bool{"Host": true, "Content-Length": true, "Accept-Encoding": true, "Content-Encoding": true, "Connection": true}
	if len(sent) != len(want) {
		t.Fatalf("curl sent %d requests, want %d", len(sent), len(want))
	}
	for i, got := range sent {
		w := want[i]
		if got.Method != w.Method || j.url+got.URI != w.Url || got.Body != w.Request.Body || got.Header.Get("Authorization") != "Bearer "+j.token {
			t.Errorf("curl sent %+v, want %+v", got, w)
		}
		for name, value := range w.Request.Headers {
			if name != "Authorization" && !notSent[name] && strings.Join(got.Header[name], ", ") != value {
				t.Errorf("%s: curl sent %q, want %q", name, got.Header[name], value)
			}
		}
		for name := range got.Header {
			if _, had := w.Request.Headers[name]; !had && !notSent[name] {
				t.Errorf("curl added %s: %q", name, got.Header[name])
			}
		}
	}
}

// harSchema lists the members of an HTTP Archive 1.2 by the path of their object. Members
// with a ? are optional. http://www.softwareishard.com/blog/har-12-spec/
var harSchema = map[string]string{
	"":                                 "log:object",
	"/log":                             "version:string creator:object browser?:object pages?:array entries:array comment?:string",
	"/log/creator":                     "name:string version:string comment?:string",
	"/log/entries":                     "pageref?:string startedDateTime:string time:number request:object response:object cache:object timings:object serverIPAddress?:string connection?:string comment?:string",
	"/log/entries/request":             "method:string url:string httpVersion:string cookies:array headers:array queryString:array postData?:object headersSize:number bodySize:number comment?:string",
	"/log/entries/request/headers":     "name:string value:string comment?:string",
	"/log/entries/request/queryString": "name:string value:string comment?:string",
	"/log/entries/request/postData":    "mimeType:string params?:array text:string comment?:string",
	"/log/entries/response":            "status:number statusText:string httpVersion:string cookies:array headers:array content:object redirectURL:string headersSize:number bodySize:number comment?:string",
	"/log/entries/response/headers":    "name:string value:string comment?:string",
	"/log/entries/response/content":    "size:number compression?:number mimeType:string text?:string encoding?:string comment?:string",
	"/log/entries/cache":               "beforeRequest?:object afterRequest?:object comment?:string",
	"/log/entries/timings":             "blocked?:number dns?:number connect?:number send:number wait:number receive:number ssl?:number comment?:string",
}

func checkHAR(t *testing.T, at string, value any) {
	t.Helper()
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			checkHAR(t, at, element)
		}
	case map[string]any:
		schema, known := harSchema[at]
		if !known {
			t.Errorf("an HTTP archive has no object %s", at)
		}
		members := map[string]string{}
		for _, member := range strings.Fields(schema) {
			name, kind, _ := strings.Cut(member, ":")
			short := strings.TrimSuffix(name, "?")
			members[short] = kind
			if _, has := v[short]; short == name && !has {
				t.Errorf("%s lacks %s", at, name)
			}
		}
		for name, member := range v {
			kinds := map[string]bool{"string": false, "number": false, "object": false, "array": false}
			switch member.(type) {
			case string:
				kinds["string"] = true
			case float64:
				kinds["number"] = true
			case map[string]any:
				kinds["object"] = true
			case []any:
				kinds["array"] = true
			}
			if !kinds[members[name]] {
				t.Errorf("%s/%s is %T, want %q", at, name, member, members[name])
			}
			checkHAR(t, at+"/"+name, member)
		}
	}
}

// -o har prints an HTTP Archive 1.2.
func (j *journaling) har() {
	t := j.T
	empty := parse[map[string]any](t, j.run("requests", "list", "-o", "har"))
	checkHAR(t, "", empty)
	long := strings.Repeat("x", 20_000)
	j.run("fault", "add", "--method", "DELETE", "--reset", "before")
	j.send("POST", partnersSet, `{"displayName":"é"}`, 201)
	j.send("GET", partnersSet+"?$filter=displayName%20eq%20'a%26b'&$count=true", "", 200)
	j.send("POST", partnersSet, `{"onboardingUrl":"`+long+`"}`, 400)
	if _, _, err := j.doAs(j.token, "DELETE", "/v1.0/deviceManagement"+partnersSet+"/8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44", ""); err == nil {
		t.Error("the connection wasn't cut")
	}
	text := j.run("requests", "list", "-o", "har")
	checkHAR(t, "", parse[map[string]any](t, text))
	h := parse[archive.HAR](t, text)
	if len(h.Log.Entries) != 4 || h.Log.Version != "1.2" {
		t.Fatalf("%s", text)
	}
	for i, e := range h.Log.Entries {
		if _, err := time.Parse(time.RFC3339Nano, e.Started); err != nil || e.Time < 0 || e.Timings["wait"] != e.Time {
			t.Errorf("%d: %v %+v", i, err, e)
		}
	}
	create, list, big, cut := h.Log.Entries[0], h.Log.Entries[1], h.Log.Entries[2], h.Log.Entries[3]
	if create.Request.PostData.Text != `{"displayName":"é"}` || create.Request.PostData.Type != "application/json" || create.Request.BodySize != 20 || create.Response.Status != 201 || create.Response.StatusText != "Created" {
		t.Errorf("%+v", create)
	}
	if q, _ := json.Marshal(list.Request.Query); string(q) != `[{"name":"$count","value":"true"},{"name":"$filter","value":"displayName eq 'a\u0026b'"}]` || list.Request.PostData != nil {
		t.Errorf("%s %+v", q, list)
	}
	if big.Request.PostData.Comment != "16384 of 20020 bytes" || big.Request.BodySize != 20020 {
		t.Errorf("%q %d", big.Request.PostData.Comment, big.Request.BodySize)
	}
	if cut.Response.Status != 0 || cut.Response.StatusText != "" {
		t.Errorf("%+v", cut.Response)
	}
}

// quote quotes a word for a POSIX shell.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
