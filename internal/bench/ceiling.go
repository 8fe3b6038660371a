//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/mocktenant/mocktenant/client"
)

// What the ceiling part measures against: the resident memory of the service, and how
// much longer another tenant's gets may take than when nothing else goes on.
const (
	ceilingMB    = 512
	ceilingRatio = 10
)

// wide and narrow are how many partners the tenant has whose names are as long as can
// be, and how many of usual ones.
const wide, narrow = 2000, 50_000

// attack is the worst request that a route accepts.
type attack struct{ route, method, path, body string }

// ceiling measures what the worst accepted request of each route takes, alone and twenty
// at once, and what another tenant notices.
func (s *subject) ceiling(ctx context.Context, w io.Writer, d time.Duration) error {
	if err := s.startOnPostgres(ctx, "ceiling"); err != nil {
		return err
	}
	defer s.stop()
	api, err := client.New(s.adminURL, "")
	if err != nil {
		return err
	}
	one, err := s.fullTenant(ctx, api)
	if err != nil {
		return err
	}
	start := json.RawMessage(`{"version":1,"partners":[{"displayName":"Partner"}]}`)
	other, err := client.Read[client.TenantCreated](api.CreateTenant(ctx, nil, client.TenantCreate{DisplayName: "other", Source: &client.TenantSource{Document: &start}}))
	if err != nil {
		return err
	}
	probe := &prober{url: s.url + partnersPath + "?$top=1", token: other.Credentials.AccessToken}
	_, _ = fmt.Fprintf(w, "| worst request of | answers | MB alone | MB by 20 | another tenant's p99 ms: quiet | alone | by 20 | ratio |\n|---|---|---|---|---|---|---|---|\n")
	for _, a := range attacks(one.id) {
		if err := s.withstand(ctx, w, a, one.token, probe, d); err != nil {
			return fmt.Errorf("%s: %w", a.route, err)
		}
	}
	_, err = fmt.Fprintf(w, "\nThe aim is less than %d MB, and a ratio below %d.\n", ceilingMB, ceilingRatio)
	return err
}

type full struct{ token, id string } // of one of its partners

// fullTenant makes a tenant of many partners, some of the longest names.
func (s *subject) fullTenant(ctx context.Context, api *client.Client) (f full, err error) {
	start := json.RawMessage(`{"version":1,"partners":[{"displayName":"Partner"}]}`)
	made, err := client.Read[client.TenantCreated](api.CreateTenant(ctx, nil, client.TenantCreate{DisplayName: "full", Source: &client.TenantSource{Document: &start}}))
	if err != nil {
		return f, err
	}
	conn, err := pgx.Connect(ctx, s.postgres.DatabaseURL())
	if err != nil {
		return f, err
	}
	defer conn.Close(ctx)
	tenant := made.Tenant.Id
	if err := conn.QueryRow(ctx, "SELECT id::text FROM remote_assistance_partners WHERE tenant_id = $1", tenant).Scan(&f.id); err != nil {
		return f, err
	}
	f.token = made.Credentials.AccessToken
	if _, err = conn.Exec(ctx, `INSERT INTO remote_assistance_partners
		(tenant_id, id, display_name, onboarding_url, onboarding_status, last_connection_at, last_connection_100ns, last_connection_offset,
		 request_expiry_at, request_expiry_100ns, request_expiry_offset, created_at, created_by)
		SELECT tenant_id, ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid,
		 CASE WHEN n <= $2 THEN repeat(chr(1), 1024) ELSE 'Partner ' || n END,
		 CASE WHEN n <= $2 THEN 'https://example.com/' || repeat('x', 2000) END, onboarding_status, last_connection_at, last_connection_100ns, last_connection_offset,
		 request_expiry_at, request_expiry_100ns, request_expiry_offset, created_at, created_by
		FROM remote_assistance_partners, generate_series(1, $2::int + $3::int) AS n WHERE tenant_id = $1`, tenant, wide, narrow); err == nil {
		_, err = conn.Exec(ctx, "ANALYZE")
	}
	return f, err
}

