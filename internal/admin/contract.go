package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/uuid"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/spool"
	"github.com/mocktenant/mocktenant/internal/state"
)

// These are the limits of bodies, in bytes.
const (
	maxBody     = 1 << 20
	maxCreate   = 16 << 20 // for a tenant, whose body may contain a document
	maxDocument = 4 << 30
)

// endpoint is an operation with its path in the contract.
type endpoint struct {
	operation
	name   string
	role   db.AdminRole // "" allows every caller
	status int          // of success
	path   string       // in Gin's form
	route  *routers.Route
	schema *jsonschema.Schema // the body's; nil without a body or for a document
}

// endpoints maps method and path, in Gin's form, to the contract's operations.
type endpoints map[string]*endpoint

func (e endpoints) find(method, path string) *endpoint { return e[method+" "+path] }

var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

// contract reads the contract when it is first needed. Reading takes about 10 ms and 2 MB,
// which a service without administration saves.
var contract = sync.OnceValue(func() endpoints {
	document, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		panic(err) // the file is embedded and tested
	}
	schemas := schemaCompiler()
	all := endpoints{}
	for path, item := range document.Paths.Map() {
		for method, op := range item.Operations() {
			op.Parameters = slices.Concat(item.Parameters, op.Parameters)
			e := newEndpoint(&routers.Route{Spec: document, Path: path, PathItem: item, Method: method, Operation: op})
			if op.RequestBody != nil && e.document != documentAsBody {
				e.schema = schemas.MustCompile(contractURL + op.RequestBody.Value.Content.Get(jsonType).Schema.Ref)
			}
			all[method+" "+e.path] = e
		}
	}
	return all
})

func newEndpoint(r *routers.Route) *endpoint {
	e := &endpoint{operation: operations[r.Operation.OperationID], name: r.Operation.OperationID, route: r}
	e.path = pathParameter.ReplaceAllString(r.Path, ":$1")
	if role, _ := r.Operation.Extensions["x-role"].(string); role != "anybody" {
		e.role = db.AdminRole(role)
	}
	for _, status := range []int{http.StatusOK, http.StatusCreated, http.StatusNoContent} {
		if r.Operation.Responses.Status(status) != nil {
			e.status = status
		}
	}
	return e
}

// answer returns the answer to a successful operation.
func (e *endpoint) answer(value any) answer {
	if value == (none{}) {
		value = nil
	}
	return answer{e.status, value}
}

const contractURL = "openapi.yaml"

// schemaCompiler compiles the contract's schemas.
func schemaCompiler() *jsonschema.Compiler {
	var document any
	err := yaml.Unmarshal(api.OpenAPI, &document)
	schemas := jsonschema.NewCompiler()
	schemas.AssertFormat()
	if err == nil {
		err = schemas.AddResource(contractURL, document)
	}
	if err != nil {
		panic(err) // the file is embedded and tested
	}
	return schemas
}

// fits reports whether a body conforms to the schema. kin-openapi also checks this and
// explains errors, but compiles the schema each time.
func (e *endpoint) fits(body []byte) bool {
	if e.schema == nil || body == nil {
		return false
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	return err == nil && e.schema.Validate(value) == nil
}

// Load reads the contract before the first request does.
func Load() { contract() }

// validate checks the request against the contract.
func (a *API) validate(x *call) error {
	if x.op == nil {
		return nil
	}
	path, err := x.checkPath()
	if err != nil {
		return err
	}
	query, err := x.checkQuery()
	if err != nil {
		return err
	}
	x.Request.Body = spool.Body(x.Writer, x.Request, a.patience)
	if err := a.readBody(x); err != nil {
		return err
	}
	if err := x.checkContract(path); err != nil {
		return describe(err, x.body)
	}
	x.bindParameters(query)
	return x.checkTexts()
}

// checkContract compares the request with the contract. It skips the body if that is a
// document, which the import checks, or has already been found to fit.
func (x *call) checkContract(path map[string]string) error {
	r := x.Request.Clone(x.Request.Context())
	r.Body = io.NopCloser(bytes.NewReader(x.body)) // the request's own body would be read completely
	checked := x.op.document == documentAsBody || x.ContentType() == jsonType && x.op.fits(x.body)
	return openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: path, Route: x.op.route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, ExcludeRequestBody: checked, RejectWhenRequestBodyNotSpecified: true,
		},
	})
}

