package graph

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/bearer"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// retryAfter is how long a client should wait for the database, in whole
// seconds.
const retryAfter = "2"

// throttleRetryAfter is how long a tenant that sends more than it may should
// wait, in whole seconds: its allowance is counted by the second.
const throttleRetryAfter = "1"

// statusClientClosed is what logs show of a request whose client went away; no
// standard has a status for it, nginx made this one known.
const statusClientClosed = 499

// graphError is a refusal in Graph's words.
type graphError struct {
	status  int
	code    string
	message string
	target  string // the property or query option at fault; "" leaves it out
	detail  string // innerError.message; "" leaves it out
	claims  string // what a claims challenge asks for, as JSON; "" for no challenge
	wrapped bool   // message becomes a JSON document in a string, as Intune's are
	cause   error  // for the log, never for the client
}

func (e *graphError) Error() string {
	text := fmt.Sprintf("%d %s: %s", e.status, e.code, e.message)
	if e.detail != "" && e.detail != e.message {
		text += ": " + e.detail
	}
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

func (e *graphError) Unwrap() error { return e.cause }

func errBadRequest(format string, args ...any) *graphError {
	return &graphError{status: http.StatusBadRequest, code: "BadRequest", message: fmt.Sprintf(format, args...)}
}

// errModelValidation refuses a body that is JSON and not the entity. Intune
// says it twice: in message and in innerError.message.
func errModelValidation(target, format string, args ...any) *graphError {
	message := fmt.Sprintf(format, args...)
	return &graphError{
		status: http.StatusBadRequest, code: "ModelValidationFailure",
		message: message, detail: message, target: target,
	}
}

func errUnauthorized(message string, cause error) *graphError {
	return &graphError{status: http.StatusUnauthorized, code: "InvalidAuthenticationToken", message: message, cause: cause}
}

// errChallenge asks the client for a token that was issued after what the last
// one stood on was taken away.
// https://learn.microsoft.com/entra/identity-platform/claims-challenge
func errChallenge(revoked *bearer.RevokedError) *graphError {
	e := errUnauthorized("Continuous access evaluation resulted in claims challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp", revoked)
	e.claims = fmt.Sprintf(`{"access_token":{"nbf":{"essential":true, "value":"%d"}}}`, revoked.ValidFrom.Unix())
	return e
}

func errForbidden(message string) *graphError {
	return &graphError{status: http.StatusForbidden, code: "Forbidden", message: message, wrapped: true}
}

// generic is what Intune says when it says nothing.
const generic = "An error has occurred"

// asGraphError puts any error into Graph's words.
func asGraphError(err error) *graphError {
	var ours *graphError
	if errors.As(err, &ours) {
		return ours
	}
	var query *odata.Error
	if errors.As(err, &query) {
		return &graphError{status: http.StatusBadRequest, code: "BadRequest", message: query.Message, target: query.Option}
	}
	err = db.Classify(err)
	switch {
	case errors.Is(err, context.Canceled): // the client is gone; only the log sees this
		return &graphError{status: statusClientClosed, code: "clientClosedRequest", message: generic, wrapped: true, cause: err}
	case errors.Is(err, db.ErrNotFound):
		return &graphError{status: http.StatusNotFound, code: "ResourceNotFound", message: generic, wrapped: true}
	case errors.Is(err, db.ErrNoTenant):
		return errUnauthorized("Access token validation failure. The tenant does not exist.", err)
	case errors.Is(err, db.ErrQuota):
		return &graphError{status: http.StatusInsufficientStorage, code: "quotaLimitReached", message: "The tenant has as many remote assistance partners as its quota allows", wrapped: true}
	case errors.Is(err, db.ErrUnavailable):
		return &graphError{status: http.StatusServiceUnavailable, code: "serviceNotAvailable", message: "The service is temporarily unavailable", wrapped: true, cause: err}
	}
	return &graphError{status: http.StatusInternalServerError, code: "InternalServerError", message: "An internal server error has occurred", wrapped: true, cause: err}
}

// errorBody is Graph's error document.
// https://learn.microsoft.com/graph/errors
type errorBody struct {
	Error struct {
		Code       string     `json:"code"`
		Message    string     `json:"message"`
		Target     string     `json:"target,omitempty"`
		InnerError innerError `json:"innerError"`
	} `json:"error"`
}

type innerError struct {
	Message         string `json:"message,omitempty"`
	Date            string `json:"date"` // UTC, whole seconds, no zone: clients fail on any other form
	RequestID       string `json:"request-id"`
	ClientRequestID string `json:"client-request-id"`
}

// intuneMessage is what the Intune service puts, as a string, into message.
type intuneMessage struct {
	Version              int     `json:"_version"`
	Message              string  `json:"Message"`
	CustomAPIErrorPhrase string  `json:"CustomApiErrorPhrase"`
	RetryAfter           *string `json:"RetryAfter"`
	ErrorSourceService   string  `json:"ErrorSourceService"`
	HTTPHeaders          string  `json:"HttpHeaders"`
}

// writeError is the only writer of {"error": …}.
func (s *server) writeError(x *exchange, err error) {
	_ = x.Error(err) // for the log
	if x.Writer.Written() {
		return // an answer has begun: there is nothing left to say
	}
	e := asGraphError(err)
	h := x.Writer.Header()
	switch e.status {
	case http.StatusUnauthorized:
		x.setHeader("WWW-Authenticate", x.challenge(e))
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", retryAfter)
	case http.StatusTooManyRequests:
		h.Set("Retry-After", throttleRetryAfter)
	}
	x.setHeader("OData-Version", "4.0") // in every answer (Protocol 8.1.5)
	x.Data(e.status, errorJSONType, marshal(s.errorBody(x, e), ""))
}

func (s *server) errorBody(x *exchange, e *graphError) errorBody {
	var body errorBody
	body.Error.Code, body.Error.Message, body.Error.Target = e.code, e.message, e.target
	if e.wrapped {
		body.Error.Message = x.wrap(e.message)
	}
	body.Error.InnerError = innerError{
		Message:         e.detail,
		Date:            s.now().UTC().Format("2006-01-02T15:04:05"),
		RequestID:       x.requestID,
		ClientRequestID: x.clientRequestID,
	}
	return body
}

// challenge says where to get a token and, of a claims challenge, which.
func (x *exchange) challenge(e *graphError) string {
	text := fmt.Sprintf(`Bearer realm="", authorization_uri="%s/common/oauth2/authorize", client_id="%s"`, x.base, bearer.GraphAppID)
	if e.claims != "" {
		text += fmt.Sprintf(`, error="insufficient_claims", claims="%s"`, base64.StdEncoding.EncodeToString([]byte(e.claims)))
	}
	return text
}

// wrap puts a message into the form of the Intune service: two spaces of
// indent, CRLF line ends, an all-zero operation id.
func (x *exchange) wrap(message string) string {
	text := marshal(intuneMessage{
		Version:     3,
		Message:     fmt.Sprintf("%s - Operation ID (for customer support): %s - Activity ID: %s - Url: %s", message, uuid.Nil, x.clientRequestID, x.intuneURL()),
		HTTPHeaders: "{}",
	}, "  ")
	return strings.ReplaceAll(string(text), "\n", "\r\n")
}

// intuneURL is where Graph's gateway would have sent the request.
func (x *exchange) intuneURL() string {
	path := strings.TrimPrefix(x.Request.URL.Path, "/"+x.version.name)
	if id := x.Param("id"); id != "" {
		path = strings.Replace(path, "/"+id, "%28%27"+id+"%27%29", 1)
	}
	return "https://fef.mocktenant.manage.microsoft.com/RemoteAssistance" + path + "?api-version=" + x.version.apiVersion
}

// marshal writes v as JSON, without escaping for HTML, with a line break and
// indent if one is given.
func marshal(v any, indent string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		panic(err) // strings and numbers: there is nothing that can't be written
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// noRoute answers a path that leads nowhere.
func noRoute(x *exchange) error {
	segments := pathSegments(x.Request)
	if segments[0] != "v1.0" && segments[0] != "beta" {
		return &graphError{
			status: http.StatusNotFound, code: "ResourceNotFound",
			message: "Invalid version: " + strings.ToLower(segments[0]),
		}
	}
	known := []string{"deviceManagement", "remoteAssistancePartners", "" /* any key */}
	for i, segment := range segments[1:] {
		if i >= len(known) || known[i] != "" && known[i] != segment {
			if i == 1 && isBadKey(segment) {
				return errBadRequest("Bad Request - Error in query syntax. The key of the segment '%s' isn't of the form ('…') or (id='…').", segment)
			}
			return errBadRequest("Resource not found for the segment '%s'.", segment)
		}
	}
	return noMethod(x)
}

// noMethod answers a verb that Intune doesn't route, or a path that only leads
// on: 400, not 405.
func noMethod(x *exchange) error {
	x.Writer.Header().Del("Allow") // Gin's, for 405
	segments := pathSegments(x.Request)[1:]
	return &graphError{
		status: http.StatusBadRequest, code: "No method match route template",
		message: fmt.Sprintf("No OData route exists that match template %s with http verb %s for request /RemoteAssistance/%s.",
			template(segments), x.Request.Method, strings.Join(segments, "/")),
	}
}

// pathSegments splits the tidied path; the first is the version.
func pathSegments(r *http.Request) []string {
	return strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
}

// template names the kinds of a path's segments, as OData's routing does.
func template(segments []string) string {
	kinds := []string{"/singleton", "/navigation", "/key", "/action"}
	t := "~"
	for i := range min(len(segments), len(kinds)) {
		if segments[i] == "$count" {
			t += "/$count"
		} else {
			t += kinds[i]
		}
	}
	return t
}
