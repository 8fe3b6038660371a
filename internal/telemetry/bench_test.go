package telemetry_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/front"
	"github.com/mocktenant/mocktenant/internal/telemetry"
)

// BenchmarkRequest measures the cost of telemetry for a request: its hook, and one query.
func BenchmarkRequest(b *testing.B) {
	t, err := telemetry.New(b.Context(), telemetry.Config{})
	if err != nil {
		b.Fatal(err)
	}
	queries := t.Queries()
	for _, bm := range []struct {
		name    string
		hooks   []front.Hook
		handler gin.HandlerFunc
	}{
		{"bare", nil, func(*gin.Context) {}},
		{"request", []front.Hook{t.Hook()}, func(*gin.Context) {}},
		{"request and query", []front.Hook{t.Hook()}, func(c *gin.Context) {
			ctx := queries.TraceQueryStart(c.Request.Context(), nil, pgx.TraceQueryStartData{SQL: "-- name: GetCaller :one\nSELECT 1"})
			queries.TraceQueryEnd(ctx, nil, pgx.TraceQueryEndData{})
		}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			engine, _ := front.New(front.Config[*front.Exchange]{Hooks: bm.hooks, Open: func(x *front.Exchange) *front.Exchange { return x }})
			engine.GET("/a/:id", bm.handler)
			r, w := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/a/b", nil), httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				engine.ServeHTTP(w, r)
			}
		})
	}
}
