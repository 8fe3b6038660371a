package identity

import (
	"context"
	"fmt"
	"time"
)

// Sweep deletes sessions, codes and refresh tokens that expired a while ago, and redeemed
// refresh tokens as soon as they have expired.
func (p *Provider) Sweep(ctx context.Context) error {
	for _, remove := range []func(context.Context, time.Time) (int64, error){
		p.queries.DeleteExpiredSessions, p.queries.DeleteExpiredAuthorizationCodes, p.queries.DeleteExpiredRefreshTokens,
	} {
		if _, err := remove(ctx, p.now()); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	return nil
}

// SweepOften deletes what anybody can make the service store: device codes shortly after
// they expire, the oldest sign-ins without a password, and client assertions, of which
// there are many.
func (p *Provider) SweepOften(ctx context.Context) error {
	if _, err := p.queries.DeleteExpiredDeviceCodes(ctx, p.now()); err != nil {
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

// maxPickedSignIns is how many sessions, codes and refresh tokens, counted separately, a
// tenant keeps if users are picked without a password; the newest are kept. They aren't
// counted by address, because everyone who tries out such a tenant, or tests against it,
// may share one.
const maxPickedSignIns = 10_000
