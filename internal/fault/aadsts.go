package fault

import (
	"cmp"
	"net/http"
	"strconv"

	"github.com/mocktenant/mocktenant/internal/front"
)

// aadsts is an error of the authority. Its default status is 400.
type aadsts struct {
	number   int
	code     string
	message  string
	status   int
	suberror string
}

// aadstsErrors have the codes, messages and suberrors of Entra's answers, as far as these are
// known: from https://learn.microsoft.com/entra/identity-platform/reference-error-codes and, for
// suberrors, from answers that clients recorded, which aadsts_test.go names. Names of tenants,
// users and applications are left out of the messages.
var aadstsErrors = []aadsts{
	{number: 50000, code: "server_error", message: "There was an error issuing a token or an issue with our sign-in service.", status: http.StatusInternalServerError},
	{number: 50034, code: "invalid_grant", message: "The user account {EUII Hidden} does not exist in the directory. To sign into this application, the account must be added to the directory.", suberror: "bad_token"},
	{number: 50053, code: "invalid_grant", message: "The account is locked, you've tried to sign in too many times with an incorrect user ID or password."},
	{number: 50055, code: "invalid_grant", message: "The password is expired.", suberror: "user_password_expired"},
	{number: 50057, code: "invalid_grant", message: "The user account is disabled."},
	{number: 50076, code: "invalid_grant", message: "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access '00000003-0000-0000-c000-000000000000'.", suberror: "basic_action"},
	{number: 50079, code: "interaction_required", message: "Due to a configuration change made by your administrator, or because you moved to a new location, you must enroll in multi-factor authentication to access '00000003-0000-0000-c000-000000000000'.", suberror: "basic_action"},
	{number: 50126, code: "invalid_grant", message: "Error validating credentials due to invalid username or password."},
	{number: 50173, code: "invalid_grant", message: "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password.", suberror: "bad_token"},
	{number: 50196, code: "invalid_grant", message: "The server terminated an operation because it encountered a client request loop. Please contact your app vendor."},
	{number: 53000, code: "interaction_required", message: "Device is not in required device state: compliant. Conditional Access policy requires a compliant device, and the device is not compliant. The user must enroll their device with an approved MDM provider like Intune."},
	{number: 53003, code: "invalid_grant", message: "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.", suberror: "message_only"},
	{number: 54005, code: "invalid_grant", message: "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token."},
	{number: 65001, code: "invalid_grant", message: "The user or administrator has not consented to use the application. Send an interactive authorization request for this user and resource.", suberror: "consent_required"},
	{number: 70000, code: "invalid_grant", message: "Provided grant is invalid or malformed.", suberror: "bad_token"},
	{number: 70008, code: "invalid_grant", message: "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource."},
	{number: 70011, code: "invalid_scope", message: "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid."},
	{number: 70016, code: "authorization_pending", message: "OAuth 2.0 device flow error. Authorization is pending. Continue polling."},
	{number: 70043, code: "invalid_grant", message: "The refresh token has expired or is invalid due to sign-in frequency checks by conditional access.", suberror: "token_expired"},
	{number: 90002, code: "invalid_request", message: "Tenant not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."},
	{number: 90033, code: "temporarily_unavailable", message: "A transient error has occurred. Please try again.", status: http.StatusServiceUnavailable},
	{number: 90055, code: "temporarily_unavailable", message: "There are too many incoming requests.", status: http.StatusTooManyRequests},
	{number: 500011, code: "invalid_resource", message: "The resource principal was not found in the tenant. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant."},
	{number: 700016, code: "unauthorized_client", message: "Application was not found in the directory. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."},
	{number: 700082, code: "invalid_grant", message: "The refresh token has expired due to inactivity."},
	{number: 7000215, code: "invalid_client", message: "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to the app.", status: http.StatusUnauthorized},
	{number: 7000218, code: "invalid_client", message: "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.", status: http.StatusUnauthorized},
	{number: 7000222, code: "invalid_client", message: "The provided client secret keys are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.", status: http.StatusUnauthorized},
}

// authorityErrors are named by their numbers, such as AADSTS50126.
func authorityErrors() map[string]Error {
	named := map[string]Error{}
	for _, e := range aadstsErrors {
		named["AADSTS"+strconv.Itoa(e.number)] = Error{Front: authority, Refusal: front.Refusal{
			Status: cmp.Or(e.status, http.StatusBadRequest), Code: e.code, Message: e.message, AADSTS: e.number, Suberror: e.suberror,
		}}
	}
	return named
}
