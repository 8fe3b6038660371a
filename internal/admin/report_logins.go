package admin

import (
	"context"
	"time"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/reporting"
)

// listReportLogins lists the logins. A manager gets those whose tenants are all the
// manager's.
func listReportLogins(ctx context.Context, x *call, p api.ListReportLoginsParams) (list api.ReportLoginList, err error) {
	logins, err := x.admin.reports.List(ctx, x.caller.manager(), afterText(p.After), limit(p.Top)+1)
	list.Value, list.NextLink = page(x, logins, p.Top, func(l api.ReportLogin) string { return l.Login })
	return list, err
}

func createReportLogin(ctx context.Context, c *change, r api.ReportLoginCreate) (made api.ReportLoginCreated, err error) {
	var name string
	set(&name, r.Name)
	p := db.CreateReportLoginsParams{TenantIds: r.TenantIds, LoginName: reporting.NewName(name), Label: r.Label, Manager: c.x.caller.manager(), CreatedAt: c.x.Now}
	if r.TtlSeconds != nil {
		p.ExpiresAt = after(c.x.Now, time.Duration(*r.TtlSeconds)*time.Second)
	}
	c.target = p.LoginName
	for _, id := range p.TenantIds { // checked here, so that a retry gets its answer even if they are gone
		if err := c.hold(ctx, id); err != nil {
			return made, err
		}
	}
	c.then = guardReports
	return c.x.admin.reports.Create(ctx, c.tx, p)
}

// guardReports wakes the guard up after a change that lets a login in.
func guardReports(_ context.Context, a *API) error {
	a.reports.Wake()
	return nil
}

// loginPath names a report login.
type loginPath struct{ Login string }

// checkLogin refuses a login that the caller can't see.
func checkLogin(ctx context.Context, q *db.Queries, x *call, login string) error {
	exists, err := reporting.Exists(ctx, q, x.caller.manager(), login)
	if err == nil && !exists {
		err = errNotFound("There is no report login %q.", login)
	}
	return err
}

// shutOut ends the sessions of a login that the caller can see. It runs before the change,
// because a transaction couldn't do it.
func shutOut(ctx context.Context, x *call, r *loginPath) error {
	if err := checkLogin(ctx, x.admin.queries, x, r.Login); err != nil {
		return err
	}
	return x.admin.reports.ShutOut(ctx, r.Login)
}

func revokeReportLogin(ctx context.Context, c *change, r loginPath) (none, error) {
	if err := checkLoginOfRole(ctx, c, r.Login); err != nil {
		return none{}, err
	}
	return none{}, reporting.Remove(ctx, c.tx, r.Login)
}

func rotateReportLogin(ctx context.Context, c *change, r loginPath) (made api.ReportLoginCreated, err error) {
	if err := checkLoginOfRole(ctx, c, r.Login); err != nil {
		return made, err
	}
	c.then = guardReports
	return c.x.admin.reports.Rotate(ctx, c.tx, r.Login, c.x.caller.manager())
}

// checkLoginOfRole checks a login in the transaction that changes its role.
func checkLoginOfRole(ctx context.Context, c *change, login string) error {
	if err := reporting.BeginRoles(ctx, c.tx); err != nil {
		return err
	}
	return checkLogin(ctx, c.queries, c.x, login)
}
