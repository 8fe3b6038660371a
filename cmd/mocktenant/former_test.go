package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
)

const (
	former       = "testdata/former.sql"         // a database made by a development version with other migrations
	formerExport = "testdata/former_tenant.json" // that version's export of the tenant in it
	formerTenant = "3f1c8f0a-6f0e-4a55-9d8e-0c8d6a1f2b10"
)

// everything selects all rows of a database and the columns of its tables.
const everything = `SELECT schema_to_xml_and_xmlschema('public', true, false, '')::text`

// A database of a development version is refused with one line and stays unchanged. The remedy
// in that line works: an export by that version can be imported, and a new export is the same.
func TestFormerDatabase(t *testing.T) {
	t.Parallel()
	old := dbtest.NewEmptyDatabase(t)
	conn := connectTo(t, old)
	dump, err := os.ReadFile(former)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), string(dump)); err != nil {
		t.Fatal(err)
	}
	read := func() (rows string) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), everything).Scan(&rows); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	before := read()
	if !strings.Contains(before, formerTenant) {
		t.Fatal("the old database has no tenant")
	}
	settings := []string{"DATABASE_URL=" + old}
	for _, args := range [][]string{{"migrate", "up"}, {"migrate", "down", "--yes"}, {"migrate", "status"}, {"serve"}, {"admin-key", "create", "owner", "--role", "owner", "--direct"}} {
		_, stderr, code := output(t, settings, args...)
		refusals := 0
		for line := range strings.Lines(stderr) {
			if strings.Contains(line, "development version") && strings.Contains(line, "mocktenant export TENANT") && strings.Contains(line, "tenant create --id TENANT") {
				refusals++
			}
		}
		if code == 0 || refusals != 1 {
			t.Errorf("%q: exit %d: %s", args, code, stderr)
		}
	}
	if after := read(); after != before {
		t.Error("the old database has changed")
	}

	want, err := os.ReadFile(formerExport)
	if err != nil {
		t.Fatal(err)
	}
	p := serve(t, []string{"DATABASE_URL=" + dbtest.NewEmptyDatabase(t)})
	_, rest, _ := strings.Cut(p.text, "  admin  ")
	at, _, _ := strings.Cut(rest, "\n")
	carried := []string{"MOCKTENANT_ADMIN_URL=" + at}
	if _, stderr, code := output(t, carried, "tenant", "create", "--id", formerTenant, "--display-name", "Contoso", "--file", formerExport, "--no-credentials"); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	file := filepath.Join(t.TempDir(), "tenant.json")
	if _, stderr, code := output(t, carried, "export", formerTenant, "-f", file); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	renamed := strings.Replace(string(want), `"partners"`, `"remoteAssistancePartners"`, 1)
	if got, err := os.ReadFile(file); err != nil || withoutNews(string(got)) != renamed {
		t.Errorf("%v; exported as\n%s\nwant\n%s", err, got, renamed)
	}
}

// withoutNews returns a document without what that version didn't have: other sets, which are
// empty, and later settings.
func withoutNews(document string) string {
	return regexp.MustCompile(`,\n  "[a-zA-Z]+": \[\]|"statusCodes":"documented",|"partnerPortal":false,`).ReplaceAllString(document, "")
}

func connectTo(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}
