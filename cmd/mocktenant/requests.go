package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

var requestTable = table[api.Request]{
	[]string{"TIME", "METHOD", "URL", "STATUS", "TOOK", "RULE", "ID"},
	func(r api.Request) []any {
		took := time.Duration(r.TookMilliseconds * float64(time.Millisecond)).Round(time.Microsecond)
		return []any{r.DateTime, r.Method, r.Url, statusOf(r), took, r.Rule, r.Id}
	},
}

func statusOf(r api.Request) string {
	if r.Status == 0 {
		return "cut"
	}
	return strconv.Itoa(int(r.Status))
}

func newRequests(c *cli) *cobra.Command {
	return family("requests", "Show the requests of a tenant's clients, and the answers.", newRequestsList(c), newRequestsClear(c))
}

func newRequestsList(c *cli) *cobra.Command {
	var follow bool
	var format string
	var filter api.ClearRequestsParams
	top := 100
	cmd := c.ofTenant("list", "List requests and answers, oldest first.")
	filters(cmd, &filter)
	flags := cmd.Flags()
	flags.IntVar(&top, "top", top, "Begin with the latest `N` requests, 1 to 1000.")
	truthFlag(flags, &follow, "follow", "Keep listing new requests. One that takes longer than 10s may be left out.")
	choiceFlag(flags, &format, "output", "o", "table", "The output format.", "table", "json", "har", "curl")
	return cmd.does(func(ctx context.Context, s *session, con console) error {
		if follow && format == "har" {
			return errors.New("an HTTP archive has an end, and --follow has none: leave one of them out")
		}
		newest := api.ListRequestsParamsOrderNewest
		p := listing(filter, &top)
		p.Order = &newest
		page, err := client.Read[api.RequestList](s.ListRequests(ctx, s.tenant, &p))
		if err != nil {
			return err
		}
		slices.Reverse(page.Value)
		warnOfGaps(con, page.Gaps)
		print := requestPrinters[format]
		if err := print(con, page.Value, true); err != nil || !follow {
			return err
		}
		f := follower{session: s, con: con, print: print, filter: listing(filter, &top), seen: map[uuid.UUID]bool{}}
		if len(page.Value) > 0 {
			f.first = page.Value[0].Id
		}
		f.see(page.Value)
		return f.follow(ctx)
	})
}

func listing(f api.ClearRequestsParams, top *int) api.ListRequestsParams {
	return api.ListRequestsParams{
		Top: top, Since: f.Since, Until: f.Until, Front: f.Front, Method: f.Method, Path: f.Path, Status: f.Status, User: f.User,
		Application: f.Application, Rule: f.Rule, Batch: f.Batch, Text: f.Text,
	}
}

// warnOfGaps prints which requests the journal lacks.
func warnOfGaps(con console, gaps []api.RequestGap) {
	for _, gap := range gaps {
		lacks := fmt.Sprintf("lacks %d", gap.Count)
		if gap.Kind == api.RequestGapKindUnanswered {
			lacks = "may lack"
		}
		_, _ = fmt.Fprintf(con.err, "The journal %s requests between %s and %s (%s).\n", lacks, cell(gap.Since), cell(gap.Until), gap.Kind)
	}
}

// filters declares the flags that select requests.
func filters(cmd *adminCommand, f *api.ClearRequestsParams) {
	flags := cmd.Flags()
	flags.Func("since", "Only requests from a `TIME` on, such as 2026-11-28T12:00:00Z.", optional(&f.Since, readTime))
	flags.Func("until", "Only requests up to a `TIME`.", optional(&f.Until, readTime))
	flags.Func("front", "Only requests to this `FRONT`: graph or authority.", optional(&f.Front, readWord[api.RequestFront]))
	flags.Func("method", "Only requests with this `METHOD`.", optional(&f.Method, readText))
	flags.Func("path", "Only requests for this `PATH`; * matches any text.", optional(&f.Path, readText))
	flags.Func("status", "Only answers with this `STATUS`: a number, a class such as 4xx, or cut.", optional(&f.Status, readText))
	flags.Func("user", "Only requests of a `USER`, by id or user principal name.", optionalArg(&f.User, userArg)(cmd))
	flags.Func("client", "Only requests of an `APPLICATION`, by its client id or name.", optionalArg(&f.Application, appArg)(cmd))
	flags.Func("rule", "Only requests that a `RULE` made fail, by its id.", optional(&f.Rule, readText))
	flags.Func("batch", "Only requests in a $batch, by the `ID` of its entry.", optional(&f.Batch, readID))
	flags.Func("text", "Only requests with this `TEXT` in either body.", optional(&f.Text, readText))
}

