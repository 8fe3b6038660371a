package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/admin"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
)

// A tenant can't distinguish what another tenant has from what doesn't exist: requests for
// both get the same bytes and cause the same work. A wire tap between the service and
// Postgres shows that both cause the same statements with the same number of rows, zero.
//
// The statements that look for the item itself use a primary key that begins with the tenant
// (TestSchemaIsDistributable). So Postgres descends an index to the place of the tenant's own
// key, which is equally deep in both cases, finds no entry there and reads no row of the
// table, whatever other tenants have.
func TestNotFoundTellsNothing(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t, dbtest.NewDatabase(t))
	s, err := server.Start(t.Context(), server.Config{HTTPAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", DatabaseURL: tap.url, JournalRate: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	_, key, err := admin.CreateKey(t.Context(), db.New(s.Pool()), "owner", db.AdminRoleOwner, 0, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	owner := &client{t, s, key}
	mine, other := owner.as(api.AdminRoleManager, "mine"), owner.as(api.AdminRoleManager, "other")
	asker, asked := mine.newTenant(api.TenantCreate{}), other.newTenant(api.TenantCreate{})

	// Items that the other has, and items that don't exist.
	partner := other.createPartner(asked.Credentials.AccessToken, "x", "onboarding").ID
	other.want(201, other.do("POST", tenantPath(asked.Tenant.Id, "/snapshots"), api.SnapshotCreate{Name: "snapshot-a"}))
	app := "/applications/" + asked.Credentials.ClientId.String()
	secret := decode[api.ApplicationSecretCreated](t, other.want(201, other.do("POST", tenantPath(asked.Tenant.Id, app+"/secrets"), "{}"))).Id
	credential := decode[api.FederatedCredential](t, other.want(201, other.do("POST", tenantPath(asked.Tenant.Id, app+"/federatedCredentials"),
		api.FederatedCredentialCreate{Name: "x", Issuer: "https://issuer.example", Subject: "x"}))).Id
	fault := decode[api.Fault](t, other.want(201, other.do("POST", tenantPath(asked.Tenant.Id, "/faults"), `{"match":{"path":"/nowhere"},"effect":{"status":500}}`))).Id
	other.want(201, other.do("POST", tenantPath(asked.Tenant.Id, "/scenarios"), `{"name":"never-connected"}`))
	login := "mocktenant_report_00000001" // of nobody, on a cluster
	if reports {
		login = other.newLogin(asked.Tenant.Id).Login
	}
	anothers := map[string]string{
		":tenantId": asked.Tenant.Id.String(), ":entityId": partner, ":userId": asked.Credentials.UserId.String(), ":clientId": asked.Credentials.ClientId.String(),
		":secretId": secret.String(), ":credentialId": credential.String(), ":name": "snapshot-a", ":login": login, ":faultId": fault.String(), ":scenario": "never-connected",
	}
	nobodys := map[string]string{
		":tenantId": uuid.NewString(), ":entityId": uuid.NewString(), ":userId": uuid.NewString(), ":clientId": uuid.NewString(),
		":secretId": uuid.NewString(), ":credentialId": uuid.NewString(), ":name": "snapshot-b", ":login": login[:len(login)-4] + "0000", ":faultId": uuid.NewString(), ":scenario": "never-connecte2",
	}

	type request struct{ name, method, path, body string }
	var requests []request
	for _, route := range slices.Sorted(maps.Keys(routes(asker.Tenant.Id))) {
		method, path, _ := strings.Cut(route, " ")
		text, _ := body(route, asker.Tenant.Id).(string)
		if text == "" && body(route, asker.Tenant.Id) != nil {
			raw, err := json.Marshal(body(route, asker.Tenant.Id))
			if err != nil {
				t.Fatal(err)
			}
			text = string(raw)
		}
		path = strings.NewReplacer(":entitySet", "remoteAssistancePartners", ":action", "confirm", ":version", "1", ":report", "recent-changes").Replace(path)
		if strings.Contains(path, ":tenantId") {
			requests = append(requests, request{name: route, method: method, path: path, body: text})
			path = strings.ReplaceAll(path, ":tenantId", asker.Tenant.Id.String()) // and items that the asker's own tenant lacks
		}
		if strings.Contains(path, "/:") && !strings.HasPrefix(path, "/v1/seeds") && roleOf(t, route) != "owner" { // everybody sees seeds
			requests = append(requests, request{name: route + ", of one's own", method: method, path: path, body: text})
		}
	}
	own := tenantPath(asker.Tenant.Id)
	requests = append(requests,
		request{name: "a diff", method: "GET", path: own + "/diff?from=:name"},
		request{name: "another's diff", method: "GET", path: "/v1/tenants/:tenantId/diff?from=:name"},
		request{name: "a token of a user", method: "POST", path: own + "/tokens", body: `{"clientId":"` + asker.Credentials.ClientId.String() + `","userId":":userId"}`},
		request{name: "a token of an application", method: "POST", path: own + "/tokens", body: `{"clientId":":clientId"}`},
		request{name: "a consent of a user", method: "POST", path: own + "/applications/" + asker.Credentials.ClientId.String() + "/consents", body: `{"userId":":userId"}`},
		request{name: "a report", method: "GET", path: "/v1/reports/recent-changes?tenantId=:tenantId"},
		request{name: "a copy", method: "POST", path: "/v1/tenants", body: `{"displayName":"x","source":{"tenantId":":tenantId"}}`},
		request{name: "a copy of a snapshot", method: "POST", path: "/v1/tenants", body: `{"displayName":"x","source":{"tenantId":":tenantId","snapshot":":name"}}`},
		request{name: "a report login", method: "POST", path: "/v1/report-logins", body: `{"tenantIds":[":tenantId"]}`},
	)
	for _, r := range []request{
		{method: "GET"},
		{method: "PATCH", body: `{"displayName":"stolen"}`},
		{method: "DELETE"},
		{method: "GET", path: "/displayName"},
		{method: "GET", path: "/displayName/$value"},
		{method: "POST", path: "/beginOnboarding"},
		{method: "POST", path: "/disconnect"},
		{method: "GET", path: "?$select=id"},
	} {
		requests = append(requests, request{name: "Graph " + r.method + " " + r.path, method: r.method, path: partners + "/:entityId" + r.path, body: r.body})
	}

	for _, r := range requests {
		send := func(names map[string]string) (reply, []string) {
			var pairs []string
			for placeholder, name := range names {
				pairs = append(pairs, placeholder, name)
			}
			fill := strings.NewReplacer(pairs...)
			s.Identity().ForgetCallers() // so that the caller is looked up each time
			var got reply
			sent := tap.during(func() {
				if strings.HasPrefix(r.path, partners) {
					got = mine.graph(r.method, fill.Replace(r.path), fill.Replace(r.body), asker.Credentials.AccessToken)
				} else {
					got = mine.do(r.method, fill.Replace(r.path), fill.Replace(r.body))
				}
			})
			return got, sent
		}
		one, sentOne := send(anothers)
		none, sentNone := send(nobodys)
		for range 20 {
			if slices.Equal(sentOne, sentNone) {
				break
			}
			_, sentOne = send(anothers) // a sweep or a sign of life may have interfered
			_, sentNone = send(nobodys)
		}
		if one.status != 404 {
			t.Errorf("%s: %d %s", r.name, one.status, one.body)
		}
		if a, b := impersonal(one, anothers), impersonal(none, nobodys); a != b {
			t.Errorf("%s:\nanother's %s\nnobody's  %s", r.name, a, b)
		}
		if len(sentOne) == 0 || !slices.Equal(sentOne, sentNone) {
			t.Errorf("%s:\nanother's %q\nnobody's  %q", r.name, sentOne, sentNone)
		}
	}
	if len(requests) < 60 {
		t.Errorf("%d requests", len(requests))
	}
}

var (
	anyID   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anyDate = regexp.MustCompile(`"date":"[^"]*"`)
)

// impersonal returns an answer with its headers, without the requested names and without what
// differs in every answer.
func impersonal(r reply, names map[string]string) string {
	text := fmt.Sprintln(r.status)
	for _, name := range slices.Sorted(maps.Keys(r.header)) {
		text += fmt.Sprintln(name, r.header[name])
	}
	text += r.body
	for placeholder, name := range names {
		text = strings.ReplaceAll(text, name, placeholder)
	}
	return anyDate.ReplaceAllString(anyID.ReplaceAllString(text, "ID"), "DATE")
}

// wireTap forwards the connections between the service and Postgres, and records statements
// and the number of rows that come back.
type wireTap struct {
	url string

	mu       sync.Mutex
	prepared map[string]string // statements by name, which the driver derives from the text
	seen     []string
}

func newWireTap(t *testing.T, url string) *wireTap {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tap := &wireTap{prepared: map[string]string{}}
	tap.url = fmt.Sprintf("host=127.0.0.1 port=%d user='%s' password='%s' dbname='%s' sslmode=disable pool_max_conns=4",
		listener.Addr().(*net.TCPAddr).Port, config.User, config.Password, config.Database)
	var all sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		all.Wait()
	})
	all.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				if err := tap.pass(context.WithoutCancel(t.Context()), client, config); err != nil {
					t.Errorf("the wire tap: %v", err)
				}
			})
		}
	})
	return tap
}

