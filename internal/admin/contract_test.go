package admin_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/uuid"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/state"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

var requestsFlag = flag.Int("requests", testenv.Often(8, 80), "how many requests TestContract makes of each operation")

// Requests are generated from the contract's schemas, valid and invalid. Every answer has a
// status, a type and a body that the contract promises, a request that breaks the contract
// has no effect, and none makes the service fail.
func TestContract(t *testing.T) {
	t.Parallel()
	testenv.Long(t)
	owner := setup(t)
	for i, op := range operations() {
		t.Run(op.id, func(t *testing.T) {
			t.Parallel()
			c := &client{t, owner.server, owner.key}
			g := &generator{rng: rand.New(rand.NewPCG(1, uint64(i))), things: newThings(c)}
			done := 0
			for n := 0; n < *requestsFlag || done == 0 && n < 80; n++ {
				if a := c.exercise(op, g.request(op)); a.status < 300 {
					done++
					g.things.changed(op)
				}
			}
			if done == 0 {
				t.Errorf("of %d requests none was a good one", *requestsFlag)
			}
		})
	}
}

// FuzzAdministration does the same with requests from any seed, or with the fuzzer's bytes as
// body and query.
func FuzzAdministration(f *testing.F) {
	for i, op := range operations() {
		f.Add(uint16(i), uint64(i), []byte(nil), "")
		if op.body != nil {
			f.Add(uint16(i), uint64(i), []byte(`{"displayName":"x","name":"x","version":1}`), "name=x")
		}
	}
	things := newThings(nil)
	f.Fuzz(func(t *testing.T, which uint16, seed uint64, body []byte, query string) {
		c := setup(t)
		things.c = c // so that the running test makes things again
		op := operations()[int(which)%len(operations())]
		g := &generator{rng: rand.New(rand.NewPCG(seed, seed)), things: things}
		r := g.request(op)
		if len(body) > 0 {
			r.body = body
		}
		if query != "" {
			r.query = query
		}
		if a := c.exercise(op, r); a.status < 300 {
			things.changed(op)
		}
	})
}

// Of several faults in a request, always the same one is reported.
func TestReportedFault(t *testing.T) {
	t.Parallel()
	c := setup(t)
	tenant := c.newTenant(api.TenantCreate{}).Tenant.Id
	long := strings.Repeat("x", 3000)
	application := map[string]any{"clientId": uuid.New(), "displayName": long, "exposedScopes": []string{long}, "requiredRoles": []string{long}, "requiredScopes": []string{long}}
	wrong := map[string]any{"version": 1, "applications": []any{application}}
	lists := maps.Clone(application)
	lists["displayName"] = "x"
	for range 20 {
		if detail := c.refused(400, "", c.do("GET", "/v1/tenants?d=1&c=1&b=1&a=1", nil)); !strings.Contains(detail, `"a"`) {
			t.Fatalf("of four unknown parameters: %s", detail)
		}
		c.refused(400, "/applications/0/displayName", c.do("PUT", tenantPath(tenant, "/state"), wrong))
		c.refused(400, "/applications/0/exposedScopes/0", c.do("PUT", tenantPath(tenant, "/state"), map[string]any{"version": 1, "applications": []any{lists}}))
	}
}

// contractOperation is an operation of the contract.
type contractOperation struct {
	id, method, path string
	route            *routers.Route
	parameters       []map[string]any
	body             map[string]any // its schema, or nil
}

// rawContract returns the contract as plain JSON values, from which requests are generated.
var rawContract = sync.OnceValue(func() map[string]any {
	text, err := json.Marshal(contract())
	if err != nil {
		panic(err)
	}
	var document map[string]any
	if err := json.Unmarshal(text, &document); err != nil {
		panic(err)
	}
	return document
})

// stateSchema returns the schema of state documents, to which the contract refers.
var stateSchema = sync.OnceValue(func() map[string]any {
	var schema map[string]any
	if err := json.Unmarshal(state.Schema(), &schema); err != nil {
		panic(err)
	}
	return schema
})

