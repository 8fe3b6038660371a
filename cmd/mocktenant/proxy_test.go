package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// startProxy starts the proxy and waits until it has printed everything.
func startProxy(t *testing.T, settings []string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: command(t, settings, append([]string{"proxy", "--addr=127.0.0.1:0"}, args...)...), log: &bytes.Buffer{}}
	p.Stderr = p.log
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill(); _ = p.Wait() })
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		p.text += lines.Text() + "\n"
		if lines.Text() == "" && strings.Contains(p.text, "export ") {
			break
		}
	}
	m := regexp.MustCompile(`mocktenant proxy at (http://\S+) leads`).FindStringSubmatch(p.text)
	if m == nil {
		_ = p.Wait()
		t.Fatalf("the proxy did not start:\n%s%s", p.text, p.log)
	}
	p.url = m[1]
	return p
}

// exports returns the lines meant for a shell.
func exports(text string) string {
	return strings.Join(regexp.MustCompile(`(?m)^export .*$`).FindAllString(text, -1), "\n") + "\n"
}

// sh runs a script in a shell that has only PATH.
func sh(t *testing.T, script string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("env")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), path, "-i", "PATH=/usr/local/bin:/usr/bin:/bin", "sh", "-c", script).CombinedOutput()
	return string(out), err
}

// signIn signs in and lists partners with curl, at Microsoft's own hosts.
const signIn = `set -e
token=$(curl -sS "https://login.microsoftonline.com/$AZURE_TENANT_ID/oauth2/v2.0/token" -d grant_type=password -d client_id="$AZURE_CLIENT_ID" \
  -d username="$AZURE_USERNAME" -d password="$AZURE_PASSWORD" -d scope=https://graph.microsoft.com/.default | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
curl -sS https://graph.microsoft.com/v1.0/deviceManagement/remoteAssistancePartners -H "Authorization: Bearer $token"
`

const listed = `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#deviceManagement/remoteAssistancePartners","value":[`

func needCurl(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		testenv.Skip(t, "curl is not installed")
	}
}

// An application uses the proxy with only the proxy's output. The proxy finds its service by
// the data directory, and the service may restart.
func TestProxyCommand(t *testing.T) {
	t.Parallel()
	needCurl(t)
	dir := preparedDir(t)
	settings := []string{"MOCKTENANT_DATA_DIR=" + dir}
	named := append(settings, "MOCKTENANT_MICROSOFT_HOSTS=true")
	s := serve(t, named)
	p := startProxy(t, settings)
	if want := "NODE_EXTRA_CA_CERTS='" + filepath.Join(dir, "ca.pem") + "'"; !strings.Contains(p.text, want) || !strings.Contains(p.text, "and refuses all others\n") {
		t.Errorf("no %s in\n%s", want, p.text)
	}
	credentials, stderr, code := output(t, append(settings, "MOCKTENANT_PROXY_ADDR="+strings.TrimPrefix(p.url, "http://")), "env", "--proxy")
	if code != 0 || !strings.Contains(credentials, "export HTTPS_PROXY='"+p.url+"'\n") {
		t.Fatalf("env --proxy: %d %s%s", code, credentials, stderr)
	}
	if out, err := sh(t, credentials+exports(p.text)+signIn); err != nil || !strings.HasPrefix(out, listed) {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := sh(t, exports(p.text)+"curl -sS https://example.com/"); err == nil || !strings.Contains(out, "403") {
		t.Errorf("example.com: %v\n%s", err, out)
	}
	if out, err := sh(t, exports(p.text)+"curl -sS -o /dev/null -w '%{http_code}' "+s.url+"/livez"); err != nil || out != "200" {
		t.Errorf("the service at its own address: %v\n%s", err, out) // because of NO_PROXY
	}
	s.stop(t)
	if out, err := sh(t, exports(p.text)+"curl -sS https://graph.microsoft.com/v1.0/"); err == nil || !strings.Contains(out, "502") {
		t.Errorf("with no service: %v\n%s", err, out)
	}
	p.stop(t)
	if !strings.Contains(p.log.String(), `msg="proxy refuses" host=example.com:443`) {
		t.Error(p.log)
	}
}

// If so configured, the service is also the proxy.
func TestServeWithProxy(t *testing.T) {
	t.Parallel()
	needCurl(t)
	for name, settings := range map[string][]string{
		"own Postgres":   {"MOCKTENANT_DATA_DIR=" + preparedDir(t)},
		"given Postgres": {"DATABASE_URL=" + dbtest.NewDatabase(t), "XDG_CACHE_HOME=" + t.TempDir()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, append(settings, "MOCKTENANT_PROXY_ADDR=127.0.0.1:0"))
			m := regexp.MustCompile(`  proxy  (http://(\S+)) `).FindStringSubmatch(s.text)
			if m == nil {
				t.Fatal(s.text)
			}
			if name == "given Postgres" { // a service with another database records no address
				settings = append(settings, "MOCKTENANT_PROXY_ADDR="+m[2])
			}
			env, stderr, code := output(t, settings, "env", "--proxy")
			if code != 0 {
				t.Fatal(stderr)
			}
			if out, err := sh(t, env+signIn); err != nil || !strings.HasPrefix(out, listed) {
				t.Errorf("%v\n%s", err, out)
			}
			s.stop(t)
		})
	}
}

