package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A command line that can't be understood is told by its use, then what is wrong with
// it and, where that is known, what was meant; for scripts, by the exit code.
func TestUsage(t *testing.T) {
	t.Parallel()
	const id = "00000000-0000-0000-0000-000000000001"
	there := filepath.Join(t.TempDir(), "there")
	if err := os.WriteFile(there, []byte("yes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		setting, args, want string
	}{
		// Words that there are not.
		{"", "nonsense", `unknown command "nonsense"`},
		{"", "tenat", `unknown command "tenat": did you mean tenant?`},
		{"", "tenant craete", `unknown command "craete": did you mean create?`},
		{"", "app secret make", `unknown command "make"`},
		{"", "completion tcsh", `unknown command "tcsh": did you mean bash, or zsh, or fish?`},
		{"", "tenant", "want a command: create, list, get, update, reset, delete, token"},
		{"", "--nonsense", "unknown flag --nonsense"},
		{"", "--htp-addr=x", "unknown flag --htp-addr: did you mean --http-addr, or --https-addr?"},
		{"", "tenant list --data-dri x", "unknown flag --data-dri: did you mean --data-dir?"},
		{"", "tenant list --http-addr x", "unknown flag --http-addr"}, // serve's
		{"", "tenant list -x", `unknown shorthand flag: 'x' in -x`},

		// Arguments.
		{"", "tenant get", "want <id>"},
		{"", "tenant get x", `<id> "x": invalid UUID length: 1`},
		{"", "tenant get " + id + " more", `unexpected argument "more"`},
		{"", "tenant delete", "want <id>..."},
		{"", "tenant delete " + id + " x", `<id>... "x": invalid UUID length: 1`},
		{"", "app secret delete " + id, "want <secret>"},
		{"", "snapshot diff --tenant " + id, "want <from> [<to>]"},
		{"", "snapshot diff a b c --tenant " + id, `unexpected argument "c"`},
		{"", "tenant list more", `unexpected argument "more"`},
		{"", "serve more", `unexpected argument "more"`},

		// Flags that must be there, and that may not be there together.
		{"", "user list", `required flag(s) "tenant" not set`},
		{"", "admin-key create me", `required flag(s) "role" not set`},
		{"", "tenant create --display-name x --seed a --from " + id, "[from seed] were all set"},
		{"", "tenant update " + id + " --ttl 1d --forever", "[forever ttl] were all set"},
		{"", "token --app --personal", "[app personal] were all set"},

		// Values, in both spellings.
		{"", "tenant list --output xml", `--output "xml": want table or json`},
		{"", "tenant list --output=xml", `--output "xml": want table or json`},
		{"", "tenant list -o xml", `--output "xml": want table or json`},
		{"", "tenant list -oxml", `--output "xml": want table or json`},
		{"", "tenant list --output", "flag needs an argument: --output"},
		{"", "--demo perhaps", `--demo "perhaps": want auto, true or false`},
		{"", "--ephemeral=perhaps", `--ephemeral "perhaps": want true, 1, yes, false, 0 or no`},
		{"", "audit --top many", `--top "many": must be an integer`},
		{"", "tenant create --display-name x --quota-users many", `--quota-users "many": must be an integer`},
		{"", "tenant create --display-name x --user-picker=perhaps", `--user-picker "perhaps": want true`},
		{"", "tenant create --display-name x --no-user-picker=perhaps", `--no-user-picker "perhaps": want true`},
		{"", "tenant create --display-name x --ttl 500ms", `--ttl "500ms": want a time such as 90s, 75m, 12h or 30d`},
		{"", "tenant create --display-name x --file /nowhere", `--file "/nowhere": stat /nowhere: `},
		{"", "tenant create --display-name x --file /", `--file "/": want a file: it is a folder`},
		{"", "tenant create --display-name x --id x", `--id "x": invalid UUID length: 1`},
		{"", "user update --tenant " + id + " " + id + " --directory-role " + id + ",x", `invalid UUID length: 1`},
		{"", "--tls-host=a,b:1", `MOCKTENANT_TLS_HOSTS "b:1"`},
		{"", "--tls-host=a --tls-host b:2", `MOCKTENANT_TLS_HOSTS "b:2"`},

		// Variables, which flags go before; one that is empty is set.
		{"MOCKTENANT_HTTP_ADDR=variable", "", `MOCKTENANT_HTTP_ADDR "variable"`},
		{"MOCKTENANT_HTTP_ADDR=variable", "--http-addr flag", `MOCKTENANT_HTTP_ADDR "flag"`},
		{"MOCKTENANT_HTTP_ADDR=variable", "serve --http-addr flag", `MOCKTENANT_HTTP_ADDR "flag"`},
		{"MOCKTENANT_HTTP_ADDR=", "", `MOCKTENANT_HTTP_ADDR ""`},
		{"MOCKTENANT_TLS_HOSTS=a,b:3", "", `MOCKTENANT_TLS_HOSTS "b:3"`},
		{"MOCKTENANT_DEMO=", "", `MOCKTENANT_DEMO "": want auto, true or false`},
		{"MOCKTENANT_EPHEMERAL=", "", `MOCKTENANT_EPHEMERAL "": want true`},
		{"MOCKTENANT_EPHEMERAL=perhaps", "", `MOCKTENANT_EPHEMERAL "perhaps": want true`},
		{"MOCKTENANT_SHUTDOWN_DELAY=", "", `MOCKTENANT_SHUTDOWN_DELAY ""`},
		{"MOCKTENANT_LOG_LEVEL=loud", "tenant list", `MOCKTENANT_LOG_LEVEL "loud": want debug, info, warn or error`},
		{"MOCKTENANT_LOG_LEVEL=loud", "tenant list --log-level louder", `--log-level "louder": want`},
		{"AZURE_TENANT_ID=x", "user list", `AZURE_TENANT_ID "x": invalid UUID length: 1`},
		{"AZURE_TENANT_ID=", "user list", `AZURE_TENANT_ID "": invalid UUID length: 0`},
		{"AZURE_TENANT_ID=" + id + ",x", "report-login create", `AZURE_TENANT_ID "` + id + `,x": invalid UUID length: 1`},
		{"MOCKTENANT_EPHEMERAL_FILE=" + there, "--http-addr flag", `MOCKTENANT_HTTP_ADDR "flag"`},                                           // it says yes, which is true
		{"MOCKTENANT_LOG_LEVEL_FILE=" + there, "", `what MOCKTENANT_LOG_LEVEL_FILE "` + there + `" holds: want debug, info, warn or error`}, // it may be a secret
		{"MOCKTENANT_PROXY_PASS=http://x", "proxy", `MOCKTENANT_PROXY_PASS "http://x"`},
		{"MOCKTENANT_HTTP_ADDR=variable", "healthcheck", `MOCKTENANT_HTTP_ADDR "variable"`},
	} {
		stdout, stderr, code := output(t, []string{tt.setting}, strings.Fields(tt.args)...)
		use, problem, _ := strings.Cut(stderr, "\n\n")
		if code != exitUsage || stdout != "" || !strings.HasPrefix(use, "Usage: mocktenant") || !strings.HasSuffix(use, " --help") || !strings.HasPrefix(problem, "mocktenant: ") || !strings.Contains(problem, tt.want) {
			t.Errorf("%s %s: exit %d, want %q\n%s%s", tt.setting, tt.args, code, tt.want, stdout, stderr)
		}
	}
	_, stderr, _ := output(t, nil, "user", "create")
	if want := "Usage: mocktenant user create --tenant ID <name> [flags]\n       mocktenant user create --help\n\nmocktenant: want <name>\n"; stderr != want {
		t.Errorf("got\n%s\nwant\n%s", stderr, want)
	}
}

// What is well said gets as far as to the service, which isn't there.
func TestUnderstands(t *testing.T) {
	t.Parallel()
	const id = "00000000-0000-0000-0000-000000000001"
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "seed.yaml"), []byte("version: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ setting, args string }{
		{"", "tenant list"},
		{"", "--log-level warn tenant --data-dir /x list"}, // settings that all have, anywhere
		{"MOCKTENANT_LOG_LEVEL=loud", "tenant list --log-level=info"},
		{"MOCKTENANT_DATABASE_WAIT=soon", "tenant list"}, // it doesn't concern it
		{"AZURE_TENANT_ID=" + id, "user list"},
		{"AZURE_TENANT_ID=x", "user list --tenant " + id},
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

// A file that is no document is refused by its name, and where it goes wrong.
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

var update = flag.Bool("update", false, "rewrite testdata/commands.txt from what the help says")

var (
	helpCommand = regexp.MustCompile(`(?m)^  ([a-z][a-z-]*) {3,}\S`)
	helpFlag    = regexp.MustCompile(`(?m)^ {2,6}(?:-(\w), )?--([a-z-]+).*\n(?: {10}.*\n)*`)
	helpSetting = regexp.MustCompile(`\(\$(\w+)\)`)
	helpDefault = regexp.MustCompile(`\(default "?([^" )]+)`)
)

// The help of each command names its commands and flags, the variables that set them
// and the defaults, which scripts rely on: testdata/commands.txt has all of them. A
// setting that is wrong doesn't keep it from being read.
func TestHelp(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	describe(t, &got, nil, nil)
	const golden = "testdata/commands.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || got.String() != string(want) {
		t.Errorf("the help tells of other commands and flags than %s (%v):\n%s", golden, err, got.String())
	}
	if out, log, code := output(t, []string{"MOCKTENANT_LOG_LEVEL=loud"}, "tenant", "list", "--help"); code != 0 || !strings.HasPrefix(out, "Usage: mocktenant tenant list [flags]\n") {
		t.Errorf("exit %d\n%s%s", code, out, log)
	}
}

// describe writes what the help of a command and of those below it has, but for the
// flags that the command above it has too.
func describe(t *testing.T, w *strings.Builder, command []string, above map[string]bool) {
	t.Helper()
	var out, log bytes.Buffer
	if err := run(t.Context(), append(append([]string{}, command...), "--help"), &out, &log); err != nil || log.Len() > 0 {
		t.Fatalf("%q: %v\n%s", command, err, &log)
	}
	use, _, _ := strings.Cut(out.String(), "\n")
	fmt.Fprintln(w, strings.TrimPrefix(use, "Usage: "))
	flags := map[string]bool{}
	for _, m := range helpFlag.FindAllStringSubmatch(out.String(), -1) {
		if flags[m[2]] = true; above[m[2]] {
			continue
		}
		fmt.Fprintf(w, "  --%s", m[2])
		if m[1] != "" {
			fmt.Fprintf(w, " -%s", m[1])
		}
		whole := strings.Join(strings.Fields(m[0]), " ")
		if setting := helpSetting.FindStringSubmatch(whole); setting != nil {
			fmt.Fprintf(w, " $%s", setting[1])
		}
		if value := helpDefault.FindStringSubmatch(whole); value != nil {
			fmt.Fprintf(w, " = %s", value[1])
		}
		w.WriteByte('\n')
	}
	for _, m := range helpCommand.FindAllStringSubmatch(out.String(), -1) {
		describe(t, w, append(command[:len(command):len(command)], m[1]), flags)
	}
}

// There is completion for each shell, which asks the program itself, and it knows the
// values of flags.
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
