//go:build integration

package images_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A whole tenant with a single docker run: what the README shows works, on the published
// ports.
func TestStandalone(t *testing.T) {
	t.Parallel()
	c := run(t, standaloneImage, whole()).ready()
	if log := c.logs(); !strings.Contains(log, "demo=true") || !strings.Contains(log, "tenant "+demoTenant+" (demo)") {
		t.Errorf("nothing says that the demo tenant is there:\n%s", log)
	}
	c.create(`{"displayName":"TeamViewer"}`)
	env := c.exec("mocktenant", "env", "--ca-file", "/there/ca.pem")
	for _, want := range []string{
		"AZURE_TENANT_ID='" + demoTenant + "'", "GRAPH_BASE_URL='https://localhost:8443'", "SSL_CERT_FILE='/there/ca.pem'",
		"DATABASE_URL='postgres://mocktenant:", "MOCKTENANT_ADMIN_KEY='mocktenant_",
	} {
		if !strings.Contains(env, "export "+want) {
			t.Errorf("no %s in\n%s", want, env)
		}
	}
	client := trusting(t, c.exec("mocktenant", "ca"))
	status, text, err := call(client, "GET", "https://"+c.at("8443")+partners, c.token(), "")
	if err != nil || status != http.StatusOK || !strings.Contains(text, `"@odata.context":"https://`+c.at("8443")+`/v1.0/$metadata`) || !strings.Contains(text, "TeamViewer") {
		t.Errorf("by HTTPS: %d %s %v", status, text, err)
	}
	made := parse[map[string]string](t, c.exec("mocktenant", "tenant", "create", "--display-name", "Contoso", "-o", "json"))
	if status, text, err := call(http.DefaultClient, "POST", "http://"+c.at("8080")+partners, made["accessToken"], "{}"); err != nil || status != http.StatusCreated {
		t.Errorf("in a new tenant: %d %s %v", status, text, err)
	}
	key := c.exec("mocktenant", "admin-key", "show")
	for k, want := range map[string]int{key: 200, "": 401} {
		if status, text, err := call(http.DefaultClient, "GET", "http://"+c.at("8081")+"/v1/tenants", k, ""); err != nil || status != want {
			t.Errorf("administration, key %q: %d %s %v", k, status, text, err)
		}
	}
	if strings.Contains(c.logs(), key) {
		t.Error("the key is in the log")
	}
	c.stop()
}

// SQL works as documented: rows are read and written from outside, a report login reads its
// own tenant, and the superuser can't sign in.
func TestStandaloneSQL(t *testing.T) {
	t.Parallel()
	c := run(t, standaloneImage, whole()).ready()
	c.create(`{"displayName":"TeamViewer"}`)
	dsn := c.database()
	if got := queryAt(t, dsn, "UPDATE remote_assistance_partners SET display_name = 'by SQL' RETURNING display_name"); got != "by SQL" {
		t.Error(got)
	}
	if status, text, err := call(http.DefaultClient, "GET", "http://"+c.at("8080")+partners, c.token(), ""); err != nil || status != 200 || !strings.Contains(text, `"displayName":"by SQL"`) {
		t.Errorf("%d %s %v", status, text, err)
	}
	login := parse[map[string]string](t, c.exec("mocktenant", "report-login", "create", "--tenant", demoTenant, "-o", "json"))["dsn"]
	if !strings.Contains(login, "@localhost:5432/") {
		t.Error(login)
	}
	login = strings.Replace(login, "localhost:5432", c.at("5432"), 1)
	if got := queryAt(t, login, "SELECT display_name FROM reporting.remote_assistance_partners"); got != "by SQL" {
		t.Error(got)
	}
	for _, bad := range []string{
		"postgres://postgres@" + c.at("5432") + "/mocktenant", "postgres://mocktenant:wrong@" + c.at("5432") + "/mocktenant",
		"postgres://mocktenant:mocktenant@" + c.at("5432") + "/mocktenant", // an earlier version's default
	} {
		if _, err := pgx.Connect(t.Context(), bad); err == nil {
			t.Errorf("%s is let in", bad)
		}
	}
}

