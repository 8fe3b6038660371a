package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/mocktenant/mocktenant/api"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Zoë 株式会社 🚀":      "Zoë 株式会社 🚀",
		"\x1b[2J":         `\x1b[2J`,
		"\x1b]0;title\a":  `\x1b]0;title\a`,
		"a\tb\nc\r":       `a\tb\nc\r`,
		"\u009b2J":        `\u009b2J`, // CSI as one character
		"\u202Eevil":      `\u202eevil`,
		"\u2066x\u2069":   `\u2066x\u2069`,
		"\x9b2J":          `\x9b2J`,
		"\uFFFD":          "\uFFFD",
		"\u007F\u0000":    `\x7f\x00`,
		`it is what it's`: `it is what it's`,
	} {
		if got := printable(text); got != want {
			t.Errorf("%q is printed %q, want %q", text, got, want)
		}
	}
	if got := printableLines("a\x1b\nb"); got != "a\\x1b\nb" {
		t.Errorf("%q", got)
	}
}

// Every command that prints a text from users removes its control characters on the screen, but
// not in JSON.
func TestScreen(t *testing.T) {
	t.Parallel()
	const name = "\x1b]0;owned\a\u202E\u009b2J"
	settings := []string{"MOCKTENANT_DATA_DIR=" + preparedDir(t)}
	p := serve(t, settings)
	a := administration{t, settings}
	id := parse[api.Credentials](t, a.run("tenant", "create", "--display-name", name, "-o", "json")).TenantId.String()
	if made := parse[api.Tenant](t, a.run("tenant", "get", id, "-o", "json")); made.DisplayName != name {
		t.Errorf("by JSON: %q", made.DisplayName)
	}
	a.run("snapshot", "create", "s", "--tenant", id)
	file := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(file, []byte(`{"version": 1, "remoteAssistancePartners": [{"displayName": "\u001b[2J\u009b2J"}], "users": [{"userPrincipalName": "\u009b@x", "displayName": "\u001b"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	a.run("import", id, file)
	for _, args := range [][]string{
		{"tenant", "list"},
		{"tenant", "get", id},
		{"app", "create", name, "--tenant", id},
		{"app", "list", "--tenant", id},
		{"user", "list", "--tenant", id},
		{"entity", "list", "remoteAssistancePartners", "--tenant", id},
		{"snapshot", "diff", "s", "--tenant", id},
		{"report", "recent-changes", "--tenant", id},
		{"report-login", "create", "--label", name, "--tenant", id},
		{"report-login", "list"},
		{"audit"},
	} {
		if out := a.run(args...); strings.IndexFunc(out, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) >= 0 {
			t.Errorf("%q prints %q", args, out)
		}
	}
	_, log, _ := output(t, settings, "tenant", "get", name+" it isn't")
	if strings.ContainsAny(log, "\x1b\a\u202E\u009b") || !strings.Contains(log, `\u202e`) {
		t.Errorf("an error prints %q", log)
	}
	p.stop(t)
}

// A document in a file may have a byte order mark. Errors name the file and the line.
func TestTenantFile(t *testing.T) {
	t.Parallel()
	settings := []string{"MOCKTENANT_DATA_DIR=" + preparedDir(t)}
	p := serve(t, settings)
	a := administration{t, settings}
	dir := t.TempDir()
	for name, tt := range map[string]struct{ text, want string }{
		"mark.json":   {"\uFEFF" + `{"version": 1, "remoteAssistancePartners": [{"displayName": "Ü"}]}`, ""},
		"mark.yaml":   {"\uFEFFversion: 1\nremoteAssistancePartners: [{displayName: Ü}]\n", ""},
		"two.yaml":    {"version: 1\n---\nversion: 1\n", "two.yaml: line 2, the document: a second document begins"},
		"wide.json":   {"\xFF\xFE{\x00", "wide.json: line 1, the document: is UTF-16; save it as UTF-8"},
		"broken.json": {"{\"version\": 1,\n\"partners\" []}", "broken.json: line 2"},
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if tt.want != "" {
			a.fails(exitFailure, tt.want, "tenant", "create", "--display-name", "x", "--file", file)
			continue
		}
		made := parse[api.Credentials](t, a.run("tenant", "create", "--display-name", "x", "--file", file, "-o", "json"))
		a.run("import", made.TenantId.String(), file)
		if out := a.run("entity", "list", "remoteAssistancePartners", "--tenant", made.TenantId.String()); !strings.Contains(out, "Ü") {
			t.Errorf("%s: %s", name, out)
		}
	}
	p.stop(t)
}
