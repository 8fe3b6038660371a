//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

// many is how many tenants exist at the same time.
const many = 1000

// tenants measures what administration costs, and what many tenants cost.
func (s *subject) tenants(ctx context.Context, w io.Writer, rounds int, d time.Duration) error {
	if err := s.startOnPostgres(ctx, "tenants"); err != nil {
		return err
	}
	defer s.stop()
	admin, err := client.New(s.adminURL, "")
	if err != nil {
		return err
	}
	for _, measure := range []func() error{
		func() error { return s.creations(ctx, w, rounds, d) },
		func() error { return states(ctx, w, admin, rounds) },
		func() error { return s.crowd(ctx, w, admin, rounds, d) },
	} {
		if err := measure(); err != nil {
			return err
		}
	}
	return nil
}

// creations measures creating tenants with a user, an application and a token.
func (s *subject) creations(ctx context.Context, w io.Writer, rounds int, d time.Duration) error {
	_, _ = fmt.Fprintf(w, "| tenant with user, application and token | tenants/s | p50 ms | p99 ms |\n|---|---|---|---|\n")
	host := strings.TrimPrefix(s.adminURL, "http://")
	create := request(host, "", "POST", "/v1/tenants", `{"displayName":"bench"}`)
	create = bytes.Replace(create, []byte("Authorization: Bearer \r\n"), nil, 1) // no key is needed
	for _, clients := range []int{1, 8} {
		var runs []figures
		for range rounds {
			f, err := load(ctx, []string{host}, [][]byte{create}, 201, clients, d)
			if err != nil {
				return err
			}
			runs = append(runs, f)
		}
		f := median(runs)
		_, _ = fmt.Fprintf(w, "| %d at once | %.0f | %.1f | %.1f |\n", clients, f.perSecond, ms(f.p50), ms(f.p99))
	}
	return nil
}

// document returns a state document with n partners.
func document(n int) string {
	var b strings.Builder
	b.WriteString(`{"version":1,"remoteAssistancePartners":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"displayName":"Partner %d","onboardingUrl":"https://example.com/onboardingUrl/%d","onboardingStatus":"onboarded","lastConnectionDateTime":"2016-12-31T23:58:36.6670033-08:00"}`, i, i)
	}
	b.WriteString("]}\n")
	return b.String()
}

// states measures the operations on a tenant's whole state.
func states(ctx context.Context, w io.Writer, admin *client.Client, rounds int) error {
	_, _ = fmt.Fprintf(w, "\n| a tenant of | import ms | rows/s | export ms | rows/s | snapshot ms | restore ms | reset ms | delete ms |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, n := range []int{10, 1000, 100_000} {
		body := document(n)
		took := map[string][]time.Duration{}
		for range rounds {
			if err := lifetime(ctx, admin, body, took); err != nil {
				return err
			}
		}
		in, out := middle(took["import"]), middle(took["export"])
		_, _ = fmt.Fprintf(w, "| %d partners | %.1f | %.0f | %.1f | %.0f | %.1f | %.1f | %.1f | %.1f |\n", n,
			ms(in), float64(n)/in.Seconds(), ms(out), float64(n)/out.Seconds(),
			ms(middle(took["snapshot"])), ms(middle(took["restore"])), ms(middle(took["reset"])), ms(middle(took["delete"])))
	}
	return nil
}

// lifetime runs each operation once on a tenant. Before a restore, every partner is changed
// but their number stays; a reset goes back to no partners.
func lifetime(ctx context.Context, admin *client.Client, body string, took map[string][]time.Duration) error {
	made, err := client.Read[api.TenantCreated](admin.CreateTenant(ctx, nil, api.TenantCreate{DisplayName: "bench"}))
	if err != nil {
		return err
	}
	id := made.Tenant.Id
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"import", func() error {
			return client.Done(admin.ImportTenant(ctx, id, "application/json", strings.NewReader(body)))
		}},
		{"export", func() error { return client.Done(admin.ExportTenant(ctx, id, nil)) }},
		{"snapshot", func() error {
			return client.Done(admin.CreateSnapshot(ctx, id, nil, api.SnapshotCreate{Name: "bench"}))
		}},
		{"", func() error {
			return client.Done(admin.ImportTenant(ctx, id, "application/json", strings.NewReader(strings.ReplaceAll(body, "Partner", "Other"))))
		}},
		{"restore", func() error { return client.Done(admin.RestoreSnapshot(ctx, id, "bench")) }},
		{"reset", func() error { return client.Done(admin.ResetTenant(ctx, id)) }},
		{"", func() error { return client.Done(admin.RestoreSnapshot(ctx, id, "bench")) }},
		{"delete", func() error { return client.Done(admin.DeleteTenant(ctx, id)) }},
	} {
		start := time.Now()
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		took[step.name] = append(took[step.name], time.Since(start))
	}
	return nil
}

