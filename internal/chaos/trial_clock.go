//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/internal/process"
	"github.com/mocktenant/mocktenant/internal/server"
)

const termsPath = "/v1.0/deviceManagement/termsAndConditions"

// clockChange is a change of a tenant's clock, and what the clock showed when it was made, at
// some moment between begun and ended.
type clockChange struct {
	begun, ended, now time.Time
	rate              float64
}

// bounds returns what the clock may show from a moment to another. Postgres stores microseconds,
// and answers to the administration name milliseconds at least.
func (c clockChange) bounds(from, to time.Time) (earliest, last time.Time) {
	const rounding = time.Millisecond
	move := func(d time.Duration) time.Time { return c.now.Add(time.Duration(float64(d) * c.rate)) }
	return move(from.Sub(c.ended)).Add(-rounding), move(to.Sub(c.begun)).Add(rounding)
}

// jump is a change to make.
type jump struct {
	name string
	set  *api.ClockSet // nil resets
}

var (
	jumps = append([]jump{ahead("an hour ahead", time.Hour), ahead("400 days ahead", 400*24*time.Hour)}, shortJumps...)
	// shortJumps end no token.
	shortJumps = []jump{ahead("ten minutes ahead", 10*time.Minute), atRate("stopped", 0), atRate("100 times as fast", 100), back}

	back = jump{name: "back to now"}
)

func ahead(name string, d time.Duration) jump {
	seconds := d.Seconds()
	return jump{name, &api.ClockSet{AdvanceSeconds: &seconds}}
}

func atRate(name string, rate float64) jump { return jump{name, &api.ClockSet{Rate: &rate}} }

// timed is a tenant whose times are watched.
type timed struct {
	credentials api.Credentials
	change      clockChange // the latest
}

// clockJumps moves one tenant's clock, and after each jump lets clients create in it and in another
// tenant, on both replicas. Then it moves the clock of the load's tenant during the load.
func clockJumps(ctx context.Context, r *run) error {
	c, err := r.cluster(ctx, layout{replicas: 2})
	if err != nil {
		return err
	}
	defer c.end()
	r.on("2 replicas")
	moved, err := c.newTimed(ctx)
	if err != nil {
		return err
	}
	other, err := c.newTimed(ctx)
	if err != nil {
		return err
	}
	for round := range r.size.rounds {
		for i, j := range jumps {
			if err := r.jump(ctx, c, c.replicas[(round+i)%2], j, moved, other); err != nil {
				return fmt.Errorf("%s: %w", j.name, err)
			}
		}
	}
	e, err := c.phase(ctx, r.tag(), 0, jumpUnderLoad)
	if err == nil {
		err = r.check(e)
	}
	return err
}

// jump moves the clock of the first tenant, and checks what is stored in both afterwards.
func (r *run) jump(ctx context.Context, c *cluster, at *replica, j jump, moved, other *timed) (err error) {
	if moved.change, err = at.jump(ctx, moved.credentials.TenantId, j); err != nil {
		return err
	}
	stamps, err := c.stamps(ctx, moved, other)
	if err != nil {
		return err
	}
	r.figures.acknowledged += len(stamps)
	return r.check(evidence{stamps: stamps})
}

// jumpUnderLoad moves the clock of the tenant in which the load's clients work.
func jumpUnderLoad(ctx context.Context, c *cluster) error {
	for i, j := range shortJumps {
		if _, err := c.replicas[i%2].jump(ctx, server.DemoTenantID, j); err != nil {
			return fmt.Errorf("%s: %w", j.name, err)
		}
		sleep(ctx, time.Second)
	}
	return nil
}

func (c *cluster) newTimed(ctx context.Context) (*timed, error) {
	admin, err := c.replicas[0].admin()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	made, err := client.Read[api.TenantCreated](admin.CreateTenant(ctx, nil, api.TenantCreate{DisplayName: "Clock"}))
	if err != nil {
		return nil, err
	}
	return &timed{*made.Credentials, clockChange{begun: began, ended: began, now: began, rate: 1}}, nil
}

// jump changes a tenant's clock at this replica.
func (r *replica) jump(ctx context.Context, tenant api.TenantId, j jump) (clockChange, error) {
	admin, err := r.admin()
	if err != nil {
		return clockChange{}, err
	}
	change := clockChange{begun: time.Now()}
	if j.set == nil {
		var response *http.Response
		if response, err = admin.ResetClock(ctx, tenant); err == nil {
			_ = response.Body.Close()
		}
		change.ended = time.Now()
		change.begun, change.now, change.rate = change.ended, change.ended, 1
		return change, err
	}
	clock, err := client.Read[api.Clock](admin.SetClock(ctx, tenant, *j.set))
	change.ended, change.now, change.rate = time.Now(), clock.Now, clock.Rate
	return change, err
}

// stamps lets clients create terms in both tenants on every replica, and returns the times that
// were stored.
func (c *cluster) stamps(ctx context.Context, tenants ...*timed) (all []stamp, err error) {
	var mu sync.Mutex
	var everyone sync.WaitGroup
	for _, t := range tenants {
		for _, r := range c.replicas {
			everyone.Go(func() {
				stamps, failure := r.stamps(ctx, t)
				mu.Lock()
				defer mu.Unlock()
				all = append(all, stamps...)
				if failure != nil {
					err = failure
				}
			})
		}
	}
	everyone.Wait()
	return all, err
}

func (r *replica) stamps(ctx context.Context, t *timed) (all []stamp, err error) {
	admin, err := r.admin()
	if err != nil {
		return nil, err
	}
	// At 100 times the speed, an hour passes in 36 seconds, so each round has its own token.
	token, err := client.Read[api.Token](admin.IssueToken(ctx, t.credentials.TenantId, api.TokenRequest{ClientId: t.credentials.ClientId, UserId: &t.credentials.UserId}))
	if err != nil {
		return nil, err
	}
	at := addresses{Addresses: process.Addresses{HTTP: r.at.Load().HTTP, Token: token.AccessToken}}
	for range 20 {
		s, err := at.stamp(ctx, t)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// stamp creates terms, and returns when that was, according to the answer.
func (a *addresses) stamp(ctx context.Context, t *timed) (stamp, error) {
	begun := time.Now()
	got, err := a.send(ctx, http.MethodPost, termsPath, `{"displayName":"Clock","description":"","title":"","bodyText":"","acceptanceStatement":"","version":1}`)
	ended := time.Now()
	if err == nil && got.status != http.StatusCreated {
		err = fmt.Errorf("create terms: %d %s", got.status, got.body)
	}
	if err != nil {
		return stamp{}, err
	}
	var made struct{ CreatedDateTime time.Time }
	if err := json.Unmarshal([]byte(got.body), &made); err != nil {
		return stamp{}, err
	}
	s := stamp{tenant: t.credentials.TenantId.String(), at: made.CreatedDateTime}
	s.earliest, s.last = t.change.bounds(begun, ended)
	return s, nil
}