// pass forwards messages in both directions until one side ends.
func (w *wireTap) pass(ctx context.Context, client net.Conn, config *pgx.ConnConfig) error {
	defer func() { _ = client.Close() }()
	network, address := "tcp", fmt.Sprintf("%s:%d", config.Host, config.Port)
	if strings.HasPrefix(config.Host, "/") {
		network, address = "unix", fmt.Sprintf("%s/.s.PGSQL.%d", config.Host, config.Port)
	}
	postgres, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	backend, frontend := pgproto3.NewBackend(client, client), pgproto3.NewFrontend(postgres, postgres)
	startup, err := backend.ReceiveStartupMessage()
	if err != nil {
		_ = postgres.Close()
		return err
	}
	frontend.Send(startup)
	if err := frontend.Flush(); err != nil {
		return err
	}
	record := w
	if first, ok := startup.(*pgproto3.StartupMessage); ok && first.Parameters["application_name"] == "mocktenant guard" {
		record = &wireTap{prepared: map[string]string{}} // this session works at any time, so it isn't recorded
	}
	back := make(chan struct{})
	go func() {
		defer close(back)
		defer func() { _ = client.Close() }()
		record.answers(frontend, backend)
	}()
	record.questions(backend, frontend)
	_ = postgres.Close()
	<-back
	return nil
}

