//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

const (
	clusterClients = 32
	clusterTenants = 64
)

// side is a service to compare with others, and its tenants' tokens.
type side struct {
	*subject
	tokens []string
}

// clusterWork is a kind of request that every tenant sends.
type clusterWork struct {
	name, method, path, body string
	status                   int
}

// cluster measures the service on a distributed database, with and without shared
// statements, next to the same on a plain Postgres. They take turns.
func (s *subject) cluster(ctx context.Context, w io.Writer, rounds int, d time.Duration) error {
	if err := s.startOnPostgres(ctx, "cluster"); err != nil {
		return err
	}
	defer s.stop()
	gathered, alone := &subject{dir: s.dir, binary: s.binary}, &subject{dir: s.dir, binary: s.binary}
	defer gathered.stop()
	defer alone.stop()
	if err := gathered.startService(ctx, "DATABASE_URL="+s.distributed); err != nil {
		return err
	}
	if err := alone.startService(ctx, "DATABASE_URL="+s.distributed, "MOCKTENANT_NO_GATHERING=true"); err != nil {
		return err
	}
	id := uuid.NewString() // the same in all tenants
	sides := []*side{{subject: s}, {subject: gathered}, {subject: alone}}
	for _, one := range sides {
		if err := one.createTenants(ctx, id); err != nil {
			return err
		}
	}
	return compare(ctx, w, sides, []clusterWork{
		{name: "create", method: "POST", path: partnersPath, body: partner, status: 201},
		{name: "get", method: "GET", path: partnersPath + "/" + id, status: 200},
		{name: "list of 10", method: "GET", path: partnersPath + "?$top=10", status: 200},
		{name: "patch", method: "PATCH", path: partnersPath + "/" + id, body: `{"displayName":"Another name"}`, status: 200},
	}, rounds, d)
}

// createTenants makes tenants that have one partner each.
func (s *side) createTenants(ctx context.Context, id string) error {
	admin, err := client.New(s.adminURL, "")
	if err != nil {
		return err
	}
	state := json.RawMessage(`{"version":1,"remoteAssistancePartners":[{"id":"` + id + `","displayName":"Partner"}]}`)
	for range clusterTenants {
		made, err := client.Read[api.TenantCreated](admin.CreateTenant(ctx, nil, api.TenantCreate{DisplayName: "bench", Source: &api.TenantSource{Document: &state}}))
		if err != nil {
			return err
		}
		s.tokens = append(s.tokens, made.Credentials.AccessToken)
	}
	return nil
}

// compare prints a line for each kind of request, in one tenant and in many.
func compare(ctx context.Context, w io.Writer, sides []*side, works []clusterWork, rounds int, d time.Duration) error {
	_, _ = fmt.Fprintf(w, "| %d clients | tenants | plain/s | p50 ms | cluster/s | p50 ms | of plain | cluster, no shared statements/s | p50 ms | of plain |\n|%s\n", clusterClients, strings.Repeat("---|", 10))
	for _, work := range works {
		for _, tenants := range []int{1, clusterTenants} {
			runs := make([][]figures, len(sides))
			for range rounds {
				for i, one := range sides {
					f, err := one.send(ctx, work, tenants, d)
					if err != nil {
						return fmt.Errorf("%s in %d tenants: %w", work.name, tenants, err)
					}
					runs[i] = append(runs[i], f)
				}
			}
			plain, gathered, alone := median(runs[0]), median(runs[1]), median(runs[2])
			_, _ = fmt.Fprintf(w, "| %s | %d | %.0f | %.1f | %.0f | %.1f | %.2f | %.0f | %.1f | %.2f |\n", work.name, tenants,
				plain.perSecond, ms(plain.p50), gathered.perSecond, ms(gathered.p50), gathered.perSecond/plain.perSecond,
				alone.perSecond, ms(alone.p50), alone.perSecond/plain.perSecond)
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

func (s *side) send(ctx context.Context, work clusterWork, tenants int, d time.Duration) (figures, error) {
	var all [][]byte
	for _, token := range s.tokens[:tenants] {
		all = append(all, request(s.address(), token, work.method, work.path, work.body))
	}
	return load(ctx, []string{s.address()}, all, work.status, clusterClients, d)
}
