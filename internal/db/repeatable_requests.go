package db

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Once runs change in a transaction and stores its answer for the request. If the request
// was answered after expiredBefore, Once returns the stored answer instead. If the request
// is still running, here or at another replica, Once waits for it. A failed change is
// rolled back and not stored. change must not keep the Store that it gets.
func (s *Store) Once(ctx context.Context, r BeginRepeatableRequestParams, change func(*Store) (AnswerRepeatableRequestParams, error)) (answer AnswerRepeatableRequestParams, err error) {
	end, err := s.turns.Take(ctx, uuid.UUID(r.Hash[:16])) // waits without a connection
	if err != nil {
		return answer, err
	}
	defer end()
	mine, err := s.shares.take(ctx, r.TenantID)
	if err != nil {
		return answer, err
	}
	defer s.shares.give(mine)
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		inside := Inside(tx)
		begun, err := inside.queries.BeginRepeatableRequest(ctx, r)
		if err != nil {
			return err
		}
		if begun == 0 {
			kept, err := inside.queries.GetRepeatableRequest(ctx, GetRepeatableRequestParams{TenantID: r.TenantID, Hash: r.Hash})
			answer = AnswerRepeatableRequestParams{Status: kept.Status, Headers: kept.Headers, Body: kept.Body}
			return err
		}
		if answer, err = change(inside); err != nil {
			return err
		}
		answer.TenantID, answer.Hash = r.TenantID, r.Hash
		return inside.queries.AnswerRepeatableRequest(ctx, answer)
	})
	return answer, err
}

// errDiscard rolls back a transaction on purpose.
var errDiscard = errors.New("discarded")

// Discard runs change in a transaction and rolls it back. change must not keep the Store
// that it gets.
func (s *Store) Discard(ctx context.Context, tenant uuid.UUID, change func(*Store) error) error {
	mine, err := s.shares.take(ctx, tenant)
	if err != nil {
		return err
	}
	defer s.shares.give(mine)
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := change(Inside(tx)); err != nil {
			return err
		}
		return errDiscard
	})
	if errors.Is(err, errDiscard) {
		return nil
	}
	return err
}
