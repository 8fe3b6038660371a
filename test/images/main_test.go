//go:build integration

// Package images_test runs the images as a user does, with docker and docker compose. Run
// make images first.
package images_test

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
)

// The images to test, by default those that make images makes.
var (
	serviceImage    = cmp.Or(os.Getenv("MOCKTENANT_IMAGE"), "mocktenant:dev")
	standaloneImage = cmp.Or(os.Getenv("MOCKTENANT_STANDALONE_IMAGE"), "mocktenant:dev-standalone")
	postgresImage   = cmp.Or(os.Getenv("TEST_POSTGRES_IMAGE"), "postgres:15")
)

const (
	partners   = "/v1.0/deviceManagement/remoteAssistancePartners"
	demoTenant = "a8990e1f-ff32-408a-9f8e-78d3b9139b95"

	// patience is how long a test waits for an expected event.
	patience = 2 * time.Minute
)

func TestMain(m *testing.M) {
	for _, image := range []string{serviceImage, standaloneImage} {
		if out, err := exec.Command("docker", "image", "inspect", image).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n%srun make images first\n", image, err, out)
			os.Exit(1)
		}
	}
	code := m.Run()
	if err := saveWalks(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if shared.network != "" {
		_ = exec.Command("docker", "rm", "-fv", shared.postgres).Run()
		_ = exec.Command("docker", "network", "rm", shared.network).Run()
	}
	os.Exit(code)
}

// docker runs a docker command and returns what it printed.
func docker(t testing.TB, args ...string) string {
	t.Helper()
	out, err := tryDocker(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tryDocker(args ...string) (string, error) {
	var out, log bytes.Buffer
	c := exec.Command("docker", args...)
	c.Stdout, c.Stderr = &out, &log
	if err := c.Run(); err != nil {
		return out.String(), fmt.Errorf("docker %s: %w\n%s%s", strings.Join(args, " "), err, out.String(), log.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// container is a container that runs or has run.
type container struct {
	testing.TB
	id string
}

// run starts a container of an image, with docker run options and a command, and removes it
// when the test ends.
func run(t testing.TB, image string, options []string, command ...string) *container {
	t.Helper()
	args := append([]string{"run", "-d"}, options...)
	c := &container{t, docker(t, append(append(args, image), command...)...)}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s:\n%s", image, c.logs())
		}
		_, _ = tryDocker("rm", "-fv", c.id)
	})
	return c
}

// logs returns what the container printed, on both streams.
func (c *container) logs() string {
	out, err := exec.Command("docker", "logs", c.id).CombinedOutput()
	if err != nil {
		c.Error(err)
	}
	return string(out)
}

// exec runs a command in the container.
func (c *container) exec(command ...string) string {
	c.Helper()
	return docker(c, append([]string{"exec", c.id}, command...)...)
}

// inspect returns the result of docker inspect with a template.
func (c *container) inspect(format string) string {
	c.Helper()
	return docker(c, "inspect", "-f", format, c.id)
}

// at returns the address on this machine of one of the container's ports.
func (c *container) at(port string) string {
	c.Helper()
	line, _, _ := strings.Cut(docker(c, "port", c.id, port+"/tcp"), "\n")
	return line
}

// eventually waits until ok returns true.
func (c *container) eventually(what string, ok func() bool) {
	c.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.Fatalf("still not so: %s", what)
		}
	}
}

// ready waits until the service in the container is ready.
func (c *container) ready() *container {
	c.Helper()
	url := "http://" + c.at("8080") + "/readyz"
	c.eventually("it is ready", func() bool {
		if state := c.inspect("{{.State.Status}}"); state != "running" {
			c.Fatalf("it is %s", state)
		}
		status, _, err := get(url)
		return err == nil && status == http.StatusOK
	})
	return c
}

