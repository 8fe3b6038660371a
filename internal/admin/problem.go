package admin

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/front"
	"github.com/mocktenant/mocktenant/internal/odata"
	"github.com/mocktenant/mocktenant/internal/reporting"
	"github.com/mocktenant/mocktenant/internal/spool"
	"github.com/mocktenant/mocktenant/internal/state"
)

const (
	jsonType    = "application/json"
	problemType = "application/problem+json"
)

// problem is an error in the form of a problem document (RFC 9457).
type problem struct {
	status  int
	detail  string
	pointer string // position in the body (RFC 6901)
	line    int    // of the body; 0 means unknown
	cause   error  // only for the log

	retryAfter time.Duration // in whole seconds; no header if 0
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

// asProblem converts any error to a problem.
func asProblem(err error) *problem {
	var ours *problem
	var hook *front.Refusal
	var document *state.Error
	var tooLarge *http.MaxBytesError
	var underway *spool.Error
	var report *reporting.Error
	var query *odata.Error
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.As(err, &hook):
		return &problem{status: hook.Status, detail: hook.Message, retryAfter: hook.RetryAfter}
	case errors.As(err, &tooLarge):
		return &problem{status: http.StatusRequestEntityTooLarge, detail: fmt.Sprintf("The body is larger than %d bytes.", tooLarge.Limit)}
	case errors.As(err, &underway):
		return &problem{status: underway.Status, detail: underway.Text, cause: underway.Err}
	case errors.As(err, &report):
		return &problem{status: report.Status, detail: report.Text, cause: report.Err}
	case errors.As(err, &query):
		return errBadRequest("%s", query.Message)
	case errors.As(err, &document):
		return &problem{status: http.StatusBadRequest, detail: document.Error(), pointer: document.Pointer, line: document.Line}
	}
	return asDatabaseProblem(db.Classify(err))
}

// asDatabaseProblem converts an error of the database, or an unknown one, to a problem.
func asDatabaseProblem(err error) *problem {
	switch {
	case errors.Is(err, context.Canceled):
		return &problem{status: statusClientClosed, detail: "The client is gone.", cause: err}
	case errors.Is(err, db.ErrNotFound), errors.Is(err, db.ErrNoTenant):
		return &problem{status: http.StatusNotFound, detail: "The item does not exist.", cause: err}
	case errors.Is(err, db.ErrTaken):
		return &problem{status: http.StatusConflict, detail: "The id or name is taken.", cause: err}
	case errors.Is(err, db.ErrUnavailable):
		return &problem{status: http.StatusServiceUnavailable, detail: "The database is not available; try again in a moment.", cause: err}
	}
	return &problem{status: http.StatusInternalServerError, detail: "Something went wrong; the service's log has more.", cause: err}
}

// busyRetryAfter is how long a client should wait for the database, or for room.
const busyRetryAfter = 2 * time.Second

// statusClientClosed is logged for a request whose client went away.
const statusClientClosed = 499

// fail answers with an error. A lack of rights is written into the audit log.
func (a *API) fail(x *call, err error) {
	_ = x.Error(err) // for the log
	p := asProblem(err)
	if p.status == http.StatusUnauthorized || p.status == http.StatusForbidden {
		a.auditDenial(x, p.status)
	}
	if x.Writer.Written() {
		panic(http.ErrAbortHandler) // a cut-off answer must not look complete
	}
	if p.status == http.StatusUnauthorized {
		x.Header("WWW-Authenticate", `Bearer realm="mocktenant administration"`)
	}
	if p.status == http.StatusServiceUnavailable {
		p.retryAfter = cmp.Or(p.retryAfter, busyRetryAfter)
	}
	if p.retryAfter > 0 {
		x.Header("Retry-After", strconv.Itoa(int(p.retryAfter.Seconds())))
	}
	x.Header("Content-Type", problemType) // always set, because Data keeps an existing type
	text, _ := marshal(p.document())      // only strings and numbers, which can't fail
	x.Data(p.status, problemType, text)
}

// document returns the problem as it is sent.
func (p *problem) document() api.Problem {
	document := api.Problem{Type: "about:blank", Title: http.StatusText(p.status), Status: p.status}
	if p.detail != "" {
		document.Detail = &p.detail
	}
	if p.pointer != "" {
		document.Pointer = &p.pointer
	}
	if p.line > 0 {
		document.Line = &p.line
	}
	return document
}

// marshal returns JSON without HTML escaping.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}
