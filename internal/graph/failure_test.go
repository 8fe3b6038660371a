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
)

// stubVerifier answers every token alike.
type stubVerifier func() (*bearer.Claims, error)

func (f stubVerifier) VerifyAccessToken(context.Context, string) (*bearer.Claims, error) { return f() }

// A panic and an unknown failure are Graph's 500; what happened is in the log
// and not in the answer.
func TestFailures(t *testing.T) {
	t.Parallel()
	for name, verify := range map[string]stubVerifier{
		"panic": func() (*bearer.Claims, error) { panic("the inner workings") },
		"error": func() (*bearer.Claims, error) { return nil, errors.New("the inner workings") },
	} {
		var log bytes.Buffer
		h := graph.New(graph.Config{Store: db.NewStore(dbtest.Pool(t), false, nil), Tokens: verify, Log: slog.New(slog.NewTextHandler(&log, nil))})
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
