package fault

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mocktenant/mocktenant/api"
)

// MaxRules is how many rules a tenant may have, because each request is matched against all
// of them.
const MaxRules = 1000

// maxStars is how many * a pattern may have.
const maxStars = 20

// maxLevels is how deep in a document a member may be: the JSON of each level may be as long
// as the document.
const maxLevels = 10

// secret lists headers and fields whose values must not be in a rule.
var secret = []string{
	"authorization", "proxy-authorization", "cookie", "password", "client_secret", "client_assertion", "assertion",
	"code", "device_code", "refresh_token", "access_token", "id_token", "code_verifier",
}

// A Fault is why a rule is refused, and the part of it.
type Fault struct{ Pointer, Message string }

// Error says why a rule is refused.
func (f *Fault) Error() string { return cmp.Or(f.Pointer, "the rule") + ": " + f.Message }

func errAt(pointer, format string, args ...any) *Fault {
	return &Fault{pointer, fmt.Sprintf(format, args...)}
}

// Check refuses a rule that fits the contract but makes no sense at the current time of the
// tenant's clock. It returns nil for a valid rule.
func Check(r *api.FaultCreate, now time.Time) *Fault {
	for _, check := range []func(*api.FaultCreate) *Fault{checkMatch, checkFront, checkEffect, checkAnswer, checkServed} {
		if f := check(r); f != nil {
			return f
		}
	}
	return checkSchedule(r.Schedule, now)
}

func checkMatch(r *api.FaultCreate) *Fault {
	m := r.Match
	if m == nil {
		return nil
	}
	if m.Path != nil {
		if f := checkPath(*m.Path); f != nil {
			return f
		}
	}
	if f := checkStars(m); f != nil {
		return f
	}
	if m.Header != nil && m.Header.Value != nil && slices.Contains(secret, strings.ToLower(m.Header.Name)) {
		return errAt("/match/header/value", "the header %s contains secrets, which rules don't store: leave out the value.", m.Header.Name)
	}
	if m.Member != nil && m.Member.Value != nil && slices.Contains(secret, strings.ToLower(m.Member.Name)) {
		return errAt("/match/member/value", "%s is a secret, which rules don't store: leave out the value.", m.Member.Name)
	}
	if m.Member != nil && frontOf(r) != authority && strings.Count(m.Member.Name, "/") >= maxLevels {
		return errAt("/match/member/name", "%q is deeper than %d members.", m.Member.Name, maxLevels)
	}
	if m.Member != nil && m.Method != nil && (*m.Method == http.MethodGet || *m.Method == http.MethodHead) && frontOf(r) != authority {
		return errAt("/match/member", "a %s has no body, so the rule would never match.", *m.Method)
	}
	return nil
}

type pattern struct {
	pointer string
	text    *string
}

func checkStars(m *api.FaultMatch) *Fault {
	texts := []pattern{{"/match/path", m.Path}, {"/match/query", m.Query}}
	if m.Header != nil {
		texts = append(texts, pattern{"/match/header/value", m.Header.Value})
	}
	if m.Member != nil {
		texts = append(texts, pattern{"/match/member/value", m.Member.Value})
	}
	for _, t := range texts {
		if t.text != nil && strings.Count(*t.text, "*") > maxStars {
			return errAt(t.pointer, "%q has more than %d *.", *t.text, maxStars)
		}
	}
	return nil
}

func checkPath(path string) *Fault {
	if i := strings.IndexAny(path, "[]?\\#"); i >= 0 {
		return errAt("/match/path", "%q isn't a pattern, because no path contains %q: * matches any part of a segment, and %s at the end any number of segments.", path, path[i:i+1], anyDepth)
	}
	if strings.Contains(strings.TrimSuffix(path, anyDepth), "**") {
		return errAt("/match/path", "%q isn't a pattern: ** must be the last segment.", path)
	}
	return nil
}

// checkFront refuses a rule that mixes members of different fronts.
func checkFront(r *api.FaultCreate) *Fault {
	if e := r.Effect.Error; e != nil {
		documented, ok := Errors[*e]
		if !ok {
			return errAt("/effect/error", "%q isn't a documented error: want one of %s.", *e, strings.Join(slices.Sorted(maps.Keys(Errors)), ", "))
		}
		if m := r.Match; m != nil && m.Front != nil && string(*m.Front) != documented.Front {
			return errAt("/effect/error", "%s is an error of the front %s, but the rule is for the front %s.", *e, documented.Front, *m.Front)
		}
	}
	if m := r.Match; m != nil && frontOf(r) == authority && (m.Application != nil || m.User != nil) {
		return errAt("/match/front", "requests to the authority have no token with an application or a user, so the rule would never match: match the member client_id instead.")
	}
	if frontOf(r) == authority && changesService(r.Effect) {
		return errAt("/effect", "the authority has no entities, so there is nothing to discard, show late or page.")
	}
	return nil
}

