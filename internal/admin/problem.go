package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/state"
)

const (
	jsonType    = "application/json"
	problemType = "application/problem+json"
)

// problem is a refusal, as a problem document shows it (RFC 9457).
type problem struct {
	status  int
	detail  string
	pointer string // where in the body (RFC 6901)
	line    int    // of the body; 0 is not known
	cause   error  // for the log, never for the client
}

func (p *problem) Error() string {
	text := fmt.Sprintf("%d: %s", p.status, p.detail)
	if p.cause != nil {
		text += ": " + p.cause.Error()
	}
	return text
}

func (p *problem) Unwrap() error { return p.cause }

func errBadRequest(format string, args ...any) *problem {
	return &problem{status: http.StatusBadRequest, detail: fmt.Sprintf(format, args...)}
}

func errForbidden(format string, args ...any) *problem {
	return &problem{status: http.StatusForbidden, detail: fmt.Sprintf(format, args...)}
}

func errNotFound(format string, args ...any) *problem {
	return &problem{status: http.StatusNotFound, detail: fmt.Sprintf(format, args...)}
}

func errConflict(format string, args ...any) *problem {
	return &problem{status: http.StatusConflict, detail: fmt.Sprintf(format, args...)}
}

// asProblem puts any error into words for the client.
func asProblem(err error) *problem {
	var ours *problem
	var document *state.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.As(err, &tooLarge):
		return &problem{status: http.StatusRequestEntityTooLarge, detail: fmt.Sprintf("The body is larger than %d bytes.", tooLarge.Limit)}
	case errors.As(err, &document):
		return &problem{status: http.StatusBadRequest, detail: document.Error(), pointer: document.Pointer, line: document.Line}
	}
	err = db.Classify(err)
	switch {
	case errors.Is(err, context.Canceled):
		return &problem{status: statusClientClosed, detail: "The client is gone.", cause: err}
	case errors.Is(err, db.ErrNotFound), errors.Is(err, db.ErrNoTenant):
		return &problem{status: http.StatusNotFound, detail: "There is no such thing.", cause: err}
	case errors.Is(err, db.ErrTaken):
		return &problem{status: http.StatusConflict, detail: "The id or name is taken.", cause: err}
	case errors.Is(err, db.ErrUnavailable):
		return &problem{status: http.StatusServiceUnavailable, detail: "The database is not available; try again in a moment.", cause: err}
	}
	return &problem{status: http.StatusInternalServerError, detail: "Something went wrong; the service's log has more.", cause: err}
}

// statusClientClosed is what logs show of a request whose client went away.
const statusClientClosed = 499

// fail answers a refusal; one of who may not is audited.
func (a *API) fail(x *call, err error) {
	_ = x.Error(err) // for the log
	p := asProblem(err)
	if p.status == http.StatusUnauthorized || p.status == http.StatusForbidden {
		a.auditDenial(x, p.status)
	}
	if x.Writer.Written() {
		panic(http.ErrAbortHandler) // half an answer must not look whole
	}
	switch p.status {
	case http.StatusUnauthorized:
		x.Header("WWW-Authenticate", `Bearer realm="mocktenant administration"`)
	case http.StatusServiceUnavailable:
		x.Header("Retry-After", "2")
	}
	document := Problem{Type: "about:blank", Title: http.StatusText(p.status), Status: p.status}
	if p.detail != "" {
		document.Detail = &p.detail
	}
	if p.pointer != "" {
		document.Pointer = &p.pointer
	}
	if p.line > 0 {
		document.Line = &p.line
	}
	x.Header("Content-Type", problemType) // also where another was set: Data leaves that alone
	text, _ := marshal(document)          // strings and numbers: it can be written
	x.Data(p.status, problemType, text)
}

// marshal writes JSON that isn't escaped for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}
