package db

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// ServiceSecret returns 32 random bytes, stored by name and shared by all replicas. The
// first call makes them.
func (q *Queries) ServiceSecret(ctx context.Context, name string, now time.Time) ([]byte, error) {
	value, err := q.GetServiceSecret(ctx, name)
	if errors.Is(err, pgx.ErrNoRows) {
		fresh := make([]byte, 32)
		_, _ = rand.Read(fresh) // never fails
		if err = q.CreateServiceSecret(ctx, CreateServiceSecretParams{Name: name, Value: fresh, CreatedAt: now}); err == nil {
			value, err = q.GetServiceSecret(ctx, name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("get the service's secret %q: %w", name, err)
	}
	return value, nil
}
