package identity_test

import (
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
)

func (c *tenant) refreshForm(token string) url.Values {
	return fields("grant_type", "refresh_token", "client_id", c.public.String(), "refresh_token", token, "scope", signInScopes)
}

// together makes the calls concurrently.
func together[T any](calls ...func() T) []T {
	var wg sync.WaitGroup
	answers, start := make([]T, len(calls)), make(chan struct{})
	for i, call := range calls {
		wg.Go(func() { <-start; answers[i] = call() })
	}
	close(start)
	wg.Wait()
	return answers
}

// rounds calls f n times, a few concurrently, until one fails.
func rounds(t *testing.T, n int, f func()) {
	t.Helper()
	if testing.Short() {
		n /= 10
	}
	next := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range next {
				f()
			}
		})
	}
	for range n {
		if t.Failed() {
			break
		}
		next <- struct{}{}
	}
	close(next)
	wg.Wait()
}

// After two concurrent redemptions, no token is left: neither that of the first, nor the
// one issued for that.
func TestNoTokenSurvivesSecondRedemption(t *testing.T) {
	t.Parallel()
	c := setup(t)
	c.TB = quiet{t}
	code := func() url.Values { return c.codeForm(c.authorize(c.authorizeForm())) }
	token := func() url.Values { return c.refreshForm(c.redeem(c.passwordForm()).RefreshToken) }
	device := func() url.Values {
		d := c.device()
		c.approve(d, "allow")
		return fields("grant_type", "device_code", "client_id", c.public.String(), "device_code", d.DeviceCode)
	}
	for _, tt := range []struct {
		name   string
		rounds int
		form   func() url.Values
	}{{"refresh token", 500, token}, {"code", 100, code}, {"device code", 50, device}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rounds(t, tt.rounds, func() {
				f := tt.form()
				redeem := func() answer { return c.token(f) }
				won := 0
				for _, a := range together(redeem, redeem) {
					if a.status != http.StatusOK {
						continue
					}
					won++
					if next := c.token(c.refreshForm(decode[tokens](c, a).RefreshToken)); next.status != http.StatusBadRequest {
						t.Errorf("the winner's token survives: %d %s", next.status, next.body)
					}
				}
				if won != 1 {
					t.Errorf("%d won", won)
				}
			})
		})
	}
}

// quiet is a t for other goroutines, which may fail the test but not stop it.
type quiet struct{ *testing.T }

func (q quiet) Fatal(args ...any)                 { q.Error(args...) }
func (q quiet) Fatalf(format string, args ...any) { q.Errorf(format, args...) }

// A second redemption revokes the family even while the client redeems a later token.
func TestNoTokenSurvivesWhileOneIsRedeemed(t *testing.T) {
	t.Parallel()
	c := setup(t)
	c.TB = quiet{t}
	rounds(t, 50, func() {
		first := c.redeem(c.passwordForm()).RefreshToken
		second := c.redeem(c.refreshForm(first)).RefreshToken
		answers := together(
			func() answer { return c.token(c.refreshForm(first)) },
			func() answer { return c.token(c.refreshForm(second)) },
		)
		if answers[0].status != http.StatusBadRequest {
			t.Errorf("the first token again: %d", answers[0].status)
		}
		if answers[1].status != http.StatusOK {
			return
		}
		if next := c.token(c.refreshForm(decode[tokens](c, answers[1]).RefreshToken)); next.status != http.StatusBadRequest {
			t.Errorf("the next token survives: %d %s", next.status, next.body)
		}
	})
}

// A redemption whose answer fails uses up nothing.
func TestFailedAnswerSpendsNothing(t *testing.T) {
	t.Parallel()
	c := setup(t)
	form := c.codeForm(c.authorize(c.authorizeForm()))
	c.wantError(c.token(with(form, "scope", "https://nobody.example.test/.default")), 400, "invalid_resource", 500011)
	refresh := c.refreshForm(c.redeem(form).RefreshToken)
	c.wantError(c.token(with(refresh, "scope", "https://nobody.example.test/.default")), 400, "invalid_resource", 500011)
	c.redeem(refresh)
}

// Within the leeway, clients that refresh in parallel each get tokens; after it, a second
// redemption revokes all of them.
func TestRefreshTokenLeeway(t *testing.T) {
	t.Parallel()
	clock := &clock{}
	c := newTenant(t, startServer(t, server.Config{HTTPAddr: "127.0.0.1:0", DatabaseURL: dbtest.NewDatabase(t), Now: clock.now, RefreshTokenLeeway: time.Hour}))
	first := c.redeem(c.passwordForm()).RefreshToken
	refresh := func() answer { return c.token(c.refreshForm(first)) }
	var last string
	for _, a := range together(refresh, refresh, refresh) {
		last = c.redeem(c.refreshForm(decode[tokens](c, c.want(http.StatusOK, a)).RefreshToken)).RefreshToken
	}
	clock.move(30 * time.Minute)
	c.want(http.StatusOK, refresh())
	clock.move(31 * time.Minute) // counted from the first redemption
	c.wantError(refresh(), 400, "invalid_grant", 70000)
	c.wantError(c.token(c.refreshForm(last)), 400, "invalid_grant", 70000)
}
