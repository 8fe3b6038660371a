package graph

import (
	"errors"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
)

// errNotModified answers GET and HEAD by 304, which has no body.
var errNotModified = errors.New("304 Not Modified")

// checkPreconditions returns why a request must not be done though its target
// exists: errNotModified or 412. No resource of Graph's Intune part has an ETag,
// so no tag matches, and "*" matches all that exists (RFC 9110 sections 13.1.1
// and 13.1.2). Conditions on dates are passed over, as nothing shows its own.
func (x *exchange) checkPreconditions() error {
	h := x.Request.Header
	if len(h["If-Match"]) == 0 && len(h["If-None-Match"]) == 0 { // nearly all
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

// checkPartnerPreconditions does as checkPreconditions for a partner. Of one that
// doesn't exist it returns db.ErrNotFound: a request that would fail without
// conditions fails in the same way with them (RFC 9110 section 13.2.1).
func (x *exchange) checkPartnerPreconditions(id uuid.UUID) error {
	failed := x.checkPreconditions()
	if failed == nil {
		return nil
	}
	_, err := x.queries.GetRemoteAssistancePartner(x.Request.Context(), db.GetRemoteAssistancePartnerParams{TenantID: x.caller.TenantID, ID: id})
	if err != nil {
		return err
	}
	return failed
}

// writeNotModified answers 304 (RFC 9110 section 15.4.5).
func (x *exchange) writeNotModified() {
	x.setHeader("OData-Version", "4.0")
	x.Status(http.StatusNotModified)
	x.Writer.WriteHeaderNow()
}
