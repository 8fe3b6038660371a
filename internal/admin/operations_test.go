package admin

import (
	"net/http"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/mocktenant/mocktenant/api"
)

// Each operation of the contract has a function, and each function an operation; it takes
// the operation's parameters and body, and answers what the operation does. What changes
// something is a write, with its transaction and its audit.
func TestOperations(t *testing.T) {
	t.Parallel()
	document, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for at, item := range document.Paths.Map() {
		for method, op := range item.Operations() {
			described[op.OperationID] = true
			o, ok := operations[op.OperationID]
			if !ok {
				t.Errorf("%s %s: the table lacks %s", method, at, op.OperationID)
				continue
			}
			if got, want := membersOf(o.takes), taken(o, slices.Concat(item.Parameters, op.Parameters), op.RequestBody); !slices.Equal(got, want) {
				t.Errorf("%s takes %q, the contract says %q", op.OperationID, got, want)
			}
			if got, want := o.answerType(), answered(op); got != want {
				t.Errorf("%s answers %q, the contract says %q", op.OperationID, got, want)
			}
			if o.changes != (method != http.MethodGet && op.OperationID != "verifyRequests") { // whose checks are too long for a query
				t.Errorf("%s %s: changes something: %t", method, at, o.changes)
			}
		}
	}
	for name := range operations {
		if !described[name] {
			t.Errorf("the contract lacks %s", name)
		}
	}
}

// answerType is the name of the type that the function returns, or "".
func (o operation) answerType() string {
	if o.answers == nil {
		return ""
	}
	return o.answers.Name()
}

// answered is the name of the schema of a success, or "" where the answer is a document,
// or none.
func answered(op *openapi3.Operation) string {
	for _, status := range []int{http.StatusOK, http.StatusCreated} {
		success := op.Responses.Status(status)
		if success == nil || len(success.Value.Content) != 1 {
			continue
		}
		if content := success.Value.Content.Get(jsonType); content != nil {
			return path.Base(content.Schema.Ref)
		}
	}
	return ""
}

// taken are the names, in small letters, of what an operation takes besides its tenant.
func taken(o operation, parameters openapi3.Parameters, body *openapi3.RequestBodyRef) []string {
	var names []string
	for _, p := range parameters {
		if p.Value.In == "query" || p.Value.In == "path" && p.Value.Name != "tenantId" {
			names = append(names, strings.ToLower(p.Value.Name))
		}
	}
	if body != nil && o.document != documentAsBody {
		for name := range body.Value.Content.Get(jsonType).Schema.Value.Properties {
			names = append(names, strings.ToLower(name))
		}
	}
	slices.Sort(names)
	return names
}

// membersOf are the names, in small letters, by which JSON fills a struct.
func membersOf(of reflect.Type) []string {
	var names []string
	for i := range of.NumField() {
		f := of.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			names = append(names, membersOf(f.Type)...)
		case f.IsExported() && name != "":
			names = append(names, strings.ToLower(name))
		case f.IsExported():
			names = append(names, strings.ToLower(f.Name))
		}
	}
	slices.Sort(names)
	return names
}

// The success of every operation has one status.
func TestOneSuccess(t *testing.T) {
	t.Parallel()
	for at, e := range contract() {
		n := 0
		for status := range e.route.Operation.Responses.Map() {
			if code, err := strconv.Atoi(status); err == nil && code < http.StatusBadRequest {
				n++
			}
		}
		if n != 1 || e.status == 0 {
			t.Errorf("%s has %d statuses of success; %d is taken", at, n, e.status)
		}
	}
}
