//go:build integration

package images_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// The team setup in docs/deploy.md works as shown. A machine with Docker runs the page's
// commands, and another one, with its own network, runs those for a person.
func TestComposeForTeam(t *testing.T) {
	page := blocks(t, "deploy.md")
	v := newVM(t)
	began := time.Now()
	v.run(page.with("cat >.env"), v.ports())
	v.run(page.with("docker compose build"))
	v.run(page.with("admin-key create"), `cp mocktenant-ca.pem person/`)
	key := regexp.MustCompile(`mocktenant_\w+`).FindString(v.out)
	first := v.person(strings.ReplaceAll(page.with("tenant create"), "=KEY", "="+key))
	for _, want := range []string{`"displayName":"TeamViewer"`, "TeamViewer ", " TeamViewer   | notOnboarded"} {
		if !strings.Contains(first, want) {
			t.Errorf("no %q in\n%s", want, first)
		}
	}
	walked(t, "`docker compose` on one machine to a second person's first report on another", began)
	if _, err := v.try(`docker compose exec -T mocktenant mocktenant token`); err == nil || !strings.Contains(err.Error(), "demo tenant does not exist") {
		t.Errorf("the demo tenant: %v", err)
	}
	const count = `psql "$(mocktenant report-login create --tenant "$AZURE_TENANT_ID" -o json | sed -n 's/.*"dsn": "\(.*\)".*/\1/p')" -Atc 'SELECT count(*) FROM reporting.remote_assistance_partners'`
	again := "export MOCKTENANT_ADMIN_URL=http://mocktenant.example.com:8081 MOCKTENANT_ADMIN_KEY=" + key + "; . ./tenant.env; "
	create := `curl -sSf -o /dev/null --cacert mocktenant-ca.pem "$GRAPH_BASE_URL` + partners + `" -H "Authorization: Bearer $(mocktenant token)" -H 'Content-Type: application/json' -d '{}'; `
	v.run(page.with("pg_dump -Fc -U"))
	if got := v.person(again + create + count); got != "2" {
		t.Errorf("before the restore: %s", got)
	}
	v.run(page.with("dropdb"))
	v.ready()
	if got := v.person(again + count); got != "1" {
		t.Errorf("restored: %s", got)
	}
	// The same image with another name represents the previous and the next version.
	v.run(strings.Replace(page.with("echo MOCKTENANT_IMAGE"), "mocktenant:dev", v.tag, 1))
	v.ready()
	if got := v.person(again + create + count); got != "2" {
		t.Errorf("with another image: %s", got)
	}
}

// scripts has the code blocks of a page.
type scripts struct {
	testing.TB

	page string
	all  []string
}

func blocks(t *testing.T, page string) scripts {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	s := scripts{TB: t, page: string(text)}
	for _, m := range regexp.MustCompile("(?s)\n```sh\n(.*?)```\n").FindAllStringSubmatch(string(text), -1) {
		s.all = append(s.all, m[1])
	}
	return s
}

// with returns the only block with a text.
func (s scripts) with(text string) string {
	s.Helper()
	var found []string
	for _, block := range s.all {
		if strings.Contains(block, text) {
			found = append(found, block)
		}
	}
	if len(found) != 1 {
		s.Fatalf("%d blocks have %q", len(found), text)
	}
	return found[0]
}

// code returns the only block of another language with a text.
func (s scripts) code(language, text string) string {
	s.Helper()
	other := scripts{TB: s.TB}
	for _, m := range regexp.MustCompile("(?s)\n```"+language+"\n(.*?)```\n").FindAllStringSubmatch(s.page, -1) {
		other.all = append(other.all, m[1])
	}
	return other.with(text)
}

// vm is a machine with Docker and compose and the files of the repository, and the machine of
// a person, with curl and psql.
type vm struct {
	testing.TB

	dir, address, out, tag string
	http, https, admin     string
	machines               [2]string // images
}