// A proxy through which applications couldn't reach the service doesn't start, and names the
// remedy.
func TestProxyRefusesToStart(t *testing.T) {
	t.Parallel()
	testenv.Heavy(t)
	other := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	t.Cleanup(other.Close)
	for _, tt := range []struct {
		name     string
		settings []string // the service's
		args     []string
		want     string
	}{
		{name: "no names", want: "does not name graph.microsoft.com, login.microsoftonline.com, "},
		{name: "links", settings: []string{"MOCKTENANT_MICROSOFT_HOSTS=true", "MOCKTENANT_PUBLIC_URL=https://mock.example.test"}, want: "start the service without MOCKTENANT_PUBLIC_URL"},
		{name: "no HTTPS", settings: []string{"MOCKTENANT_HTTPS_ADDR="}, want: "doesn't listen for HTTPS: start it with MOCKTENANT_HTTPS_ADDR"},
		{name: "another server", args: []string{"--url=" + other.URL}, want: "isn't mocktenant"},
		{name: "pass", settings: []string{"MOCKTENANT_MICROSOFT_HOSTS=true"}, args: []string{"--others=pass", "--addr=0.0.0.0:0"}, want: "name the hosts in MOCKTENANT_PROXY_PASS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := "MOCKTENANT_DATA_DIR=" + preparedDir(t)
			s := serve(t, append(tt.settings, dir))
			_, stderr, code := output(t, []string{dir}, append([]string{"proxy", "--addr=127.0.0.1:0"}, tt.args...)...)
			if code == 0 || !strings.Contains(stderr, tt.want) {
				t.Errorf("exit %d, %s", code, stderr)
			}
			if _, stderr, code := output(t, []string{dir}, "env", "--proxy"); code == 0 || !strings.Contains(stderr, "the service isn't a proxy: start it with MOCKTENANT_PROXY_ADDR") {
				t.Errorf("env --proxy: exit %d, %s", code, stderr)
			}
			s.stop(t)
		})
	}
}

// tunnelTo opens a tunnel and sends nothing through it.
func tunnelTo(t *testing.T, at, authority string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(at, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	_, _ = fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", authority)
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response, err)
	}
	return conn
}

// SIGTERM ends the proxy with exit code 0, even while tunnels are open.
func TestProxyDrain(t *testing.T) {
	t.Parallel()
	settings := []string{"MOCKTENANT_DATA_DIR=" + preparedDir(t)}
	s := serve(t, append(settings, "MOCKTENANT_MICROSOFT_HOSTS=true"))
	p := startProxy(t, settings)
	conn := tunnelTo(t, p.url, "graph.microsoft.com:443")
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d", n)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("exit: %v\n%s", err, p.log)
	}
	s.stop(t)
}
