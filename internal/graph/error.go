package graph

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/bearer"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/front"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// databaseRetryAfter is how long a client should wait for the database. throttleRetryAfter
// is how long a throttled client should wait; the limit is per second.
const (
	databaseRetryAfter = 2 * time.Second
	throttleRetryAfter = time.Second
)

// statusClientClosed is logged for a request whose client went away. It isn't standard;
// nginx introduced it.
const statusClientClosed = 499

// graphError is an error in Graph's form.
type graphError struct {
	status  int
	code    string
	message string
	target  string // the property or query option at fault; omitted if ""
	detail  string // innerError.message; omitted if ""
	claims  string // the claims that a challenge asks for, as JSON; "" for no challenge
	wrapped bool   // message is sent as a JSON document in a string, like Intune's
	doubly  bool   // that document is wrapped in another one
	cause   error  // only for the log

	retryAfter time.Duration // in whole seconds; no header if 0
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

// errModelValidation refuses a body that is valid JSON but not a valid entity. Intune sends
// the message in both message and innerError.message.
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

// errChallenge asks the client for a token issued after the revocation of the sign-in.
// https://learn.microsoft.com/entra/identity-platform/claims-challenge
func errChallenge(revoked *bearer.RevokedError) *graphError {
	e := errUnauthorized("Continuous access evaluation resulted in claims challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp", revoked)
	e.claims = fmt.Sprintf(`{"access_token":{"nbf":{"essential":true, "value":"%d"}}}`, revoked.ValidFrom.Unix())
	return e
}

func errForbidden(message string) *graphError {
	return &graphError{status: http.StatusForbidden, code: "Forbidden", message: message, wrapped: true}
}

// errConflict refuses to create an entity that exists.
func errConflict(message string) *graphError {
	return &graphError{status: http.StatusConflict, code: "Conflict", message: message, wrapped: true}
}

// errQuota refuses to create an entity in a tenant whose quota is used up.
func errQuota(noun string) *graphError {
	return &graphError{status: http.StatusInsufficientStorage, code: "quotaLimitReached", message: "The tenant has as many " + noun + "s as its quota allows", wrapped: true}
}

// generic is Intune's message for unspecified errors.
const generic = "An error has occurred"

// asGraphError converts any error to a graphError.
func asGraphError(err error) *graphError {
	var ours *graphError
	if errors.As(err, &ours) {
		return ours
	}
	var refusal *front.Refusal
	if errors.As(err, &refusal) {
		return &graphError{
			status: refusal.Status, code: refusal.Code, message: refusal.Message, retryAfter: refusal.RetryAfter,
			claims: refusal.Claims, wrapped: refusal.Form != front.Plain, doubly: refusal.Form == front.Doubly,
		}
	}
	var query *odata.Error
	if errors.As(err, &query) {
		return &graphError{status: http.StatusBadRequest, code: "BadRequest", message: query.Message, target: query.Option}
	}
	err = db.Classify(err)
	switch {
	case errors.Is(err, context.Canceled): // only the log sees this status
		return &graphError{status: statusClientClosed, code: "clientClosedRequest", message: generic, wrapped: true, cause: err}
	case errors.Is(err, db.ErrNotFound):
		return &graphError{status: http.StatusNotFound, code: "ResourceNotFound", message: generic, wrapped: true}
	case errors.Is(err, db.ErrNoTenant):
		return errUnauthorized("Access token validation failure. The tenant does not exist.", err)
	case errors.Is(err, db.ErrUnavailable):
		return &graphError{status: http.StatusServiceUnavailable, code: "serviceNotAvailable", message: "The service is temporarily unavailable", wrapped: true, cause: err, retryAfter: databaseRetryAfter}
	}
	return &graphError{status: http.StatusInternalServerError, code: "InternalServerError", message: "An internal server error has occurred", wrapped: true, cause: err}
}

// errorBody is Graph's error response. https://learn.microsoft.com/graph/errors
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
	Date            string `json:"date"` // UTC in whole seconds without a zone; clients fail on any other form
	RequestID       string `json:"request-id"`
	ClientRequestID string `json:"client-request-id"`
}

// intuneMessage is the object that the Intune service sends as a string in message.
type intuneMessage struct {
	Version              int     `json:"_version"`
	Message              string  `json:"Message"`
	CustomAPIErrorPhrase string  `json:"CustomApiErrorPhrase"`
	RetryAfter           *string `json:"RetryAfter"`
	ErrorSourceService   string  `json:"ErrorSourceService"`
	HTTPHeaders          string  `json:"HttpHeaders"`
}

// refusedAccount is the gateway's error response when Intune refuses an account.
type refusedAccount struct {
	ErrorCode string `json:"ErrorCode"`
	Message   string `json:"Message"`
}

// fail answers with a handler's error.
func (s *server) fail(x *exchange, err error) {
	if errors.Is(err, errNotModified) {
		x.writeNotModified()
		return
	}
	s.writeError(x, err)
}

// writeError writes every {"error": …} of the package.
func (s *server) writeError(x *exchange, err error) {
	_ = x.Error(err) // for the log
	if x.Writer.Written() {
		return // the answer has begun, so it can't change
	}
	e := asGraphError(err)
	if e.status == http.StatusUnauthorized {
		x.setHeader("WWW-Authenticate", x.challenge(e))
	}
	if seconds := e.retryAfterSeconds(); seconds != nil {
		x.setHeader("Retry-After", *seconds)
	}
	x.setHeader("OData-Version", "4.0") // every answer has it (Protocol 8.1.5)
	x.Data(e.status, bareJSONType, marshal(s.errorBody(x, e), ""))
}

