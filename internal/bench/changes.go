//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/entity"
)

// changesWarmUp is how long each case runs before it is measured, so that all connections are
// open and all statements prepared.
const changesWarmUp = 500 * time.Millisecond

// changer changes one entity on its own connection.
type changer struct {
	q   *db.Queries
	key db.Key
	n   int
}

// changeWork is a kind of change.
type changeWork struct {
	name string
	do   func(*changer, context.Context) error
}

var changeWorks = []changeWork{{"update", (*changer).update}, {"action", (*changer).act}}

func (c *changer) update(ctx context.Context) error {
	u := db.Update{TenantID: c.key.TenantID, ID: c.key.ID, Values: measured.Defaults(), Named: make([]bool, len(measured.Properties)), ChangedAt: time.Now()}
	i := measured.Index("displayName")
	u.Values[i], u.Named[i] = entity.Value{Text: "Another name"}, true
	_, err := db.SetOf(measured).Update(ctx, c.q, u)
	return err
}

// act runs two actions in turn, each in the state that the other one leaves.
func (c *changer) act(ctx context.Context) error {
	a, ok := measured.FindAction([]string{"beginOnboarding", "disconnect"}[c.n%2])
	if !ok {
		return fmt.Errorf("%s lacks its actions", measured.Name)
	}
	c.n++
	_, err := db.Act(ctx, c.q, measured, a, db.Change{TenantID: c.key.TenantID, ID: c.key.ID, ChangedAt: time.Now()})
	return err
}

// changes compares changes as one statement with the same as several in one round trip, as on a
// cluster. It executes both, without the service, on a plain Postgres and on a distributed
// database, in turns.
func (s *subject) changes(ctx context.Context, w io.Writer, rounds int, d time.Duration) error {
	if err := s.startOnPostgres(ctx, "changes"); err != nil { // this migrates the database
		return err
	}
	defer s.stop()
	s.stopService()
	var pools []*db.Pool
	for _, url := range []string{s.postgres.DatabaseURL(), s.distributed} {
		pool, err := db.Open(ctx, url, 0, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		defer pool.Close()
		pools = append(pools, pool)
	}
	_, _ = fmt.Fprintf(w, "| %d connections | tenants | plain, one statement/s | p50 ms | plain, several/s | p50 ms | cluster, one statement/s | p50 ms | cluster, several/s | p50 ms |\n|%s\n", clusterClients, strings.Repeat("---|", 10))
	for _, work := range changeWorks {
		for _, tenants := range []int{1, clusterClients} {
			if err := compareChanges(ctx, w, pools, work, tenants, rounds, d); err != nil {
				return fmt.Errorf("%s in %d tenants: %w", work.name, tenants, err)
			}
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

// compareChanges prints a line for a kind of change.
func compareChanges(ctx context.Context, w io.Writer, pools []*db.Pool, work changeWork, tenants, rounds int, d time.Duration) error {
	var sides [][]*changer
	for _, pool := range pools {
		keys, err := keysIn(ctx, db.New(pool), tenants)
		if err != nil {
			return err
		}
		for _, q := range []*db.Queries{db.New(pool), db.New(pool.OnCluster())} {
			var side []*changer
			for _, key := range keys {
				side = append(side, &changer{q: q, key: key})
			}
			sides = append(sides, side)
		}
	}
	runs := make([][]figures, len(sides))
	for range rounds {
		for i, side := range sides {
			if _, err := changeAll(ctx, side, work, changesWarmUp); err != nil {
				return err
			}
			f, err := changeAll(ctx, side, work, d)
			if err != nil {
				return err
			}
			runs[i] = append(runs[i], f)
		}
	}
	_, _ = fmt.Fprintf(w, "| %s | %d |", work.name, tenants)
	for _, run := range runs {
		f := median(run)
		_, _ = fmt.Fprintf(w, " %.0f | %.1f |", f.perSecond, ms(f.p50))
	}
	_, err := fmt.Fprintln(w)
	return err
}

// keysIn makes tenants with clusterClients entities in all, and returns their keys.
func keysIn(ctx context.Context, q *db.Queries, tenants int) (keys []db.Key, err error) {
	for range tenants {
		tenant := uuid.New()
		if _, err := q.CreateTenant(ctx, db.CreateTenantParams{TenantID: tenant, DisplayName: "bench", CreatedAt: time.Now()}); err != nil {
			return nil, err
		}
		for range clusterClients / tenants {
			key := db.Key{TenantID: tenant, ID: uuid.New()}
			if _, err := db.SetOf(measured).Create(ctx, q, db.Create{TenantID: tenant, ID: key.ID, Values: measured.Defaults(), CreatedAt: time.Now()}); err != nil {
				return nil, err
			}
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// changeAll lets every changer repeat a change.
func changeAll(ctx context.Context, all []*changer, work changeWork, d time.Duration) (figures, error) {
	latencies := make([][]time.Duration, len(all))
	start := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for i, c := range all {
		g.Go(func() error {
			for time.Since(start) < d {
				began := time.Now()
				if err := work.do(c, ctx); err != nil {
					return err
				}
				latencies[i] = append(latencies[i], time.Since(began))
			}
			return nil
		})
	}
	err := g.Wait()
	took := time.Since(start)
	var together []time.Duration
	for _, own := range latencies {
		together = append(together, own...)
	}
	return summarize(together, took), err
}
