//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/internal/console"
)

const (
	consoleJournal = 100_000 // requests in each tenant's journal
	consoleTails   = 30      // fewer than the console allows
)

// pageCost is the median time of a page, and its compressed size in bytes.
type pageCost struct {
	took time.Duration
	size int
}

// console measures each page of the console in tenants of two sizes, and what an open live
// tail takes.
func (s *subject) console(ctx context.Context, w io.Writer, rounds int) error {
	if err := s.startOnPostgres(ctx, "console"); err != nil {
		return err
	}
	defer s.stop()
	costs := map[string][]pageCost{}
	sizes := []int{10, 100_000}
	var last uuid.UUID
	for i, n := range sizes {
		tenant, err := s.visited(ctx, n)
		if err != nil {
			return fmt.Errorf("a tenant of %d: %w", n, err)
		}
		pages, err := s.crawl(ctx, tenant)
		if err != nil {
			return err
		}
		for name, path := range pages {
			cost, err := s.measurePage(ctx, path, rounds)
			if err != nil {
				return err
			}
			if costs[name] == nil {
				costs[name] = make([]pageCost, len(sizes))
			}
			costs[name][i] = cost
		}
		last = tenant
	}
	_, _ = fmt.Fprintf(w, "| page | ms, 10 partners | ms, 100,000 partners | kB, compressed |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(costs)) {
		c := costs[name]
		_, _ = fmt.Fprintf(w, "| `%s` | %.1f | %.1f | %.1f |\n", name, ms(c[0].took), ms(c[1].took), float64(max(c[0].size, c[1].size))/1000)
	}
	kB, err := s.tailMemory(ctx, last)
	if err == nil {
		_, err = fmt.Fprintf(w, "\nMemory of an open live tail: %.0f kB.\n", kB)
	}
	return err
}

// visited makes a tenant with n partners and a full journal.
func (s *subject) visited(ctx context.Context, n int) (uuid.UUID, error) {
	admin, err := client.New(s.adminURL, "")
	if err != nil {
		return uuid.Nil, err
	}
	limit := int32(consoleJournal)
	made, err := client.Read[api.TenantCreated](admin.CreateTenant(ctx, nil, api.TenantCreate{DisplayName: "bench", Settings: &api.TenantSettings{JournalLimit: &limit}}))
	if err != nil {
		return uuid.Nil, err
	}
	id := made.Tenant.Id
	if _, err := load(ctx, []string{s.address()}, [][]byte{request(s.address(), made.Credentials.AccessToken, "POST", partnersPath, partner)}, 201, 1, 100*time.Millisecond); err != nil {
		return uuid.Nil, err
	}
	one := 1
	if err := client.Done(admin.ListRequests(ctx, id, &api.ListRequestsParams{Top: &one})); err != nil { // when they are written
		return uuid.Nil, err
	}
	if err := s.askNobody(ctx); err != nil {
		return uuid.Nil, err
	}
	if err := replaceState(ctx, admin, made.Tenant, n); err != nil {
		return uuid.Nil, err
	}
	return id, s.fillJournal(ctx, id)
}

// replaceState replaces a tenant's state by one of n partners, a user and an application, and keeps
// a snapshot of the state before.
func replaceState(ctx context.Context, admin *client.Client, t api.Tenant, n int) error {
	name := "Ada"
	for _, change := range []func() (*http.Response, error){
		func() (*http.Response, error) {
			return admin.CreateSnapshot(ctx, t.Id, nil, api.SnapshotCreate{Name: "before"})
		},
		func() (*http.Response, error) { // also ends the token
			return admin.ImportTenant(ctx, t.Id, "application/json", strings.NewReader(document(n)))
		},
		func() (*http.Response, error) {
			return admin.CreateUser(ctx, t.Id, nil, api.UserCreate{UserPrincipalName: "ada@" + t.Domains[0], DisplayName: &name})
		},
		func() (*http.Response, error) {
			return admin.CreateApplication(ctx, t.Id, nil, api.ApplicationCreate{DisplayName: "App"})
		},
	} {
		if err := client.Done(change()); err != nil {
			return err
		}
	}
	return nil
}

