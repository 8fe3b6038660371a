package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mocktenant/mocktenant/api"
)

func newFault(c *cli) *cobra.Command {
	return family("fault", "Make requests of a tenant fail on purpose.", newFaultAdd(c), newFaultList(c), newFaultUpdate(c), newFaultRemove(c))
}

var faultTable = table[api.Fault]{
	[]string{"ID", "SCENARIO", "MATCH", "SCHEDULE", "EFFECT", "MATCHED", "FIRED"},
	func(f api.Fault) []any {
		return []any{f.Id, f.Scenario, asJSON(f.Match), asJSON(f.Schedule), asJSON(f.Effect), f.Matched, f.Fired}
	},
}

// faultRule is a rule read from flags. Parts without flags are nil.
type faultRule struct{ api.FaultUpdate }

func (r *faultRule) match() *api.FaultMatch       { return made(&r.Match) }
func (r *faultRule) schedule() *api.FaultSchedule { return made(&r.Schedule) }
func (r *faultRule) effect() *api.FaultEffect     { return made(&r.Effect) }

// made allocates what p points to, once.
func made[T any](p **T) *T {
	if *p == nil {
		*p = new(T)
	}
	return *p
}

// part reads a flag into a field of a part of the rule, and makes that part.
func part[P, T any](of func() *P, field func(*P) **T, read func(*T) func(string) error) func(string) error {
	return func(s string) error { return optional(field(of()), read)(s) }
}

func (r *faultRule) register(cmd *adminCommand) {
	flags := cmd.Flags()
	r.registerMatch(flags)
	flags.Func("client", "Match requests to Graph by an `APPLICATION`, by its client id or name.", optionalArg(&made(&r.Match).Application, appArg)(cmd))
	flags.Func("user", "Match requests to Graph by a `USER`, by id or user principal name.", optionalArg(&made(&r.Match).User, userArg)(cmd))
	r.registerSchedule(flags)
	r.registerAnswer(flags)
	r.registerServing(flags)
}

func (r *faultRule) registerMatch(flags *pflag.FlagSet) {
	flags.Func("front", "Match requests to this `FRONT`: graph or authority.", part(r.match, func(m *api.FaultMatch) **api.FaultMatchFront { return &m.Front }, readWord))
	text := func(name, usage string, field func(*api.FaultMatch) **string) {
		flags.Func(name, usage, part(r.match, field, readText))
	}
	text("method", "Match this `METHOD`.", func(m *api.FaultMatch) **string { return &m.Method })
	text("route", "Match this `ROUTE`, such as /v1.0/deviceManagement/remoteAssistancePartners/:id.", func(m *api.FaultMatch) **string { return &m.Route })
	text("path", "Match the `PATH`; * matches within a segment, ** at the end matches any segments.", func(m *api.FaultMatch) **string { return &m.Path })
	text("query", "Match the `QUERY`; * matches any text.", func(m *api.FaultMatch) **string { return &m.Query })
	flags.Func("header", "Match a header, by its `NAME[=VALUE]`; * matches any text.", func(s string) error {
		name, value := cutOptional(s)
		r.match().Header = &api.FaultHeader{Name: name, Value: value}
		return nil
	})
	flags.Func("member", "Match a member of the JSON body, or a form field at the authority, by its `NAME[=VALUE]`; * matches any text.", func(s string) error {
		name, value := cutOptional(s)
		r.match().Member = &api.FaultMember{Name: name, Value: value}
		return nil
	})
}

// cutOptional splits NAME[=VALUE].
func cutOptional(s string) (name string, value *string) {
	name, after, found := strings.Cut(s, "=")
	if found {
		value = &after
	}
	return name, value
}

func (r *faultRule) registerSchedule(flags *pflag.FlagSet) {
	count := func(name, usage string, field func(*api.FaultSchedule) **int64) {
		flags.Func(name, usage, part(r.schedule, field, readCount))
	}
	count("after", "Let the first `N` pass.", func(s *api.FaultSchedule) **int64 { return &s.After })
	count("every", "Then let one in `N` fail.", func(s *api.FaultSchedule) **int64 { return &s.Every })
	count("times", "Let up to `N` fail.", func(s *api.FaultSchedule) **int64 { return &s.Times })
	count("seed", "The `SEED` for random decisions.", func(s *api.FaultSchedule) **int64 { return &s.Seed })
	flags.Func("probability", "Let each of these fail with the probability `P`, up to 1.", part(r.schedule, func(s *api.FaultSchedule) **float64 { return &s.Probability }, readNumber))
	flags.Func("from", "Let requests before this `TIME` of the tenant's clock pass.", optional(&made(&r.Schedule).From, readTime))
	flags.Func("until", "Let requests from this `TIME` of the tenant's clock pass.", optional(&made(&r.Schedule).Until, readTime))
}

func (r *faultRule) registerAnswer(flags *pflag.FlagSet) {
	text := func(name, usage string, field func(*api.FaultEffect) **string) {
		flags.Func(name, usage, part(r.effect, field, readText))
	}
	text("error", "Answer with a documented error, by its `NAME`, such as throttled or AADSTS50126.", func(e *api.FaultEffect) **string { return &e.Error })
	r.number(flags, "status", "Answer with the error of this `STATUS`.", func(e *api.FaultEffect) **int32 { return &e.Status })
	text("code", "The error's `CODE`.", func(e *api.FaultEffect) **string { return &e.Code })
	text("message", "The error's `MESSAGE`.", func(e *api.FaultEffect) **string { return &e.Message })
	r.number(flags, "retry-after", "The header Retry-After, in `SECONDS`.", func(e *api.FaultEffect) **int32 { return &e.RetryAfterSeconds })
	flags.Func("retry-after-form", "Write Retry-After in this `FORM`: seconds or date.", part(r.effect, func(e *api.FaultEffect) **api.FaultEffectRetryAfterForm { return &e.RetryAfterForm }, readWord))
	text("body", "Answer with this `TEXT` instead of an error.", func(e *api.FaultEffect) **string { return &e.Body })
	text("content-type", "The Content-`TYPE` of the body or of the answer.", func(e *api.FaultEffect) **string { return &e.ContentType })
}

