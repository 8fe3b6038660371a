package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	metrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	traces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
)

// collector receives what a service exports with OTLP.
type collector struct {
	url string

	mu       sync.Mutex
	raw      bytes.Buffer // everything received
	spans    []*trace.Span
	metrics  []string // names
	resource map[string]string
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{resource: map[string]string{}}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	c.url = s.URL
	return c
}

// ServeHTTP implements http.Handler.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = c.take(r.URL.Path, body)
	}
	if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" || r.Header.Get("x-key") != "a b" {
		http.Error(w, fmt.Sprintf("%s %v: %v", r.URL.Path, r.Header, err), http.StatusBadRequest)
	}
}

func (c *collector) take(path string, body []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Write(body)
	switch path {
	case "/v1/traces":
		var r traces.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &r); err != nil {
			return err
		}
		for _, of := range r.ResourceSpans {
			for _, a := range of.Resource.Attributes {
				c.resource[a.Key] = a.Value.GetStringValue()
			}
			for _, scope := range of.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	case "/v1/metrics":
		var r metrics.ExportMetricsServiceRequest
		if err := proto.Unmarshal(body, &r); err != nil {
			return err
		}
		for _, of := range r.ResourceMetrics {
			for _, scope := range of.ScopeMetrics {
				for _, m := range scope.Metrics {
					c.metrics = append(c.metrics, m.Name)
				}
			}
		}
	default:
		return fmt.Errorf("no such path")
	}
	return nil
}

// named returns the spans with a name and these attributes, given as name=value.
func (c *collector) named(name string, attributes ...string) []*trace.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []*trace.Span
	for _, s := range c.spans {
		if s.Name == name && !slices.ContainsFunc(attributes, func(a string) bool { return !slices.Contains(attributesOf(s), a) }) {
			found = append(found, s)
		}
	}
	return found
}

// one returns the only span with a name and these attributes.
func (c *collector) one(t *testing.T, name string, attributes ...string) *trace.Span {
	t.Helper()
	found := c.named(name, attributes...)
	if len(found) != 1 {
		var all []string
		for _, s := range c.spans {
			all = append(all, fmt.Sprint(s.Name, attributesOf(s)))
		}
		t.Fatalf("%d spans %s %q, want one of\n%s", len(found), name, attributes, strings.Join(all, "\n"))
	}
	return found[0]
}

func attributesOf(s *trace.Span) []string {
	var all []string
	for _, a := range s.Attributes {
		switch v := a.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			all = append(all, a.Key+"="+v.StringValue)
		case *common.AnyValue_IntValue:
			all = append(all, fmt.Sprint(a.Key, "=", v.IntValue))
		}
	}
	return all
}

// admin returns the address of the administration.
func (p *process) admin(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`admin  (http://\S+)`).FindStringSubmatch(p.text)
	if m == nil {
		t.Fatalf("no admin in %s", p.text)
	}
	return m[1]
}

// page requests a page and expects 200.
func page(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s %v", url, response.Status, text, err)
	}
	return string(text)
}

