package db

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// maxExpired is how many onboardings end in one call.
const maxExpired = 1000

// ExpireOnboardings ends the onboardings of a tenant that have expired when its clock shows
// now. The history has the time of each expiry and names no user.
func ExpireOnboardings(ctx context.Context, q *Queries, tenant uuid.UUID, now time.Time) error {
	t := &entity.RemoteAssistancePartner
	action, ok := t.FindAction("expire")
	if !ok {
		return errors.New("onboardings don't expire")
	}
	over, err := q.ListExpiredOnboardings(ctx, ListExpiredOnboardingsParams{TenantID: tenant, NowTicks: odata.Ticks(now), RowLimit: maxExpired})
	if err != nil {
		return err
	}
	for _, o := range over {
		at := odata.Time(o.RequestExpiryTicks, 0)
		_, err := Act(ctx, q, t, action, Change{TenantID: tenant, ID: o.ID, ChangedAt: at})
		if err != nil && !errors.Is(err, pgx.ErrNoRows) { // it was just deleted
			return err
		}
	}
	return nil
}