// askNobody sends a request that names no tenant.
func (s *subject) askNobody(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address()+"/v1.0/me", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// fillJournal repeats a tenant's first request until its journal is full.
func (s *subject) fillJournal(ctx context.Context, tenant uuid.UUID) error {
	conn, err := pgx.Connect(ctx, s.postgres.DatabaseURL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, statement := range []string{
		fmt.Sprintf(`CREATE TEMP TABLE one AS SELECT * FROM journal_entries WHERE tenant_id = '%s' ORDER BY id LIMIT 1`, tenant),
		fmt.Sprintf(`DELETE FROM journal_entries WHERE tenant_id = '%s'`, tenant),
		fmt.Sprintf(`INSERT INTO journal_entries SELECT (jsonb_populate_record(o, jsonb_build_object(
			'id', overlay(o.id::text PLACING lpad(to_hex(n), 8, '0') FROM 29), 'at', o.at + n * interval '1 millisecond'))).*
			FROM one AS o CROSS JOIN generate_series(1, %d) AS n`, consoleJournal),
		"DROP TABLE one",
		"VACUUM ANALYZE", // as autovacuum would within a minute
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

var (
	consoleLink = regexp.MustCompile(`href="(/console/[^"#]*)"`)
	anyID       = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`)

	// withQuery are the pages that show nothing without the query of the links to them. Other
	// forms are as small as this one, and downloads aren't pages.
	withQuery = regexp.MustCompile(`/differences$|/form/updateEntity$`)
	notPages  = regexp.MustCompile(`/form/|/download/|\.`)
)

// crawl follows the links of pages from a tenant's home. It returns a path for each page, by the
// path with placeholders instead of ids.
func (s *subject) crawl(ctx context.Context, tenant uuid.UUID) (map[string]string, error) {
	found := map[string]string{}
	for queue := []string{"/console/tenants/" + tenant.String()}; len(queue) > 0; queue = queue[1:] {
		path, query, _ := strings.Cut(html.UnescapeString(queue[0]), "?")
		name := anyID.ReplaceAllString(strings.Replace(path, tenant.String(), "TENANT", 1), "ID")
		foreign := anyID.MatchString(path) && !strings.Contains(path, tenant.String()) && !strings.HasPrefix(path, "/console/requests/")
		if found[name] != "" || foreign || notPages.MatchString(path) && !withQuery.MatchString(path) {
			continue
		}
		if withQuery.MatchString(path) {
			path += "?" + query
		}
		found[name] = path
		body, err := s.page(ctx, path, false)
		if err != nil {
			return nil, err
		}
		for _, link := range consoleLink.FindAllSubmatch(body, -1) {
			queue = append(queue, string(link[1]))
		}
	}
	return found, allPages(found)
}

var pathParameter = regexp.MustCompile(`:\w+`)

// allPages returns an error that names the pages of the console that no link led to.
func allPages(found map[string]string) error {
	var missing []error
	for _, path := range console.Paths() {
		like := regexp.MustCompile("^" + pathParameter.ReplaceAllString(path, "[^/]+") + "$")
		if !slices.ContainsFunc(slices.Collect(maps.Keys(found)), like.MatchString) {
			missing = append(missing, fmt.Errorf("no link leads to a page %s", path))
		}
	}
	return errors.Join(missing...)
}

// page returns the body of a page.
func (s *subject) page(ctx context.Context, path string, compressed bool) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.adminURL+path, nil)
	if err != nil {
		return nil, err
	}
	if compressed {
		r.Header.Set("Accept-Encoding", "gzip")
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, response.Status)
	}
	return body, err
}

func (s *subject) measurePage(ctx context.Context, path string, rounds int) (c pageCost, err error) {
	var took []time.Duration
	for range rounds {
		begun := time.Now()
		body, err := s.page(ctx, path, true)
		if err != nil {
			return c, err
		}
		took, c.size = append(took, time.Since(begun)), len(body)
	}
	c.took = middle(took)
	return c, nil
}

// tailMemory returns how much memory an open live tail takes, in kB.
func (s *subject) tailMemory(ctx context.Context, tenant uuid.UUID) (float64, error) {
	before, err := s.inUse(ctx)
	if err != nil {
		return 0, err
	}
	for range consoleTails {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/console/tenants/%s/live", s.adminURL, tenant), nil)
		if err != nil {
			return 0, err
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, err
		}
		defer func() { _ = response.Body.Close() }() // all are open until the end
		if response.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("a live tail: %s", response.Status)
		}
	}
	after, err := s.inUse(ctx)
	return float64(after-before) / consoleTails / 1000, err
}

// inUse returns the size of the service's heap and stacks after a collection, in bytes.
func (s *subject) inUse(ctx context.Context) (sum int, err error) {
	text, err := s.page(ctx, "/debug/pprof/heap?gc=1&debug=1", false)
	if err != nil {
		return 0, err
	}
	for _, name := range []string{"HeapAlloc", "Stack"} {
		_, rest, ok := strings.Cut(string(text), "# "+name+" = ")
		if !ok {
			return 0, errors.New("the profile lacks " + name)
		}
		digits := rest[:strings.IndexAny(rest, " \n")]
		n, err := strconv.Atoi(digits)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}
