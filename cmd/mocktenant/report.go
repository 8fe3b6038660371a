package main

import (
	"context"
	"encoding/csv"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/client"
)

type reportCommand struct {
	adminFlags `embed:""`

	Name   string    `arg:"" optional:"" help:"The report; without one, the reports are listed."`
	Tenant uuid.UUID `env:"AZURE_TENANT_ID" placeholder:"ID" help:"The tenant."`
	Output string    `short:"o" default:"table" enum:"table,csv,json" help:"How to print: table, csv or json."`
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

type reportLoginCommand struct {
	Create reportLoginCreate `cmd:"" help:"Make a Postgres login that reads schema reporting for its tenants."`
	List   reportLoginList   `cmd:"" help:"List the logins."`
	Rotate reportLoginRotate `cmd:"" help:"Give a login another password."`
	Revoke reportLoginRevoke `cmd:"" help:"Remove a login and end its connections."`
}

type reportLoginCreate struct {
	adminFlags  `embed:""`
	outputFlags `embed:""`

	Tenant []uuid.UUID `required:"" env:"AZURE_TENANT_ID" placeholder:"ID" help:"The tenants that it reads."`
	Label  string      `placeholder:"TEXT" help:"Any text, to know it by."`
	TTL    duration    `name:"ttl" placeholder:"TIME" help:"How long it is good (default: until it is revoked)."`
	Files  string      `placeholder:"DIR" help:"Print nothing, but write the files login, password and dsn there, for a program that reads its secrets so; do nothing if they are there."`
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
	adminFlags  `embed:""`
	outputFlags `embed:""`
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
	rows := [][]string{{"LOGIN", "LABEL", "TENANTS", "CREATED", "EXPIRES"}}
	for _, l := range all {
		var tenants []string
		for _, id := range l.TenantIds {
			tenants = append(tenants, id.String())
		}
		rows = append(rows, []string{l.Login, orDash(l.Label), strings.Join(tenants, ","), moment(&l.CreatedDateTime), moment(l.ExpiresDateTime)})
	}
	return r.print(con, all, rows)
}

type reportLoginRotate struct {
	adminFlags  `embed:""`
	outputFlags `embed:""`

	Login string `arg:"" help:"The login."`
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
	adminFlags `embed:""`

	Login string `arg:"" help:"The login."`
}

// Run revokes a login.
func (r *reportLoginRevoke) Run(ctx context.Context, c *cli, _ console) error {
	api, err := r.client(c)
	if err != nil {
		return err
	}
	return client.Done(api.RevokeReportLogin(ctx, r.Login))
}