var operations = sync.OnceValue(func() []contractOperation {
	var all []contractOperation
	paths := rawContract()["paths"].(map[string]any)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := contract().Paths.Find(path)
		for _, method := range slices.Sorted(maps.Keys(item.Operations())) {
			raw := paths[path].(map[string]any)
			op := raw[strings.ToLower(method)].(map[string]any)
			if op["operationId"] == "getProfile" { // it takes as long as requested; TestProfiles covers it
				continue
			}
			o := contractOperation{
				id: op["operationId"].(string), method: method, path: path,
				route: &routers.Route{Spec: contract(), Path: path, PathItem: item, Method: method, Operation: item.GetOperation(method)},
			}
			for _, list := range []any{raw["parameters"], op["parameters"]} {
				each, _ := list.([]any)
				for _, p := range each {
					o.parameters = append(o.parameters, resolve(rawContract(), p.(map[string]any)))
				}
			}
			if body, ok := op["requestBody"].(map[string]any); ok {
				content := body["content"].(map[string]any)["application/json"].(map[string]any)
				o.body = content["schema"].(map[string]any)
			}
			all = append(all, o)
		}
	}
	return all
})

// resolve follows a schema's reference within a document.
func resolve(document, schema map[string]any) map[string]any {
	ref, ok := schema["$ref"].(string)
	if !ok {
		return schema
	}
	at := document
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		at = at[part].(map[string]any)
	}
	return resolve(document, at)
}

// madeRequest is a generated request.
type madeRequest struct {
	parameters map[string]string // in the path
	query      string
	header     http.Header
	body       []byte
}

// things are existing items that requests name.
type things struct {
	c    *client
	mu   sync.Mutex
	made map[string]string // by the parameter's name
}

func newThings(c *client) *things { return &things{c: c} }

// get returns the things. It makes them again if they were removed.
func (t *things) get() map[string]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.made != nil {
		return t.made
	}
	c := t.c
	source := json.RawMessage(document)
	made := c.newTenant(api.TenantCreate{Source: &api.TenantSource{Document: &source}, TtlSeconds: ptr(int64(3600))})
	path := tenantPath(made.Tenant.Id)
	seed := "seed-" + uuid.NewString()
	c.want(201, c.do("POST", path+"/snapshots", api.SnapshotCreate{Name: "snapshot"}))
	c.want(201, c.do("POST", "/v1/seeds?name="+seed, document))
	app := decode[api.Application](c, c.want(200, c.do("GET", path+"/applications/"+made.Credentials.ClientId.String(), nil)))
	key := decode[api.KeyCreated](c, c.want(201, c.do("POST", "/v1/keys", api.KeyCreate{Name: "x", Role: api.AdminRoleReader})))
	credential := decode[api.FederatedCredential](c, c.want(201, c.do("POST", path+"/applications/"+made.Credentials.ClientId.String()+"/federatedCredentials",
		api.FederatedCredentialCreate{Name: "x", Issuer: "https://issuer.example", Subject: "x"})))
	certificate := decode[api.ApplicationCertificate](c, c.want(201, c.do("POST", path+"/applications/"+made.Credentials.ClientId.String()+"/certificates",
		api.ApplicationCertificateCreate{Certificate: newCertificate()})))
	fault := decode[api.Fault](c, c.want(201, c.do("POST", path+"/faults", `{"match":{"path":"/nowhere"},"effect":{"status":500}}`)))
	c.want(201, c.do("POST", path+"/scenarios", `{"name":"never-connected"}`))
	t.made = map[string]string{
		"scenario":      "never-connected",
		"version":       "1",
		"faultId":       fault.Id.String(),
		"certificateId": certificate.Id.String(),
		"credentialId":  credential.Id.String(),
		"tenantId":      made.Tenant.Id.String(), "userId": made.Credentials.UserId.String(), "clientId": made.Credentials.ClientId.String(),
		"secretId": app.Secrets[0].Id.String(), "entitySet": "remoteAssistancePartners", "action": "confirm", "entityId": c.createPartner(made.Credentials.AccessToken, "x", "onboarding").ID,
		"keyId": key.Id.String(), "sessionId": c.newConsoleSession("x").String(), "name": "snapshot", "seed": seed, "report": "recent-changes", "login": c.newLogin(made.Tenant.Id).Login,
	}
	return t.made
}

// changed forgets the things after an operation that may have removed one.
func (t *things) changed(op contractOperation) {
	if op.method != "DELETE" && op.id != "importTenant" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.made = nil
}

// generator generates requests.
type generator struct {
	rng    *rand.Rand
	things *things
	bad    int // percentage of values that don't fit their schema
}

