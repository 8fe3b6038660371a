//go:build integration

package images_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.yaml.in/yaml/v4"
)

// contoso is the tenant in deploy/compose/seed.
const contoso = "fc80d8eb-90f7-5f56-9a15-a380ee0563f2"

// project is a project of docker compose.
type project struct {
	testing.TB
	command []string // docker compose or docker-compose
	env     []string
}

// compose starts services of docker-compose.yml, by default all without a profile, on free
// ports, and removes them when the test ends.
func compose(t testing.TB, services ...string) *project {
	t.Helper()
	p := newProject(t, "HTTP_PORT=", "HTTPS_PORT=", "ADMIN_PORT=", "POSTGRES_PORT=", "PROMETHEUS_PORT=", "GRAFANA_PORT=")
	p.run(append([]string{"up", "-d"}, services...)...)
	return p
}

// newProject returns a project that isn't started, and that is removed when the test ends.
func newProject(t testing.TB, settings ...string) *project {
	t.Helper()
	p := &project{t, []string{"docker", "compose"}, append(os.Environ(), "COMPOSE_PROJECT_NAME=mocktenant-test-"+uuid.NewString()[:8], "MOCKTENANT_IMAGE="+serviceImage)}
	p.env = append(p.env, settings...)
	if exec.Command("docker", "compose", "version").Run() != nil {
		p.command = []string{"docker-compose"}
	}
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := p.try("logs", "--no-color", "--tail=100")
			t.Log(out)
		}
		if _, err := p.try("--profile=observability", "down", "--volumes", "--timeout=1"); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *project) try(args ...string) (string, error) {
	args = append(p.command[1:], args...)
	c := exec.Command(p.command[0], args...)
	c.Dir, c.Env = filepath.Join("..", ".."), p.env
	var out, log bytes.Buffer
	c.Stdout, c.Stderr = &out, &log
	if err := c.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w\n%s%s", strings.Join(args, " "), err, out.String(), log.String())
	}
	return strings.TrimSpace(out.String()), nil
}

func (p *project) run(args ...string) string {
	p.Helper()
	out, err := p.try(args...)
	if err != nil {
		p.Fatal(err)
	}
	return out
}

// exec runs a command of the service.
func (p *project) exec(command ...string) string {
	p.Helper()
	return p.run(append([]string{"exec", "-T", "mocktenant", "mocktenant"}, command...)...)
}

func (p *project) at(service, port string) string {
	p.Helper()
	return p.run("port", service, port)
}

// replicas returns the containers of the service.
func (p *project) replicas() []*container {
	p.Helper()
	var all []*container
	for _, id := range strings.Fields(p.run("ps", "-q", "mocktenant")) {
		all = append(all, &container{p, id})
	}
	return all
}

// up waits until the proxy reaches the service.
func (p *project) up() *project {
	p.Helper()
	(&container{TB: p}).eventually("the proxy leads to the service", func() bool {
		status, _, err := get("http://" + p.at("proxy", "8080") + "/readyz")
		return err == nil && status == http.StatusOK
	})
	return p
}

