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

// Each operation of the contract has a function and each function has an operation. The
// function takes the operation's parameters and body and returns its answer. Operations that
// change something are writes, with a transaction and an audit entry.
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
			if o.changes != (method != http.MethodGet && op.OperationID != "verifyRequests" && op.OperationID != "checkToken") { // a POST, because checks and tokens don't belong into a query
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

// answerType returns the name of the function's result type, or "".
func (o operation) answerType() string {
	if o.answers == nil {
		return ""
	}
	return o.answers.Name()
}

// answered returns the name of the schema of a successful answer, or "" for a document and
// without a body.
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

// taken returns the names, in lower case, of an operation's parameters and members except the
// tenant.
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

// membersOf returns the names, in lower case, of a struct's members in JSON.
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

// Every operation has exactly one successful status.
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