// database returns the URL at which this machine reaches the container's Postgres.
func (c *container) database() string {
	c.Helper()
	_, url, _ := strings.Cut(c.exec("mocktenant", "env", "--ca-file=/ca.pem"), "export DATABASE_URL='")
	url, _, _ = strings.Cut(url, "'")
	if !strings.Contains(url, "@localhost:5432/mocktenant?sslmode=disable") {
		c.Errorf("DATABASE_URL is %s", url)
	}
	return strings.Replace(url, "localhost:5432", c.at("5432"), 1)
}

// queryAt returns the single text value that a statement selects.
func queryAt(t *testing.T, dsn, statement string) (text string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err == nil {
		defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
		err = conn.QueryRow(t.Context(), statement).Scan(&text)
	}
	if err != nil {
		t.Fatalf("%s: %v", dsn, err)
	}
	return text
}

// Links in answers have the address that the client used, whatever the port.
func TestLinksFollowThePort(t *testing.T) {
	t.Parallel()
	c := run(t, standaloneImage, whole()).ready()
	for range 3 {
		c.create("{}")
	}
	token := c.token()
	queryAt(t, c.database(), "UPDATE tenants SET page_size = 2 RETURNING display_name")
	client := trusting(t, c.exec("mocktenant", "ca"))
	for _, base := range []string{"http://" + c.at("8080"), "https://" + c.at("8443")} {
		found := 0
		for url := base + partners; url != ""; {
			status, text, err := call(client, "GET", url, token, "")
			if err != nil || status != http.StatusOK {
				t.Fatalf("%s: %d %s %v", url, status, text, err)
			}
			page := parse[struct {
				Context string `json:"@odata.context"`
				Next    string `json:"@odata.nextLink"`
				Value   []any
			}](t, text)
			if !strings.HasPrefix(page.Context, base+"/") || page.Next != "" && !strings.HasPrefix(page.Next, base+"/") {
				t.Errorf("links don't start with %s: %s", base, text)
			}
			found += len(page.Value)
			url = page.Next
		}
		if found != 3 {
			t.Errorf("%d partners, want 3", found)
		}
		_, text, err := call(client, "GET", base+"/"+demoTenant+"/v2.0/.well-known/openid-configuration", "", "")
		if err != nil || !strings.Contains(text, `"token_endpoint":"`+base+"/") {
			t.Errorf("%s %v", text, err)
		}
	}
}

// Everything acknowledged still exists after the container was killed and another one was
// started on its volume.
func TestKilled(t *testing.T) {
	t.Parallel()
	options := whole("-v", volume(t)+":/var/lib/mocktenant")
	created := map[string]string{} // bodies by id
	for range 3 {
		c := run(t, standaloneImage, options).ready()
		find(t, c, created)
		createUntilKilled(t, c, created)
		docker(t, "rm", "-v", c.id)
	}
	c := run(t, standaloneImage, options).ready()
	find(t, c, created)
	c.stop()
}

// On a full disk, what can't be stored isn't acknowledged, and clients get 503. Once there
// is room again, the service recovers by itself, with everything acknowledged.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	c := run(t, standaloneImage, whole("--read-only", "--tmpfs=/tmp", "--tmpfs=/var/lib/mocktenant:uid=65532,size=200m")).ready()
	url, token := "http://"+c.at("8080")+partners, c.token()
	created := map[string]string{}
	create := func() int {
		status, text, err := call(http.DefaultClient, "POST", url, token, `{"displayName":"`+strings.Repeat("x", 900)+`"}`)
		if err != nil || status != http.StatusCreated && status != http.StatusServiceUnavailable {
			t.Fatalf("%d %s %v", status, text, err)
		}
		if status == http.StatusCreated {
			created[parse[struct{ ID string }](t, text).ID] = text
		}
		return status
	}
	create()
	_, _ = tryDocker("exec", c.id, "sh", "-c", "cat /dev/zero >/var/lib/mocktenant/ballast") // until the disk is full
	c.eventually("nothing more can be stored", func() bool { return create() == http.StatusServiceUnavailable })
	c.exec("rm", "/var/lib/mocktenant/ballast")
	c.eventually("it heals", func() bool { return create() == http.StatusCreated })
	find(t, c, created)
	c.stop()
}