// ends waits until the container exits, and checks its exit code and texts in its log.
func (c *container) ends(code string, want ...string) {
	c.Helper()
	c.eventually("it ends", func() bool { return c.inspect("{{.State.Status}}") == "exited" })
	got, log := c.inspect("{{.State.ExitCode}}"), c.logs()
	if got != code {
		c.Errorf("exit code %s, want %s\n%s", got, code, log)
	}
	for _, w := range want {
		if !strings.Contains(log, w) {
			c.Errorf("no %q in\n%s", w, log)
		}
	}
}

// stop stops the container with docker stop, which kills it after ten seconds, and expects
// a clean exit.
func (c *container) stop() {
	c.Helper()
	docker(c, "stop", c.id)
	if code := c.inspect("{{.State.ExitCode}}"); code != "0" {
		c.Errorf("exit code %s after SIGTERM\n%s", code, c.logs())
	}
}

// token returns a token of the demo user.
func (c *container) token() string {
	c.Helper()
	return c.exec("mocktenant", "token")
}

// create creates a partner through a published port and expects success.
func (c *container) create(body string) string {
	c.Helper()
	status, text, err := call(http.DefaultClient, "POST", "http://"+c.at("8080")+partners, c.token(), body)
	if err != nil || status != http.StatusCreated {
		c.Fatalf("%d %s %v", status, text, err)
	}
	return text
}

func get(url string) (int, string, error) { return call(http.DefaultClient, "GET", url, "", "") }

func call(client *http.Client, method, url, token, body string) (int, string, error) {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

func readAll(t testing.TB, response *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// trusting returns a client that trusts a single certificate authority.
func trusting(t testing.TB, pem string) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(pem)) {
		t.Fatalf("no certificate:\n%s", pem)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func parse[T any](t testing.TB, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// shared has a network and a Postgres for all tests of the service.
var shared struct {
	once              sync.Once
	network, postgres string
}

func network(t testing.TB) string {
	t.Helper()
	shared.once.Do(func() {
		name := "mocktenant-test-" + uuid.NewString()[:8]
		docker(t, "network", "create", name)
		shared.network = name
		shared.postgres = docker(t, append([]string{"run", "-d", "--network", name}, postgresOptions(name+"-postgres")...)...)
	})
	if shared.postgres == "" {
		t.Fatal("Postgres isn't running; see the first test that failed")
	}
	return shared.network
}

// postgresOptions returns docker run options for a Postgres with a name.
func postgresOptions(name string) []string {
	return []string{"--name", name, "-e", "POSTGRES_USER=mocktenant", "-e", "POSTGRES_PASSWORD=secret", postgresImage}
}

// newDatabase makes an empty database and returns its URL within the network.
func newDatabase(t testing.TB) string {
	t.Helper()
	host := network(t) + "-postgres"
	name := "t" + strings.ReplaceAll(uuid.NewString(), "-", "")
	c := &container{t, shared.postgres}
	c.eventually("Postgres takes statements", func() bool {
		_, err := tryDocker("exec", "-e", "PGPASSWORD=secret", c.id, "psql", "-h", "127.0.0.1", "-U", "mocktenant", "-c", "CREATE DATABASE "+name)
		return err == nil
	})
	return "postgres://mocktenant:secret@" + host + "/" + name + "?sslmode=disable"
}

// service returns docker run options for the service on a database.
func service(t testing.TB, url string, options ...string) []string {
	t.Helper()
	return append([]string{"--network", network(t), "-p", "127.0.0.1::8080", "-p", "127.0.0.1::8443", "-e", "DATABASE_URL=" + url, "-e", "MOCKTENANT_DEMO=true"}, options...)
}

// whole returns docker run options for the standalone image.
func whole(options ...string) []string {
	return append([]string{"-p", "127.0.0.1::8080", "-p", "127.0.0.1::8443", "-p", "127.0.0.1::8081", "-p", "127.0.0.1::5432"}, options...)
}

// volume makes a volume that is removed when the test ends.
func volume(t testing.TB) string {
	t.Helper()
	name := docker(t, "volume", "create")
	t.Cleanup(func() { _, _ = tryDocker("volume", "rm", name) })
	return name
}

// folder makes a folder with files that every user can read.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
