package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// runMainVariable, if set, makes the test binary run as the program.
const runMainVariable = "MOCKTENANT_TEST_RUN_MAIN"

const partners = "/v1.0/deviceManagement/remoteAssistancePartners"

func TestMain(m *testing.M) {
	if os.Getenv(runMainVariable) != "" {
		main()
		return
	}
	code := dbtest.Run(m)
	_ = os.RemoveAll(preparedIn)
	os.Exit(code)
}

// command returns the program with these arguments and settings, and without those of the test.
func command(t *testing.T, settings []string, args ...string) *exec.Cmd {
	t.Helper()
	testenv.Long(t)
	c := exec.CommandContext(t.Context(), os.Args[0], args...)
	c.Env = append(programEnv(), settings...)
	return c
}

// programEnv is the environment in which a test's process is the program.
func programEnv() []string {
	env := []string{runMainVariable + "=1", "MOCKTENANT_HTTP_ADDR=127.0.0.1:0", "MOCKTENANT_HTTPS_ADDR=127.0.0.1:0", "MOCKTENANT_ADMIN_ADDR=127.0.0.1:0", "MOCKTENANT_DEMO=true"}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "MOCKTENANT_PG_BINDIR", "MOCKTENANT_NO_GATHERING", "GOCOVERDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// output runs the program to completion.
func output(t *testing.T, settings []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	c := command(t, settings, args...)
	var out, log bytes.Buffer
	c.Stdout, c.Stderr = &out, &log
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), log.String(), c.ProcessState.ExitCode()
}

// process is a running service.
type process struct {
	*exec.Cmd
	url  string
	text string // its output until it was ready
	log  *bytes.Buffer
}

var urlLine = regexp.MustCompile(`serves Microsoft Graph at (http://\S+)`)

// serve starts the service and waits until it has printed its addresses.
func serve(t *testing.T, settings []string, args ...string) *process {
	t.Helper()
	return start(t, command(t, settings, args...))
}

// start starts a command's service and waits until it has printed its addresses.
func start(t *testing.T, c *exec.Cmd) *process {
	t.Helper()
	p := &process{Cmd: c, log: &bytes.Buffer{}}
	p.Stderr = p.log
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Process.Kill()
		_ = p.Wait()
		if t.Failed() {
			t.Logf("the service's log:\n%s", p.log)
		}
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		p.text += lines.Text() + "\n"
		if strings.Contains(lines.Text(), "Authorization: Bearer") {
			break
		}
	}
	m := urlLine.FindStringSubmatch(p.text)
	if m == nil {
		_ = p.Wait()
		t.Fatalf("the service did not start:\n%s%s", p.text, p.log)
	}
	p.url = m[1]
	return p
}

// stop ends the service as a supervisor does, and expects a clean exit.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatalf("after SIGTERM: %v\n%s", err, p.log)
	}
}

// token returns the token in the printed curl line.
func (p *process) token() string {
	_, token, _ := strings.Cut(p.text, "Authorization: Bearer ")
	token, _, _ = strings.Cut(token, "'")
	return token
}

// manyAtOnce keeps a connection for each of a test's concurrent clients.
var manyAtOnce = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

func (p *process) do(method, path, body string) (int, string, error) {
	return p.doAs(p.token(), method, path, body)
}

func (p *process) doAs(token, method, path, body string, header ...string) (int, string, error) {
	r, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := manyAtOnce.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// The printed curl line can be pasted into a shell, and creates the partner of Graph's
// documentation.
func TestCurlLine(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("curl")
	if err != nil {
		testenv.Skip(t, "curl is not installed")
	}
	p := serve(t, nil, "--ephemeral")
	line := p.text[strings.Index(p.text, "\ncurl -i "):]
	out, err := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(line, "curl ", curl+" -sS ", 1)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"HTTP/1.1 201 Created\r\n", `"lastConnectionDateTime":"2016-12-31T23:58:36.6670033-08:00"}`, `"@odata.context":"` + p.url} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	p.stop(t)
}

