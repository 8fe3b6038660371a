package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/mocktenant/mocktenant/internal/db"
)

// Sweep deletes what expired a while ago: sessions, codes and refresh tokens; and refresh
// tokens that were redeemed, as soon as they have expired.
func (p *Provider) Sweep(ctx context.Context) error {
	now := p.now()
	before := now.Add(-sweepDelay)
	for _, remove := range []func(context.Context, time.Time) (int64, error){
		p.queries.DeleteExpiredSessions, p.queries.DeleteExpiredAuthorizationCodes,
	} {
		if _, err := remove(ctx, before); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	if _, err := p.queries.DeleteExpiredRefreshTokens(ctx, db.DeleteExpiredRefreshTokensParams{ExpiredBefore: before, Now: now}); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	return nil
}

// SweepOften deletes what anybody can make the service keep: device codes, a moment after
// they expired, and the oldest sign-ins where no password is asked for; and client
// assertions, of which there are many.
func (p *Provider) SweepOften(ctx context.Context) error {
	if _, err := p.queries.DeleteExpiredDeviceCodes(ctx, p.now().Add(-time.Minute)); err != nil {
		return fmt.Errorf("sweep device codes: %w", err)
	}
	if _, err := p.queries.DeleteExpiredClientAssertions(ctx, p.now()); err != nil {
		return fmt.Errorf("sweep client assertions: %w", err)
	}
	for _, trim := range []func(context.Context, int64) (int64, error){
		p.queries.TrimSessions, p.queries.TrimAuthorizationCodes, p.queries.TrimRefreshTokens,
	} {
		if _, err := trim(ctx, maxPickedSignIns); err != nil {
			return fmt.Errorf("sweep the sign-ins without a password: %w", err)
		}
	}
	return nil
}

// maxPickedSignIns is how many sessions, codes and refresh tokens, of each the newest, a tenant
// keeps where users are picked without a password. They aren't counted by address: those
// who try such a tenant out, or test against it, come by the hundred from one.
const maxPickedSignIns = 10_000

// sweepDelay is how long what expired is still told from what never was.
const sweepDelay = 24 * time.Hour