// checkPath returns the path's parameters, and refuses values that Postgres can't store.
func (x *call) checkPath() (map[string]string, error) {
	path := map[string]string{}
	for _, p := range x.Params {
		path[p.Key] = p.Value
		if fault := textFault(p.Value); fault != "" {
			return nil, errBadRequest("The parameter %s: %q %s.", p.Key, p.Value, fault)
		}
	}
	return path, nil
}

// bindParameters keeps the valid parameters from path and query. The last path parameter is
// the target of a change, unless it is the tenant.
func (x *call) bindParameters(query url.Values) {
	x.parameters = map[string]any{}
	for _, p := range x.op.route.Operation.Parameters {
		text, given := x.Params.Get(p.Value.Name)
		if p.Value.In == "query" {
			text, given = query.Get(p.Value.Name), query.Has(p.Value.Name)
		}
		if !given || p.Value.In == "header" {
			continue
		}
		x.parameters[p.Value.Name] = valueOf(text, p.Value.Schema.Value)
		if p.Value.In == "path" && p.Value.Name != "tenantId" {
			x.target = fmt.Sprint(x.parameters[p.Value.Name])
		}
	}
}

// valueOf returns the value of a valid parameter.
func valueOf(text string, schema *openapi3.Schema) any {
	if schema.Type.Is(openapi3.TypeInteger) {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	}
	if schema.Format == "uuid" {
		if id, err := uuid.Parse(text); err == nil {
			return id
		}
	}
	return text
}

func (a *API) readBody(x *call) (err error) {
	switch x.op.document {
	case documentAsBody:
		if err := x.documentType(); err != nil {
			return err
		}
		return a.receive(x)
	case documentInBody:
		return x.receiveAround()
	}
	x.body, err = io.ReadAll(x.limited(maxBody))
	if err == nil {
		x.body, err = state.ToJSON(x.body, false)
	}
	if len(x.body) == 0 {
		x.body = nil
	}
	return err
}

func (x *call) documentType() error {
	if kind := x.ContentType(); kind != jsonType && kind != yamlType {
		return errBadRequest("The Content-Type is %q; want %s or %s.", kind, jsonType, yamlType)
	}
	return nil
}

// checkQuery reads the query. It refuses what would otherwise be ignored: unknown
// parameters, repeated ones, and malformed queries.
func (x *call) checkQuery() (url.Values, error) {
	query, err := url.ParseQuery(x.Request.URL.RawQuery)
	if err != nil {
		return nil, errBadRequest("The query %q: %v.", x.Request.URL.RawQuery, err)
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		values := query[name]
		switch fault := textFault(values[0]); {
		case x.op.route.Operation.Parameters.GetByInAndName("query", name) == nil:
			return nil, errBadRequest("The query parameter %q does not exist here.", name)
		case len(values) > 1:
			return nil, errBadRequest("The query parameter %q comes %d times.", name, len(values))
		case fault != "":
			return nil, errBadRequest("The parameter %s: %q %s.", name, values[0], fault)
		}
	}
	return query, nil
}

// textFault returns why Postgres can't store a text, or "".
func textFault(text string) string {
	switch {
	case strings.ContainsRune(text, 0):
		return "holds the character U+0000"
	case !utf8.ValidString(text):
		return "is not UTF-8"
	}
	return ""
}

// checkTexts refuses a body with a text or a name that Postgres can't store.
func (x *call) checkTexts() error {
	pointer, found := state.FindNUL(x.body)
	if !found {
		return nil
	}
	p := errBadRequest("%s: holds the character U+0000.", pointer)
	p.pointer, p.line = pointer, state.LineOf(x.body, pointer)
	return p
}