// Requests are traced with route, tenant, status and ids, and their queries by name. At its end
// the service sends everything, and none of it contains a secret.
func TestTraces(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	p := serve(t, []string{
		"DATABASE_URL=" + dbtest.NewDatabase(t), "OTEL_EXPORTER_OTLP_ENDPOINT=" + c.url, "OTEL_EXPORTER_OTLP_HEADERS=x-key=a%20b",
		"OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test", "OTEL_BSP_SCHEDULE_DELAY=60000",
	})
	const traceID, callerSpan = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	request := func(method, path, body string, header ...string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+p.token())
		r.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if id := response.Header.Get("request-id"); id != "" {
			return id
		}
		return response.Header.Get("X-Ms-Request-Id")
	}
	const secret = "nobody-is-to-see-this"
	created := request("POST", partners, `{"displayName":"`+secret+`","onboardingUrl":"https://`+secret+`.example"}`,
		"traceparent", "00-"+traceID+"-"+callerSpan+"-01", "client-request-id", "the client's own")
	request("GET", partners+"?$filter=displayName%20eq%20'"+secret+"'%20and%201%20div%20length(displayName)%20gt%20-1%20and%201%20div%20(length(displayName)%20sub%20"+fmt.Sprint(len(secret))+")%20eq%201", "")
	request("POST", "/v1.0/$batch", `{"requests":[{"id":"1","method":"GET","url":"/deviceManagement/remoteAssistancePartners/$count"}]}`)
	form := url.Values{"grant_type": {"password"}, "client_id": {server.DemoClientID.String()}, "client_secret": {server.DemoClientSecret}, "scope": {"openid"}, "username": {server.DemoUserName}, "password": {server.DemoPassword}}
	token := "/" + server.DemoTenantID.String() + "/oauth2/v2.0/token"
	request("POST", token, form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	form.Set("password", secret)
	refused := request("POST", token, form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	request("GET", "/common/userrealm/"+server.DemoUserName+"?api-version=1.0&code="+secret, "")
	request("GET", "/"+secret, "")
	page(t, p.admin(t)+"/v1/tenants/"+server.DemoTenantID.String())
	page(t, p.admin(t)+"/metrics")
	p.stop(t)

	const tenant = "mocktenant.tenant.id=a8990e1f-ff32-408a-9f8e-78d3b9139b95"
	post := c.one(t, "POST "+partners, "http.route="+partners, "http.request.method=POST", "http.response.status_code=201", tenant,
		"mocktenant.request_id="+created, "mocktenant.client_request_id=the client's own")
	if got := fmt.Sprintf("%x %x %s", post.TraceId, post.ParentSpanId, post.Kind); got != traceID+" "+callerSpan+" SPAN_KIND_SERVER" {
		t.Errorf("the caller's trace is not gone on with: %s", got)
	}
	insert := c.one(t, "CreateRemoteAssistancePartner", "db.system.name=postgresql", "db.query.summary=CreateRemoteAssistancePartner")
	if string(insert.ParentSpanId) != string(post.SpanId) || insert.Kind != trace.Span_SPAN_KIND_CLIENT {
		t.Errorf("the query is not below its request: %v", insert)
	}
	list := c.one(t, "GET "+partners, "http.response.status_code=400", tenant)
	query := c.one(t, "ListRemoteAssistancePartners", "error.type=22012") // division_by_zero
	if string(query.ParentSpanId) != string(list.SpanId) || query.Status.Code != trace.Status_STATUS_CODE_ERROR {
		t.Errorf("%v", query)
	}
	batch := c.one(t, "POST /v1.0/$batch", "http.response.status_code=200", tenant)
	count := c.one(t, "GET "+partners+"/$count", "http.response.status_code=200", tenant)
	if string(count.ParentSpanId) != string(batch.SpanId) || count.Kind != trace.Span_SPAN_KIND_INTERNAL {
		t.Errorf("the request of the batch is not below it: %v", count)
	}
	c.one(t, "POST /:tenant/oauth2/v2.0/token", "http.response.status_code=200", "mocktenant.grant=password", tenant)
	c.one(t, "POST /:tenant/oauth2/v2.0/token", "http.response.status_code=400", "mocktenant.aadsts=50126", "mocktenant.request_id="+refused, tenant)
	c.one(t, "GET /:tenant/userrealm/:upn", "http.response.status_code=200")
	c.one(t, "GET unknown", "http.response.status_code=404")
	c.one(t, "GET /v1/tenants/:tenantId", "http.response.status_code=200", tenant)
	if got := c.named("GET /metrics"); len(got) > 0 {
		t.Errorf("scrapes are traced: %v", got)
	}
	for _, s := range c.spans {
		if len(s.ParentSpanId) == 0 && s.Kind != trace.Span_SPAN_KIND_SERVER {
			t.Errorf("a query of no request is traced: %v", s)
		}
	}
	for name, want := range map[string]string{"service.name": "mocktenant", "deployment.environment.name": "test"} {
		if c.resource[name] != want {
			t.Errorf("resource: %s=%q, want %q", name, c.resource[name], want)
		}
	}
	for _, name := range []string{"http.server.request.duration", "db.client.operation.duration", "mocktenant.tenants", "pgxpool.acquires", "go_goroutines", "process_resident_memory_bytes"} {
		if !slices.Contains(c.metrics, name) {
			t.Errorf("no %s in %q", name, c.metrics)
		}
	}
	for _, hidden := range append(strings.Split(p.token(), "."), secret, server.DemoPassword, server.DemoClientSecret, server.DemoUserName) {
		if bytes.Contains(c.raw.Bytes(), []byte(hidden)) {
			t.Errorf("what is exported shows %s", hidden)
		}
	}
}

// The span of a statement that several creates share is a child of one of them and linked with
// the others.
func TestTracesOfGatheredCreates(t *testing.T) {
	t.Parallel()
	c, database := newCollector(t), dbtest.NewDatabase(t)
	p := serve(t, []string{"DATABASE_URL=" + database, "OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=" + c.url + "/v1/traces", "OTEL_EXPORTER_OTLP_HEADERS=x-key=a%20b", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_SERVICE_NAME=ours", "MOCKTENANT_NO_GATHERING=false"})
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	tx, err := conn.Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), "LOCK TABLE remote_assistance_partners IN EXCLUSIVE MODE")
	}
	if err != nil {
		t.Fatal(err)
	}
	const creates = 17
	var all sync.WaitGroup
	for range creates {
		all.Go(func() {
			if status, body, err := p.do("POST", partners, "{}"); status != http.StatusCreated {
				t.Errorf("%d %s %v", status, body, err)
			}
		})
	}
	under, start := fmt.Sprintf("\nhttp_server_active_requests %d\n", creates+1), time.Now()
	for ; !strings.Contains(page(t, p.admin(t)+"/metrics"), under); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatal("the creates don't come")
		}
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	p.stop(t)

	requests, links := map[string]*trace.Span{}, 0
	for _, s := range c.named("POST " + partners) {
		requests[string(s.SpanId)] = s
	}
	if len(requests) != creates || c.resource["service.name"] != "ours" {
		t.Fatalf("%d requests of %q", len(requests), c.resource["service.name"])
	}
	statements := slices.Concat(c.named("CreateRemoteAssistancePartner"), c.named("CreateRemoteAssistancePartners"), c.named("CreateRemoteAssistancePartnersOfTenant")) // the last on a cluster
	for _, s := range statements {
		if requests[string(s.ParentSpanId)] == nil {
			t.Errorf("%s is below no request", s.Name)
		}
		if n := fmt.Sprint("db.operation.batch.size=", len(s.Links)+1); len(s.Links) > 0 && !slices.Contains(attributesOf(s), n) {
			t.Errorf("no %s: %v", n, s)
		}
		for _, l := range s.Links {
			links++
			request := requests[string(l.SpanId)]
			if request == nil || len(request.Links) != 1 || string(request.Links[0].SpanId) != string(s.SpanId) {
				t.Errorf("%s is linked to %v, which is not linked to it", s.Name, request)
			}
		}
	}
	if len(statements)+links != creates || links == 0 {
		t.Errorf("%d statements with %d links, for %d creates", len(statements), links, creates)
	}
}