// Clients that repeat a create after the service was killed during it create only one partner,
// whether or not the first try succeeded.
func TestRepeatsAfterACrash(t *testing.T) {
	t.Parallel()
	settings := []string{"DATABASE_URL=" + dbtest.NewDatabase(t)}
	p := serve(t, settings)
	conn, err := pgx.Connect(t.Context(), strings.TrimPrefix(settings[0], "DATABASE_URL="))
	if err == nil {
		_, err = conn.Exec(t.Context(), "UPDATE tenants SET repeatability_seconds = 3600")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())

	var acknowledged atomic.Int64
	unsure := make([]string, 16)
	create := func(name string) (int, string, error) {
		return p.doAs(p.token(), "POST", partners, fmt.Sprintf(`{"displayName":%q}`, name), "client-request-id", name)
	}
	var all sync.WaitGroup
	enough := make(chan struct{})
	for i := range unsure {
		all.Go(func() {
			for j := 0; unsure[i] == ""; j++ {
				name := fmt.Sprintf("%d-%d", i, j)
				if status, _, err := create(name); err != nil || status != http.StatusCreated {
					unsure[i] = name
				} else if acknowledged.Add(1) == 200 {
					close(enough)
				}
			}
		})
	}
	<-enough
	if err := killService(p); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	p = serve(t, settings)
	p.heals(t)
	for _, name := range slices.Concat(unsure, unsure) {
		if status, body, err := create(name); err != nil || status != http.StatusCreated {
			t.Errorf("%s, again: %d %s %v", name, status, body, err)
		}
	}
	onceEach(t, p)
	var made int64
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM remote_assistance_partners").Scan(&made); err != nil || made != acknowledged.Load()+int64(len(unsure)) {
		t.Errorf("%d partners, %d were acknowledged and %d sent again; %v", made, acknowledged.Load(), len(unsure), err)
	}
}

func killService(p *process) error {
	err := p.Process.Kill()
	_ = p.Wait()
	return err
}

// heals waits until the service serves again.
func (p *process) heals(t *testing.T) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		status, text, err := p.do("GET", partners+"?$top=1", "")
		if err == nil && status == http.StatusOK {
			return
		}
		if time.Since(start) > time.Minute {
			t.Fatalf("it doesn't heal: %d %s %v\n%s", status, text, err, p.log)
		}
	}
}

// onceEach fails the test if two partners have a name that a client used once.
func onceEach(t *testing.T, p *process) {
	t.Helper()
	names := map[string]int{}
	for next := partners; next != ""; {
		status, text, err := p.do("GET", next, "")
		if err != nil || status != http.StatusOK {
			t.Fatalf("%d %s %v", status, text, err)
		}
		page := parse[struct {
			Next  string `json:"@odata.nextLink"`
			Value []struct{ DisplayName string }
		}](t, text)
		for _, partner := range page.Value {
			if names[partner.DisplayName]++; names[partner.DisplayName] > 1 {
				t.Errorf("%s is there %d times", partner.DisplayName, names[partner.DisplayName])
			}
		}
		next = strings.TrimPrefix(page.Next, p.url)
	}
}

// After SIGTERM the service finishes pending requests, accepts no new ones, and exits with 0.
func TestDrain(t *testing.T) {
	t.Parallel()
	p := serve(t, []string{"DATABASE_URL=" + dbtest.NewDatabase(t)})
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	body := `{"displayName":"late"}`
	_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		partners, p.token(), len(body), body[:5])
	if status, _, err := p.do("GET", partners, ""); status != 200 { // the service has also read the first request by now
		t.Fatal(status, err)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if probe, err := net.Dial("tcp", conn.RemoteAddr().String()); err != nil {
			break
		} else if _ = probe.Close(); time.Since(start) > 10*time.Second {
			t.Fatal("it still listens")
		}
	}
	_, _ = io.WriteString(conn, body[5:])
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusCreated {
		t.Errorf("status %d", response.StatusCode)
	}
	_ = response.Body.Close()
	if err := p.Wait(); err != nil {
		t.Errorf("exit: %v\n%s", err, p.log)
	}
}