// docker compose up is a tenant for several people: every port leads to the right service,
// and both replicas accept each other's tokens.
func TestCompose(t *testing.T) {
	t.Parallel()
	p := compose(t).up()
	if n := len(p.replicas()); n != 2 {
		t.Errorf("%d replicas", n)
	}
	token := p.exec("token")
	base := "http://" + p.at("proxy", "8080")
	for range 10 { // either replica may answer
		status, text, err := call(http.DefaultClient, "POST", base+partners, token, "{}")
		if err != nil || status != http.StatusCreated || !strings.Contains(text, `"@odata.context":"`+base+"/") {
			t.Errorf("%d %s %v", status, text, err)
		}
	}
	secure := "https://" + p.at("proxy", "8443")
	client := trusting(t, p.exec("ca"))
	if status, text, err := call(client, "GET", secure+partners+"/$count", token, ""); err != nil || status != http.StatusOK || !strings.HasSuffix(text, "10") {
		t.Errorf("by HTTPS: %d %s %v", status, text, err)
	}
	key, err := os.ReadFile(filepath.Join("..", "..", "deploy", "compose", "admin-key"))
	if err != nil {
		t.Fatal(err)
	}
	admin := "http://" + p.at("proxy", "8081") + "/v1/tenants/"
	for k, want := range map[string]int{strings.TrimSpace(string(key)): 200, "": 401} {
		if status, text, err := call(http.DefaultClient, "GET", admin+contoso, k, ""); err != nil || status != want {
			t.Errorf("administration: %d %s %v", status, text, err)
		}
	}
	dsn := "postgres://mocktenant:mocktenant@" + p.at("postgres", "5432") + "/mocktenant"
	if got := queryAt(t, dsn, "SELECT count(*)::text FROM remote_assistance_partners WHERE tenant_id = '"+demoTenant+"'"); got != "10" {
		t.Error(got)
	}
	// Created partners outlive the containers.
	p.run("stop", "--timeout=5")
	p.run("up", "-d")
	p.up()
	if status, text, err := call(http.DefaultClient, "GET", "http://"+p.at("proxy", "8080")+partners+"/$count", token, ""); err != nil || !strings.HasSuffix(text, "10") {
		t.Errorf("after another start: %d %s %v", status, text, err)
	}
}

// The README's compose commands work exactly as shown, on the port that it names.
func TestREADMECompose(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)\n```sh\n(docker compose up -d\n.*?)```\n").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 1 {
		t.Fatalf("%d blocks", len(blocks))
	}
	p := newProject(t, "HTTPS_PORT=", "ADMIN_PORT=", "POSTGRES_PORT=") // one port is enough
	script := blocks[0][1]
	if p.command[0] == "docker-compose" {
		script = `docker() { shift; docker-compose "$@"; }; ` + script
	}
	c := exec.CommandContext(t.Context(), "bash", "-ec", script)
	c.Dir, c.Env = filepath.Join("..", ".."), p.env
	if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "HTTP/1.1 201 Created\r\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

// Restarting each replica in turn, under load over HTTP and HTTPS, fails no request.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	p := compose(t).up()
	token := p.exec("token")
	trusted := trusting(t, p.exec("ca"))
	stop := make(chan struct{})
	var done atomic.Int64
	var wg sync.WaitGroup
	for _, target := range []struct {
		client *http.Client
		url    string
	}{{http.DefaultClient, "http://" + p.at("proxy", "8080") + partners}, {trusted, "https://" + p.at("proxy", "8443") + partners}} {
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					status, text, err := call(target.client, "POST", target.url, token, "{}")
					if err != nil || status != http.StatusCreated {
						t.Errorf("%s: %d %s %v", target.url, status, text, err)
					}
					done.Add(1)
				}
			})
		}
	}
	for range 2 {
		for _, c := range p.replicas() {
			before := done.Load()
			docker(t, "restart", c.id)
			c.eventually("it is healthy", func() bool { return c.inspect("{{.State.Health.Status}}") == "healthy" })
			if done.Load() == before {
				t.Error("nobody called meanwhile")
			}
		}
	}
	close(stop)
	wg.Wait()
	token = p.exec("token")
	_, text, err := call(trusted, "GET", "https://"+p.at("proxy", "8443")+partners+"/$count", token, "")
	if want := fmt.Sprint(done.Load()); err != nil || !strings.HasSuffix(text, want) {
		t.Errorf("%s partners, want %s: %v", text, want, err)
	}
}