// crowd measures many tenants used at the same time, compared with one.
func (s *subject) crowd(ctx context.Context, w io.Writer, admin *client.Client, rounds int, d time.Duration) error {
	size, err := s.databaseSize(ctx)
	if err != nil {
		return err
	}
	before, err := s.resident("VmRSS")
	if err != nil {
		return err
	}
	var tokens []string
	id := uuid.NewString() // the same in all tenants
	start := json.RawMessage(`{"version":1,"remoteAssistancePartners":[{"id":"` + id + `","displayName":"Partner"}]}`)
	for range many {
		made, err := client.Read[api.TenantCreated](admin.CreateTenant(ctx, nil, api.TenantCreate{DisplayName: "bench", Source: &api.TenantSource{Document: &start}}))
		if err != nil {
			return err
		}
		tokens = append(tokens, made.Credentials.AccessToken)
	}
	grown, err := s.databaseSize(ctx)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(w, "\n| tenants |")
	works := []struct {
		name, method, path, body string
		status                   int
	}{
		{name: "create", method: "POST", path: partnersPath, body: partner, status: 201},
		{name: "get", method: "GET", path: partnersPath + "/" + id, status: 200},
		{name: "list of 10", method: "GET", path: partnersPath + "?$top=10", status: 200},
	}
	picture := plot{name: "tenants", title: "Throughput over tenants used at the same time, 32 clients", x: "tenants", y: "a second"}
	for _, work := range works {
		_, _ = fmt.Fprintf(w, " %s/s | p99 ms |", work.name)
		picture.lines = append(picture.lines, line{name: work.name})
	}
	_, _ = fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("---|---|", len(works)))
	numbers := []int{1, 10, 100, many}
	runs := map[[2]int][]figures{} // by number of tenants and work
	for range rounds {             // in turn, so that all see the same conditions
		for i, n := range numbers {
			for j, work := range works {
				var all [][]byte
				for _, token := range tokens[:n] {
					all = append(all, request(s.address(), token, work.method, work.path, work.body))
				}
				f, err := load(ctx, []string{s.address()}, all, work.status, 32, d)
				if err != nil {
					return err
				}
				runs[[2]int{i, j}] = append(runs[[2]int{i, j}], f)
			}
		}
	}
	for i, n := range numbers {
		_, _ = fmt.Fprintf(w, "| %d |", n)
		picture.labels = append(picture.labels, strconv.Itoa(n))
		for j := range works {
			f := median(runs[[2]int{i, j}])
			_, _ = fmt.Fprintf(w, " %.0f | %.2f |", f.perSecond, ms(f.p99))
			picture.lines[j].values = append(picture.lines[j].values, f.perSecond)
		}
		_, _ = fmt.Fprintln(w)
	}
	s.pictures = append(s.pictures, picture)
	after, err := s.resident("VmRSS")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\nMemory per tenant: %.1f KB of the service (%.0f MB before, %.0f MB after the load), %.1f KB of the database.\n\n%s",
		(after-before)*1000/many, before, after, float64(grown-size)/1000/many, picture.link())
	return err
}

func (s *subject) databaseSize(ctx context.Context) (size int64, err error) {
	conn, err := pgx.Connect(ctx, s.postgres.DatabaseURL())
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, "SELECT pg_database_size(current_database())").Scan(&size)
	return size, err
}
