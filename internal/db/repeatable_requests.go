package db

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Once runs change in a transaction that also keeps its answer. If the same request
// was answered after expiredBefore, it returns that answer and runs nothing. The same
// request that is under way, here or at another replica, is waited for. What fails is
// undone, and not kept. The store that change gets must not be used afterwards.
func (s *Store) Once(ctx context.Context, r BeginRepeatableRequestParams, change func(*Store) (AnswerRepeatableRequestParams, error)) (answer AnswerRepeatableRequestParams, err error) {
	end, err := s.turns.Take(ctx, uuid.UUID(r.Hash[:16])) // no connection waits for another of this process
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
		inside := &Store{Queries: New(tx), pool: tx, inside: true}
		begun, err := inside.BeginRepeatableRequest(ctx, r)
		if err != nil {
			return err
		}
		if begun == 0 {
			kept, err := inside.GetRepeatableRequest(ctx, GetRepeatableRequestParams{TenantID: r.TenantID, Hash: r.Hash})
			answer = AnswerRepeatableRequestParams{Status: kept.Status, Headers: kept.Headers, Body: kept.Body}
			return err
		}
		if answer, err = change(inside); err != nil {
			return err
		}
		answer.TenantID, answer.Hash = r.TenantID, r.Hash
		return inside.AnswerRepeatableRequest(ctx, answer)
	})
	return answer, err
}