// While the database is unavailable, clients get Graph's answer and not the proxy's;
// afterwards the service recovers.
func TestComposeWithoutDatabase(t *testing.T) {
	t.Parallel()
	p := compose(t).up()
	token, url := p.exec("token"), "http://"+p.at("proxy", "8080")+partners
	p.run("stop", "--timeout=5", "postgres")
	c := &container{TB: t}
	c.eventually("the service reports it", func() bool {
		status, text, err := call(http.DefaultClient, "POST", url, token, "{}")
		return err == nil && status == http.StatusServiceUnavailable && strings.Contains(text, `{"error":`)
	})
	p.run("start", "postgres")
	c.eventually("it heals", func() bool {
		status, _, err := call(http.DefaultClient, "POST", url, token, "{}")
		return err == nil && status == http.StatusCreated
	})
}

// dashboard is the part of a Grafana dashboard with queries.
type dashboard struct {
	UID    string
	Panels []struct {
		Title      string
		Datasource struct{ UID string }
		Targets    []struct {
			Datasource   struct{ UID string }
			Expr, RawSQL string
		}
	}
	Templating struct {
		List []struct{ Name, Query string }
	}
}

// The observability profile: Prometheus reads both replicas, the login reads the reports
// and nothing else, and every query of the dashboards returns a result.
func TestObservability(t *testing.T) {
	t.Parallel()
	p := compose(t, "proxy", "report-login", "prometheus").up()
	c := &container{TB: t}
	token := p.exec("token")
	if status, text, err := call(http.DefaultClient, "POST", "http://"+p.at("proxy", "8080")+partners, token, `{"displayName":"TeamViewer"}`); err != nil || status != http.StatusCreated {
		t.Fatalf("%d %s %v", status, text, err)
	}
	refuseSignIn(t, "http://"+p.at("proxy", "8080"))
	made := &container{t, p.run("ps", "-aq", "report-login")}
	made.ends("0")
	login := openReports(t, p, made)
	prometheus := "http://" + p.at("prometheus", "9090") + "/api/v1/query?query="
	c.eventually("Prometheus reads both replicas", func() bool {
		_, text, err := get(prometheus + url.QueryEscape(`sum(up{job="mocktenant"})`))
		return err == nil && strings.Contains(text, `,"2"]`)
	})
	p.run("exec", "-T", "prometheus", "promtool", "check", "rules", "/etc/prometheus/alerts.yml")
	wantAlerts(t, "http://"+p.at("prometheus", "9090"))
	asked := 0
	for _, d := range dashboards(t) {
		for _, panel := range d.Panels {
			for _, target := range panel.Targets {
				asked++
				switch target.Datasource.UID {
				case "prometheus":
					query := strings.ReplaceAll(target.Expr, "$__rate_interval", "1m")
					if status, text, err := get(prometheus + url.QueryEscape(query)); err != nil || status != http.StatusOK {
						t.Errorf("%s, %s: %d %s %v", d.UID, panel.Title, status, text, err)
					}
				case "reports":
					answers(t, login, panel.Title, asGrafana(target.RawSQL))
				default:
					t.Errorf("%s, %s: no data source %q", d.UID, panel.Title, target.Datasource.UID)
				}
			}
		}
		for _, v := range d.Templating.List {
			answers(t, login, v.Name, v.Query)
		}
	}
	if asked < 20 {
		t.Errorf("the dashboards have %d queries", asked)
	}
}

// refuseSignIn signs in with a wrong password, because a counter has no series before it counts.
func refuseSignIn(t *testing.T, base string) {
	t.Helper()
	form := url.Values{"grant_type": {"password"}, "client_id": {"d635a4a5-5d1b-4e46-9fc6-4b1f2d9a0c11"}, "username": {"nobody@demo.mocktenant.example"}, "password": {"wrong"}, "scope": {"openid"}}
	response, err := http.PostForm(base+"/"+demoTenant+"/oauth2/v2.0/token", form)
	if err != nil {
		t.Fatal(err)
	}
	if text := readAll(t, response); response.StatusCode != http.StatusBadRequest {
		t.Errorf("%s %s", response.Status, text)
	}
	_ = response.Body.Close()
}

