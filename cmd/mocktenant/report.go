package main

import (
	"context"
	"encoding/csv"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/client"
)

func newReportLogin(c *cli) *cobra.Command {
	return family("report-login", "Make Postgres logins that read reports of their tenants.",
		newReportLoginCreate(c), newReportLoginList(c), newReportLoginRotate(c), newReportLoginRevoke(c))
}

type reportCommand struct {
	adminFlags

	Name   string
	Tenant uuid.UUID
	Output string
}

func newReport(c *cli) *cobra.Command {
	r := &reportCommand{}
	cmd := c.command("report [<name>]", "Run a report about a tenant; without a name, list the reports.", r, &r.adminFlags)
	arguments(cmd, readText(&r.Name))
	flags := cmd.Flags()
	flags.Func("tenant", "The `ID` of the tenant.", readID(&r.Tenant))
	choiceFlag(flags, &r.Output, "output", "o", "table", "How to print.", "table", "csv", "json")
	settings(flags, "", map[string]string{"tenant": "AZURE_TENANT_ID"})
	return cmd
}

// Run runs a report.
func (r *reportCommand) Run(ctx context.Context, c *cli, con console) error {
	api, err := r.client(c)
	if err != nil {
		return err
	}
	rows := [][]string{{"name", "question"}}
	if r.Name == "" {
		list, err := client.Read[client.ReportList](api.ListReports(ctx))
		if err != nil {
			return err
		}
		for _, report := range list.Value {
			rows = append(rows, []string{report.Name, report.Question})
		}
		return r.print(con, list.Value, rows)
	}
	result, err := client.Read[client.ReportResult](api.RunReport(ctx, r.Name, &client.RunReportParams{TenantId: r.Tenant}))
	if err != nil {
		return err
	}
	rows = [][]string{result.Columns}
	objects := []map[string]*string{}
	for _, row := range result.Rows {
		texts, object := make([]string, len(row)), map[string]*string{}
		for i, value := range row {
			object[result.Columns[i]] = nil
			if text, err := value.Get(); err == nil {
				texts[i], object[result.Columns[i]] = text, &text
			}
		}
		rows, objects = append(rows, texts), append(objects, object)
	}
	return r.print(con, objects, rows)
}

func (r *reportCommand) print(con console, value any, rows [][]string) error {
	if r.Output == "csv" {
		w := csv.NewWriter(con.out)
		return w.WriteAll(rows)
	}
	return outputFlags{r.Output}.print(con, value, rows)
}

type reportLoginCreate struct {
	adminFlags
	outputFlags

	Tenant []uuid.UUID
	Label  string
	TTL    duration
	Files  string
}

func newReportLoginCreate(c *cli) *cobra.Command {
	r := &reportLoginCreate{}
	cmd := c.command("create", "Make a Postgres login that reads schema reporting for its tenants.", r, &r.adminFlags, &r.outputFlags)
	flags := cmd.Flags()
	flags.Func("tenant", "The `ID` of a tenant that it reads.", readIDs(&r.Tenant))
	flags.StringVar(&r.Label, "label", "", "Any `TEXT`, to know it by.")
	flags.Var(&r.TTL, "ttl", "How long it is good, such as 90s, 75m, 12h, 30d (default: until it is revoked).")
	flags.StringVar(&r.Files, "files", "", "Print nothing, but write the files login, password and dsn into a `DIR`, for a program that reads its secrets so; do nothing if they are there.")
	settings(flags, "", map[string]string{"tenant": "AZURE_TENANT_ID"})
	must(cmd.MarkFlagRequired("tenant"))
	must(cmd.MarkFlagDirname("files"))
	return cmd
}

// Run makes a login.
func (r *reportLoginCreate) Run(ctx context.Context, c *cli, con console) error {
	if r.Files != "" {
		if _, err := os.Stat(filepath.Join(r.Files, "dsn")); err == nil {
			return nil
		}
	}
	api, err := r.client(c)
	if err != nil {
		return err
	}
	made, err := client.Read[client.ReportLoginCreated](api.CreateReportLogin(ctx, nil, client.ReportLoginCreate{TenantIds: r.Tenant, Label: given(r.Label), TtlSeconds: r.TTL.seconds()}))
	if err != nil {
		return err
	}
	if r.Files != "" {
		return writeLogin(r.Files, made)
	}
	return r.print(con, made, [][]string{{"login", made.Login}, {"dsn", made.Dsn}})
}

// writeLogin writes a login for other users of the machine to read, the DSN last.
func writeLogin(dir string, made client.ReportLoginCreated) error {
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

type reportLoginList struct {
	adminFlags
	outputFlags
}

func newReportLoginList(c *cli) *cobra.Command {
	r := &reportLoginList{}
	return c.command("list", "List the logins.", r, &r.adminFlags, &r.outputFlags)
}

// Run lists the logins.
func (r *reportLoginList) Run(ctx context.Context, c *cli, con console) error {
	api, err := r.client(c)
	if err != nil {
		return err
	}
	all, err := pages(func(after *string) (client.ReportLoginList, error) {
		return client.Read[client.ReportLoginList](api.ListReportLogins(ctx, &client.ListReportLoginsParams{After: after}))
	}, func(l client.ReportLoginList) ([]client.ReportLogin, *string) { return l.Value, l.NextLink })
	if err != nil {
		return err
	}
	rows := [][]string{{"LOGIN", "LABEL", "TENANTS", "CREATED", "EXPIRES", "ROLE"}}
	for _, l := range all {
		var tenants []string
		for _, id := range l.TenantIds {
			tenants = append(tenants, id.String())
		}
		role := "-"
		if l.RoleMissing {
			role = "missing: rotate it"
		}
		rows = append(rows, []string{l.Login, orDash(l.Label), strings.Join(tenants, ","), moment(&l.CreatedDateTime), moment(l.ExpiresDateTime), role})
	}
	return r.print(con, all, rows)
}

type reportLoginRotate struct {
	adminFlags
	outputFlags

	Login string
}

func newReportLoginRotate(c *cli) *cobra.Command {
	r := &reportLoginRotate{}
	cmd := c.command("rotate <login>", "End a login's connections and give it another password.", r, &r.adminFlags, &r.outputFlags)
	arguments(cmd, readText(&r.Login))
	return cmd
}

// Run rotates a password.
func (r *reportLoginRotate) Run(ctx context.Context, c *cli, con console) error {
	api, err := r.client(c)
	if err != nil {
		return err
	}
	made, err := client.Read[client.ReportLoginCreated](api.RotateReportLogin(ctx, r.Login))
	if err != nil {
		return err
	}
	return r.print(con, made, [][]string{{"login", made.Login}, {"dsn", made.Dsn}})
}

type reportLoginRevoke struct {
	adminFlags

	Login string
}

func newReportLoginRevoke(c *cli) *cobra.Command {
	r := &reportLoginRevoke{}
	cmd := c.command("revoke <login>", "End a login's connections and remove it.", r, &r.adminFlags)
	arguments(cmd, readText(&r.Login))
	return cmd
}

// Run revokes a login.
func (r *reportLoginRevoke) Run(ctx context.Context, c *cli, _ console) error {
	api, err := r.client(c)
	if err != nil {
		return err
	}
	return client.Done(api.RevokeReportLogin(ctx, r.Login))
}
