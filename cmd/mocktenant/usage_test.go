package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Valid command lines fail only because the service isn't running.
func TestUnderstands(t *testing.T) {
	t.Parallel()
	const id = "00000000-0000-0000-0000-000000000001"
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "seed.yaml"), []byte("version: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ setting, args string }{
		{"", "tenant list"},
		{"", "--log-level warn tenant --data-dir /x list"}, // common flags, anywhere
		{"MOCKTENANT_LOG_LEVEL=loud", "tenant list --log-level=info"},
		{"MOCKTENANT_DATABASE_WAIT=soon", "tenant list"}, // a setting of another command
		{"AZURE_TENANT_ID=" + id, "user list"},
		{"AZURE_TENANT_ID=x", "user list --tenant " + id},
		{"AZURE_TENANT_ID=" + id, "tenant get"},
		{"AZURE_TENANT_ID=contoso.example", "export"},
		{"", "tenant delete " + id + " x"},
		{"AZURE_TENANT_ID=", "report-login create --tenant " + id + "," + id + " --tenant " + id},
		{"", "tenant create --display-name= --file ~/seed.yaml"},
		{"", "tenant update " + id + " --user-picker --no-user-picker --repeatability-seconds 0 --quota-users -1 --permission-rule="},
		{"", "tenant update --no-user-picker=no " + id},
		{"", "tenant delete " + id + " " + id + "," + id},
		{"", "snapshot diff a --tenant " + id},
		{"", "snapshot diff a b --tenant " + id},
		{"", "snapshot delete --tenant " + id + " -- -b"},
		{"", "export --format= -f- " + id},
		{"", "report"},
	} {
		_, stderr, code := output(t, []string{"HOME=" + home, "MOCKTENANT_ADMIN_URL=http://127.0.0.1:1", tt.setting}, strings.Fields(tt.args)...)
		if code != exitFailure || !strings.Contains(stderr, "127.0.0.1:1: connect") || strings.Contains(stderr, "Usage") {
			t.Errorf("%s %s: exit %d\n%s", tt.setting, tt.args, code, stderr)
		}
	}
}

// An invalid document is refused with its file's name and the position of the fault.
func TestDocumentFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"seed.json", "{\n  \"version\": 1,\n  users\n}\n", ": line 3: invalid character 'u'"},
		{"seed.json", "", ": line 1: unexpected end of JSON input"},
		{"seed.json", "{}\n{}\n", ": line 2: invalid character '{' after top-level value"},
		{"seed.yaml", "version: 1\nusers: [\n", "line 3"},
	} {
		file := filepath.Join(t.TempDir(), tt.name)
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, stderr, code := output(t, []string{"MOCKTENANT_ADMIN_URL=http://127.0.0.1:1"}, "tenant", "create", "--display-name", "x", "--file", file)
		if code != exitFailure || !strings.HasPrefix(stderr, "mocktenant: "+file+": ") || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: exit %d, want %q\n%s", tt.text, code, tt.want, stderr)
		}
	}
}

var helpCommand = regexp.MustCompile(`(?m)^  ([a-z][a-z-]*) {3,}\S`)

// testdata/help.txt has the help of every command, without the parts that it shares with the
// commands above. An invalid setting doesn't prevent help.
func TestHelp(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	describe(t, &got, nil, nil)
	const golden = "testdata/help.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || got.String() != string(want) {
		t.Errorf("the help differs from %s (%v):\n%s", golden, err, got.String())
	}
	if out, log, code := output(t, []string{"MOCKTENANT_LOG_LEVEL=loud"}, "tenant", "list", "--help"); code != 0 || !strings.HasPrefix(out, "Usage: mocktenant tenant list [flags]\n") {
		t.Errorf("exit %d\n%s%s", code, out, log)
	}
}

// describe writes the help of a command and its subcommands, without the paragraphs of the
// commands above.
func describe(t *testing.T, w *strings.Builder, command, above []string) {
	t.Helper()
	var out, log bytes.Buffer
	if err := run(t.Context(), append(append([]string{}, command...), "--help"), &out, &log); err != nil || log.Len() > 0 {
		t.Fatalf("%q: %v\n%s", command, err, &log)
	}
	paragraphs := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n\n")
	for _, p := range paragraphs {
		if !slices.Contains(above, p) {
			fmt.Fprintf(w, "%s\n\n", p)
		}
	}
	for _, m := range helpCommand.FindAllStringSubmatch(out.String(), -1) {
		describe(t, w, append(command[:len(command):len(command)], m[1]), append(above[:len(above):len(above)], paragraphs...))
	}
}

