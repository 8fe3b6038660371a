package front

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mocktenant/mocktenant/internal/tenant"
)

// Hook sees every request of a front, including each request in a $batch. Its functions may
// be nil. They run while the request is served: a hook that waits delays the request, and
// must return when the request's context ends. A hook that replaces the exchange's Writer
// decides what is sent.
type Hook struct {
	// Begin is called when a request arrives and only its head is known.
	Begin func(*Exchange)

	// Before is called when the request's tenant is known, before the request is served. If
	// it returns a Refusal, that is answered instead.
	Before func(*Exchange) *Refusal

	// After is called when the request is answered, whether or not its tenant is known.
	// Hooks are called in reverse order.
	After func(*Exchange, Answer)
}

// Answer is how a request was answered.
type Answer struct {
	Status int
	Took   time.Duration // real time
	Err    error         // why the client was refused; nil if it wasn't
}

// Refusal answers a request instead of serving it. Each front answers in its own form:
// Graph's error body, OAuth's, or a problem document.
type Refusal struct {
	Status     int
	Code       string        // of Graph or OAuth
	Message    string        // for the client
	RetryAfter time.Duration // in whole seconds; no header if 0

	// These are further parts of errors of Graph and of the authority.
	Form     Form
	Claims   string // the claims that a challenge asks for, as JSON; "" for no challenge
	AADSTS   int    // 0 uses the status's usual number
	Suberror string

	// Answered says that the hook has written the answer itself.
	Answered bool
}

// Form is the form of the message in Graph's errors.
type Form int

// The forms of a message.
const (
	Wrapped Form = iota // a string with the Intune service's document
	Plain               // the gateway's own form
	Doubly              // Wrapped within another document, in which the gateway refuses accounts
)

// errAnswered is the error of a request that a hook has answered.
var errAnswered = errors.New("answered by a hook")

// Unwrap returns errAnswered if the hook has written the answer itself.
func (r *Refusal) Unwrap() error {
	if r.Answered {
		return errAnswered
	}
	return nil
}

// Error returns the refusal's text for the log.
func (r *Refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.Status, r.Code, r.Message) }

// Enter sets the tenant of the request, whose clock then applies. It returns the Refusal of
// the first hook that has one.
func (x *Exchange) Enter(t *tenant.Settings) error {
	if x.Tenant != nil && x.Tenant.ID == t.ID {
		return nil
	}
	x.Tenant = t
	if x.Named != t {
		x.follow(t)
	}
	for _, h := range x.hooks {
		if h.Before == nil {
			continue
		}
		if refusal := h.Before(x); refusal != nil {
			return refusal
		}
	}
	return nil
}

// Name makes known whose token the request has, also one that is refused. The answer follows
// that tenant's clock.
func (x *Exchange) Name(t *tenant.Settings) {
	x.Named = t
	x.follow(t)
}

// follow lets the answer show a tenant's time.
func (x *Exchange) follow(t *tenant.Settings) {
	x.Now = t.Clock.Now(x.Arrived)
	if t.Clock.Moved() {
		x.Header("Date", x.Now.UTC().Format(http.TimeFormat)) // instead of net/http's
	}
}

func (x *Exchange) begin() {
	for _, h := range x.hooks {
		if h.Begin != nil {
			h.Begin(x)
		}
	}
}

// after calls every hook, even if one cuts the connection with a panic.
func (x *Exchange) after(a Answer) { afterAll(x.hooks, x, a) }

func afterAll(hooks []Hook, x *Exchange, a Answer) {
	if len(hooks) == 0 {
		return
	}
	last := len(hooks) - 1
	defer afterAll(hooks[:last], x, a)
	if h := hooks[last]; h.After != nil {
		h.After(x, a)
	}
}
