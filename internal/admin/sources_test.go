package admin_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
)

// stall makes the creation of a tenant with the domain wait halfway until the returned
// function is called. pid is the backend for which it waits.
func (c *client) stall(domain string) (pid uint32, goOn func()) {
	c.Helper()
	conn, err := dbtest.Pool(c).Acquire(c.Context())
	if err != nil {
		c.Fatal(err)
	}
	tx, err := conn.Begin(c.Context())
	if err == nil {
		_, err = tx.Exec(c.Context(), "INSERT INTO domains (name, tenant_id, created_at) VALUES ($1, $2, now())", domain, uuid.New())
	}
	if err != nil {
		c.Fatal(err)
	}
	return conn.Conn().PgConn().PID(), func() {
		_ = tx.Rollback(c.Context())
		conn.Release()
	}
}

// blocked waits until a backend waits for the backend by, and returns it. It returns 0 if ended
// receives an answer first.
func (c *client) blocked(by uint32, ended <-chan reply) uint32 {
	c.Helper()
	const query = "SELECT coalesce(min(pid), 0) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))"
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		var pid int32
		if err := dbtest.Pool(c).QueryRow(c.Context(), query, int32(by)).Scan(&pid); err != nil {
			c.Fatal(err)
		}
		if pid != 0 || len(ended) > 0 {
			return uint32(pid)
		}
	}
	c.Fatalf("nobody waits for %d", by)
	return 0
}

// The source of a tenant stays until the tenant exists. A tenant never becomes empty because
// its seed or snapshot was deleted meanwhile.
func TestSourceRemovedMeanwhile(t *testing.T) {
	dbtest.SkipOnCluster(t, "the workers have the locks that it watches")
	t.Parallel()
	c := setup(t)
	seed := "seed-" + uuid.NewString()
	c.want(201, c.do("POST", "/v1/seeds?name="+seed, document))
	of, doc := c.newTenant(api.TenantCreate{}).Tenant.Id, json.RawMessage(document)
	snapshots := c.newTenant(api.TenantCreate{Source: &api.TenantSource{Document: &doc}}).Tenant.Id
	c.want(201, c.do("POST", tenantPath(snapshots, "/snapshots"), api.SnapshotCreate{Name: "s"}))
	c.want(200, c.do("PUT", tenantPath(of, "/state"), document))
	c.want(201, c.do("POST", tenantPath(of, "/snapshots"), api.SnapshotCreate{Name: "s"}))
	for _, tt := range []struct {
		name   string
		source api.TenantSource
		remove string
	}{
		{"seed", api.TenantSource{Seed: &seed}, "/v1/seeds/" + seed},
		{"snapshot", api.TenantSource{TenantId: &snapshots, Snapshot: ptr("s")}, tenantPath(snapshots, "/snapshots/s")},
		{"tenant of the snapshot", api.TenantSource{TenantId: &of, Snapshot: ptr("s")}, tenantPath(of)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := setup(t)
			domain := uuid.NewString() + ".example"
			pid, goOn := c.stall(domain)
			create, remove := make(chan reply, 1), make(chan reply, 1)
			go func() {
				create <- c.do("POST", "/v1/tenants", api.TenantCreate{DisplayName: "x", Domain: &domain, Source: &tt.source})
			}()
			creator := c.blocked(pid, create)
			go func() { remove <- c.do("DELETE", tt.remove, nil) }()
			c.blocked(creator, remove)
			goOn()
			made := decode[api.TenantCreated](c, c.want(201, <-create))
			c.want(204, <-remove)
			c.refused(404, "", c.do("GET", tt.remove, nil))
			want := []string{"one", "two"}
			if got := c.partners(made.Credentials.AccessToken); !slices.Equal(got, want) {
				t.Errorf("made with %q", got)
			}
			if err := c.server.Admin().Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.want(200, c.do("POST", tenantPath(made.Tenant.Id, "/reset"), nil))
			if got := c.partners(made.Credentials.AccessToken); !slices.Equal(got, want) {
				t.Errorf("reset to %q", got)
			}
		})
	}
}

// A repeated create gets the first answer, even if its source no longer exists.
func TestRetryWithoutSource(t *testing.T) {
	dbtest.SkipOnCluster(t, "the workers have the locks that it watches")
	t.Parallel()
	c := setup(t)
	seed := "seed-" + uuid.NewString()
	c.want(201, c.do("POST", "/v1/seeds?name="+seed, document))
	create := func() reply {
		return c.do("POST", "/v1/tenants", api.TenantCreate{DisplayName: "x", Source: &api.TenantSource{Seed: &seed}}, "Idempotency-Key", seed)
	}
	first := c.want(201, create())
	c.want(204, c.do("DELETE", "/v1/seeds/"+seed, nil))
	if again := c.want(201, create()); again.body != first.body {
		t.Errorf("%s\n%s", first.body, again.body)
	}

	tenant := decode[api.TenantCreated](t, first).Tenant.Id
	login := func() reply {
		return c.do("POST", "/v1/report-logins", api.ReportLoginCreate{TenantIds: []uuid.UUID{tenant}}, "Idempotency-Key", "login "+seed)
	}
	first = c.want(201, login())
	c.want(204, c.do("DELETE", tenantPath(tenant), nil))
	if again := c.want(201, login()); again.body != first.body {
		t.Errorf("%s\n%s", first.body, again.body)
	}
	if err := c.server.Admin().Sweep(t.Context()); err != nil { // roles outlive the tests' database
		t.Fatal(err)
	}
}
