package graphtest

import (
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/session"
)

// Option changes how NewServer starts the service. A TenantOption is an Option too: it
// changes the first tenant.
type Option interface{ apply(*config) }

// TenantOption changes how a tenant is made. Write your own function for anything that has
// no option here.
type TenantOption session.Option

type config struct {
	databaseURL string
	now         func() time.Time
	log         *slog.Logger
	tenant      []TenantOption
}

type serverOption func(*config)

func (o serverOption) apply(c *config) { o(c) }
func (o TenantOption) apply(c *config) { c.tenant = append(c.tenant, o) }

func newConfig(tb testing.TB, options []Option) *config {
	c := &config{now: time.Now}
	for _, o := range options {
		o.apply(c)
	}
	if c.log == nil {
		c.log = testLog(tb)
	}
	return c
}

// WithDatabaseURL makes the service use an existing Postgres (15 or later), in which each
// server gets its own database. The role must be allowed to create databases. A template
// database, mocktenant_template_…, stays there. An empty URL has no effect.
func WithDatabaseURL(url string) Option {
	return serverOption(func(c *config) { c.databaseURL = url })
}

// WithClock makes the service use now as its clock, which must be safe for concurrent use.
// Certificates use the real time.
func WithClock(now func() time.Time) Option {
	return serverOption(func(c *config) { c.now = now })
}

// WithLogger sets the service's logger. By default the test's output includes its warnings
// and errors.
func WithLogger(log *slog.Logger) Option {
	return serverOption(func(c *config) { c.log = log })
}

// WithState makes the tenant start with a document, see [session.WithState].
func WithState(document []byte) TenantOption { return TenantOption(session.WithState(document)) }

// WithIDSeed makes the tenant's new ids reproducible, see [session.WithIDSeed].
func WithIDSeed(seed string) TenantOption { return TenantOption(session.WithIDSeed(seed)) }

// WithPageSize limits pages, see [session.WithPageSize].
func WithPageSize(partners int32) TenantOption { return TenantOption(session.WithPageSize(partners)) }

// WithPermissionRule says who may manage partners, see [session.WithPermissionRule].
func WithPermissionRule(rule api.PermissionRule) TenantOption {
	return TenantOption(session.WithPermissionRule(rule))
}

// WithPartnerPortal lets onboardings be accepted at a link, see [session.WithPartnerPortal].
func WithPartnerPortal() TenantOption { return TenantOption(session.WithPartnerPortal()) }

// WithStatusCodes says which statuses to answer, see [session.WithStatusCodes].
func WithStatusCodes(codes api.StatusCodes) TenantOption {
	return TenantOption(session.WithStatusCodes(codes))
}

// WithEntityQuota limits the number of entities of each set, see [session.WithEntityQuota].
func WithEntityQuota(entities int32) TenantOption {
	return TenantOption(session.WithEntityQuota(entities))
}

// WithRequestRate limits the rate of requests, see [session.WithRequestRate].
func WithRequestRate(perSecond int32) TenantOption {
	return TenantOption(session.WithRequestRate(perSecond))
}

// testLog logs warnings and errors to the test's output.
func testLog(tb testing.TB) *slog.Logger {
	w := &testOutput{to: tb.Output()}
	tb.Cleanup(w.end)
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// testOutput is the output of a test until that ends, when a write would panic.
type testOutput struct {
	mu sync.Mutex
	to io.Writer
}

func (o *testOutput) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.to.Write(p)
}

func (o *testOutput) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.to = io.Discard
}