// wantAlerts checks that Prometheus evaluates the alerts, that none fires, and that they are
// about metrics that the service has.
func wantAlerts(t *testing.T, prometheus string) {
	t.Helper()
	var rules struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Query, Health, State, LastError string }
			}
		}
	}
	(&container{TB: t}).eventually("the alerts were evaluated", func() bool {
		_, text, err := get(prometheus + "/api/v1/rules")
		return err == nil && json.Unmarshal([]byte(text), &rules) == nil && len(rules.Data.Groups) == 1 && !strings.Contains(text, `"health":"unknown"`)
	})
	if n := len(rules.Data.Groups[0].Rules); n != 6 {
		t.Errorf("%d alerts", n)
	}
	var scraped struct{ Data []string }
	(&container{TB: t}).eventually("the refused sign-in was counted", func() bool {
		_, text, err := get(prometheus + "/api/v1/label/__name__/values")
		return err == nil && json.Unmarshal([]byte(text), &scraped) == nil && slices.Contains(scraped.Data, "mocktenant_sign_in_refusals_total")
	})
	for _, r := range rules.Data.Groups[0].Rules {
		if r.Health != "ok" || r.State == "firing" {
			t.Errorf("%+v", r)
		}
		for _, metric := range regexp.MustCompile(`(\w+)\{job=`).FindAllStringSubmatch(r.Query, -1) {
			if !slices.Contains(scraped.Data, metric[1]) {
				t.Errorf("%s: the service has no metric %s", r.Name, metric[1])
			}
		}
	}
}

// openReports connects with the login made for Grafana.
func openReports(t *testing.T, p *project, made *container) *pgx.Conn {
	t.Helper()
	dir := t.TempDir()
	docker(t, "cp", made.id+":/login/.", dir)
	var parts [3]string
	for i, name := range []string{"login", "password", "dsn"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		parts[i] = string(text)
	}
	if !strings.Contains(parts[2], parts[0]+":"+parts[1]+"@") {
		t.Errorf("%q", parts)
	}
	conn, err := pgx.Connect(t.Context(), "postgres://"+parts[0]+":"+parts[1]+"@"+p.at("postgres", "5432")+"/mocktenant")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	if _, err := conn.Exec(t.Context(), "SELECT FROM public.tenants"); err == nil {
		t.Error("the login reads tables")
	}
	return conn
}

// asGrafana replaces Grafana's variables.
func asGrafana(query string) string {
	query = strings.ReplaceAll(query, "$tenant", contoso)
	for _, column := range []string{"day", "changed_at"} {
		query = strings.ReplaceAll(query, "$__timeFilter("+column+")", column+" BETWEEN now() - interval '30 days' AND now()")
	}
	return query
}

// answers checks that a query returns rows.
func answers(t *testing.T, conn *pgx.Conn, title, query string) {
	t.Helper()
	rows, err := conn.Query(t.Context(), query)
	if err != nil {
		t.Errorf("%s: %v", title, err)
		return
	}
	n := 0
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil || n == 0 {
		t.Errorf("%s: %d rows, %v\n%s", title, n, err, query)
	}
}

// dashboards reads Grafana's files, and checks that the data sources that they name exist.
func dashboards(t *testing.T) []dashboard {
	t.Helper()
	grafana := filepath.Join("..", "..", "deploy", "compose", "grafana")
	text, err := os.ReadFile(filepath.Join(grafana, "provisioning", "datasources", "mocktenant.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var provisioned struct {
		Datasources []struct{ UID, Type, URL string }
	}
	if err := yaml.Unmarshal(text, &provisioned); err != nil || len(provisioned.Datasources) != 2 {
		t.Fatalf("%+v %v", provisioned, err)
	}
	files, err := filepath.Glob(filepath.Join(grafana, "dashboards", "*.json"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%q %v", files, err)
	}
	var all []dashboard
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, d)
	}
	return all
}
