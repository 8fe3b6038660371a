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

// sizes are how many partners the tenant has, one after the other.
var sizes = []int{1_000, 10_000, 100_000, 1_000_000, 5_000_000}

// rows measures what one client waits for, however many partners there are.
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
		far, err := s.next(ctx, partnersPath+fmt.Sprintf("?$top=100&$skip=%d", min(n, 100_000)-200)) // the page before the thousandth, or the last but one
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
			{"GET", partnersPath + "/" + ids[0], "", 200},
			{"GET", partnersPath + "?$top=100", "", 200},
			{"GET", far, "", 200},
			{"GET", partnersPath + "/$count", "", 200},
			{"POST", partnersPath, partner, 201},
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
	_, err := fmt.Fprintf(w, "\nPage 1,000 of a small tenant is its last but one.\n\n")
	s.pictures = append(s.pictures, picture)
	if err == nil {
		_, err = fmt.Fprint(w, picture.link())
	}
	return err
}

// fill makes the tenant have so many partners.
func (s *subject) fill(ctx context.Context, n int) error {
	conn, err := pgx.Connect(ctx, s.postgres.DatabaseURL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `
		INSERT INTO remote_assistance_partners (tenant_id, id, display_name, onboarding_url, onboarding_status,
			last_connection_at, last_connection_100ns, last_connection_offset, request_expiry_at, request_expiry_100ns, request_expiry_offset, created_at, created_by)
		SELECT $1, gen_random_uuid(), 'Partner ' || i, 'https://example.com/onboardingUrl/' || i, 'onboarding',
			'2016-12-31T23:58:36.667003-08:00', 3, -480, '0001-01-01T00:00:00Z', 0, 0, now(), $1
		FROM generate_series((SELECT count(*) FROM remote_assistance_partners WHERE tenant_id = $1) + 1, $2::bigint) AS i`, server.DemoTenantID, n)
	if err == nil {
		_, err = conn.Exec(ctx, "VACUUM ANALYZE remote_assistance_partners") // what autovacuum would do within a minute
	}
	return err
}

// next is the path and query of the page behind another.
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
		return "", fmt.Errorf("%s: %s, and no page behind it", path, response.Status)
	}
	return strings.TrimPrefix(list.NextLink, s.url), nil
}
