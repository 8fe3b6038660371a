package identity

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/front"
)

// aadError is an error in Entra's words, identified by its AADSTS number.
// https://learn.microsoft.com/entra/identity-platform/reference-error-codes
type aadError struct {
	number   int
	status   int    // 0 means 400
	code     string // OAuth's (RFC 6749 section 5.2)
	message  string
	suberror string
	cause    error  // for the log
	redirect string // a redirect URI that the message shows; "" is none

	retryAfter time.Duration // in whole seconds; 0 leaves the header out
}

// Error returns the text for the log. It omits the query of a redirect URI, in which
// applications keep codes and other secrets.
func (e *aadError) Error() string {
	message := e.message
	if e.redirect != "" {
		message = strings.ReplaceAll(message, e.redirect, withoutQuery(e.redirect))
	}
	if e.cause != nil {
		return fmt.Sprintf("AADSTS%d: %s: %v", e.number, message, e.cause)
	}
	return fmt.Sprintf("AADSTS%d: %s", e.number, message)
}

func (e *aadError) Unwrap() error { return e.cause }

// OAuth's error codes, and Entra's own.
const (
	invalidClient      = "invalid_client"
	invalidGrant       = "invalid_grant"
	invalidRequest     = "invalid_request"
	invalidResource    = "invalid_resource"
	invalidScope       = "invalid_scope"
	unauthorizedClient = "unauthorized_client"
)

func refuse(number int, code, format string, args ...any) *aadError {
	return &aadError{number: number, code: code, message: fmt.Sprintf(format, args...)}
}

// refuseRedirect refuses a redirect URI, which is the first value in the format.
func refuseRedirect(code, format, uri string, args ...any) *aadError {
	e := refuse(50011, code, format, append([]any{uri}, args...)...)
	e.redirect = uri
	return e
}

// refuseClient refuses a client's credentials: 401 (RFC 6749 section 5.2).
func refuseClient(number int, format string, args ...any) *aadError {
	e := refuse(number, invalidClient, format, args...)
	e.status = http.StatusUnauthorized
	return e
}

func errMissing(parameter string) *aadError {
	return refuse(900144, invalidRequest, "The request body must contain the following parameter: '%s'.", parameter)
}

func errConsent(app db.Application) *aadError {
	e := refuse(65001, invalidGrant, "The user or administrator has not consented to use the application with ID '%s' named '%s'. Send an interactive authorization request for this user and resource.",
		app.ClientID, app.DisplayName)
	e.suberror = "consent_required"
	return e
}

// databaseRetryAfter is how long a client should wait for the database.
const databaseRetryAfter = 2 * time.Second

// numberOf returns the AADSTS number for a hook's refusal of that status.
// https://learn.microsoft.com/entra/identity-platform/reference-error-codes
func numberOf(status int) int {
	switch status {
	case http.StatusTooManyRequests:
		return 90055 // TenantThrottlingError
	case http.StatusServiceUnavailable:
		return 90033 // MsodsServiceUnavailable
	}
	return 50000 // TokenIssuanceError
}

// asAADError puts err into Entra's words. What isn't a refusal is a failure of ours.
func asAADError(err error) *aadError {
	var refusal *aadError
	if errors.As(err, &refusal) {
		return refusal
	}
	var hook *front.Refusal
	if errors.As(err, &hook) {
		return &aadError{
			number: cmp.Or(hook.AADSTS, numberOf(hook.Status)), status: hook.Status, code: hook.Code, message: hook.Message,
			suberror: hook.Suberror, retryAfter: hook.RetryAfter,
		}
	}
	if errors.Is(db.Classify(err), db.ErrUnavailable) {
		return &aadError{
			number: 90033, status: http.StatusServiceUnavailable, code: "temporarily_unavailable",
			message: "A transient error has occurred. Please try again.", cause: err, retryAfter: databaseRetryAfter,
		}
	}
	return &aadError{
		number: 50000, status: http.StatusInternalServerError, code: "server_error",
		message: "There was an error issuing a token or an issue with our sign-in service.", cause: err,
	}
}

// errorDocument is the body of an error, with its members in Entra's order.
type errorDocument struct {
	Error            string `json:"error"`
	ErrorDescription string `json:"error_description"`
	ErrorCodes       []int  `json:"error_codes"`
	Timestamp        string `json:"timestamp"`
	TraceID          string `json:"trace_id"`
	CorrelationID    string `json:"correlation_id"`
	ErrorURI         string `json:"error_uri"`
	Suberror         string `json:"suberror,omitempty"`
}

const timestampForm = "2006-01-02 15:04:05Z"

// inTicks writes a time as Entra does within a message.
func inTicks(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }

func (x *exchange) describe(e *aadError) string {
	return fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s",
		e.number, e.message, x.ID, x.ClientID, x.Now.UTC().Format(timestampForm))
}

// explanation returns the URL of the page that explains an error.
func (x *exchange) explanation(e *aadError) string {
	return fmt.Sprintf("%s%s?code=%d", x.Base, errorPath, e.number)
}

// writeError answers with the error as JSON.
func (x *exchange) writeError(err error) {
	e := asAADError(err)
	x.refused(e)
	if e.retryAfter > 0 {
		x.Header("Retry-After", strconv.Itoa(int(e.retryAfter.Seconds())))
	}
	x.writeJSON(e.httpStatus(), errorDocument{
		Error:            e.code,
		ErrorDescription: x.describe(e),
		ErrorCodes:       []int{e.number},
		Timestamp:        x.Now.UTC().Format(timestampForm),
		TraceID:          x.ID,
		CorrelationID:    x.ClientID,
		ErrorURI:         x.explanation(e),
		Suberror:         e.suberror,
	})
}

func (e *aadError) httpStatus() int { return cmp.Or(e.status, http.StatusBadRequest) }

// writeJSON answers with v, without escaping for HTML.
func (x *exchange) writeJSON(status int, v any) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // v has only strings and numbers, which always marshal
	}
	x.Data(status, "application/json; charset=utf-8", []byte(strings.TrimSuffix(b.String(), "\n")))
}