// request generates a request. One in three fits the contract and names things that exist.
func (g *generator) request(op contractOperation) madeRequest {
	g.bad = []int{0, 3, 25}[g.rng.IntN(3)]
	there := g.things.get()
	r := madeRequest{parameters: map[string]string{}, header: http.Header{}}
	query := url.Values{}
	for _, p := range op.parameters {
		name := p["name"].(string)
		required, _ := p["required"].(bool)
		if required != g.chance(g.bad) || !required && g.chance(40) {
			if p["in"] == "path" {
				r.parameters[name] = g.pathParameter(op, name, p, there)
				continue
			}
		} else if p["in"] != "path" {
			continue
		}
		switch p["in"] {
		case "path":
			r.parameters[name] = g.pathParameter(op, name, p, there)
		case "query":
			query.Set(name, g.queryParameter(name, p, there))
		case "header":
			r.header.Set(name, strings.Map(printable, g.text(p["schema"].(map[string]any))))
		}
	}
	r.query = query.Encode()
	if g.chance(g.bad / 2) {
		r.query += g.pick("&nonsense=1", "&top=%zz", "&top=1;after=2", "&after=%00", "&top=1&top=2", "&%ff=1")
	}
	if op.body != nil {
		r.body = g.body(op)
		r.header.Set("Content-Type", "application/json")
		if g.chance(g.bad / 3) {
			r.header.Set("Content-Type", g.pick("text/plain", "application/yaml", "", "application/json; charset=latin1", "multipart/form-data"))
		}
	} else if g.chance(g.bad / 3) {
		r.body = []byte(g.pick("{}", "nonsense", "\x00"))
	}
	return r
}

func printable(c rune) rune {
	if c < ' ' || c == 0x7f {
		return -1
	}
	return c
}

func (g *generator) chance(percent int) bool { return g.rng.IntN(100) < percent }

func (g *generator) pick(of ...string) string { return of[g.rng.IntN(len(of))] }

