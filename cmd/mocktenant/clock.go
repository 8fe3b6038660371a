package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/api"
)

func newClock(c *cli) *cobra.Command {
	return family("clock", "Show, move, freeze and reset the clock of a tenant.", newClockGet(c), newClockSet(c), newClockReset(c))
}

var clockTable = table[api.Clock]{
	[]string{"NOW", "RATE", "MOVED"},
	func(k api.Clock) []any { return []any{k.Now, k.Rate, k.Moved} },
}

func newClockGet(c *cli) *cobra.Command {
	cmd := c.ofTenant("get", "Show the time on a tenant's clock.")
	return show(cmd, clockTable.one, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.GetClock(ctx, s.tenant)
	})
}

func newClockSet(c *cli) *cobra.Command {
	var r api.ClockSet
	cmd := c.ofTenant("set", "Set a tenant's clock, move it ahead, or change its rate.")
	flags := cmd.Flags()
	flags.Func("now", "The `TIME` to set, such as 2030-01-31T12:00:00Z.", optional(&r.Now, readTime))
	flags.Var(seconds(func(n int64) { ahead := float64(n); r.AdvanceSeconds = &ahead }), "advance", "How far to move it ahead, such as 90s, 75m, 12h, 30d.")
	flags.Func("rate", "How `FAST` it runs: 1 like real time, 0 not at all.", optional(&r.Rate, readNumber))
	cmd.MarkFlagsMutuallyExclusive("now", "advance")
	cmd.MarkFlagsOneRequired("now", "advance", "rate")
	return show(cmd, clockTable.one, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.SetClock(ctx, s.tenant, r)
	})
}

func newClockReset(c *cli) *cobra.Command {
	cmd := c.ofTenant("reset", "Reset a tenant's clock to the service's.")
	return done(cmd, "Reset the clock.", func(ctx context.Context, s *session) (*http.Response, error) {
		return s.ResetClock(ctx, s.tenant)
	})
}

// readTime reads a time.
func readTime(p *time.Time) func(string) error {
	return func(s string) (err error) {
		if *p, err = time.Parse(time.RFC3339Nano, s); err != nil {
			return errors.New("must be a time, such as 2030-01-31T12:00:00Z")
		}
		return nil
	}
}

// readNumber reads a number.
func readNumber(p *float64) func(string) error {
	return func(s string) (err error) {
		if *p, err = strconv.ParseFloat(s, 64); err != nil {
			return errors.New("must be a number")
		}
		return nil
	}
}
