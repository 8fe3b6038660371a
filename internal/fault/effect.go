package fault

import (
	"context"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/front"
)

// apply applies the rule's effect to the nth request that it matched. Random decisions
// follow from the rule's seed and n.
func (r *rule) apply(x *front.Exchange, n int64) *front.Refusal {
	var seed int64
	if r.Schedule != nil && r.Schedule.Seed != nil {
		seed = *r.Schedule.Seed
	}
	random := rand.New(rand.NewPCG(uint64(seed), uint64(n))) //nolint:gosec // replayable on purpose
	wait(x.Request.Context(), delay(r.Effect, random))
	r.shape(x, random)
	if r.Effect.Reset != nil && *r.Effect.Reset == api.FaultEffectResetBefore {
		panic(http.ErrAbortHandler)
	}
	return r.refusal(x)
}

// shape sets how the request is served and how its answer is sent.
func (r *rule) shape(x *front.Exchange, random *rand.Rand) {
	e := r.Effect
	if e.StaleSeconds != nil {
		x.Stale = time.Duration(*e.StaleSeconds) * time.Second
	}
	if e.PageSize != nil {
		x.PageSize = int64(*e.PageSize)
	}
	x.Discard = e.Discard != nil && *e.Discard
	if e.Reset != nil {
		x.Writer = cutting{x.Writer}
		return
	}
	rewrites := e.Change != nil || e.Body == nil && e.ContentType != nil
	if rewrites || e.CutAfterBytes != nil || e.BytesPerSecond != nil {
		x.Writer = &altering{ResponseWriter: x.Writer, status: http.StatusOK, effect: e, random: random}
	}
}

// refusal returns the answer of a rule that answers instead of serving the request.
func (r *rule) refusal(x *front.Exchange) *front.Refusal {
	e := r.Effect
	if e.Error == nil && e.Status == nil {
		return nil
	}
	refusal, page := r.answer(x.Front)
	replace(&refusal.Code, e.Code)
	replace(&refusal.Message, e.Message)
	if e.RetryAfterSeconds != nil {
		form := api.FaultEffectRetryAfterFormSeconds
		replace(&form, e.RetryAfterForm)
		x.Header("Retry-After", retryAfter(x.Now, *e.RetryAfterSeconds, form))
	}
	if page != nil {
		contentType := "text/html; charset=utf-8"
		replace(&contentType, e.ContentType)
		x.Data(refusal.Status, contentType, []byte(*page))
		x.Writer.WriteHeaderNow() // even if the body is empty
		refusal.Answered = true
	}
	return &refusal
}

// answer returns the rule's answer on the named front and, if the rule has one, its body.
// Otherwise the front writes the body.
func (r *rule) answer(name string) (answer front.Refusal, page *string) {
	e := r.Effect
	if e.Error == nil {
		status := int(*e.Status)
		return front.Refusal{Status: status, Code: codeOf(name, status), Message: "The rule " + r.id.String() + " makes this request fail"}, e.Body
	}
	documented := Errors[*e.Error]
	if documented.Body != "" {
		return documented.Refusal, &documented.Body
	}
	return documented.Refusal, e.Body
}

func replace[T any](value, by *T) {
	if by != nil {
		*value = *by
	}
}

// retryAfter writes the header (RFC 9110 section 10.2.3).
func retryAfter(now time.Time, seconds int32, form api.FaultEffectRetryAfterForm) string {
	if form == api.FaultEffectRetryAfterFormDate {
		return now.Add(time.Duration(seconds) * time.Second).UTC().Format(http.TimeFormat)
	}
	return strconv.Itoa(int(seconds))
}

// maxDelay bounds random delays.
const maxDelay = time.Minute

func delay(e api.FaultEffect, random *rand.Rand) time.Duration {
	if e.DelayMilliseconds == nil {
		return 0
	}
	least, spread, form := float64(*e.DelayMilliseconds), 0.0, api.FaultEffectDelayFormFixed
	if e.DelaySpreadMilliseconds != nil {
		spread = float64(*e.DelaySpreadMilliseconds)
	}
	replace(&form, e.DelayForm)
	switch form {
	case api.FaultEffectDelayFormUniform:
		least += spread * random.Float64()
	case api.FaultEffectDelayFormNormal:
		least += spread * random.NormFloat64()
	case api.FaultEffectDelayFormLongTail: // log-normal: the median is the spread, one in a hundred is ten times it
		least += spread * math.Exp(random.NormFloat64())
	}
	return min(max(0, time.Duration(least*float64(time.Millisecond))), maxDelay)
}

func wait(ctx context.Context, d time.Duration) {
	if d == 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// cutting cuts the connection instead of answering.
type cutting struct{ gin.ResponseWriter }

// Write implements http.ResponseWriter.
func (cutting) Write([]byte) (int, error) { panic(http.ErrAbortHandler) }

// WriteString implements gin.ResponseWriter.
func (cutting) WriteString(string) (int, error) { panic(http.ErrAbortHandler) }

// WriteHeaderNow implements gin.ResponseWriter.
func (cutting) WriteHeaderNow() { panic(http.ErrAbortHandler) }
