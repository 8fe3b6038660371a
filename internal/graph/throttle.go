package graph

import (
	"net/http"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// maxThrottled is of how many tenants with a limit this process remembers what
// they sent lately.
const maxThrottled = 10_000

// throttle holds tenants to the requests a second that they may send to this
// process. Each request of a batch is one.
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

func (t throttle) allow(tenant uuid.UUID, perSecond int32) bool {
	fresh := rate.NewLimiter(rate.Limit(perSecond), int(perSecond))
	limiter, known, _ := t.limiters.PeekOrAdd(tenant, fresh)
	if !known {
		limiter = fresh
	}
	if limiter.Burst() != int(perSecond) { // an administrator changed it
		limiter.SetLimit(rate.Limit(perSecond))
		limiter.SetBurst(int(perSecond))
	}
	return limiter.Allow()
}

func errTooManyRequests() *graphError {
	return &graphError{status: http.StatusTooManyRequests, code: "TooManyRequests", message: "Too many requests", wrapped: true}
}