// attacks are the worst requests that are accepted. Bodies have a megabyte, expressions
// 8 KiB, pages as much as fits.
func attacks(id string) []attack {
	const bytes = 1<<20 - 8192
	longest := `{"displayName":"` + strings.Repeat(`\u0001`, 1024) + `","onboardingUrl":"https://example.com/` + strings.Repeat("x", 2000) + `"`
	body := longest + strings.Repeat(" ", bytes-len(longest)) + "}"
	page := "?" + url.Values{"$top": {"1000"}, "$format": {"application/json;odata.metadata=full"}, "$orderby": {"id"}}.Encode()
	const term = "contains(toupper(displayName),'ZZ')"
	filter := "?" + url.Values{"$filter": {term + strings.Repeat(" or "+term, 190)}}.Encode()
	order := "?" + url.Values{"$orderby": {strings.Repeat("concat(displayName,", 90) + "displayName" + strings.Repeat(")", 90)}}.Encode()
	pages, filters := make([]string, 20), make([]string, 20)
	for i := range pages { // no two alike, or they would share one read
		pages[i] = fmt.Sprintf(`{"id":"%d","method":"GET","url":%q}`, i, strings.TrimPrefix(partnersPath, "/v1.0")+page+fmt.Sprintf("&$skip=%d", i))
		filters[i] = fmt.Sprintf(`{"id":"%d","method":"GET","url":%q}`, i, strings.TrimPrefix(partnersPath, "/v1.0")+filter+fmt.Sprintf("&$skip=%d", i))
	}
	batch := func(items []string) string { return `{"requests":[` + strings.Join(items, ",") + `]}` }
	return []attack{
		{"create, 1 MB", "POST", partnersPath, body},
		{"get", "GET", partnersPath + "/" + id, ""},
		{"patch, 1 MB", "PATCH", partnersPath + "/" + id, body},
		{"action, 1 MB", "POST", partnersPath + "/" + id + "/disconnect", "{" + strings.Repeat(" ", bytes) + "}"},
		{"property", "GET", partnersPath + "/" + id + "/displayName", ""},
		{"$metadata", "GET", "/v1.0/$metadata", ""},
		{"list of the longest names", "GET", partnersPath + page, ""},
		{"list, filter of 8 KiB", "GET", partnersPath + filter, ""},
		{"list, order by 90 concat", "GET", partnersPath + order, ""},
		{"$count, filter of 8 KiB", "GET", partnersPath + "/$count" + filter, ""},
		{"$batch of 20 such lists", "POST", "/v1.0/$batch", batch(pages)},
		{"$batch of 20 such filters", "POST", "/v1.0/$batch", batch(filters)},
	}
}

// withstand measures one attack.
func (s *subject) withstand(ctx context.Context, w io.Writer, a attack, token string, probe *prober, d time.Duration) error {
	quiet, err := probe.during(ctx, func() error { return sleep(ctx, d) })
	if err != nil {
		return err
	}
	answers := map[int]int{}
	var memory [2]float64
	var p99 [2]time.Duration
	for i, clients := range []int{1, 20} {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.service.Process.Pid), []byte("5"), 0o200); err != nil { // VmHWM starts anew
			return err
		}
		if p99[i], err = probe.during(ctx, func() error { return s.strike(ctx, a, token, clients, d, answers) }); err != nil {
			return err
		}
		if memory[i], err = s.resident("VmHWM"); err != nil {
			return err
		}
	}
	var seen []string
	for _, status := range slices.Sorted(maps.Keys(answers)) {
		seen = append(seen, fmt.Sprintf("%d × %d", answers[status], status))
	}
	_, err = fmt.Fprintf(w, "| %s | %s | %.0f | %.0f | %.1f | %.1f | %.1f | %.1f |\n", a.route, strings.Join(seen, ", "), memory[0], memory[1],
		ms(quiet), ms(p99[0]), ms(p99[1]), float64(max(p99[0], p99[1]))/float64(quiet))
	return err
}

// strike sends a request over and over, by so many clients, and counts the answers.
func (s *subject) strike(ctx context.Context, a attack, token string, clients int, d time.Duration, answers map[int]int) error {
	end := time.Now().Add(d)
	var all errgroup.Group
	var mu sync.Mutex
	for range clients {
		all.Go(func() error {
			for time.Now().Before(end) {
				status, err := send(ctx, a.method, s.url+a.path, token, a.body)
				if err != nil {
					return err
				}
				mu.Lock()
				answers[status]++
				mu.Unlock()
			}
			return nil
		})
	}
	return all.Wait()
}

func send(ctx context.Context, method, url, token, body string) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// prober is another tenant, which reads now and then.
type prober struct{ url, token string }

// during returns the 99th percentile of its latencies while something is done.
func (p *prober) during(ctx context.Context, do func() error) (time.Duration, error) {
	done := make(chan error, 1)
	go func() { done <- do() }()
	var latencies []time.Duration
	for start := time.Now(); ; {
		select {
		case err := <-done:
			return summarize(latencies, time.Since(start)).p99, err
		case <-time.After(5 * time.Millisecond):
		}
		sent := time.Now()
		status, err := send(ctx, http.MethodGet, p.url, p.token, "")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("another tenant's read: %d", status)
		}
		if err != nil {
			return 0, errors.Join(err, <-done)
		}
		latencies = append(latencies, time.Since(sent))
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