// Every shell has a completion script, which asks the program. Completion knows the values of
// flags.
func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		script, stderr, code := output(t, nil, "completion", shell)
		if code != 0 || !strings.Contains(script, "__complete") || !strings.Contains(script, "mocktenant") {
			t.Errorf("%s: exit %d\n%s%s", shell, code, script, stderr)
		}
		path, err := exec.LookPath(shell)
		if err != nil || shell == "powershell" {
			continue
		}
		parse := exec.CommandContext(t.Context(), path, "-n")
		parse.Stdin = strings.NewReader(script)
		if out, err := parse.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"ten"}, "tenant\tMake, list, change, reset and remove tenants.\n:4\n"},
		{[]string{"tenant", "list", "--output", ""}, "table\njson\n:4\n"},
		{[]string{"tenant", "list", "--log-f"}, "--log-format\tHow to log. ($MOCKTENANT_LOG_FORMAT)\n:4\n"},
		{[]string{"--demo", ""}, "auto\ntrue\nfalse\n:4\n"},
		{[]string{"--log-format", ""}, "text\njson\n:4\n"},
		{[]string{"tenant", "update", "--permission-rule="}, "seed\ncurrent\n:4\n"},
		{[]string{"tenant", "create", "--file", ""}, "json\nyaml\nyml\n:8\n"}, // files with these endings
		{[]string{"--data-dir", ""}, ":16\n"},                                 // folders
		{[]string{"seed", "create", "x", ""}, ":0\n"},                         // files
		{[]string{"tenant", "get", ""}, ":4\n"},                               // nothing
	} {
		if out, log, code := output(t, []string{"MOCKTENANT_LOG_LEVEL=loud"}, append([]string{"__complete"}, tt.args...)...); code != 0 || out != tt.want {
			t.Errorf("%q: exit %d, %q, want %q\n%s", tt.args, code, out, tt.want, log)
		}
	}
}

// The help of each command has an example, which is a valid command line.
func TestExamples(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		example := examples[cmd.CommandPath()]
		shown[cmd.CommandPath()] = true
		if cmd.HasAvailableSubCommands() && cmd.HasParent() {
			for _, below := range cmd.Commands() {
				visit(below)
			}
			return
		}
		if !strings.Contains(example, cmd.CommandPath()) {
			t.Errorf("%s: the example is %q", cmd.CommandPath(), example)
		}
		for _, below := range cmd.Commands() {
			visit(below)
		}
	}
	var c cli
	root := newRoot(&c)
	c.completions(root)
	visit(root)
	for path, example := range examples {
		if !shown[path] {
			t.Errorf("no command for the example %q", example)
		}
		if strings.ContainsAny(example, "$|<") || path == "mocktenant" {
			continue // not only a command
		}
		var words []string
		for _, word := range shellWord.FindAllString(example, -1) {
			words = append(words, strings.Trim(word, `'"`))
		}
		found, args, err := newRoot(new(cli)).Find(words[1:])
		if err != nil || found.CommandPath() != path || found.ParseFlags(args) != nil || found.ValidateArgs(found.Flags().Args()) != nil || found.ValidateRequiredFlags() != nil {
			t.Errorf("%s: the example %q can't be understood: %v", path, example, err)
		}
	}
}

// shellWord matches a word of an example, perhaps in quotes.
var shellWord = regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`)

// The help breaks lines at a width that is easy to read.
func TestWrap(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"one two", "one two"},
		{"one two three four", "one two\nthree four"},
		{"one\n\ntwo", "one\n\ntwo"},
		{"überaus lang ist das", "überaus\nlang ist\ndas"},
		{"averyveryverylongword x", "averyveryverylongword\nx"},
	} {
		if got := wrap(tt.text, 10); got != tt.want {
			t.Errorf("%q is wrapped %q, want %q", tt.text, got, tt.want)
		}
	}
}
