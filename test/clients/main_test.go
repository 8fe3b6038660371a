// Package clients_test drives the service with Microsoft's own clients, unmodified:
// azidentity, MSAL and the Graph SDK for Go. It has its own module, so that only those who
// run it download them.
package clients_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// tenant is a running service's demo tenant, as `mocktenant env` prints it.
var tenant struct {
	binary       string
	env          []string // NAME=value
	graph        string   // GRAPH_BASE_URL
	authority    string   // AZURE_AUTHORITY_HOST
	id           string
	client       string
	secret       string
	user         string
	password     string
	database     string       // DATABASE_URL
	certificates string       // SSL_CERT_FILE
	transport    *http.Client // trusts only the service's certificate authority
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the service:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "mocktenant-clients-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o711); err != nil { // another user may run the service's Postgres
		return 0, err
	}
	tenant.binary = filepath.Join(dir, "mocktenant")
	build := exec.Command("go", "build", "-o", tenant.binary, "./cmd/mocktenant")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w\n%s", err, out)
	}
	for name, value := range map[string]string{
		"MOCKTENANT_DATA_DIR": filepath.Join(dir, "data"), "MOCKTENANT_HTTP_ADDR": "127.0.0.1:0",
		"MOCKTENANT_HTTPS_ADDR": "127.0.0.1:0", "MOCKTENANT_ADMIN_ADDR": "127.0.0.1:0", "MOCKTENANT_PROXY_ADDR": "127.0.0.1:0", "MOCKTENANT_DEMO": "true", "MOCKTENANT_LOG_LEVEL": "warn",
	} {
		if err := os.Setenv(name, value); err != nil {
			return 0, err
		}
	}
	stop, err := startService()
	if err != nil {
		return 0, err
	}
	defer stop()
	if err := readEnv(); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

func startService() (stop func(), err error) {
	service := exec.Command(tenant.binary)
	service.Stderr = os.Stderr
	out, err := service.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := service.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.Contains(lines.Text(), "Authorization: Bearer") {
	}
	return func() {
		_ = service.Process.Signal(syscall.SIGTERM)
		_ = service.Wait()
	}, lines.Err()
}

func readEnv() error {
	out, err := exec.Command(tenant.binary, "env").Output()
	if err != nil {
		return err
	}
	values := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		values[name] = strings.Trim(value, "'")
		tenant.env = append(tenant.env, name+"="+values[name])
	}
	tenant.graph, tenant.authority = values["GRAPH_BASE_URL"], values["AZURE_AUTHORITY_HOST"]
	tenant.id, tenant.client, tenant.secret = values["AZURE_TENANT_ID"], values["AZURE_CLIENT_ID"], values["AZURE_CLIENT_SECRET"]
	tenant.user, tenant.password = values["AZURE_USERNAME"], values["AZURE_PASSWORD"]
	tenant.certificates, tenant.database = values["SSL_CERT_FILE"], values["DATABASE_URL"]
	pem, err := os.ReadFile(tenant.certificates)
	if err != nil {
		return fmt.Errorf("env named no certificate authority: %w\n%s", err, out)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("no certificate in %s", tenant.certificates)
	}
	tenant.transport = &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true,
	}}
	return nil
}

// mocktenant runs a command of the program against the running service.
func mocktenant(ctx context.Context, t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(ctx, tenant.binary, args...).Output()
	if err != nil {
		t.Fatalf("mocktenant %q: %v", args, err)
	}
	return strings.TrimSpace(string(out))
}
