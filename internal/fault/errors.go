package fault

import (
	"cmp"
	"net/http"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/front"
)

// The fronts that rules are about.
const (
	graph     = string(api.FaultMatchFrontGraph)
	authority = string(api.FaultMatchFrontAuthority)
)

// Error is a documented error that a rule answers with.
type Error struct {
	Front string
	front.Refusal
	Body string // sent instead of the front's error; "" for none
}

// Errors are the documented errors by their names.
var Errors = merge(graphErrors, authorityErrors())

func merge(all ...map[string]Error) map[string]Error {
	merged := map[string]Error{}
	for _, some := range all {
		for name, e := range some {
			merged[name] = e
		}
	}
	return merged
}

// generic is Intune's message for unspecified errors.
const generic = "An error has occurred"

func graphError(status int, code, message string, form front.Form) Error {
	return Error{Front: graph, Refusal: front.Refusal{Status: status, Code: code, Message: message, Form: form}}
}

// graphErrors have codes, messages and forms observed in answers of Graph and Intune
// (https://learn.microsoft.com/graph/errors and issues of their clients).
var graphErrors = map[string]Error{
	"badRequest":         graphError(http.StatusBadRequest, "BadRequest", generic, front.Wrapped),
	"tokenExpired":       graphError(http.StatusUnauthorized, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.", front.Plain),
	"claimsChallenge":    claimsChallenge(),
	"unlicensed":         graphError(http.StatusUnauthorized, "UnknownError", generic, front.Doubly),
	"forbidden":          graphError(http.StatusForbidden, "Forbidden", "User is not authorized to perform this operation", front.Wrapped),
	"multiAdminApproval": graphError(http.StatusForbidden, "Forbidden", justification, front.Wrapped),
	"approvalRequired":   graphError(http.StatusBadRequest, "BadRequest", justification, front.Wrapped),
	"featureNotEnabled":  graphError(http.StatusNotFound, "ResourceNotFound", generic, front.Wrapped),
	"notFound":           graphError(http.StatusNotFound, "ResourceNotFound", generic, front.Wrapped),
	"conflict":           graphError(http.StatusConflict, "Conflict", generic, front.Wrapped),
	"preconditionFailed": graphError(http.StatusPreconditionFailed, "PreconditionFailed", generic, front.Wrapped),
	"locked":             graphError(http.StatusLocked, "Locked", generic, front.Wrapped),
	"throttled":          graphError(http.StatusTooManyRequests, tooMany, "Too many requests", front.Wrapped),
	"gatewayThrottled":   graphError(http.StatusTooManyRequests, tooMany, "Too many requests.", front.Plain),
	"internalError":      graphError(http.StatusInternalServerError, "InternalServerError", "An internal server error has occurred", front.Wrapped),
	"unavailable":        graphError(http.StatusServiceUnavailable, "serviceNotAvailable", "The service is temporarily unavailable", front.Wrapped),
	"timeout":            graphError(http.StatusServiceUnavailable, "CancelledOnServiceTimeout", generic, front.Wrapped),
	"gatewayTimeout":     graphError(http.StatusGatewayTimeout, "UnknownError", "", front.Plain),
	"gatewayPage":        {Front: graph, Refusal: front.Refusal{Status: http.StatusBadGateway}, Body: gatewayPage},
}

const (
	tooMany = "TooManyRequests"

	// Intune answers this to a change that needs multi-admin approval. Microsoft's pages
	// name both 400 and 403 for it.
	justification = "Header 'x-msft-approval-justification' is required to request approval"

	gatewayPage = "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\r\n<HTML><HEAD><TITLE>Bad Gateway</TITLE></HEAD>\r\n<BODY><h2>Bad Gateway</h2><hr><p>HTTP Error 502. The gateway received an invalid response.</p></BODY></HTML>\r\n"
)

// claimsChallenge requires a token issued after a revocation.
// https://learn.microsoft.com/entra/identity-platform/claims-challenge
func claimsChallenge() Error {
	e := graphError(http.StatusUnauthorized, "InvalidAuthenticationToken", "Continuous access evaluation resulted in claims challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp", front.Plain)
	e.Claims = `{"access_token":{"nbf":{"essential":true, "value":"1604106651"}}}`
	return e
}

// codes maps statuses to the codes of Graph's errors, for rules that name no code.
var codes = map[int]string{
	http.StatusBadRequest:          "BadRequest",
	http.StatusUnauthorized:        "InvalidAuthenticationToken",
	http.StatusForbidden:           "Forbidden",
	http.StatusNotFound:            "ResourceNotFound",
	http.StatusConflict:            "Conflict",
	http.StatusPreconditionFailed:  "PreconditionFailed",
	http.StatusLocked:              "Locked",
	http.StatusTooManyRequests:     tooMany,
	http.StatusServiceUnavailable:  "serviceNotAvailable",
	http.StatusInternalServerError: "InternalServerError",
}

func codeOf(name string, status int) string {
	switch {
	case name == authority && status >= http.StatusInternalServerError:
		return "temporarily_unavailable"
	case name == authority:
		return "invalid_request"
	}
	return cmp.Or(codes[status], "UnknownError")
}
