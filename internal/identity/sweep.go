package identity

import (
	"context"
	"fmt"
	"time"
)

// Sweep deletes what expired a while ago: sessions, codes and refresh tokens.
func (p *Provider) Sweep(ctx context.Context) error {
	before := p.now().Add(-sweepDelay)
	for _, remove := range []func(context.Context, time.Time) (int64, error){
		p.queries.DeleteExpiredSessions, p.queries.DeleteExpiredAuthorizationCodes,
		p.queries.DeleteExpiredRefreshTokens,
	} {
		if _, err := remove(ctx, before); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	return nil
}

// SweepOften deletes what anybody can make the service keep, a moment after it expired:
// device codes; and client assertions, of which there are many.
func (p *Provider) SweepOften(ctx context.Context) error {
	if _, err := p.queries.DeleteExpiredDeviceCodes(ctx, p.now().Add(-time.Minute)); err != nil {
		return fmt.Errorf("sweep device codes: %w", err)
	}
	if _, err := p.queries.DeleteExpiredClientAssertions(ctx, p.now()); err != nil {
		return fmt.Errorf("sweep client assertions: %w", err)
	}
	return nil
}

// sweepDelay is how long what expired is still told from what never was.
const sweepDelay = 24 * time.Hour
