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
		p.queries.DeleteExpiredRefreshTokens, p.queries.DeleteExpiredDeviceCodes,
	} {
		if _, err := remove(ctx, before); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	return nil
}

// sweepDelay is how long what expired is still told from what never was.
const sweepDelay = 24 * time.Hour
