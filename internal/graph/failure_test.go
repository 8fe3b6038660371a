package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/bearer"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/graph"
	"github.com/mocktenant/mocktenant/internal/tenant"
)

// stubVerifier gives every token the same result.
type stubVerifier func() (*bearer.Claims, error)

// VerifyAccessToken implements graph.TokenVerifier.
func (f stubVerifier) VerifyAccessToken(context.Context, string) (*bearer.Claims, *tenant.Settings, error) {
	claims, err := f()
	return claims, nil, err
}

// A panic and an unknown failure get Graph's 500. The log says what happened, the answer
// doesn't.
func TestFailures(t *testing.T) {
	t.Parallel()
	for name, verify := range map[string]stubVerifier{
		"panic": func() (*bearer.Claims, error) { panic("the inner workings") },
		"error": func() (*bearer.Claims, error) { return nil, errors.New("the inner workings") },
	} {
		var log bytes.Buffer
		h := graph.New(graph.Config{Store: db.NewStore(dbtest.Pool(t), db.NoGathering, nil), Tokens: verify, Log: slog.New(slog.NewTextHandler(&log, nil))})
		r := httptest.NewRequest("GET", "/v1.0"+partners, nil)
		r.Header.Set("Authorization", "Bearer x")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var got errorDocument
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if w.Code != http.StatusInternalServerError || got.Error.Code != "InternalServerError" ||
			!strings.HasPrefix(unwrap(t, got.Error.Message), "An internal server error has occurred - Operation ID") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), "inner workings") || !strings.Contains(log.String(), "inner workings") {
			t.Errorf("%s: answer %s, log %s", name, w.Body, log.String())
		}
	}
}
