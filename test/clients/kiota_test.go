package clients_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	khttp "github.com/microsoft/kiota-http-go"
)

// Kiota's client for Go does on each fault what the page says, and sends as many requests.
func TestKiotaOnFaults(t *testing.T) {
	t.Parallel()
	for _, row := range table(t, "| rule | requests of Kiota | outcome |", 14) {
		t.Run(row[0], func(t *testing.T) {
			t.Parallel()
			env := environment(t)
			token := strings.TrimSpace(shell(t, env, "mocktenant token"))
			shell(t, env, "mocktenant fault add --method GET "+row[0])
			outcome := listWithKiota(t, token)
			want(t, row[1:], count(t, env), outcome)
		})
	}
}

// listWithKiota lists partners with all of Kiota's middleware and returns what becomes of it.
func listWithKiota(t *testing.T, token string) string {
	t.Helper()
	client := http.Client{Transport: khttp.NewCustomTransportWithParentTransport(tenant.transport.Transport, khttp.GetDefaultMiddlewares()...)}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tenant.graph+"/v1.0/deviceManagement/remoteAssistancePartners", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := client.Do(r)
	if err != nil {
		return "no answer"
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.ReadAll(answer.Body); err != nil {
		return strconv.Itoa(answer.StatusCode) + ", cut"
	}
	return strconv.Itoa(answer.StatusCode)
}