func (r *faultRule) number(flags *pflag.FlagSet, name, usage string, field func(*api.FaultEffect) **int32) {
	flags.Func(name, usage, part(r.effect, field, readInteger))
}

func (r *faultRule) registerServing(flags *pflag.FlagSet) {
	r.number(flags, "delay", "Wait `MILLISECONDS` first.", func(e *api.FaultEffect) **int32 { return &e.DelayMilliseconds })
	flags.Func("delay-form", "Wait in this `FORM`: fixed, uniform, normal or longTail.", part(r.effect, func(e *api.FaultEffect) **api.FaultEffectDelayForm { return &e.DelayForm }, readWord))
	r.number(flags, "delay-spread", "Wait an additional `MILLISECONDS`: at most, as the deviation, or as the tail.", func(e *api.FaultEffect) **int32 { return &e.DelaySpreadMilliseconds })
	flags.Func("reset", "Cut the connection `WHEN`: before the request is served, or after.", part(r.effect, func(e *api.FaultEffect) **api.FaultEffectReset { return &e.Reset }, readWord))
	r.number(flags, "cut-after", "Cut the connection after this many `BYTES` of the body.", func(e *api.FaultEffect) **int32 { return &e.CutAfterBytes })
	r.number(flags, "bytes-per-second", "Send the body at this `RATE`.", func(e *api.FaultEffect) **int32 { return &e.BytesPerSecond })
	flags.BoolFunc("discard", "Answer a change as if it were made, without making it.", part(r.effect, func(e *api.FaultEffect) **bool { return &e.Discard }, readBool))
	r.number(flags, "stale", "Answer a read as of this many `SECONDS` ago.", func(e *api.FaultEffect) **int32 { return &e.StaleSeconds })
	r.number(flags, "page-size", "Put up to this many `ENTITIES` on a page.", func(e *api.FaultEffect) **int32 { return &e.PageSize })
	flags.Func("change", "Change the answer in this `WAY`, such as emptyPage or malformedJson; can be repeated.", func(s string) error {
		e := r.effect()
		*made(&e.Change) = append(*made(&e.Change), api.FaultChange(s))
		return nil
	})
}

// readBool reads a boolean.
func readBool(p *bool) func(string) error {
	return func(s string) (err error) {
		*p, err = strconv.ParseBool(s)
		return err
	}
}

// givenPart returns a part of a rule, or nil if no flag set it.
func givenPart[T comparable](p *T) *T {
	var zero T
	if p == nil || *p == zero {
		return nil
	}
	return p
}

func newFaultAdd(c *cli) *cobra.Command {
	r := &faultRule{}
	cmd := c.ofTenant("add", "Add a rule that makes requests of a tenant fail.")
	r.register(cmd)
	cmd.MarkFlagsOneRequired("error", "status", "delay", "reset", "cut-after", "bytes-per-second", "discard", "stale", "page-size", "change", "content-type")
	return show(cmd, faultTable.one, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.CreateFault(ctx, s.tenant, api.FaultCreate{Match: givenPart(r.Match), Schedule: givenPart(r.Schedule), Effect: *r.effect()})
	})
}

func newFaultList(c *cli) *cobra.Command {
	cmd := c.ofTenant("list", "List the rules of a tenant, and how often they matched and fired.")
	return list(cmd, faultTable, func(ctx context.Context, s *session, _ *api.After) (*http.Response, error) {
		return s.ListFaults(ctx, s.tenant)
	})
}

func newFaultUpdate(c *cli) *cobra.Command {
	var id uuid.UUID
	r := &faultRule{}
	cmd := c.ofTenant("update <rule>", "Change a rule's match, schedule or effect. Flags of one of these replace it completely.", idArg(&id))
	r.register(cmd)
	return show(cmd, faultTable.one, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.UpdateFault(ctx, s.tenant, id, api.FaultUpdate{Match: givenPart(r.Match), Schedule: givenPart(r.Schedule), Effect: givenPart(r.Effect)})
	})
}

func newFaultRemove(c *cli) *cobra.Command {
	var id uuid.UUID
	cmd := c.ofTenant("remove <rule>", "Remove a rule.", idArg(&id))
	return done(cmd, "Removed rule %[1]s.", func(ctx context.Context, s *session) (*http.Response, error) {
		return s.DeleteFault(ctx, s.tenant, id)
	})
}

// asJSON returns a part of a rule for a table.
func asJSON(part any) string {
	text, err := json.Marshal(part)
	if err != nil || string(text) == "null" {
		return "-"
	}
	return string(text)
}

// readWord reads a word from a list that the service checks.
func readWord[T ~string](p *T) func(string) error {
	return func(s string) error {
		*p = T(s)
		return nil
	}
}

// readCount reads an integer.
func readCount(p *int64) func(string) error {
	return func(s string) (err error) {
		if *p, err = strconv.ParseInt(s, 10, 64); err != nil {
			return errors.New("must be an integer")
		}
		return nil
	}
}
