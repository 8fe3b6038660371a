package graphtest

import (
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/oapi-codegen/nullable"

	"github.com/mocktenant/mocktenant/client"
)

// Option changes how NewServer starts the service. A TenantOption is one as well:
// it is about the tenant that the service starts with.
type Option interface{ apply(*config) }

// TenantOption changes what a tenant is made with. Whatever has no option here can
// be set by a function of one's own.
type TenantOption func(*client.TenantCreate)

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

// WithDatabaseURL makes the service use the Postgres (15 or later) that a URL
// leads to, where each server gets a database of its own; the role must be one
// that may create databases. A database to copy, mocktenant_template_…, stays
// there. With an empty URL it is as without the option.
func WithDatabaseURL(url string) Option {
	return serverOption(func(c *config) { c.databaseURL = url })
}

// WithClock makes the service take its time from now, which many goroutines call.
// Certificates go by the real time.
func WithClock(now func() time.Time) Option {
	return serverOption(func(c *config) { c.now = now })
}

// WithLogger makes the service log there. By default its warnings and errors are
// part of the test's output.
func WithLogger(log *slog.Logger) Option {
	return serverOption(func(c *config) { c.log = log })
}

// WithState makes the tenant start with a document: settings, users, applications
// and partners, in JSON or YAML, as exports have it and as the administration
// describes it at /schemas/state-v1.json. To reset the tenant is to go back to its
// partners.
func WithState(document []byte) TenantOption {
	return func(t *client.TenantCreate) {
		state := client.State(document)
		t.Source = &client.TenantSource{Document: &state}
	}
}

// WithIDSeed makes the ids of what is created in the tenant the same each time,
// for one seed.
func WithIDSeed(seed string) TenantOption {
	return func(t *client.TenantCreate) { t.IdSeed = &seed }
}

// WithPageSize makes pages hold that many partners at most, 1 to 1000, to see that
// a program follows links.
func WithPageSize(partners int32) TenantOption {
	return func(t *client.TenantCreate) { settings(t).PageSize = &partners }
}

// WithPermissionRule says who may manage partners: by PermissionRuleSeed, the
// default, users alone, as Graph's documentation had it in 2018; by
// PermissionRuleCurrent applications in their own name too.
func WithPermissionRule(rule client.PermissionRule) TenantOption {
	return func(t *client.TenantCreate) { settings(t).PermissionRule = &rule }
}

// WithPartnerQuota makes creates fail once the tenant has that many partners.
func WithPartnerQuota(partners int32) TenantOption {
	return func(t *client.TenantCreate) { quota(t).Partners = nullable.NewNullableWithValue(partners) }
}

// WithRequestRate makes Graph answer 429 to more requests than that, to see that a
// program waits.
func WithRequestRate(perSecond int32) TenantOption {
	return func(t *client.TenantCreate) { quota(t).RequestsPerSecond = nullable.NewNullableWithValue(perSecond) }
}

func settings(t *client.TenantCreate) *client.TenantSettings {
	if t.Settings == nil {
		t.Settings = &client.TenantSettings{}
	}
	return t.Settings
}

func quota(t *client.TenantCreate) *client.TenantQuota {
	if t.Quota == nil {
		t.Quota = &client.TenantQuota{}
	}
	return t.Quota
}

// testLog logs warnings and errors to the test's output.
func testLog(tb testing.TB) *slog.Logger {
	w := &testOutput{to: tb.Output()}
	tb.Cleanup(w.end)
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// testOutput is the output of a test as long as it runs: to write to it later
// would be a panic.
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
