package fault

import (
	"strings"
	"testing"
)

// Each error of the authority has the code, status, suberror and beginning of the message that a
// source shows. Without another source it is Microsoft's page
// https://learn.microsoft.com/entra/identity-platform/reference-error-codes.
func TestAuthorityErrorsAreDocumented(t *testing.T) {
	t.Parallel()
	documented := map[string]struct {
		code, suberror, message string
		status                  int // 0 means 400
	}{
		"AADSTS50000": {code: "server_error", message: "There was an error issuing a token", status: 500},
		// usernamePasswordCredential's recordings in Azure/azure-sdk-for-js (2021)
		"AADSTS50034": {code: "invalid_grant", suberror: "bad_token", message: "The user account {EUII Hidden} does not exist in the directory. To sign into this application, the account must be added to the directory."},
		"AADSTS50053": {code: "invalid_grant", message: "The account is locked, you've tried to sign in too many times with an incorrect user ID or password."},
		// an answer that an open source authentication plugin tests with (2019)
		"AADSTS50055": {code: "invalid_grant", suberror: "user_password_expired", message: "The password is expired."},
		"AADSTS50057": {code: "invalid_grant", message: "The user account is disabled."},
		// answers at v2.0 in articles about the password grant (2023, 2024); v1.0 has interaction_required
		"AADSTS50076": {code: "invalid_grant", suberror: "basic_action", message: "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access '"},
		// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow
		"AADSTS50079": {code: "interaction_required", suberror: "basic_action", message: "Due to a configuration change made by your administrator, or because you moved to a new location, you must enroll in multi-factor authentication to access '"},
		"AADSTS50126": {code: "invalid_grant", message: "Error validating credentials due to invalid username or password."},
		// recordings in Azure/azure-sdk-for-js (2021)
		"AADSTS50173": {code: "invalid_grant", suberror: "bad_token", message: "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password."},
		"AADSTS50196": {code: "invalid_grant", message: "The server terminated an operation because it encountered a client request loop."},
		// Microsoft's page about failed connections of Power Automate
		"AADSTS53000": {code: "interaction_required", message: "Device is not in required device state: compliant. Conditional Access policy requires a compliant device, and the device is not compliant. The user must enroll their device with an approved MDM provider like Intune."},
		// an answer at v2.0 in a report about azidentity (2025)
		"AADSTS53003": {code: "invalid_grant", suberror: "message_only", message: "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance."},
		"AADSTS54005": {code: "invalid_grant", message: "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token."},
		"AADSTS65001": {code: "invalid_grant", suberror: "consent_required", message: "The user or administrator has not consented to use the application."},
		"AADSTS70000": {code: "invalid_grant", suberror: "bad_token", message: "Provided grant is invalid or malformed."},
		"AADSTS70008": {code: "invalid_grant", message: "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource."},
		"AADSTS70011": {code: "invalid_scope", message: "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid."},
		"AADSTS70016": {code: "authorization_pending", message: "OAuth 2.0 device flow error. Authorization is pending. Continue polling."},
		// answers in programs that use microsoft-authentication-library-for-go (2022, 2026)
		"AADSTS70043": {code: "invalid_grant", suberror: "token_expired", message: "The refresh token has expired or is invalid due to sign-in frequency checks by conditional access."},
		// an answer in a report about azidentity (2024)
		"AADSTS90002":   {code: "invalid_request", message: "Tenant not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."},
		"AADSTS90033":   {code: "temporarily_unavailable", message: "A transient error has occurred. Please try again.", status: 503},
		"AADSTS90055":   {code: "temporarily_unavailable", message: "There are too many incoming requests.", status: 429}, // as docs/divergences.md says of device codes
		"AADSTS500011":  {code: "invalid_resource", message: "The resource principal was not found in the tenant. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant."},
		"AADSTS700016":  {code: "unauthorized_client", message: "Application was not found in the directory. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."},
		"AADSTS700082":  {code: "invalid_grant", message: "The refresh token has expired due to inactivity."},
		"AADSTS7000215": {code: "invalid_client", message: "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to", status: 401},
		"AADSTS7000218": {code: "invalid_client", message: "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.", status: 401},
		// answers in reports about Terraform and Microsoft Graph (2024 to 2026)
		"AADSTS7000222": {code: "invalid_client", message: "The provided client secret keys are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.", status: 401},
	}
	for name, got := range authorityErrors() {
		want, ok := documented[name]
		if want.status == 0 {
			want.status = 400
		}
		if !ok || got.Code != want.code || got.Status != want.status || got.Suberror != want.suberror || !strings.HasPrefix(got.Message, want.message) {
			t.Errorf("%s: %d %s %s %q, want %+v", name, got.Status, got.Code, got.Suberror, got.Message, want)
		}
	}
	if len(documented) != len(aadstsErrors) {
		t.Errorf("%d errors, want %d", len(aadstsErrors), len(documented))
	}
}
