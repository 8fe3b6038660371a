package clients_test

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
)

// The Graph SDK for Go does on each fault what the page says, and sends as many requests.
func TestSDKOnFaults(t *testing.T) {
	t.Parallel()
	for _, row := range table(t, "| rule | requests of the SDK | outcome |", 25) {
		t.Run(row[0], func(t *testing.T) {
			t.Parallel()
			env := environment(t)
			token := strings.TrimSpace(shell(t, env, "mocktenant token"))
			shell(t, env, "mocktenant fault add --method GET "+row[0])
			outcome := listWithSDK(t, token)
			want(t, row[1:], count(t, env), outcome)
		})
	}
}

// listWithSDK lists partners with all of the SDK's middleware and returns how many it got, or the
// error: its status and code, if the SDK found them, or its text.
func listWithSDK(t *testing.T, token string) string {
	t.Helper()
	list, err := partnersOf(adapterFor(t, staticToken(token))).Get(t.Context(), nil)
	var refusal *odataerrors.ODataError
	var failure *abstractions.ApiError
	switch {
	case err == nil && list == nil:
		return "nothing, without an error"
	case err == nil:
		return strconv.Itoa(len(list.GetValue())) + " partners"
	case errors.As(err, &refusal) && refusal.GetErrorEscaped() != nil:
		return strconv.Itoa(refusal.ResponseStatusCode) + " " + *refusal.GetErrorEscaped().GetCode()
	case errors.As(err, &refusal):
		return strconv.Itoa(refusal.ResponseStatusCode) + " without a code"
	case errors.As(err, &failure):
		return strconv.Itoa(failure.ResponseStatusCode) + " " + failure.Message
	}
	return regexp.MustCompile(`^Get "[^"]*": |stream ID \d+; `).ReplaceAllString(err.Error(), "")
}