func newRequestsClear(c *cli) *cobra.Command {
	var filter api.ClearRequestsParams
	cmd := c.ofTenant("clear", "Remove requests from the journal: all, or those that the flags select.")
	filters(cmd, &filter)
	cleared := table[api.RequestsCleared]{[]string{"REMOVED"}, func(r api.RequestsCleared) []any { return []any{r.Removed} }}
	return show(cmd, cleared.one, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.ClearRequests(ctx, s.tenant, &filter)
	})
}

// verifyFlags are the checks of verify and wait.
type verifyFlags struct {
	filter api.ClearRequestsParams
	count  api.RequestCount
	body   string
	file   string
	checks api.RequestVerify
}

func (v *verifyFlags) register(cmd *adminCommand) {
	flags := cmd.Flags()
	filters(cmd, &v.filter)
	flags.StringVar(&v.body, "body", "", "Only requests whose body contains this `JSON`.")
	flags.Func("exactly", "Exactly `N` such requests.", optional(&v.count.Exactly, readCount))
	flags.Func("at-least", "At least `N`; 1 if no number is given.", optional(&v.count.AtLeast, readCount))
	flags.Func("at-most", "Up to `N`.", optional(&v.count.AtMost, readCount))
	flags.BoolFunc("retry-after-honoured", "Check that the caller waited at least as long as each Retry-After said.", means(&v.checks.RetryAfterHonoured, true))
	flags.BoolFunc("no-expired-token", "Check that no request had an expired token.", means(&v.checks.NoExpiredToken, true))
	flags.StringVarP(&v.file, "file", "f", "", "Read the checks from a `FILE` in the administration's form instead.")
}

// request returns the checks from the flags.
func (v *verifyFlags) request() (r api.RequestVerify, err error) {
	if v.file != "" {
		text, err := os.ReadFile(v.file)
		if err == nil {
			err = readBody(text, &r)
		}
		return r, err
	}
	f := v.filter
	r = v.checks
	r.Since, r.Until = f.Since, f.Until
	v.count.Match = api.RequestMatch{Front: f.Front, Method: f.Method, Path: f.Path, Status: f.Status, User: f.User, Application: f.Application, Rule: f.Rule, Batch: f.Batch, Text: f.Text}
	if v.body != "" {
		if err := readBody([]byte(v.body), &v.count.Match.Body); err != nil {
			return r, err
		}
	}
	counted := v.count.Exactly != nil || v.count.AtLeast != nil || v.count.AtMost != nil || v.count.Match != (api.RequestMatch{})
	if counted || r.RetryAfterHonoured == nil && r.NoExpiredToken == nil {
		r.Counts = &[]api.RequestCount{v.count}
	}
	return r, nil
}

func newVerify(c *cli) *cobra.Command {
	var v verifyFlags
	cmd := c.ofTenant("verify", "Check what clients of a tenant sent. Exit 1 if it differs.")
	v.register(cmd)
	return cmd.does(func(ctx context.Context, s *session, con console) error { return v.verify(ctx, s, con, nil) })
}

func newWait(c *cli) *cobra.Command {
	var v verifyFlags
	limit := 30 * time.Second
	cmd := c.ofTenant("wait", "Wait until clients of a tenant have sent something. Exit 1 if they don't in time.")
	v.register(cmd)
	cmd.Flags().DurationVar(&limit, "timeout", limit, "The maximum time to wait, up to 5m.")
	must(cmd.Flags().SetAnnotation("timeout", memberOfFlag, []string{"/waitSeconds"}))
	return cmd.does(func(ctx context.Context, s *session, con console) error {
		seconds := limit.Seconds()
		return v.verify(ctx, s, con, &seconds)
	})
}

func (v *verifyFlags) verify(ctx context.Context, s *session, con console, wait *float64) error {
	r, err := v.request()
	if err != nil {
		return err
	}
	r.WaitSeconds = wait
	result, err := client.Read[api.Verification](s.VerifyRequests(ctx, s.tenant, r))
	if err == nil {
		err = client.Unverified(result)
	}
	if err != nil {
		return err
	}
	return con.say("Verified.", nil)
}