// A collector that is unreachable or never answers delays nothing.
func TestCollectorAway(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	for _, settings := range [][]string{
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + silent.Addr().String()},
	} {
		t.Run(strings.Join(settings, " "), func(t *testing.T) {
			t.Parallel()
			p := serve(t, append(settings, "DATABASE_URL="+dbtest.NewDatabase(t), "OTEL_BSP_SCHEDULE_DELAY=10", "OTEL_METRIC_EXPORT_INTERVAL=10"))
			for range 20 {
				if status, body, err := p.do("POST", partners, "{}"); status != http.StatusCreated {
					t.Errorf("%d %s %v", status, body, err)
				}
			}
			p.stop(t)
			if !strings.Contains(p.log.String(), "telemetry") {
				t.Errorf("the log doesn't say it:\n%s", p.log)
			}
		})
	}
}

// Traces and metrics can go to the standard output.
func TestTelemetryOnTheConsole(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	read := func() string { text, _ := os.ReadFile(out); return string(text) }
	file, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	p := &process{Cmd: command(t, []string{"DATABASE_URL=" + dbtest.NewDatabase(t), "OTEL_TRACES_EXPORTER=console", "OTEL_METRICS_EXPORTER=console"}), log: &bytes.Buffer{}}
	p.Stdout, p.Stderr = file, p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Process.Kill() }()
	for start := time.Now(); !strings.Contains(read(), "Authorization: Bearer"); time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatalf("the service did not start:\n%s%s", read(), p.log)
		}
	}
	p.text = read()
	p.url = urlLine.FindStringSubmatch(p.text)[1]
	if status, body, err := p.do("POST", partners, "{}"); status != http.StatusCreated {
		t.Errorf("%d %s %v", status, body, err)
	}
	p.stop(t)
	for _, want := range []string{`"Name":"POST ` + partners + `"`, `"Name":"http.server.request.duration"`, `"Name":"process_resident_memory_bytes"`} {
		if !strings.Contains(read(), want) {
			t.Errorf("no %s in\n%s", want, read())
		}
	}
}

