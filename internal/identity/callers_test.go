package identity_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mocktenant/mocktenant/internal/bearer"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/identity"
)

// stall blocks a request that has just looked up its caller, until goOn is closed.
type stall struct {
	looked, goOn chan struct{}
}

type stalled struct{}

func (s stall) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if strings.Contains(q.SQL, "name: GetCaller ") {
		ctx = context.WithValue(ctx, stalled{}, true)
	}
	return ctx
}

func (s stall) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	if ctx.Value(stalled{}) == nil {
		return
	}
	s.looked <- struct{}{}
	<-s.goOn
}

// A lookup that began before a change isn't cached after it.
func TestLookUpDuringChange(t *testing.T) {
	t.Parallel()
	c := setup(t)
	config := c.server.Pool().Config()
	s := stall{make(chan struct{}, 10), make(chan struct{})}
	config.ConnConfig.Tracer = s
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	c.must(err)
	defer pool.Close()
	p, err := identity.New(t.Context(), identity.Config{DB: &db.Pool{Pool: pool}})
	c.must(err)
	token, err := p.IssueAccessToken(identity.AccessToken{
		TenantID: c.id, ObjectID: c.user.ID, AppID: c.app, UserName: c.user.UserPrincipalName, Scopes: []string{readWrite}, Lifetime: time.Hour,
	})
	c.must(err)
	first := make(chan error)
	go func() {
		_, _, err := p.VerifyAccessToken(t.Context(), token)
		first <- err
	}()
	<-s.looked
	c.must(p.SetEnabled(t.Context(), pool, c.id, c.user.ID, false, time.Now()))
	close(s.goOn)
	c.must(<-first) // it began before the change
	var revoked *bearer.RevokedError
	if _, _, err := p.VerifyAccessToken(t.Context(), token); !errors.As(err, &revoked) {
		t.Errorf("the token of a disabled user: %v", err)
	}
}
