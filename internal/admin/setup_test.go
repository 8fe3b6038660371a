package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/admin"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	description "github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/server"
	"github.com/mocktenant/mocktenant/internal/state"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

const partners = "/v1.0/deviceManagement/remoteAssistancePartners"

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	os.Exit(dbtest.Run(m))
}

// shared is the service that all tests of the binary share, and an owner's key. Because a key
// exists, the service isn't open to everybody.
var shared struct {
	once   sync.Once
	server *server.Server
	key    string
	err    error
}

// client calls the administration with a key.
type client struct {
	testing.TB
	server *server.Server
	key    string
}

// reply is the service's answer.
type reply struct {
	status int
	header http.Header
	body   string
}

// setup returns an owner of the shared service.
func setup(t testing.TB) *client {
	t.Helper()
	shared.once.Do(func() {
		ctx := context.Background()
		shared.server, shared.err = server.Start(ctx, server.Config{HTTPAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", DatabaseURL: dbtest.URL(t), JournalRate: 1_000_000, Log: testenv.Log()})
		if shared.err == nil {
			_, shared.key, shared.err = admin.CreateKey(ctx, db.New(dbtest.Pool(t)), "owner of the tests", db.AdminRoleOwner, 0, time.Now())
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return &client{t, shared.server, shared.key}
}

// as returns a client of the same service with a new key, which has a role and a name.
func (c *client) as(role api.AdminRole, name string) *client {
	c.Helper()
	made := decode[api.KeyCreated](c, c.want(201, c.do("POST", "/v1/keys", api.KeyCreate{Name: name, Role: role})))
	return &client{c.TB, c.server, made.Key}
}

// do sends a request. A body that isn't a string is sent as JSON. headers alternates names and
// values.
func (c *client) do(method, path string, body any, headers ...string) reply {
	c.Helper()
	text, isText := body.(string)
	if !isText && body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			c.Fatal(err)
		}
		text = string(raw)
	}
	r := httptest.NewRequestWithContext(c.Context(), method, path, strings.NewReader(text))
	r.Host = "localhost"
	if c.key != "" {
		r.Header.Set("Authorization", "Bearer "+c.key)
	}
	if text != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.server.AdminHandler().ServeHTTP(w, r)
	return reply{w.Code, w.Header(), w.Body.String()}
}

// want fails the test unless the reply has the status.
func (c *client) want(status int, r reply) reply {
	c.Helper()
	if r.status != status {
		c.Fatalf("%d, want %d: %s", r.status, status, r.body)
	}
	return r
}

// refused fails the test unless the reply is a problem with the status and the pointer.
func (c *client) refused(status int, pointer string, r reply) string {
	c.Helper()
	p := decode[api.Problem](c, c.want(status, r))
	got := ""
	if p.Pointer != nil {
		got = *p.Pointer
	}
	if r.header.Get("Content-Type") != "application/problem+json" || p.Status != status || got != pointer {
		c.Errorf("%s %s, want a problem with the pointer %q", r.header.Get("Content-Type"), r.body, pointer)
	}
	if p.Detail == nil {
		return ""
	}
	return *p.Detail
}

func decode[T any](t testing.TB, r reply) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	return v
}

// newTenant makes a tenant with credentials.
func (c *client) newTenant(r api.TenantCreate) api.TenantCreated {
	c.Helper()
	if r.DisplayName == "" {
		r.DisplayName = c.Name()
	}
	return decode[api.TenantCreated](c, c.want(201, c.do("POST", "/v1/tenants", r)))
}

// named returns a user's name in the domain of a tenant that was made without naming one.
func named(local string, tenant uuid.UUID) string {
	return local + "@" + tenant.String()[24:] + ".mocktenant.example"
}

// graph calls Graph with a token.
func (c *client) graph(method, path, body, token string) reply {
	c.Helper()
	r := httptest.NewRequestWithContext(c.Context(), method, path, strings.NewReader(body))
	r.Host = "localhost"
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	c.server.Handler().ServeHTTP(w, r)
	return reply{w.Code, w.Header(), w.Body.String()}
}

type entity struct {
	ID                     string  `json:"id"`
	DisplayName            *string `json:"displayName"`
	OnboardingStatus       string  `json:"onboardingStatus"`
	LastConnectionDateTime string  `json:"lastConnectionDateTime"`
}

// createPartner creates a partner through Graph.
func (c *client) createPartner(token, name, status string) entity {
	c.Helper()
	return decode[entity](c, c.want(201, c.graph("POST", partners, fmt.Sprintf(`{"displayName":%q,"onboardingStatus":%q}`, name, status), token)))
}

// partners returns the sorted names of the partners in Graph.
func (c *client) partners(token string) []string {
	c.Helper()
	list := decode[struct{ Value []entity }](c, c.want(200, c.graph("GET", partners+"?$orderby=displayName", "", token)))
	names := []string{}
	for _, p := range list.Value {
		names = append(names, *p.DisplayName)
	}
	return names
}

func tenantPath(id uuid.UUID, more ...string) string {
	return "/v1/tenants/" + id.String() + strings.Join(more, "")
}

func ptr[T any](v T) *T { return &v }

// post sends a form to the service.
func (c *client) post(path string, form url.Values) reply {
	c.Helper()
	r := httptest.NewRequestWithContext(c.Context(), "POST", path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	c.server.Handler().ServeHTTP(w, r)
	return reply{w.Code, w.Header(), w.Body.String()}
}

// rows returns the only column of a query's result.
func (c *client) rows(query string, args ...any) []string {
	c.Helper()
	rows, err := dbtest.Pool(c).Query(c.Context(), query, args...)
	if err != nil {
		c.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		c.Fatal(err)
	}
	return all
}

// open returns a client of a service without keys, on its own database.
func open(t testing.TB) *client {
	t.Helper()
	return openOn(t, dbtest.NewDatabase(t))
}

func openOn(t testing.TB, url string) *client {
	t.Helper()
	return openWith(t, server.Config{DatabaseURL: url})
}

func openWith(t testing.TB, config server.Config) *client {
	t.Helper()
	config.HTTPAddr, config.AdminAddr = "127.0.0.1:0", "127.0.0.1:0"
	s, err := server.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return &client{t, s, ""}
}

// contract returns the contract that the service serves.
var contract = sync.OnceValue(func() *openapi3.T {
	document, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		panic(err)
	}
	return document
})

// operation returns the operation of a route.
func operation(t testing.TB, route string) *openapi3.Operation {
	t.Helper()
	method, path, _ := strings.Cut(route, " ")
	for template, item := range contract().Paths.Map() {
		if parameter.ReplaceAllString(template, ":$1") == path {
			return item.GetOperation(method)
		}
	}
	t.Fatalf("the contract lacks %s", route)
	return nil
}

var parameter = regexp.MustCompile(`\{(\w+)\}`)

func roleOf(t testing.TB, route string) string {
	t.Helper()
	role, _ := operation(t, route).Extensions["x-role"].(string)
	return role
}

// checkSchema checks a document against the published schema.
func checkSchema(t testing.TB, document string) {
	t.Helper()
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(state.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("state.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("state.json")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
	if err == nil {
		err = compiled.Validate(value)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, document)
	}
}

// holding returns the counts of a state with these remote assistance partners, users and
// applications, and without entities of other sets.
func holding(partners, users, applications int) api.StateCounts {
	counts := api.StateCounts{Entities: map[string]int64{}, Users: int64(users), Applications: int64(applications)}
	for _, t := range description.All {
		counts.Entities[t.SetName()] = 0
	}
	counts.Entities[description.RemoteAssistancePartner.SetName()] = int64(partners)
	return counts
}
