//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/server"
)

// sizes are the numbers of partners that the tenant has, in turn.
var sizes = []int{1_000, 10_000, 100_000, 1_000_000, 5_000_000}

// rows measures a single client's latency for a growing number of partners.
func (s *subject) rows(ctx context.Context, w io.Writer, rounds int, d time.Duration) error {
	if err := s.startOnPostgres(ctx, "rows"); err != nil {
		return err
	}
	defer s.stop()
	picture := plot{
		name: "rows", title: "Latency over partners of the tenant, one client", x: "partners", y: "p50, ms",
		lines: []line{{name: "get"}, {name: "page 1 of 100"}, {name: "page 1,000 of 100"}},
	}
	_, _ = fmt.Fprintf(w, "| partners | get p50 ms | page 1 p50 ms | page 1,000 p50 ms | page 1,000 ÷ page 1 | `/$count` p50 ms | create p50 ms |\n|---|---|---|---|---|---|---|\n")
	for i, n := range sizes {
		if err := s.fill(ctx, n); err != nil {
			return err
		}
		far, err := s.next(ctx, partnersPath+fmt.Sprintf("?$top=100&$skip=%d", min(n, 100_000)-200)) // the page before the thousandth, or before the last
		if err != nil {
			return err
		}
		ids, err := s.ids(ctx, 1)
		if err != nil {
			return err
		}
		var p50 []float64
		for _, request := range []struct {
			method, path, body string
			status             int
		}{
			{method: "GET", path: partnersPath + "/" + ids[0], status: 200},
			{method: "GET", path: partnersPath + "?$top=100", status: 200},
			{method: "GET", path: far, status: 200},
			{method: "GET", path: partnersPath + "/$count", status: 200},
			{method: "POST", path: partnersPath, body: partner, status: 201},
		} {
			var runs []figures
			for range rounds {
				f, err := load(ctx, []string{s.address()}, [][]byte{s.request(request.method, request.path, request.body)}, request.status, 1, d)
				if err != nil {
					return fmt.Errorf("%s: %w", request.path, err)
				}
				runs = append(runs, f)
			}
			p50 = append(p50, ms(median(runs).p50))
		}
		_, _ = fmt.Fprintf(w, "| %d | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f |\n", n, p50[0], p50[1], p50[2], p50[2]/p50[1], p50[3], p50[4])
		picture.labels = append(picture.labels, strconv.Itoa(sizes[i]))
		for i := range picture.lines {
			picture.lines[i].values = append(picture.lines[i].values, p50[i])
		}
	}
	_, err := fmt.Fprintf(w, "\nFor a small tenant, page 1,000 means its last page but one.\n\n")
	s.pictures = append(s.pictures, picture)
	if err == nil {
		_, err = fmt.Fprint(w, picture.link())
	}
	return err
}

// fill creates partners until the tenant has n.
func (s *subject) fill(ctx context.Context, n int) error {
	conn, err := pgx.Connect(ctx, s.postgres.DatabaseURL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, fill(), server.DemoTenantID, n)
	if err == nil {
		_, err = conn.Exec(ctx, "VACUUM ANALYZE remote_assistance_partners") // as autovacuum would within a minute
	}
	return err
}

// next returns the path and query of the page that follows another.
func (s *subject) next(ctx context.Context, path string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	var list struct {
		NextLink string `json:"@odata.nextLink"`
	}
	if err := json.NewDecoder(response.Body).Decode(&list); err != nil {
		return "", err
	}
	if list.NextLink == "" {
		return "", fmt.Errorf("%s: %s, and no next page", path, response.Status)
	}
	return strings.TrimPrefix(list.NextLink, s.url), nil
}