// createUntilKilled creates partners from several clients, kills the container meanwhile,
// and records what was acknowledged.
func createUntilKilled(t *testing.T, c *container, created map[string]string) {
	t.Helper()
	url, token := "http://"+c.at("8080")+partners, c.token()
	var mu sync.Mutex
	var wg sync.WaitGroup
	enough, acknowledged := make(chan struct{}), 0
	for i := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				status, text, err := call(http.DefaultClient, "POST", url, token, fmt.Sprintf(`{"displayName":"%d-%d"}`, i, n))
				if err != nil {
					return // the container was killed
				}
				if status != http.StatusCreated {
					t.Errorf("%d %s", status, text)
					return
				}
				mu.Lock()
				created[parse[struct{ ID string }](t, text).ID] = text
				if acknowledged++; acknowledged == 100 {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	select {
	case <-enough:
	case <-time.After(patience):
		t.Error("the clients create nothing")
	}
	docker(t, "kill", c.id)
	wg.Wait()
}

var origin = regexp.MustCompile(`http://127\.0\.0\.1:\d+/`)

func find(t *testing.T, c *container, created map[string]string) {
	t.Helper()
	url, token := "http://"+c.at("8080")+partners+"/", c.token()
	for id, want := range created {
		status, got, err := call(http.DefaultClient, "GET", url+id, token, "")
		if err != nil || status != http.StatusOK || origin.ReplaceAllString(got, "/") != origin.ReplaceAllString(want, "/") {
			t.Fatalf("lost %s: %d %s %v\nwas %s", id, status, got, err, want)
		}
	}
}

// It runs if only its data folder is writable, from an empty folder, and as any user who
// may write there.
func TestStandaloneConfined(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]string{
		"read-only root":  {"--read-only", "--tmpfs=/tmp", "-v", volume(t) + ":/var/lib/mocktenant"},
		"nothing kept":    {"--read-only", "--tmpfs=/tmp", "--tmpfs=/var/lib/mocktenant:uid=65532"},
		"no capabilities": {"--cap-drop=ALL", "--security-opt=no-new-privileges"},
		"another user":    {"--user=4242:4242", "-e", "MOCKTENANT_DATA_DIR=/tmp/mocktenant"},
		"root":            {"--user=0:0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := run(t, standaloneImage, whole(options...)).ready()
			c.create("{}")
			if strings.Contains(c.logs(), "making a new PostgreSQL cluster") {
				t.Errorf("it made a new cluster:\n%s", c.logs())
			}
			c.stop()
		})
	}
	run(t, standaloneImage, whole("--user=4242:4242")).ends("1", "belongs to uid 65532", "choose another MOCKTENANT_DATA_DIR")
}

