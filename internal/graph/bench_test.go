package graph_test

import (
	"net/http"
	"strings"
	"testing"
)

// Requests through the whole service, but for the network.
func BenchmarkExchange(b *testing.B) {
	c := setup(b)
	id := c.create(seedExample)
	for range 100 {
		c.create(seedExample)
	}
	handler := c.server.Handler()
	for _, bm := range []struct{ name, method, path, body string }{
		{"create", "POST", partners, seedExample},
		{"get", "GET", partners + "/" + id, ""},
		{"list of 100", "GET", partners + "?$top=100", ""},
		{"bad token", "GET", partners, ""},
	} {
		token := c.token
		if bm.name == "bad token" {
			token += "x"
		}
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := http.NewRequestWithContext(b.Context(), bm.method, "http://localhost/v1.0"+bm.path, strings.NewReader(bm.body))
				if err != nil {
					b.Fatal(err)
				}
				r.Header.Set("Authorization", "Bearer "+token)
				r.Header.Set("Content-Type", "application/json")
				handler.ServeHTTP(discard{http.Header{}}, r)
			}
		})
	}
}

// discard is an http.ResponseWriter that keeps nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