// describe returns how and where a request breaks the contract.
func describe(err error, body []byte) *problem {
	p := errBadRequest("%v", err)
	var request *openapi3filter.RequestError
	if !errors.As(err, &request) {
		return p
	}
	reason := request.Reason
	var schema *openapi3.SchemaError
	if errors.As(request.Err, &schema) {
		reason = reasonOf(schema)
		if request.RequestBody != nil {
			p.pointer = pointerTo(schema, reason)
			p.line = state.LineOf(body, p.pointer)
		}
	} else if request.Err != nil {
		reason = request.Err.Error()
	}
	switch {
	case request.Parameter != nil:
		p.detail = "The parameter " + request.Parameter.Name + ": " + reason
	case p.pointer != "":
		p.detail = p.pointer + ": " + reason
	default:
		p.detail = "The body: " + reason
	}
	return p
}

// reasonOf returns in plain words why a value doesn't fit a schema.
func reasonOf(e *openapi3.SchemaError) string {
	if want, ok := e.Schema.Extensions["x-want"].(string); ok && e.SchemaField == "pattern" {
		return plain("want " + want) // a description is clearer than a regular expression
	}
	return plain(preamble.ReplaceAllString(e.Reason, ""))
}

// pointerTo returns the position of the value that doesn't fit.
func pointerTo(e *openapi3.SchemaError, reason string) string {
	at := e.JSONPointer()
	if m := unsupported.FindStringSubmatch(reason); m != nil {
		at = append(at, m[1])
	}
	return pointerOf(at)
}

// unsupported matches kin-openapi's error about a property that the contract doesn't have.
// Its position is the object's.
var unsupported = regexp.MustCompile(`^property "(.*)" is unsupported$`)

// preamble matches what kin-openapi adds before the reason of a JSON Schema error.
var preamble = regexp.MustCompile(`^jsonschema validation failed with '[^']*'\n- at '[^']*': `)

// bounds match what the two validators of the contract say of a value beyond a bound, and of
// a time in another form.
var bounds = []struct {
	found *regexp.Regexp
	plain string
}{
	{regexp.MustCompile(`^(?:minimum: got .*, want|number must be at least) (\S+)$`), "want at least $1"},
	{regexp.MustCompile(`^(?:maximum: got .*, want|number must be at most) (\S+)$`), "want at most $1"},
	{regexp.MustCompile(`^(?:minLength: got .*, want|minimum string length is) (\d+)$`), "want a length of at least $1"},
	{regexp.MustCompile(`^(?:maxLength: got .*, want|maximum string length is) (\d+)$`), "want a length of at most $1"},
	{regexp.MustCompile(`^(?:minItems: got .*, want|minimum number of items is) (\d+)$`), "want a list of at least $1"},
	{regexp.MustCompile(`^(?:maxItems: got .*, want|maximum number of items is) (\d+)$`), "want a list of at most $1"},
	{regexp.MustCompile(`^(?:'.*' is not valid date-time: |string doesn't match the format "date-time").*$`), "want a time of the years 0000 to 9999, such as 2026-11-28T12:00:00Z"},
}

// plain says a validator's reason in one way.
func plain(reason string) string {
	for _, b := range bounds {
		reason = b.found.ReplaceAllString(reason, b.plain)
	}
	if list, ok := strings.CutPrefix(reason, "value must be one of "); ok {
		reason = "want " + strings.ReplaceAll(list, "'", "")
		if last := strings.LastIndex(reason, ", "); last > 0 {
			reason = reason[:last] + " or " + reason[last+2:]
		}
	}
	return reason
}

func pointerOf(segments []string) string {
	if len(segments) == 0 {
		return ""
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	for i, s := range segments {
		segments[i] = escape.Replace(s)
	}
	return "/" + strings.Join(segments, "/")
}

const yamlType = "application/yaml"

func getOpenAPI(_ context.Context, x *call, _ none) error {
	x.Data(http.StatusOK, yamlType, api.OpenAPI)
	return nil
}

func getStateSchema(_ context.Context, x *call, _ none) error {
	x.Data(http.StatusOK, "application/schema+json", state.Schema())
	return nil
}
