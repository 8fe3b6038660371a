//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

// control measures how test control slows down creates. Each case has its own tenant, and each
// rate of the journal its own process on the same Postgres. A round runs all cases in turn, each
// between two runs of the first.
func (s *subject) control(ctx context.Context, w io.Writer, rounds int, d time.Duration) error {
	if err := s.startOnPostgres(ctx, "control"); err != nil {
		return err
	}
	defer s.stop()
	c := control{subject: s, services: map[string]service{}}
	defer c.stop()
	cases, err := c.cases(ctx)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(w, "| case | clients | create/s | of the first | p99 ms | service µs | Postgres µs | of the first | recorded/s | dropped/s |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, clients := range []int{1, 32} {
		if err := c.measure(ctx, cases, clients, rounds, d); err != nil {
			return err
		}
		for _, x := range cases {
			f := median(x.runs)
			_, _ = fmt.Fprintf(w, "| %s | %d | %.0f | %.3f | %.2f | %.0f | %.0f | %.3f | %.0f | %.0f |\n", x.name, clients, f.perSecond, middle(x.ratios), ms(f.p99), f.service, f.postgres, middle(x.costs), middle(x.recorded), middle(x.dropped))
		}
	}
	_, err = fmt.Fprintf(w, "\nPeak of the service's memory: %s.\n", c.peaks())
	return err
}

type control struct {
	*subject

	services map[string]service // by the journal's rate; "" is the default
}

// service is a process that subject has started.
type service struct {
	process              *exec.Cmd
	url, adminURL, token string
}

// controlCase is a tenant whose creates are measured.
type controlCase struct {
	name   string
	rate   string // the rate of its process's journal
	tenant uuid.UUID
	token  string

	runs              []figures
	ratios            []float64 // of creates per second
	costs             []float64 // ratios of the processor time of a create
	recorded, dropped []float64 // per second
}

const unlimited = "1000000"

// prepare makes a tenant ready for a case.
type prepare func(ctx context.Context, a *client.Client, tenant uuid.UUID) error

// cases makes the tenants. It does so while only one process runs, because each new rule waits
// for every process.
func (c *control) cases(ctx context.Context) (all []*controlCase, err error) {
	if err := c.use(ctx, "0"); err != nil {
		return nil, err
	}
	for _, x := range []struct {
		name, rate string
		prepare    []prepare
	}{
		{"no journal, no rules", "0", nil},
		{"the same in another tenant", "0", nil},
		{"one rule", "0", []prepare{otherRules(1)}},
		{"1,000 rules", "0", []prepare{otherRules(1000)}},
		{"throttling", "0", []prepare{highLimits}},
		{"clock an hour ahead", "0", []prepare{anHourAhead}},
		{"all of that", "0", []prepare{otherRules(1000), highLimits, anHourAhead}},
		{"all of that, and a journal that keeps nothing", "", []prepare{otherRules(1000), highLimits, anHourAhead, noJournal}},
		{"journal, default rate", "", nil},
		{"journal, any rate", unlimited, nil},
	} {
		made, err := c.newCase(ctx, x.name, x.rate, x.prepare)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", x.name, err)
		}
		all = append(all, made)
	}
	return all, c.vacuum(ctx)
}

// vacuum does what autovacuum would do within a minute after so many new rules.
func (c *control) vacuum(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.postgres.DatabaseURL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "VACUUM ANALYZE")
	return err
}

func (c *control) newCase(ctx context.Context, name, rate string, prepare []prepare) (*controlCase, error) {
	admin, err := client.New(c.adminURL, "")
	if err != nil {
		return nil, err
	}
	made, err := client.Read[api.TenantCreated](admin.CreateTenant(ctx, nil, api.TenantCreate{DisplayName: name}))
	if err != nil {
		return nil, err
	}
	for _, p := range prepare {
		if err := p(ctx, admin, made.Tenant.Id); err != nil {
			return nil, err
		}
	}
	token, err := client.Read[api.Token](admin.IssueToken(ctx, made.Tenant.Id, api.TokenRequest{ClientId: made.Credentials.ClientId, UserId: &made.Credentials.UserId}))
	return &controlCase{name: name, rate: rate, tenant: made.Tenant.Id, token: token.AccessToken}, err
}

func otherRules(n int) prepare {
	return func(ctx context.Context, a *client.Client, tenant uuid.UUID) error {
		for i := range n {
			path, status := fmt.Sprintf("/v1.0/deviceManagement/other%d", i), int32(500)
			if err := client.Done(a.CreateFault(ctx, tenant, api.FaultCreate{Match: &api.FaultMatch{Path: &path}, Effect: api.FaultEffect{Status: &status}})); err != nil {
				return err
			}
		}
		return nil
	}
}

func highLimits(ctx context.Context, a *client.Client, tenant uuid.UUID) error {
	high := int64(1_000_000)
	return client.Done(a.UpdateTenant(ctx, tenant, api.TenantUpdate{Settings: &api.TenantSettings{Throttling: &api.Throttling{
		Limits: api.ThrottlingLimitsOwn, ApplicationRequests: &high, ApplicationWrites: &high, TenantRequests: &high, TenantWrites: &high,
	}}}))
}

func anHourAhead(ctx context.Context, a *client.Client, tenant uuid.UUID) error {
	seconds := time.Hour.Seconds()
	return client.Done(a.SetClock(ctx, tenant, api.ClockSet{AdvanceSeconds: &seconds}))
}

func noJournal(ctx context.Context, a *client.Client, tenant uuid.UUID) error {
	none := int32(0)
	return client.Done(a.UpdateTenant(ctx, tenant, api.TenantUpdate{Settings: &api.TenantSettings{JournalLimit: &none}}))
}