// With a delay, SIGTERM first makes the service unready. From then on, every answer closes its
// connection, and the service ends after the delay.
func TestShutdownDelay(t *testing.T) {
	t.Parallel()
	p := serve(t, []string{"DATABASE_URL=" + dbtest.NewDatabase(t), "MOCKTENANT_SHUTDOWN_DELAY=1s"})
	response, err := http.Get(p.url + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != 200 || response.Close {
		t.Errorf("before: %d, close %t", response.StatusCode, response.Close)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for response.StatusCode == 200 {
		if response, err = http.Get(p.url + "/readyz"); err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != 200 && (!strings.Contains(string(text), `"service":"it is stopping"`) || !response.Close) {
			t.Errorf("%s, close %t", text, response.Close)
		}
	}
	if status, body, err := p.do("POST", partners, "{}"); status != http.StatusCreated {
		t.Errorf("while it is stopping: %d %s, %v", status, body, err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("exit: %v\n%s", err, p.log)
	}
}

// Other commands find the running service by its data directory.
func TestCommands(t *testing.T) {
	t.Parallel()
	settings := []string{"MOCKTENANT_DATA_DIR=" + preparedDir(t)}
	if _, stderr, code := output(t, settings, "token"); code != 1 || !strings.Contains(stderr, "no service runs on") {
		t.Errorf("token with no service: %d %s", code, stderr)
	}
	if _, stderr, code := output(t, settings, "migrate", "up"); code != 0 {
		t.Errorf("migrate up: %d %s", code, stderr)
	}
	p := serve(t, settings)
	run := func(args ...string) string {
		stdout, stderr, code := output(t, settings, args...)
		if code != 0 {
			t.Errorf("%q: exit %d: %s", args, code, stderr)
		}
		return stdout
	}
	for _, tt := range []struct {
		args   []string
		status int
	}{
		{[]string{"token"}, 201},
		{[]string{"token", "--lifetime=5m", "--scope=User.Read", "--scope=DeviceManagementServiceConfig.ReadWrite.All"}, 201},
		{[]string{"token", "--scope=User.Read"}, 403},
		{[]string{"token", "--app"}, 403},
		{[]string{"token", "--personal"}, 403},
		{[]string{"token", "--lifetime=1ns"}, 401},
	} {
		other := *p
		other.text = "Authorization: Bearer " + strings.TrimSpace(run(tt.args...)) + "'"
		if status, body, err := other.do("POST", partners, "{}"); status != tt.status {
			t.Errorf("%q: %d %s, %v", tt.args, status, body, err)
		}
	}
	env := run("env")
	for _, want := range []string{
		"export AZURE_TENANT_ID='a8990e1f-ff32-408a-9f8e-78d3b9139b95'\n", "export AZURE_CLIENT_ID='", "export AZURE_CLIENT_SECRET='",
		"export AZURE_USERNAME='", "export AZURE_PASSWORD='", "export AZURE_AUTHORITY_HOST='", "export GRAPH_BASE_URL='", "export DATABASE_URL='postgres://",
	} {
		if !strings.Contains(env, want) {
			t.Errorf("env lacks %q:\n%s", want, env)
		}
	}
	if got := run("healthcheck"); !strings.Contains(got, `"ready":true`) {
		t.Errorf("healthcheck: %s", got)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(p.url, "http://"), ":")
	everywhere := []string{"MOCKTENANT_HTTP_ADDR=:" + port, "DATABASE_URL=postgres://none"} // as in an image without a data directory
	if got, stderr, code := output(t, everywhere, "healthcheck"); code != 0 || !strings.Contains(got, `"ready":true`) {
		t.Errorf("healthcheck at all addresses: %d %s%s", code, got, stderr)
	}
	if got := run("migrate", "status"); !strings.Contains(got, "00001_tenants.sql") || strings.Contains(got, "pending") {
		t.Errorf("migrate status: %s", got)
	}
	built := parse[build](t, run("version", "-o", "json"))
	if built.Version == "" || built.Go != runtime.Version() || built.Platform != runtime.GOOS+"/"+runtime.GOARCH {
		t.Errorf("version: %+v", built)
	}
	for _, got := range []string{run("version"), run("--version")} {
		if got != built.String()+"\n" || !strings.HasPrefix(got, "mocktenant "+built.Version) {
			t.Errorf("version: %q", got)
		}
	}
	if _, stderr, code := output(t, settings, "serve"); code != 1 || !strings.Contains(stderr, "MOCKTENANT_DATA_DIR") {
		t.Errorf("a second service on the same directory: %d %s", code, stderr)
	}
	p.stop(t)
	if _, stderr, code := output(t, settings, "healthcheck", "--url", p.url); code != 1 {
		t.Errorf("healthcheck of a stopped service: %d %s", code, stderr)
	}
}

// A health check can wait until the service starts and is ready. It fails if that takes too
// long.
func TestHealthcheckWaits(t *testing.T) {
	t.Parallel()
	settings := []string{"MOCKTENANT_DATA_DIR=" + preparedDir(t)}
	waits := command(t, settings, "healthcheck", "--wait=1m")
	var answer bytes.Buffer
	waits.Stdout = &answer
	if err := waits.Start(); err != nil {
		t.Fatal(err)
	}
	p := serve(t, settings)
	if err := waits.Wait(); err != nil || !strings.HasPrefix(answer.String(), `{"ready":true`) {
		t.Errorf("it said %q, and ended by %v", answer.String(), err)
	}
	p.stop(t)
	if _, stderr, code := output(t, settings, "healthcheck", "--wait=100ms", "--url", p.url); code != 1 || !strings.Contains(stderr, "refused") {
		t.Errorf("of a stopped service: %d %s", code, stderr)
	}
}

// Secrets can be in files, as in containers.
func TestSettingsInFiles(t *testing.T) {
	t.Parallel()
	url := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(url, []byte(dbtest.NewEmptyDatabase(t)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := []string{"MOCKTENANT_NO_OWN_POSTGRES=true", "DATABASE_URL_FILE=" + url}
	if _, stderr, code := output(t, settings, "migrate", "up"); code != 0 || !strings.Contains(stderr, "msg=migrated") {
		t.Errorf("migrate up: %d %s", code, stderr)
	}
	for _, tt := range []struct {
		settings []string
		want     string
	}{
		{append(settings, "DATABASE_URL=postgres://x"), "DATABASE_URL and DATABASE_URL_FILE are both set"},
		{[]string{"DATABASE_URL_FILE=/nowhere"}, "DATABASE_URL_FILE: open /nowhere"},
		{[]string{"MOCKTENANT_LOG_LEVEL_FILE=" + url}, "the content of MOCKTENANT_LOG_LEVEL_FILE \"" + url + "\": want debug, info, warn or error"},
	} {
		if _, stderr, code := output(t, tt.settings, "migrate", "status"); code == 0 || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: exit %d, %s, want %s", tt.settings, code, stderr, tt.want)
		}
	}
}

// The status reports a newer schema. Migrating that down is refused with the reason and a
// remedy.
func TestMigrateOnANewerSchema(t *testing.T) {
	t.Parallel()
	url := dbtest.NewEmptyDatabase(t)
	settings := []string{"MOCKTENANT_NO_OWN_POSTGRES=true", "DATABASE_URL=" + url}
	if _, stderr, code := output(t, settings, "migrate", "up"); code != 0 {
		t.Fatalf("migrate up: %d %s", code, stderr)
	}
	const note = "This version works with the newer schema. Only the newer one can migrate it down.\n"
	if stdout, stderr, code := output(t, settings, "migrate", "status"); code != 0 || strings.Contains(stdout, note) {
		t.Errorf("migrate status before: %d %s%s", code, stdout, stderr)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if _, err := conn.Exec(t.Context(), "INSERT INTO mocktenant_schema_versions (version_id, is_applied, tstamp) VALUES (99999, true, '2026-11-28 12:00Z')"); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := output(t, settings, "migrate", "status")
	last := regexp.MustCompile(`(?m)^99999, by a newer version of mocktenant +2026-11-28T12:00:00Z\n\n` + regexp.QuoteMeta(note) + "$")
	if code != 0 || !last.MatchString(stdout) {
		t.Errorf("migrate status: %d %s%s", code, stdout, stderr)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"migrate", "down"}, "You don't need it to go back to an older version of mocktenant, which works with the newer schema"},
		{[]string{"migrate", "down", "--yes"}, "the schema is newer than this program: it is at migration 99999, and this program knows up to "},
		{[]string{"migrate", "down", "--yes"}, "revert it with the program that made it"},
	} {
		if _, stderr, code := output(t, settings, tt.args...); code == 0 || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: exit %d: %s", tt.args, code, stderr)
		}
	}
	var there bool
	if err := conn.QueryRow(t.Context(), "SELECT is_applied FROM mocktenant_schema_versions WHERE version_id = 99999").Scan(&there); err != nil || !there {
		t.Errorf("the newer migration is gone: %v", err)
	}
}

// An HTTPS address beyond loopback counts as beyond loopback.
func TestWantsNoDemoByHTTPS(t *testing.T) {
	t.Parallel()
	s := serveCommand{Config: server.Config{HTTPAddr: "127.0.0.1:8080", HTTPSAddr: ":8443"}, DemoTenant: "auto"}
	if s.wantsDemo(databaseFlags{}) {
		t.Error("it is made")
	}
}

// The commands' output about the certificate authority, pasted into a shell, makes a client
// trust it.
func TestTrust(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("curl")
	if err != nil {
		testenv.Skip(t, "curl is not installed")
	}
	dir := preparedDir(t)
	settings := []string{"MOCKTENANT_DATA_DIR=" + dir}
	p := serve(t, settings)
	pem, hints, code := output(t, settings, "ca")
	if code != 0 || !strings.HasPrefix(pem, "-----BEGIN CERTIFICATE-----") {
		t.Fatalf("ca: %d %s%s", code, pem, hints)
	}
	path, _, _ := output(t, settings, "ca", "--path")
	if want := filepath.Join(dir, "ca.pem") + "\n"; path != want || !strings.Contains(hints, "NODE_EXTRA_CA_CERTS='"+strings.TrimSpace(want)+"'") {
		t.Errorf("path %s, hints\n%s", path, hints)
	}
	kept, err := os.ReadFile(strings.TrimSpace(path))
	if err != nil || string(kept) != pem {
		t.Errorf("kept %s: %v", kept, err)
	}
	env, stderr, code := output(t, settings, "env")
	if code != 0 {
		t.Fatal(stderr)
	}
	script := env + `"` + curl + `" -sS --cacert "$SSL_CERT_FILE" -d grant_type=password -d client_id=$AZURE_CLIENT_ID --data-urlencode scope=$GRAPH_BASE_URL/.default ` +
		`-d username=$AZURE_USERNAME -d password=$AZURE_PASSWORD "$AZURE_AUTHORITY_HOST$AZURE_TENANT_ID/oauth2/v2.0/token"`
	out, err := exec.CommandContext(t.Context(), "sh", "-c", script).CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"token_type":"Bearer"`) {
		t.Errorf("%v\n%s", err, out)
	}
	p.stop(t)
	// In a shell with the output of env, the service starts again.
	_, url, _ := strings.Cut(env, "export DATABASE_URL='")
	url, _, _ = strings.Cut(url, "'")
	p = serve(t, append(settings, "DATABASE_URL="+url))
	if again, _, _ := output(t, append(settings, "DATABASE_URL="+url), "ca"); again != pem {
		t.Errorf("another certificate authority: %s", again)
	}
	p.stop(t)
	// Without a data directory, the certificate is in the user's cache.
	other := []string{"DATABASE_URL=" + dbtest.NewDatabase(t), "XDG_CACHE_HOME=" + t.TempDir()}
	p = serve(t, other)
	if path, _, _ := output(t, other, "ca", "--path"); path != strings.TrimPrefix(other[1], "XDG_CACHE_HOME=")+"/mocktenant/ca.pem\n" {
		t.Errorf("without a data directory: %s", path)
	}
	p.stop(t)
}

// If its context has already ended, run leaves nothing behind.
func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := run(ctx, []string{"--ephemeral", "--http-addr=127.0.0.1:0", "--https-addr=127.0.0.1:0"}, io.Discard, io.Discard)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// By default the service makes the demo tenant, whose password is public, only with its own
// Postgres and on loopback.
func TestWantsDemo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		demo, addr, database, listen string
		want                         bool
	}{
		{demo: "auto", addr: "127.0.0.1:8080", want: true},
		{demo: "auto", addr: "localhost:8080", want: true},
		{demo: "auto", addr: "[::1]:8080", want: true},
		{demo: "auto", addr: ":8080"},
		{demo: "auto", addr: "0.0.0.0:8080"},
		{demo: "auto", addr: "[::]:8080"},
		{demo: "auto", addr: "192.0.2.1:8080"},
		{demo: "auto", addr: "127.0.0.1:8080", database: "postgres://x"},
		{demo: "true", addr: "0.0.0.0:8080", database: "postgres://x", want: true},
		{demo: "false", addr: "127.0.0.1:8080"},
		{demo: "auto", addr: "127.0.0.1:8080", listen: "*"},
		{demo: "auto", addr: "127.0.0.1:8080", listen: "0.0.0.0"},
		{demo: "auto", addr: "127.0.0.1:8080", listen: "::"},
		{demo: "auto", addr: "127.0.0.1:8080", listen: "localhost,192.0.2.1"},
		{demo: "auto", addr: "127.0.0.1:8080", listen: "db"},
		{demo: "auto", addr: "127.0.0.1:8080", listen: "localhost, ::1,127.0.0.2", want: true},
		{demo: "true", addr: "127.0.0.1:8080", listen: "*", want: true},
	} {
		s := serveCommand{Config: server.Config{HTTPAddr: tt.addr}, DemoTenant: tt.demo}
		if got := s.wantsDemo(databaseFlags{DatabaseURL: tt.database, PGListen: tt.listen}); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}
