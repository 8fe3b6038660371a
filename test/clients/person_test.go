package clients_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// A person signs in to a console in Chromium, at the authority of another service. That one is
// on another site (localhost), so the browser withholds cookies as it does in a company.
func TestPersonSignsIn(t *testing.T) {
	t.Parallel()
	graph, provider := freshServiceWith(t)
	api := strings.TrimSuffix(provider, "/console") + "/v1"
	var made struct {
		Credentials struct{ TenantID, ClientID, ClientSecret, UserPrincipalName, Password string }
	}
	request(t, http.MethodPost, api+"/tenants", map[string]any{"displayName": "Company"}, &made)
	k := made.Credentials
	_, console := freshServiceWith(t,
		"MOCKTENANT_OIDC_ISSUER="+strings.Replace(graph, "127.0.0.1", "localhost", 1)+"/"+k.TenantID+"/v2.0",
		"MOCKTENANT_OIDC_CLIENT_ID="+k.ClientID, "MOCKTENANT_OIDC_CLIENT_SECRET="+k.ClientSecret,
		"MOCKTENANT_OIDC_ROLE_CLAIM=preferred_username", "MOCKTENANT_OIDC_ROLES=owner="+k.UserPrincipalName)
	request(t, http.MethodPatch, api+"/tenants/"+k.TenantID+"/applications/"+k.ClientID, map[string]any{"redirectUris": []string{console + "/sign-in/callback"}}, nil)
	runNode(t, []string{"MOCKTENANT_CONSOLE_URL=" + console, "MOCKTENANT_TEST_USER=" + k.UserPrincipalName, "MOCKTENANT_TEST_PASSWORD=" + k.Password}, "person.mjs")
}

// request sends JSON to a service's administration, and reads the answer into out unless it is nil.
func request(t *testing.T, method, url string, body, out any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode >= 300 {
		t.Fatalf("%s %s: %s", method, url, answer.Status)
	}
	if out != nil {
		if err := json.NewDecoder(answer.Body).Decode(out); err != nil {
			t.Fatal(err)
		}
	}
}