// changesService reports whether the effect changes how a request to an entity is served.
func changesService(e api.FaultEffect) bool {
	return e.Discard != nil || e.StaleSeconds != nil || e.PageSize != nil
}

// changesAnswer reports whether the effect changes how an answer is written.
func changesAnswer(e api.FaultEffect) bool {
	return e.Change != nil || e.CutAfterBytes != nil || e.BytesPerSecond != nil
}

// checkEffect refuses members of an effect without those that they need.
func checkEffect(r *api.FaultCreate) *Fault {
	e := r.Effect
	answers := e.Status != nil || e.Error != nil
	describes := e.Body != nil || e.RetryAfterSeconds != nil
	spreads := e.DelayForm != nil && *e.DelayForm != api.FaultEffectDelayFormFixed
	switch {
	case e.Reset != nil && (answers || describes || changesAnswer(e)):
		return errAt("/effect/reset", "can't be combined with an answer.")
	case e.Error != nil && (e.Status != nil || e.Code != nil || e.Message != nil || e.Body != nil):
		return errAt("/effect/error", "can't be combined with a status, code, message or body: the error has its own.")
	case !answers && (e.Body != nil || e.Code != nil || e.Message != nil || e.RetryAfterSeconds != nil):
		return errAt("/effect", "an answer needs a status or an error.")
	case e.RetryAfterForm != nil && e.RetryAfterSeconds == nil:
		return errAt("/effect/retryAfterForm", "needs retryAfterSeconds.")
	case (e.DelayForm != nil || e.DelaySpreadMilliseconds != nil) && e.DelayMilliseconds == nil:
		return errAt("/effect", "a delay needs delayMilliseconds.")
	case spreads != (e.DelaySpreadMilliseconds != nil):
		return errAt("/effect/delaySpreadMilliseconds", "is required with a delayForm of uniform, normal or longTail, and only with these.")
	}
	return nil
}

// checkAnswer refuses an impossible answer.
func checkAnswer(r *api.FaultCreate) *Fault {
	e := r.Effect
	switch {
	case e.Body != nil && (e.Code != nil || e.Message != nil):
		return errAt("/effect/body", "can't be combined with the code and message of an error.")
	case e.Status != nil && *e.Status < http.StatusBadRequest && e.Body == nil:
		return errAt("/effect/status", "%d isn't the status of an error: want 400 to 599, or a body.", *e.Status)
	case e.Body != nil && *e.Body != "" && (*e.Status == http.StatusNoContent || *e.Status == http.StatusNotModified):
		return errAt("/effect/body", "an answer with status %d has no body.", *e.Status)
	}
	return nil
}

// checkServed refuses effects on serving a request in a rule that answers instead, or on
// requests to which they don't apply.
func checkServed(r *api.FaultCreate) *Fault {
	e, method := r.Effect, ""
	if r.Match != nil && r.Match.Method != nil {
		method = *r.Match.Method
	}
	reads := method == http.MethodGet || method == http.MethodHead
	cuts := e.Reset != nil && *e.Reset == api.FaultEffectResetBefore
	served := e.Status == nil && e.Error == nil && !cuts
	switch {
	case !served && changesService(e):
		return errAt("/effect", "a request that isn't served has nothing to discard, show late or page.")
	case e.Discard != nil && reads:
		return errAt("/effect/discard", "a %s changes nothing.", method)
	case e.StaleSeconds != nil && method != "" && !reads:
		return errAt("/effect/staleSeconds", "a %s reads nothing: want GET.", method)
	case e.PageSize != nil && method != "" && !reads:
		return errAt("/effect/pageSize", "a %s has no pages: want GET.", method)
	}
	return nil
}

func checkSchedule(s *api.FaultSchedule, now time.Time) *Fault {
	switch {
	case s == nil:
		return nil
	case s.From != nil && s.Until != nil && !s.From.Before(*s.Until):
		return errAt("/schedule/until", "%s isn't after from, %s, so the rule would never match.", s.Until.Format(time.RFC3339Nano), s.From.Format(time.RFC3339Nano))
	case s.Until != nil && !now.Before(*s.Until):
		return errAt("/schedule/until", "%s is past, by the tenant's clock, so the rule would never match.", s.Until.Format(time.RFC3339Nano))
	}
	return nil
}
