package graph

import (
	"net/http"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/mocktenant/mocktenant/internal/front"
)

// maxThrottled is how many rate-limited tenants are tracked; beyond it the least
// recently seen starts afresh.
const maxThrottled = 10_000

// throttle limits how many requests a second a tenant may send to this process. Each
// request in a batch counts.
type throttle struct {
	limiters *lru.Cache[uuid.UUID, *rate.Limiter]
}

func newThrottle() throttle {
	limiters, err := lru.New[uuid.UUID, *rate.Limiter](maxThrottled)
	if err != nil {
		panic(err) // the size is a constant
	}
	return throttle{limiters}
}

func (t throttle) hook() front.Hook {
	return front.Hook{Before: func(x *front.Exchange) *front.Refusal {
		if most := x.Tenant.RequestRate; most != nil && !t.allow(x, *most) {
			return &front.Refusal{Status: http.StatusTooManyRequests, Code: "TooManyRequests", Message: "Too many requests", RetryAfter: throttleRetryAfter}
		}
		return nil
	}}
}

func (t throttle) allow(x *front.Exchange, perSecond int32) bool {
	fresh := rate.NewLimiter(rate.Limit(perSecond), int(perSecond))
	limiter, known, _ := t.limiters.PeekOrAdd(x.Tenant.ID, fresh)
	if !known {
		limiter = fresh
	}
	if limiter.Burst() != int(perSecond) { // an administrator has changed it
		limiter.SetLimitAt(x.Now, rate.Limit(perSecond))
		limiter.SetBurstAt(x.Now, int(perSecond))
	}
	return limiter.AllowN(x.Now, 1)
}
