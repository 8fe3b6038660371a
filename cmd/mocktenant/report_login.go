package main

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

func newReportLogin(c *cli) *cobra.Command {
	return family("report-login", "Make Postgres logins that read reports of their tenants.",
		newReportLoginCreate(c), newReportLoginList(c), newReportLoginRotate(c), newReportLoginRevoke(c))
}

var reportLoginTable = table[api.ReportLogin]{
	[]string{"LOGIN", "LABEL", "TENANTS", "CREATED", "EXPIRES", "ROLE"},
	func(l api.ReportLogin) []any {
		role := "-"
		if l.RoleMissing {
			role = "missing: rotate it"
		}
		return []any{l.Login, l.Label, l.TenantIds, l.CreatedDateTime, never(l.ExpiresDateTime), role}
	},
}

func loginRows(made api.ReportLoginCreated) [][]string {
	return [][]string{{"login", made.Login}, {"dsn", made.Dsn}}
}

func newReportLoginCreate(c *cli) *cobra.Command {
	var r api.ReportLoginCreate
	var dir string
	cmd := c.administer("create", "Make a Postgres login that reads its tenants in schema reporting.")
	flags := cmd.Flags()
	flags.Func("tenant", "A `TENANT` that it reads, by its id, a domain or its name.", tenantsArg(&r.TenantIds)(cmd))
	settings(flags, "", map[string]string{"tenant": "AZURE_TENANT_ID"})
	flags.Func("name", "Part of its `NAME` in Postgres, for lists of sessions: up to 20 lower-case letters, digits and _.", optional(&r.Name, readText))
	flags.Func("label", "A `TEXT` that describes it.", optional(&r.Label, readText))
	flags.Var(seconds(set(&r.TtlSeconds)), "ttl", "How long it is valid, such as 90s, 75m, 12h, 30d (default: until it is revoked).")
	flags.StringVar(&dir, "files", "", "Print nothing. Write the files login, password and dsn into a `DIR`, for a program that reads its secrets from files. Do nothing if they exist.")
	must(cmd.MarkFlagRequired("tenant"))
	must(cmd.MarkFlagDirname("files"))
	output := newPrinter(flags)
	return cmd.does(func(ctx context.Context, s *session, con console) error {
		if hasLogin(dir) {
			return nil
		}
		made, err := client.Read[api.ReportLoginCreated](s.CreateReportLogin(ctx, nil, r))
		switch {
		case err != nil:
			return err
		case dir != "":
			return writeLogin(dir, made)
		}
		return output.print(con, made, loginRows(made))
	})
}

// hasLogin reports whether all files of writeLogin exist.
func hasLogin(dir string) bool {
	if dir == "" {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, "dsn"))
	return err == nil
}

// writeLogin writes a login for other users of the machine to read, the DSN last.
func writeLogin(dir string, made api.ReportLoginCreated) error {
	dsn, err := url.Parse(made.Dsn)
	if err != nil {
		return err
	}
	password, _ := dsn.User.Password()
	for _, f := range [][2]string{{"login", made.Login}, {"password", password}, {"dsn", made.Dsn}} {
		if err := os.WriteFile(filepath.Join(dir, f[0]), []byte(f[1]), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func newReportLoginList(c *cli) *cobra.Command {
	cmd := c.administer("list", "List the logins.")
	return list(cmd, reportLoginTable, func(ctx context.Context, s *session, after *api.After) (*http.Response, error) {
		return s.ListReportLogins(ctx, &api.ListReportLoginsParams{After: after})
	})
}

func newReportLoginRotate(c *cli) *cobra.Command {
	var login string
	cmd := c.administer("rotate <login>", "End a login's connections and change its password.", textArg(&login))
	return show(cmd, loginRows, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.RotateReportLogin(ctx, login)
	})
}

func newReportLoginRevoke(c *cli) *cobra.Command {
	var login string
	cmd := c.administer("revoke <login>", "End a login's connections and remove the login.", textArg(&login))
	return done(cmd, "Revoked login %[1]s.", func(ctx context.Context, s *session) (*http.Response, error) {
		return s.RevokeReportLogin(ctx, login)
	})
}
