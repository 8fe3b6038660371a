package admin

import (
	"bytes"
	_ "embed"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/gin-gonic/gin"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/state"
)

//go:embed openapi.yaml
var openAPI []byte

// Limits of bodies, in bytes.
const (
	maxBody     = 1 << 20
	maxCreate   = 16 << 20 // of a tenant, which may bring a document
	maxDocument = 4 << 30
)

// operation is one of the contract's.
type operation struct {
	route *routers.Route
	name  string
	role  db.AdminRole       // "" lets anybody
	body  *jsonschema.Schema // nil: there is none, or a document
}

// operations are those of the contract, by method and path as Gin writes it.
type operations map[string]*operation

func (o operations) find(method, path string) *operation { return o[method+" "+path] }

var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

// contract reads the document, once, when it is first needed: it takes some 10 ms and
// 2 MB, which a service that nobody administers does without.
var contract = sync.OnceValue(func() operations {
	document, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err != nil {
		panic(err) // it is embedded, and a test reads it
	}
	schemas := schemaCompiler()
	all := operations{}
	for path, item := range document.Paths.Map() {
		for method, op := range item.Operations() {
			role, _ := op.Extensions["x-role"].(string)
			if role == "anybody" {
				role = ""
			}
			o := &operation{
				route: &routers.Route{Spec: document, Path: path, PathItem: item, Method: method, Operation: op},
				name:  op.OperationID, role: db.AdminRole(role),
			}
			if op.RequestBody != nil && !o.document() {
				o.body = schemas.MustCompile(contractURL + op.RequestBody.Value.Content.Get(jsonType).Schema.Ref)
			}
			all[method+" "+pathParameter.ReplaceAllString(path, ":$1")] = o
		}
	}
	return all
})

const contractURL = "openapi.yaml"

// schemaCompiler compiles schemas of the contract.
func schemaCompiler() *jsonschema.Compiler {
	var document any
	err := yaml.Unmarshal(openAPI, &document)
	schemas := jsonschema.NewCompiler()
	schemas.AssertFormat()
	if err == nil {
		err = schemas.AddResource(contractURL, document)
	}
	if err != nil {
		panic(err) // it is embedded, and a test reads it
	}
	return schemas
}

// fits tells whether a body is what the schema says. kin-openapi says it too, and
// what is wrong, but compiles the schema anew each time.
func (o *operation) fits(body []byte) bool {
	if o.body == nil || body == nil {
		return false
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	return err == nil && o.body.Validate(value) == nil
}

// Load reads the contract, for whoever has time now and will call at once.
func Load() { contract() }

// document tells whether the body is a state document, which its reader checks.
func (o *operation) document() bool { return o.name == "importTenant" || o.name == "createSeed" }

// export tells whether the answer is one.
func (o *operation) export() bool { return strings.HasPrefix(o.name, "export") }

// embeds tells whether the body may have a state document in it.
func (o *operation) embeds() bool { return o.name == "createTenant" }

// validate holds the request against the contract.
func (a *API) validate(x *call) error {
	if x.op == nil {
		return nil
	}
	parameters := map[string]string{}
	for _, p := range x.Params {
		parameters[p.Key] = p.Value
		if fault := textFault(p.Value); fault != "" {
			return errBadRequest("The parameter %s: %q %s.", p.Key, p.Value, fault)
		}
	}
	if err := x.checkQuery(); err != nil {
		return err
	}
	x.Request.Body = a.pacedBody(x)
	if err := a.readBody(x); err != nil {
		return err
	}
	r := x.Request.Clone(x.Request.Context())
	r.Body = io.NopCloser(bytes.NewReader(x.body)) // never the request's own: it would be read whole
	err := openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: parameters, Route: x.op.route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, ExcludeRequestBody: x.op.document() || x.ContentType() == jsonType && x.op.fits(x.body), RejectWhenRequestBodyNotSpecified: true,
		},
	})
	if err != nil {
		return x.describe(err)
	}
	return x.checkTexts()
}

func (a *API) readBody(x *call) (err error) {
	switch {
	case x.op.document():
		if err := x.documentType(); err != nil {
			return err
		}
		return a.receive(x)
	case x.op.embeds():
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

// checkQuery refuses query parameters that else would be passed over: those that
// the contract doesn't know, a second one of the same name, and what is no query.
func (x *call) checkQuery() error {
	query, err := url.ParseQuery(x.Request.URL.RawQuery)
	if err != nil {
		return errBadRequest("The query %q: %v.", x.Request.URL.RawQuery, err)
	}
	for name, values := range query {
		switch fault := textFault(values[0]); {
		case x.op.route.Operation.Parameters.GetByInAndName("query", name) == nil:
			return errBadRequest("The query parameter %q is not known here.", name)
		case len(values) > 1:
			return errBadRequest("The query parameter %q comes %d times.", name, len(values))
		case fault != "":
			return errBadRequest("The parameter %s: %q %s.", name, values[0], fault)
		}
	}
	return nil
}

// textFault says why Postgres can't keep a text, or "".
func textFault(text string) string {
	switch {
	case strings.ContainsRune(text, 0):
		return "holds the character U+0000"
	case !utf8.ValidString(text):
		return "is not UTF-8"
	}
	return ""
}

// checkTexts refuses a body in which a text, or a name, can't be kept.
func (x *call) checkTexts() error {
	pointer, found := state.FindNUL(x.body)
	if !found {
		return nil
	}
	p := errBadRequest("%s: holds the character U+0000.", pointer)
	p.pointer, p.line = pointer, state.LineOf(x.body, pointer)
	return p
}

// describe says what of a request breaks the contract, and where.
func (x *call) describe(err error) error {
	p := errBadRequest("%v", err)
	var request *openapi3filter.RequestError
	if !errors.As(err, &request) {
		return p
	}
	reason := request.Reason
	var schema *openapi3.SchemaError
	if errors.As(request.Err, &schema) {
		reason = preamble.ReplaceAllString(schema.Reason, "")
		if request.RequestBody != nil {
			at := schema.JSONPointer()
			if m := unsupported.FindStringSubmatch(reason); m != nil {
				at = append(at, m[1])
			}
			p.pointer = pointerOf(at)
			p.line = state.LineOf(x.body, p.pointer)
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

// unsupported is what kin-openapi says of a property that the contract doesn't
// have; it points at the object.
var unsupported = regexp.MustCompile(`^property "(.*)" is unsupported$`)

// preamble is what stands before a reason where the schema is JSON Schema's.
var preamble = regexp.MustCompile(`^jsonschema validation failed with '[^']*'\n- at '[^']*': `)

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

// GetOpenAPI serves the contract.
func (a *API) GetOpenAPI(c *gin.Context) { c.Data(http.StatusOK, yamlType, openAPI) }

// GetStateSchema serves the schema of documents.
func (a *API) GetStateSchema(c *gin.Context) {
	c.Data(http.StatusOK, "application/schema+json", state.Schema)
}