func newVM(t *testing.T) *vm {
	t.Helper()
	v := &vm{TB: t, dir: t.TempDir(), address: ownAddress(t), tag: "mocktenant:" + uuid.NewString()[:8]}
	v.http, v.https, v.admin = freePort(t, v.address), freePort(t, v.address), freePort(t, v.address)
	v.machines = [2]string{machine(t, "docker.io", "docker-compose"), machine(t, "curl", "ca-certificates", "postgresql-client")}
	copied := exec.Command("bash", "-ec", `git ls-files -z | xargs -0 cp --parents -t "$0"; cp -r --parents dist/image "$0"; mkdir "$0/person"; cp dist/image/linux/`+runtime.GOARCH+`/mocktenant "$0/person/"; chmod 0755 "$0"`, v.dir)
	copied.Dir = filepath.Join("..", "..")
	if out, err := copied.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	docker(t, "tag", serviceImage, v.tag)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := v.try("docker compose logs --no-color --tail=100")
			t.Log(out)
		}
		_, _ = v.try("docker compose down --volumes --timeout=1")
		_, _ = tryDocker("rmi", v.tag)
	})
	return v
}

// machine makes an image of Debian with packages.
func machine(t *testing.T, packages ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "./machine", packages...).Output()
	if err != nil {
		t.Fatalf("%v %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// ports returns a line that adds ports to .env, because this machine's usual ones may be taken.
func (v *vm) ports() string {
	return fmt.Sprintf("printf '%%s\n' HTTP_PORT=%s HTTPS_PORT=%s ADMIN_PORT=%s POSTGRES_PORT=%s >>.env", v.http, v.https, v.admin, freePort(v, v.address))
}

// here replaces the page's example by this machine.
func (v *vm) here(script string) string {
	return strings.NewReplacer("mocktenant.example.com:8081", v.address+":"+v.admin, "mocktenant.example.com:8443", v.address+":"+v.https,
		"mocktenant.example.com", v.address, "0.0.0.0", v.address).Replace(script)
}

// plugin makes docker compose run version 1, which Debian has.
const plugin = `docker() { [ "$1" != compose ] || { shift; docker-compose "$@"; return; }; command docker "$@"; }; `

func (v *vm) try(script string) (string, error) {
	args := []string{
		"run", "--rm", "--network=host", "-v", "/var/run/docker.sock:/var/run/docker.sock", "-v", v.dir + ":" + v.dir, "-w", v.dir,
		"-e", "COMPOSE_PROJECT_NAME=" + strings.ReplaceAll(v.tag, ":", "-"), "-e", "TARGETARCH=" + runtime.GOARCH, "-e", "PREBUILT=dist/image", "-e", "GO_IMAGE=" + postgresImage, "-e", "POSTGRES_IMAGE=" + postgresImage,
	}
	for _, name := range []string{"TEST_POSTGRES_IMAGE", "PROXY_IMAGE"} {
		if value := os.Getenv(name); value != "" {
			args = append(args, "-e", name+"="+value)
		}
	}
	return tryDocker(append(args, v.machines[0], "bash", "-ec", plugin+v.here(script))...)
}

// run runs lines on the machine with Docker.
func (v *vm) run(lines ...string) {
	v.Helper()
	out, err := v.try(strings.Join(lines, "\n"))
	if err != nil {
		v.Fatal(err)
	}
	v.out = out
}

// person runs a script on a person's machine, which knows only the other machine's address.
func (v *vm) person(script string) string {
	v.Helper()
	return docker(v, "run", "--rm", "-v", v.dir+"/person:/home/zoe", "-w", "/home/zoe", "-e", "PATH=/usr/sbin:/usr/bin:/sbin:/bin:/home/zoe", v.machines[1], "bash", "-ec", v.here(script))
}

// ready waits until the service behind the proxy is ready.
func (v *vm) ready() {
	v.Helper()
	(&container{TB: v}).eventually("the service is ready", func() bool {
		status, _, err := get("http://" + v.address + ":" + v.http + "/readyz")
		return err == nil && status == http.StatusOK
	})
}

// ownAddress returns an address of this machine that containers reach, too.
func ownAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range all {
		if network, ok := address.(*net.IPNet); ok && network.IP.To4() != nil && network.IP.IsGlobalUnicast() {
			return network.IP.String()
		}
	}
	t.Fatal("this machine has no address but its loopback")
	return ""
}

// freePort returns a port that is free at an address.
func freePort(t testing.TB, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