// nasty are texts that could cause errors.
var nasty = []string{
	"", " ", "\x00", "a\x00b", "'", `"`, `'; DROP TABLE tenants; --`, `" OR ""="`, `$$; DROP ROLE postgres; $$`, `\`, "%s%n", "../../etc/passwd", "a/b", "?", "#", "%",
	"\u202egnp", "\U0001f600", "é", "e\u0301", "\xff\xfe", "\ud7ff", "null", "{}", "-1", "1e999", "00000000-0000-0000-0000-000000000000", "nobody@", "@", "a@b@c",
	"ａ", "\u00a0", "\n", "\r\n", "\t", "<script>alert(1)</script>", "{{7*7}}", "${jndi:ldap://x}", strings.Repeat("x", 300), strings.Repeat("ä", 60), strings.Repeat("😀", 2100),
}

func (g *generator) pathParameter(op contractOperation, name string, p map[string]any, there map[string]string) string {
	if !g.chance(g.bad) {
		if strings.HasPrefix(op.path, "/v1/seeds") && name == "name" {
			name = "seed"
		}
		if strings.Contains(op.path, "/certificates/") && name == "credentialId" {
			name = "certificateId"
		}
		if known := there[name]; known != "" && !g.chance(10) {
			return known
		}
		return g.text(p["schema"].(map[string]any))
	}
	for {
		if text := g.pick(nasty...); text != "" {
			return text
		}
	}
}

func (g *generator) queryParameter(name string, p map[string]any, there map[string]string) string {
	switch {
	case g.chance(g.bad):
		return g.pick(nasty...)
	case there[name] != "" && name != "name" && !g.chance(10):
		return there[name]
	case name == "from" || name == "to":
		return g.pick("snapshot", "snapshot", "nothing")
	case name == "after" && !g.chance(20):
		return uuid.NewString()
	}
	return g.text(p["schema"].(map[string]any))
}

// text generates a value as a parameter.
func (g *generator) text(schema map[string]any) string {
	value := g.value(rawContract(), schema, 0)
	if text, ok := value.(string); ok {
		return text
	}
	return fmt.Sprint(value)
}

func (g *generator) body(op contractOperation) []byte {
	if g.chance(g.bad / 5) {
		return []byte(g.pick("", "null", "[]", "1", `"x"`, "{", `{"a":1,"a":2}`, `{"displayName":"x"} {}`, "\xef\xbb\xbf{}", "\x00", strings.Repeat("[", 20000), `{"x":`+strings.Repeat(`{"x":`, 20000)))
	}
	document, schema := rawContract(), op.body
	if op.id == "importTenant" || op.id == "createSeed" {
		document, schema = stateSchema(), stateSchema()
	}
	value := g.value(document, schema, 0)
	if body, ok := value.(map[string]any); ok && op.id == "createTenant" {
		g.source(body)
	}
	if body, ok := value.(map[string]any); ok && op.id == "createReportLogin" && !g.chance(g.bad) {
		body["tenantIds"] = []string{g.things.get()["tenantId"]}
	}
	if body, ok := value.(map[string]any); ok && op.id == "issueToken" && !g.chance(g.bad) {
		body["clientId"], body["userId"] = g.things.get()["clientId"], g.things.get()["userId"]
	}
	if body, ok := value.(map[string]any); ok && op.id == "createApplicationCertificate" && !g.chance(g.bad) {
		body["certificate"] = newCertificate()
	}
	if body, ok := value.(map[string]any); ok && op.id == "createUser" && !g.chance(g.bad) {
		body["userPrincipalName"] = named(fmt.Sprint("user", g.rng.Int()), uuid.MustParse(g.things.get()["tenantId"]))
	}
	if body, ok := value.(map[string]any); ok && op.id == "createFederatedCredential" && !g.chance(g.bad) {
		body["issuer"] = "https://issuer.example" // few generated texts are issuers
	}
	if body, ok := value.(map[string]any); ok && strings.HasSuffix(op.id, "Fault") && !g.chance(g.bad) && g.chance(70) {
		g.rule(body)
	}
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}

// rule removes parts of a generated rule that can't be combined.
func (g *generator) rule(body map[string]any) {
	delete(body, "schedule")
	body["match"] = map[string]any{"method": g.pick("GET", "POST"), "path": g.pick("/nowhere", "/v1.0/**", "/*/x*y")}
	body["effect"] = []any{
		map[string]any{"status": 503, "retryAfterSeconds": 3},
		map[string]any{"error": "throttled"},
		map[string]any{"change": []any{"empty", "emptyPage"}, "delayMilliseconds": 1},
		map[string]any{"reset": "after"},
	}[g.rng.IntN(4)]
}

// source generates the source of a new tenant, which mostly doesn't exist.
func (g *generator) source(body map[string]any) {
	there := g.things.get()
	delete(body, "source")
	body["ttlSeconds"] = 3600 // so that the tenant doesn't remain
	if g.chance(50) {
		return
	}
	body["source"] = []any{
		map[string]any{"seed": there["seed"]},
		map[string]any{"tenantId": there["tenantId"]},
		map[string]any{"tenantId": there["tenantId"], "snapshot": "snapshot"},
		map[string]any{"document": g.value(stateSchema(), stateSchema(), 0)},
		map[string]any{"seed": g.pick(nasty...)},
		map[string]any{"document": map[string]any{}, "seed": "x"},
	}[g.rng.IntN(6)]
}

// value generates a value of a schema, or sometimes one that doesn't fit.
func (g *generator) value(document, schema map[string]any, depth int) any {
	schema = resolve(document, schema)
	if g.chance(g.bad) {
		return g.wrong()
	}
	if values, ok := schema["enum"].([]any); ok {
		return values[g.rng.IntN(len(values))]
	}
	if value, ok := schema["const"]; ok {
		return value
	}
	if one, ok := schema["oneOf"].([]any); ok {
		merged := maps.Clone(schema)
		delete(merged, "oneOf")
		choice := one[g.rng.IntN(len(one))].(map[string]any)
		value, ok := g.value(document, merged, depth).(map[string]any)
		if !ok { // a value that doesn't fit
			return nil
		}
		for _, other := range one { // they differ in their required members
			for _, name := range other.(map[string]any)["required"].([]any) {
				delete(value, name.(string))
			}
		}
		for _, name := range choice["required"].([]any) {
			value[name.(string)] = g.value(document, schema["properties"].(map[string]any)[name.(string)].(map[string]any), depth)
		}
		return value
	}
	kinds, _ := schema["type"].([]any)
	if kind, ok := schema["type"].(string); ok {
		kinds = []any{kind}
	}
	if len(kinds) == 0 {
		return nil
	}
	switch kinds[g.rng.IntN(len(kinds))] {
	case "object":
		return g.object(document, schema, depth)
	case "array":
		return g.array(document, schema, depth)
	case "integer", "number":
		return g.integer(schema)
	case "boolean":
		return g.chance(50)
	case "string":
		return g.string(schema)
	}
	return nil
}

// wrong generates a value that fits hardly any schema.
func (g *generator) wrong() any {
	return []any{
		nil, true, 0, -1, 1.5, 1e300, json.Number("123456789012345678901234567890"), []any{}, map[string]any{}, []any{nil}, map[string]any{"x": 1}, g.pick(nasty...), g.pick(nasty...), g.pick(nasty...),
	}[g.rng.IntN(14)]
}

func (g *generator) object(document, schema map[string]any, depth int) any {
	object := map[string]any{}
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	not, _ := schema["not"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if !slices.Contains(required, any(name)) && !g.chance(35) {
			continue
		}
		if g.chance(g.bad / 2) {
			continue
		}
		object[name] = g.value(document, properties[name].(map[string]any), depth+1)
		if name == "waitSeconds" {
			object[name] = 0.01 // to avoid a long wait
		}
	}
	if together, ok := not["required"].([]any); ok && !g.chance(g.bad) {
		delete(object, together[0].(string))
	}
	if g.chance(g.bad / 2) {
		object[g.pick("nonsense", "", "a/b~c", "__proto__", "\x00")] = g.wrong()
	}
	return object
}

func (g *generator) array(document, schema map[string]any, depth int) any {
	list := []any{}
	n := int(number64(schema, "minItems", 0)) + g.rng.IntN(3)
	if g.chance(g.bad / 4) {
		n = int(number64(schema, "maxItems", 5)) + 1
	}
	for range n {
		list = append(list, g.value(document, schema["items"].(map[string]any), depth+1))
	}
	return list
}

func number64(schema map[string]any, name string, otherwise float64) float64 {
	if n, ok := schema[name].(float64); ok {
		return n
	}
	return otherwise
}

func (g *generator) integer(schema map[string]any) any {
	low, high := number64(schema, "minimum", 0), number64(schema, "maximum", 1000)
	if g.chance(g.bad) {
		return []any{low - 1, high + 1, 1e18, 0.5, json.Number("1.0"), json.Number("1e2"), 1 << 40}[g.rng.IntN(7)]
	}
	if g.chance(20) {
		return []float64{low, high}[g.rng.IntN(2)]
	}
	return int64(low) + g.rng.Int64N(int64(min(high-low, 1000)+1))
}

// Every pattern in the contract has a description, so that no refusal shows a regular
// expression.
func TestPatternsHaveWords(t *testing.T) {
	t.Parallel()
	found := 0
	for i, line := range strings.Split(string(api.OpenAPI), "\n") {
		if strings.Contains(line, "pattern: ") {
			found++
			if !strings.Contains(line, "x-want: ") {
				t.Errorf("api/openapi.yaml:%d: this pattern has no x-want", i+1)
			}
		}
	}
	if found < 10 {
		t.Errorf("found only %d patterns", found)
	}
}

// samples are texts, of which at least one matches each pattern.
var samples = []string{"x", "a-b.c_d", "Z9", "somebody@somewhere.example", "ü@ä.example", "$2a$04$aaaaaaaaaaaaaaaaaaaaaeKQ.6z0wE0gBu0gr8Wm6ZpqQwJcRkX9q", "0001-01-01T00:00:00Z", "/v1.0/*/x", "POST", "4xx", "429", "cut", "7a777708-7708-7a77-0877-777a0877777a_de"}

func (g *generator) string(schema map[string]any) any {
	least, most := int(number64(schema, "minLength", 0)), int(number64(schema, "maxLength", 60))
	if g.chance(g.bad) {
		return strings.Repeat(g.pick("x", "ä", "😀"), most+1)
	}
	switch schema["format"] {
	case "uuid":
		return uuid.NewString()
	case "date-time":
		return g.pick("2016-12-31T23:58:36.6670033-08:00", "2030-01-01T00:00:00Z", never)
	}
	if schema["contentEncoding"] == "base64" {
		return "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	}
	if pattern, ok := schema["pattern"].(string); ok {
		expression := regexp.MustCompile(pattern)
		fits := slices.DeleteFunc(slices.Clone(samples), func(s string) bool { return !expression.MatchString(s) })
		text := g.pick(fits...)
		if strings.Contains(text, "@") || expression.MatchString(text+"-1") && least < len(text)+10 && most > 40 {
			if unique := strings.ReplaceAll(uuid.NewString(), "-", "") + text; expression.MatchString(unique) {
				text = unique
			}
		}
		return text
	}
	if g.chance(15) {
		return strings.Repeat(g.pick("x", "ä", "😀"), max(least, most))
	}
	text := g.pick("some text", "O'Neil", `"quoted"`, "ünïcödé", "😀", "x", "https://x.example/", "a b c", "DeviceManagementServiceConfig.Read.All")
	for len([]rune(text)) < least {
		text += "x"
	}
	return string([]rune(text)[:min(len([]rune(text)), most)])
}

// exercise sends a request and checks the answer against the contract.
func (c *client) exercise(op contractOperation, m madeRequest) reply {
	c.Helper()
	path := op.path
	for name, value := range m.parameters {
		path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
	}
	make := func(body []byte) *http.Request {
		r, err := http.NewRequestWithContext(c.Context(), op.method, "http://localhost"+path, bytes.NewReader(body))
		if err != nil {
			c.Fatal(err)
		}
		r.URL.RawQuery = m.query
		r.RequestURI = r.URL.RequestURI()
		r.Header = m.header.Clone()
		r.Header.Set("Authorization", "Bearer "+c.key)
		return r
	}
	w := httptest.NewRecorder()
	c.server.AdminHandler().ServeHTTP(w, make(m.body))
	a := reply{w.Code, w.Header(), w.Body.String()}
	unmarked := bytes.TrimPrefix(m.body, []byte("\ufeff")) // the service ignores the mark, but the validator doesn't
	input := openapi3filter.RequestValidationInput{
		Request: make(unmarked), PathParams: m.parameters, Route: op.route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if wrong := brokenPromise(op, &input, a); wrong != "" {
		c.Errorf("%s %s?%s %v %.2000s\nwas answered %d %v %.2000s\n%s", op.method, path, m.query, m.header, m.body, a.status, a.header, a.body, wrong)
	}
	if op.id == "importTenant" || op.id == "createSeed" {
		input.Options.ExcludeRequestBody = true // documents have more rules than the contract
	}
	if err := openapi3filter.ValidateRequest(c.Context(), &input); err != nil && a.status < 400 {
		c.Errorf("%s %s?%s %v %.2000s\nbreaks the contract and was answered %d %.2000s\n%v", op.method, path, m.query, m.header, m.body, a.status, a.body, err)
	}
	return a
}

// brokenPromise returns how an answer breaks the contract, or "".
func brokenPromise(op contractOperation, request *openapi3filter.RequestValidationInput, a reply) string {
	if a.status >= 500 {
		return "the service failed"
	}
	declared := op.route.Operation.Responses.Status(a.status)
	if declared == nil {
		return "the status is not declared"
	}
	kind := a.header.Get("Content-Type")
	if len(declared.Value.Content) == 0 {
		if a.body != "" || kind != "" {
			return "the contract allows no body"
		}
		return ""
	}
	if declared.Value.Content.Get(kind) == nil {
		return "the type is not declared"
	}
	if !strings.HasSuffix(kind, "json") || kind == "application/schema+json" {
		return "" // neither validator reads text
	}
	response := &openapi3filter.ResponseValidationInput{RequestValidationInput: request, Status: a.status, Header: a.header, Options: request.Options, Body: io.NopCloser(strings.NewReader(a.body))}
	if err := openapi3filter.ValidateResponse(request.Request.Context(), response); err != nil {
		return err.Error()
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(a.body))
	if err == nil {
		err = answerSchema(op, declared, a.status, kind).Validate(value)
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// answers caches the compiled schemas of answers, which also check formats.
var answers sync.Map

func answerSchema(op contractOperation, declared *openapi3.ResponseRef, status int, kind string) *jsonschema.Schema {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	at := fmt.Sprintf("openapi.json#/paths/%s/%s/responses/%d/content/%s/schema", escape.Replace(op.path), strings.ToLower(op.method), status, escape.Replace(kind))
	if declared.Ref != "" {
		at = "openapi.json" + declared.Ref + "/content/" + escape.Replace(kind) + "/schema"
	}
	if known, ok := answers.Load(at); ok {
		return known.(*jsonschema.Schema)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("openapi.json", rawContract()); err != nil {
		panic(err)
	}
	schema, err := compiler.Compile(at)
	if err != nil {
		panic(err)
	}
	answers.Store(at, schema)
	return schema
}
