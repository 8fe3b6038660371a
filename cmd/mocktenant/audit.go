package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

var auditTable = table[api.AuditEntry]{
	[]string{"TIME", "WHO", "OUTCOME", "STATUS", "COUNT", "ACTION", "TENANT", "TARGET", "FROM"},
	func(e api.AuditEntry) []any {
		return []any{e.DateTime, e.KeyName, e.Outcome, e.Status, e.Count, e.Action, e.TenantId, e.Target, e.Address}
	},
}

func newAudit(c *cli) *cobra.Command {
	var all bool
	r := api.ListAuditParams{Top: new(int)}
	cmd := c.administer("audit", "List the audit log.")
	flags := cmd.Flags()
	flags.Func("tenant", "Only entries about a `TENANT`, by its id, a domain or its name.", optionalArg(&r.TenantId, tenantArg)(cmd))
	flags.Func("who", "Only entries by the key called `NAME`, or about a user, application or key with this name.", optional(&r.Who, readText))
	flags.Func("since", "Only entries from a `TIME` on, such as 2030-01-31T12:00:00Z, or 90m or 7d ago.", optional(&r.Since, readMoment))
	flags.Func("until", "Only entries before a `TIME`.", optional(&r.Until, readMoment))
	flags.IntVar(r.Top, "top", 100, "List up to `N` entries, 1 to 1000.")
	flags.BoolVar(&all, "all", false, "List all entries.")
	cmd.MarkFlagsMutuallyExclusive("all", "top")
	output := newReportPrinter(flags)
	return cmd.does(func(ctx context.Context, s *session, con console) error {
		entries, err := readAudit(ctx, s, r, all)
		if err != nil {
			return err
		}
		return output.print(con, entries, auditTable.all(entries))
	})
}

func readAudit(ctx context.Context, s *session, r api.ListAuditParams, all bool) ([]api.AuditEntry, error) {
	if !all {
		page, err := client.Read[api.AuditList](s.ListAudit(ctx, &r))
		return page.Value, err
	}
	return pages[api.AuditEntry](func(after *api.After) (*http.Response, error) {
		r.Top, r.After = &wholePage, after
		return s.ListAudit(ctx, &r)
	})
}

// readMoment reads a time, or a duration before now.
func readMoment(p *time.Time) func(string) error {
	return func(s string) error {
		ago := func(n int64) { *p = time.Now().Add(-time.Duration(n) * time.Second) }
		if seconds(ago).Set(s) != nil && readTime(p)(s) != nil {
			return errors.New("must be a time, such as 2030-01-31T12:00:00Z, or how long ago, such as 90m or 7d")
		}
		return nil
	}
}