// Nothing is sent unless so configured.
func TestNoTraces(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	for _, settings := range [][]string{
		{"OTEL_SDK_DISABLED=true"},
		{"OTEL_TRACES_EXPORTER=none", "OTEL_METRICS_EXPORTER=none"},
		{"OTEL_TRACES_SAMPLER=always_off", "OTEL_METRICS_EXPORTER=none"},
	} {
		p := serve(t, append(settings, "DATABASE_URL="+dbtest.NewDatabase(t), "OTEL_EXPORTER_OTLP_ENDPOINT="+c.url))
		if status, body, err := p.do("POST", partners, "{}"); status != http.StatusCreated {
			t.Errorf("%d %s %v", status, body, err)
		}
		if !strings.Contains(page(t, p.admin(t)+"/metrics"), "mocktenant_tenants 1") {
			t.Error("no metrics")
		}
		p.stop(t)
		if c.raw.Len() > 0 {
			t.Errorf("%q: %q", settings, c.raw.String())
		}
	}
}

// An invalid OpenTelemetry variable stops the start with an error that names it.
func TestBadTelemetrySettings(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{
		"OTEL_EXPORTER_OTLP_PROTOCOL=grpc":             `OTEL_EXPORTER_OTLP_PROTOCOL "grpc": want http/protobuf, which collectors receive on port 4318`,
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json": `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL "http/json": want`,
		"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4317":   `OTEL_EXPORTER_OTLP_ENDPOINT "collector:4317": want http(s)://HOST[:PORT]`,
		"OTEL_EXPORTER_OTLP_COMPRESSION=zip":           `OTEL_EXPORTER_OTLP_COMPRESSION "zip": want gzip or none`,
		"OTEL_EXPORTER_OTLP_TIMEOUT=10s":               `OTEL_EXPORTER_OTLP_TIMEOUT "10s": want a whole number above 0`,
		"OTEL_EXPORTER_OTLP_CERTIFICATE=/nowhere.pem":  `OTEL_EXPORTER_OTLP_CERTIFICATE "/nowhere.pem": want a readable file`,
		"OTEL_EXPORTER_OTLP_CERTIFICATE=" + os.Args[0]: `want a file with PEM certificates`,
		"OTEL_EXPORTER_OTLP_HEADERS=my-secret-key":     `OTEL_EXPORTER_OTLP_HEADERS: want name=value,…`,
		"OTEL_TRACES_EXPORTER=zipkin":                  `OTEL_TRACES_EXPORTER "zipkin": want otlp, console or none`,
		"OTEL_METRICS_EXPORTER=prometheus":             `OTEL_METRICS_EXPORTER "prometheus": want otlp, console or none`,
		"OTEL_TRACES_SAMPLER=sometimes":                `OTEL_TRACES_SAMPLER "sometimes": want always_on,`,
		"OTEL_TRACES_SAMPLER_ARG=2":                    `OTEL_TRACES_SAMPLER_ARG "2": want a number from 0 to 1`,
		"OTEL_RESOURCE_ATTRIBUTES=nonsense":            `OTEL_RESOURCE_ATTRIBUTES "nonsense": want name=value,…`,
		"OTEL_PROPAGATORS=b3":                          `OTEL_PROPAGATORS "b3": want tracecontext`,
		"OTEL_SDK_DISABLED=perhaps":                    `OTEL_SDK_DISABLED "perhaps": want true or false`,
		"OTEL_BSP_MAX_QUEUE_SIZE=-1":                   `OTEL_BSP_MAX_QUEUE_SIZE "-1": want a whole number above 0`,
	} {
		_, log, code := output(t, []string{setting, "DATABASE_URL=" + dbtest.URL(t)})
		if code != 1 || !strings.Contains(log, want) || strings.Contains(log, "my-secret-key") {
			t.Errorf("%s: exit %d, want %q:\n%s", setting, code, want, log)
		}
	}
}
