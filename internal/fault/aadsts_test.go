package fault

import "testing"

// Errors of the authority have the code, the status and the suberror that Entra documents or
// that its clients report (https://learn.microsoft.com/entra/identity-platform/reference-error-codes).
func TestAuthorityErrorsAreDocumented(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		code, suberror string
		status         int
	}{
		"AADSTS50034":   {code: "invalid_grant", status: 400},
		"AADSTS50053":   {code: "invalid_grant", status: 400},
		"AADSTS50055":   {code: "invalid_grant", status: 400},
		"AADSTS50057":   {code: "invalid_grant", status: 400},
		"AADSTS50076":   {code: "interaction_required", suberror: "basic_action", status: 400},
		"AADSTS50079":   {code: "interaction_required", suberror: "basic_action", status: 400},
		"AADSTS50126":   {code: "invalid_grant", status: 400},
		"AADSTS53003":   {code: "invalid_grant", suberror: "message_only", status: 400},
		"AADSTS54005":   {code: "invalid_grant", status: 400},
		"AADSTS65001":   {code: "invalid_grant", suberror: "consent_required", status: 400},
		"AADSTS70000":   {code: "invalid_grant", status: 400},
		"AADSTS70008":   {code: "invalid_grant", status: 400},
		"AADSTS70011":   {code: "invalid_scope", status: 400},
		"AADSTS70016":   {code: "authorization_pending", status: 400},
		"AADSTS70043":   {code: "invalid_grant", suberror: "token_expired", status: 400},
		"AADSTS90002":   {code: "invalid_request", status: 400},
		"AADSTS90055":   {code: "temporarily_unavailable", status: 429}, // as docs/divergences.md says of device codes
		"AADSTS500011":  {code: "invalid_resource", status: 400},
		"AADSTS700016":  {code: "unauthorized_client", status: 400},
		"AADSTS700082":  {code: "invalid_grant", status: 400},
		"AADSTS7000215": {code: "invalid_client", status: 401},
		"AADSTS7000218": {code: "invalid_client", status: 401},
		"AADSTS7000222": {code: "invalid_client", status: 401},
	} {
		got, ok := Errors[name]
		if !ok || got.Code != want.code || got.Status != want.status || got.Suberror != want.suberror {
			t.Errorf("%s: %d %s %s, want %+v", name, got.Status, got.Code, got.Suberror, want)
		}
	}
}