func (w *wireTap) questions(from *pgproto3.Backend, to *pgproto3.Frontend) {
	for {
		message, err := from.Receive()
		if err != nil {
			return
		}
		w.mu.Lock()
		switch m := message.(type) {
		case *pgproto3.Parse:
			w.prepared[m.Name] = m.Query
		case *pgproto3.Bind:
			w.seen = append(w.seen, w.prepared[m.PreparedStatement])
		case *pgproto3.Query:
			if m.String != "-- ping" { // the pool sends it on a connection that was idle for a second
				w.seen = append(w.seen, m.String)
			}
		}
		w.mu.Unlock()
		to.Send(message)
		if to.Flush() != nil {
			return
		}
	}
}

func (w *wireTap) answers(from *pgproto3.Frontend, to *pgproto3.Backend) {
	for {
		message, err := from.Receive()
		if err != nil {
			return
		}
		if m, ok := message.(*pgproto3.CommandComplete); ok {
			w.mu.Lock()
			w.seen = append(w.seen, string(m.CommandTag)) // includes the number of rows
			w.mu.Unlock()
		}
		to.Send(message)
		if to.Flush() != nil {
			return
		}
	}
}

// during returns what passes while f runs. Nothing else may use the service meanwhile.
func (w *wireTap) during(f func()) []string {
	w.mu.Lock()
	w.seen = nil
	w.mu.Unlock()
	f()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}