// Docker's 64 MB of shared memory suffice for parallel queries.
func TestSmallSharedMemory(t *testing.T) {
	t.Parallel()
	c := run(t, standaloneImage, whole("--shm-size=64m")).ready()
	c.create("{}")
	conn, err := pgx.Connect(t.Context(), c.database())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	var n int
	for _, statement := range []string{
		`INSERT INTO remote_assistance_partners
			SELECT (jsonb_populate_record(p, jsonb_build_object('id', gen_random_uuid(), 'display_name', repeat(md5(n::text), 31)))).*
			FROM remote_assistance_partners AS p, generate_series(1, 80000) AS n`,
		"SET work_mem = '512MB'", "SET max_parallel_workers_per_gather = 4", "SET min_parallel_table_scan_size = 0",
		"SET parallel_setup_cost = 0", "SET parallel_tuple_cost = 0", "SET enable_mergejoin = off", "SET enable_nestloop = off",
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	const join = "SELECT count(*) FROM remote_assistance_partners AS a JOIN remote_assistance_partners AS b USING (id, display_name) WHERE a.display_name <> ''"
	rows, err := conn.Query(t.Context(), "EXPLAIN "+join)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || !strings.Contains(strings.Join(plan, "\n"), "Parallel Hash Join") {
		t.Fatalf("not a parallel join: %s %v", strings.Join(plan, "\n"), err)
	}
	if err := conn.QueryRow(t.Context(), join).Scan(&n); err != nil || n != 80000 {
		t.Errorf("%d %v", n, err)
	}
}

// A seed is a tenant from the start. An invalid one ends the start, with its position.
func TestSeeds(t *testing.T) {
	t.Parallel()
	const good = "version: 1\nusers:\n  - {userPrincipalName: bob@contoso.mocktenant.example, password: secret}\n" +
		"applications:\n  - {displayName: app, clientId: 0c1de6a4-6d4c-4a4b-9f5e-5b1f0d6b7a11, publicClient: true, consents: [{scopes: [DeviceManagementServiceConfig.ReadWrite.All]}]}\n" +
		"remoteAssistancePartners:\n  - {displayName: TeamViewer}\n"
	c := run(t, standaloneImage, whole("-v", folder(t, map[string]string{"contoso.yaml": good, "empty.json": `{"version": 1}`})+":/seed:ro")).ready()
	response, err := http.PostForm("http://"+c.at("8080")+"/contoso.mocktenant.example/oauth2/v2.0/token", map[string][]string{
		"grant_type": {"password"}, "client_id": {"0c1de6a4-6d4c-4a4b-9f5e-5b1f0d6b7a11"}, "username": {"bob@contoso.mocktenant.example"},
		"password": {"secret"}, "scope": {"https://graph.microsoft.com/.default"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text := readAll(t, response)
	token := parse[map[string]any](t, text)["access_token"]
	if token == nil {
		t.Fatal(text)
	}
	if status, text, err := call(http.DefaultClient, "GET", "http://"+c.at("8080")+partners, token.(string), ""); err != nil || status != 200 || !strings.Contains(text, "TeamViewer") {
		t.Errorf("%d %s %v", status, text, err)
	}
	for _, want := range []string{"contoso ", "empty "} {
		if list := c.exec("mocktenant", "seed", "list"); !strings.Contains(list, "\n"+want) {
			t.Errorf("no %q in\n%s", want, list)
		}
	}
	bad := folder(t, map[string]string{"contoso.yaml": good + "  - {displayName: 7}\n"})
	run(t, standaloneImage, whole("-v", bad+":/seed:ro")).ends("1", "seed /seed/contoso.yaml: line 8, /remoteAssistancePartners/1/displayName: ")
}

// As the first process of a container, the service restarts a killed Postgres and leaves no
// zombies.
func TestFirstProcess(t *testing.T) {
	t.Parallel()
	c := run(t, standaloneImage, whole()).ready()
	body := c.create("{}")
	c.exec("sh", "-c", "kill -9 $(head -n 1 /var/lib/mocktenant/postgres/postmaster.pid)")
	c.eventually("Postgres is restarted", func() bool { return strings.Contains(c.logs(), "PostgreSQL is running again") })
	c.ready()
	c.eventually("no zombie is left", func() bool {
		return !strings.Contains(c.exec("sh", "-c", "cat /proc/[0-9]*/stat"), " (postgres) Z ")
	})
	find(t, c, map[string]string{parse[struct{ ID string }](t, body).ID: body})
	c.stop()
}
