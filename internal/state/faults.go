package state

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/fault"
)

// Fault is a rule by which requests fail on purpose, with how often it matched and fired.
// Rules apply in the order of their ids.
type Fault struct {
	ID              uuid.UUID          `json:"id,omitzero"`
	Scenario        *string            `json:"scenario,omitzero"`
	Match           *api.FaultMatch    `json:"match,omitzero"`
	Schedule        *api.FaultSchedule `json:"schedule,omitzero"`
	Effect          api.FaultEffect    `json:"effect"`
	Matched         int64              `json:"matched,omitzero"`
	Fired           int64              `json:"fired,omitzero"`
	CreatedDateTime time.Time          `json:"createdDateTime,omitzero"`
}

// faults reads the rules of the array that comes next.
func (i *importing) faults(ctx context.Context, r *reader) error {
	var f, before Fault
	check := func(m members) (at, message string) {
		f, at, message = i.parseFault(m)
		return at, message
	}
	err := each(elements(r, check), func(n int, _ members) error {
		if n > fault.MaxRules {
			return r.refuse("", 0, fmt.Sprintf("is one too many: a tenant may have %d rules", fault.MaxRules))
		}
		if f.ID == uuid.Nil {
			f.ID = uuid.Must(uuid.NewV7()) // which come in their order
		}
		if bytes.Compare(f.ID[:], before.ID[:]) <= 0 {
			return r.refuse("/id", 0, fmt.Sprintf("%s doesn't come after %s, the id of the rule before; rules apply in the order of their ids: leave the ids out", f.ID, before.ID))
		}
		before = f
		return i.fault(ctx, f)
	})
	if err != nil || before.ID == uuid.Nil {
		return err
	}
	return i.q.ChangeFaults(ctx, i.id)
}

// parseFault reads a rule, or says what is wrong with which member.
func (i *importing) parseFault(m members) (f Fault, at, message string) {
	if at, message = f.takeOwn(m); message != "" {
		return f, at, message
	}
	switch _, known := fault.FindScenario(deref(f.Scenario)); {
	case f.Scenario != nil && !known:
		return f, "/scenario", fmt.Sprintf("there is no scenario %q", *f.Scenario)
	case f.Matched < 0, f.Fired < 0 || f.Fired > f.Matched:
		return f, "/fired", fmt.Sprintf("%d of %d matches: want none below 0, and no more fired than matched", f.Fired, f.Matched)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return f, "", err.Error()
	}
	if at, message = i.CheckRule(raw); message != "" {
		return f, at, message
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return f, "", err.Error()
	}
	return f, "", ""
}

// takeOwn moves the members that only documents have from m to f. The others are a rule as
// clients send it.
func (f *Fault) takeOwn(m members) (at, message string) {
	for _, own := range []struct {
		name string
		into any
	}{{"id", &f.ID}, {"scenario", &f.Scenario}, {"matched", &f.Matched}, {"fired", &f.Fired}, {"createdDateTime", &f.CreatedDateTime}} {
		if raw, ok := m[own.name]; ok {
			if err := jsonv2.Unmarshal(raw, own.into, readIDs); err != nil {
				return "/" + own.name, explainMember(err)
			}
			delete(m, own.name)
		}
	}
	return "", ""
}

// fault creates a rule.
func (i *importing) fault(ctx context.Context, f Fault) error {
	p, err := fault.Row(i.id, api.FaultCreate{Match: f.Match, Schedule: f.Schedule, Effect: f.Effect}, f.Scenario, orNow(f.CreatedDateTime, i.Now))
	if err != nil {
		return err
	}
	p.ID, p.Matched, p.Fired = f.ID, f.Matched, f.Fired
	return i.q.CreateFault(ctx, p)
}

func loadFaults(ctx context.Context, q *db.Queries, tenant uuid.UUID) iter.Seq2[Fault, error] {
	return func(yield func(Fault, error) bool) {
		rows, err := q.ListFaults(ctx, tenant)
		if err != nil {
			yield(Fault{}, err)
			return
		}
		for _, row := range rows {
			f := Fault{ID: row.ID, Scenario: row.Scenario, Matched: row.Matched, Fired: row.Fired, CreatedDateTime: row.CreatedAt.UTC()}
			if err := json.Unmarshal(row.Rule, &f); !yield(f, err) || err != nil {
				return
			}
		}
	}
}
