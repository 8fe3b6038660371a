package graph

import (
	"errors"
	"net/http"
	"strings"

	"github.com/mocktenant/mocktenant/internal/db"
)

// errNotModified answers GET and HEAD with 304, which has no body.
var errNotModified = errors.New("304 Not Modified")

// checkPreconditions returns errNotModified or 412 if the request's conditions fail for an
// existing resource. No resource in Graph's Intune part has an ETag, so no tag matches, and
// "*" matches everything that exists (RFC 9110 sections 13.1.1 and 13.1.2). Conditions on
// dates are ignored, because no resource has a Last-Modified date.
func (x *exchange) checkPreconditions() error {
	h := x.Request.Header
	if len(h["If-Match"]) == 0 && len(h["If-None-Match"]) == 0 { // the usual case
		return nil
	}
	if tags := entityTags(h["If-Match"]); tags != "" && tags != "*" {
		return errPreconditionFailed("If-Match", tags)
	}
	if entityTags(h["If-None-Match"]) != "*" {
		return nil
	}
	if x.Request.Method == http.MethodGet || x.Request.Method == http.MethodHead {
		return errNotModified
	}
	return errPreconditionFailed("If-None-Match", "*")
}

func entityTags(values []string) string { return strings.TrimSpace(strings.Join(values, ",")) }

func errPreconditionFailed(header, tags string) *graphError {
	return &graphError{
		status: http.StatusPreconditionFailed, code: "PreconditionFailed",
		message: "The precondition '" + header + ": " + abbreviate(tags) + "' of the request failed: the resource exists and has no ETag. Leave the header out, or send 'If-Match: *'.",
	}
}

// checkPreconditions checks the request's conditions for one entity. It returns
// db.ErrNotFound if the entity doesn't exist: a request that would fail without conditions
// fails in the same way with them (RFC 9110 section 13.2.1).
func (r *resource) checkPreconditions(x *exchange, k db.Key) error {
	failed := x.checkPreconditions()
	if failed == nil {
		return nil
	}
	if _, err := x.queries.Entity(r.Type).Get(x.Request.Context(), k); err != nil {
		return err
	}
	return failed
}

// writeNotModified answers with 304 (RFC 9110 section 15.4.5).
func (x *exchange) writeNotModified() {
	x.setHeader("OData-Version", "4.0")
	x.Status(http.StatusNotModified)
	x.Writer.WriteHeaderNow()
}