// retryAfterSeconds returns the value of Retry-After, which is in both the header and the
// body, or nil for neither.
func (e *graphError) retryAfterSeconds() *string {
	if e.retryAfter <= 0 {
		return nil
	}
	seconds := strconv.Itoa(int(e.retryAfter.Seconds()))
	return &seconds
}

func (s *server) errorBody(x *exchange, e *graphError) errorBody {
	var body errorBody
	body.Error.Code, body.Error.Message, body.Error.Target = e.code, e.message, e.target
	if e.wrapped {
		body.Error.Message = x.wrap(e)
	}
	if e.doubly {
		body.Error.Message = string(marshal(refusedAccount{"Forbidden", body.Error.Message}, ""))
	}
	body.Error.InnerError = innerError{
		Message:         e.detail,
		Date:            x.Now.UTC().Format("2006-01-02T15:04:05"),
		RequestID:       x.ID,
		ClientRequestID: x.ClientID,
	}
	return body
}

// challenge returns the WWW-Authenticate header, which says where to get a token and which
// claims it must have.
func (x *exchange) challenge(e *graphError) string {
	text := fmt.Sprintf(`Bearer realm="", authorization_uri="%s/common/oauth2/authorize", client_id="%s"`, x.Base, bearer.GraphAppID)
	if e.claims != "" {
		text += fmt.Sprintf(`, error="insufficient_claims", claims="%s"`, base64.StdEncoding.EncodeToString([]byte(e.claims)))
	}
	return text
}

// wrap converts a message to the Intune service's form: two spaces of indent, CRLF line
// ends, an all-zero operation id.
func (x *exchange) wrap(e *graphError) string {
	text := marshal(intuneMessage{
		Version:     3,
		Message:     fmt.Sprintf("%s - Operation ID (for customer support): %s - Activity ID: %s - Url: %s", e.message, uuid.Nil, x.ClientID, x.intuneURL()),
		RetryAfter:  e.retryAfterSeconds(),
		HTTPHeaders: "{}",
	}, "  ")
	return strings.ReplaceAll(string(text), "\n", "\r\n")
}

// intuneURL returns the URL to which Graph's gateway would have sent the request.
func (x *exchange) intuneURL() string {
	path := strings.TrimPrefix(x.Request.URL.Path, "/"+x.version.name)
	for _, name := range []string{"id", "childId"} {
		if id := x.Param(name); id != "" {
			path = strings.Replace(path, "/"+id, "%28%27"+id+"%27%29", 1)
		}
	}
	return "https://fef.mocktenant.manage.microsoft.com/" + gateway(x.Request) + path + "?api-version=" + x.version.apiVersion
}

// marshal returns v as JSON, without HTML escaping; with an indent, also with line breaks.
func marshal(v any, indent string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		panic(err) // only strings and numbers, which can't fail
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// noRoute refuses an unknown path.
func noRoute(x *exchange) error {
	segments := pathSegments(x.Request)
	if segments[0] != "v1.0" && segments[0] != "beta" {
		return &graphError{
			status: http.StatusNotFound, code: "ResourceNotFound",
			message: "Invalid version: " + strings.ToLower(segments[0]),
		}
	}
	for i, segment := range segments[1:] {
		if !isKnown(segments[0] == "beta", i, segment) {
			if i == 1 && isBadKey(segment) {
				return errBadRequest("Bad Request - Error in query syntax. The key of the segment '%s' isn't of the form ('…') or (id='…').", segment)
			}
			return errBadRequest("Resource not found for the segment '%s'.", segment)
		}
	}
	return noMethod(x)
}

// isKnown reports whether a path can have the segment at this index: a singleton, a set of
// the version, or any key.
func isKnown(beta bool, at int, segment string) bool {
	switch at {
	case 0:
		return segment == singleton
	case 1:
		t, ok := entity.FindServed(segment)
		return ok && t.Parent == nil && (beta || !t.BetaOnly)
	}
	return at == 2
}

// gateway returns the part of Intune that serves the set in a request's path.
func gateway(r *http.Request) string {
	if segments := pathSegments(r); len(segments) > 2 {
		if t, ok := entity.FindServed(segments[2]); ok {
			return t.Gateway
		}
	}
	return entity.RemoteAssistancePartner.Gateway
}

// noMethod refuses a method that Intune doesn't route, or a path that is only a prefix of
// routes: with 400 instead of 405.
func noMethod(x *exchange) error {
	x.Writer.Header().Del("Allow") // Gin sets it for 405
	segments := pathSegments(x.Request)[1:]
	return &graphError{
		status: http.StatusBadRequest, code: "No method match route template",
		message: fmt.Sprintf("No OData route exists that match template %s with http verb %s for request /%s/%s.",
			template(segments), x.Request.Method, gateway(x.Request), strings.Join(segments, "/")),
	}
}

// pathSegments splits the tidied path. The first segment is the version.
func pathSegments(r *http.Request) []string {
	return strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
}

// template returns the kinds of a path's segments, in the notation of OData's routing.
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