// use makes the process with a journal's rate the subject, and starts it if necessary.
func (c *control) use(ctx context.Context, rate string) error {
	s, started := c.services[rate]
	if !started {
		settings := []string{"DATABASE_URL=" + c.postgres.DatabaseURL()}
		if rate != "" {
			settings = append(settings, "MOCKTENANT_JOURNAL_RATE="+rate)
		}
		if len(c.services) == 0 {
			c.stopService() // startOnPostgres started it, with the default
		}
		if err := c.startService(ctx, settings...); err != nil {
			return err
		}
		s = service{process: c.service, url: c.url, adminURL: c.adminURL, token: c.token}
		c.services[rate] = s
	}
	c.service, c.url, c.adminURL, c.token = s.process, s.url, s.adminURL, s.token
	return nil
}

func (c *control) stop() {
	for _, s := range c.services {
		_ = s.process.Process.Signal(syscall.SIGTERM)
		_ = s.process.Wait()
	}
	c.service = nil
}

// measure runs each case between two runs of the first, and compares it with those.
func (c *control) measure(ctx context.Context, cases []*controlCase, clients, rounds int, d time.Duration) error {
	for _, x := range cases {
		*x = controlCase{name: x.name, rate: x.rate, tenant: x.tenant, token: x.token}
	}
	first := cases[0]
	before, err := c.run(ctx, first, clients, d)
	if err != nil {
		return err
	}
	for range rounds {
		for _, x := range cases[1:] {
			f, err := c.run(ctx, x, clients, d)
			if err != nil {
				return fmt.Errorf("%s: %w", x.name, err)
			}
			after, err := c.run(ctx, first, clients, d)
			if err != nil {
				return err
			}
			x.ratios = append(x.ratios, 2*f.perSecond/(before.perSecond+after.perSecond))
			x.costs = append(x.costs, 2*f.processor()/(before.processor()+after.processor()))
			first.ratios, first.costs = append(first.ratios, after.perSecond/before.perSecond), append(first.costs, after.processor()/before.processor())
			before = after
		}
	}
	return nil
}

// run loads a case's tenant, and counts what its journal recorded and dropped meanwhile.
func (c *control) run(ctx context.Context, x *controlCase, clients int, d time.Duration) (f figures, err error) {
	if err := c.use(ctx, x.rate); err != nil {
		return f, err
	}
	recorded, dropped, err := c.journaled(ctx, x)
	if err != nil {
		return f, err
	}
	service, postgres := c.processorTime()
	if f, err = c.loadCase(ctx, x, clients, d); err != nil {
		return f, err
	}
	more, lost, err := c.journaled(ctx, x)
	if err != nil {
		return f, err
	}
	serviceAfter, postgresAfter := c.processorTime() // includes the journal's writes after the load
	requests := f.perSecond * d.Seconds()
	f.service = float64((serviceAfter - service).Microseconds()) / requests
	f.postgres = float64((postgresAfter - postgres).Microseconds()) / requests
	x.runs = append(x.runs, f)
	x.recorded = append(x.recorded, float64(more-recorded)/d.Seconds())
	x.dropped = append(x.dropped, float64(lost-dropped)/d.Seconds())
	return f, nil
}

// loadCase lets clients create entities in a case's tenant.
func (c *control) loadCase(ctx context.Context, x *controlCase, clients int, d time.Duration) (figures, error) {
	stopProfile := c.profileCase(ctx, x, clients, d)
	f, err := load(ctx, []string{c.address()}, [][]byte{request(c.address(), x.token, "POST", partnersPath, partner)}, 201, clients, d)
	if err != nil {
		return f, err
	}
	return f, stopProfile()
}

// journaled waits until the journal has written pending requests of the case's tenant, and
// returns how many it has recorded and dropped so far.
func (c *control) journaled(ctx context.Context, x *controlCase) (recorded, dropped int64, err error) {
	if x.rate == "0" {
		return 0, 0, nil
	}
	admin, err := client.New(c.adminURL, "")
	if err != nil {
		return 0, 0, err
	}
	one := 1
	if err := client.Done(admin.ListRequests(ctx, x.tenant, &api.ListRequestsParams{Top: &one})); err != nil {
		return 0, 0, err
	}
	conn, err := pgx.Connect(ctx, c.postgres.DatabaseURL())
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM journal_entries WHERE tenant_id = $1) + coalesce(sum(count) FILTER (WHERE kind = 'removed'), 0)::bigint,
		coalesce(sum(count) FILTER (WHERE kind = 'dropped'), 0)::bigint FROM journal_gaps WHERE tenant_id = $1`, x.tenant).Scan(&recorded, &dropped)
	return recorded, dropped, err
}

// profileCase profiles the service during a load, if profiles are wanted. It returns a function
// that waits for the profile.
func (c *control) profileCase(ctx context.Context, x *controlCase, clients int, d time.Duration) func() error {
	if c.profiles == "" || clients != profiledClients {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	go func() { done <- c.profile(ctx, "profile", x.name, d) }()
	return func() error { return <-done }
}

// peaks returns the peak memory of each process.
func (c *control) peaks() string {
	var all []string
	for _, x := range []struct{ rate, name string }{{"0", "no journal"}, {"", "journal, default rate"}, {unlimited, "journal, any rate"}} {
		text, _ := os.ReadFile(filepath.Join("/proc", fmt.Sprint(c.services[x.rate].process.Process.Pid), "status"))
		var kb int
		_, rest, _ := strings.Cut(string(text), "VmHWM:")
		_, _ = fmt.Sscan(rest, &kb)
		all = append(all, fmt.Sprintf("%s %d MB", x.name, kb/1000))
	}
	return strings.Join(all, ", ")
}
