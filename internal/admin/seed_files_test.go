package admin_test

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
)

// startWith starts a service on the database that reads these files, by name.
func startWith(t *testing.T, database string, files map[string]string) error {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := server.Start(t.Context(), server.Config{HTTPAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", DatabaseURL: database, SeedDir: dir})
	if err == nil {
		err = s.Shutdown(context.WithoutCancel(t.Context()))
	}
	return err
}

const contosoYAML = `version: 1
settings: {pageSize: 10}
users:
  - {userPrincipalName: bob@contoso.example, password: secret}
remoteAssistancePartners:
  - {displayName: TeamViewer, onboardingStatus: onboarded}
`

// A new file becomes a seed and a tenant, once even with concurrent processes. Later changes
// of the file change only the seed.
func TestSeedFiles(t *testing.T) {
	t.Parallel()
	c := setup(t)
	name := "file-" + uuid.NewString()
	tenant := db.SeededID(name, "tenant", 1).String()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := startWith(t, dbtest.URL(t), map[string]string{name + ".yaml": contosoYAML, "notes.txt": "?", ".hidden.json": "?"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	first := decode[api.Seed](t, c.want(200, c.do("GET", "/v1/seeds/"+name, nil)))
	if !reflect.DeepEqual(first.Counts, holding(1, 1, 0)) {
		t.Errorf("%+v", first)
	}
	made := decode[api.Tenant](t, c.want(200, c.do("GET", "/v1/tenants/"+tenant, nil)))
	if made.DisplayName != name || *made.Settings.PageSize != 10 || len(made.Domains) != 1 || made.Domains[0] != name+".mocktenant.example" {
		t.Errorf("%+v", made)
	}
	state := c.want(200, c.do("GET", "/v1/tenants/"+tenant+"/state", nil)).body
	if !strings.Contains(state, db.SeededID(name, "user", 1).String()) || !strings.Contains(state, "TeamViewer") {
		t.Error(state)
	}

	if err := startWith(t, dbtest.URL(t), map[string]string{name + ".yaml": contosoYAML}); err != nil {
		t.Error(err)
	}
	if again := decode[api.Seed](t, c.want(200, c.do("GET", "/v1/seeds/"+name, nil))); !reflect.DeepEqual(again, first) {
		t.Errorf("the same file: %+v, was %+v", again, first)
	}

	c.want(204, c.do("DELETE", "/v1/tenants/"+tenant, nil))
	if err := startWith(t, dbtest.URL(t), map[string]string{name + ".json": `{"version":1}`}); err != nil {
		t.Error(err)
	}
	if changed := decode[api.Seed](t, c.want(200, c.do("GET", "/v1/seeds/"+name, nil))); !reflect.DeepEqual(changed.Counts, holding(0, 0, 0)) {
		t.Errorf("another file: %+v", changed)
	}
	c.refused(404, "", c.do("GET", "/v1/tenants/"+tenant, nil)) // a deleted tenant isn't made again
}

// An invalid file stops the start, and the error names the place.
func TestBadSeedFiles(t *testing.T) {
	t.Parallel()
	c := setup(t)
	name := "file-" + uuid.NewString()
	for _, tt := range []struct {
		files map[string]string
		want  string
	}{
		{map[string]string{name + ".yaml": contosoYAML + "  - {displayName: 7}\n"}, name + ".yaml: line 7, /remoteAssistancePartners/1/displayName: "},
		{map[string]string{name + ".json": "{\"version\": 1,\n\"users\": [{}]}"}, name + ".json: line 2, /users/0: lacks userPrincipalName"},
		{map[string]string{name + ".json": ""}, name + ".json: "},
		{map[string]string{"a b.json": `{"version":1}`}, `a seed can't be called "a b"`},
		{map[string]string{name + ".json": `{"version":1}`, name + ".yml": `version: 1`}, "both are called"},
		{map[string]string{"demo.json": `{"version":1}`}, `the domain "demo.mocktenant.example" is another tenant's`},
	} {
		database := dbtest.URL(t)
		if strings.Contains(tt.want, "domain") {
			database = dbtest.NewDatabase(t)
			if err := startDemo(t, database); err != nil {
				t.Fatal(err)
			}
		}
		if err := startWith(t, database, tt.files); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
	c.refused(404, "", c.do("GET", "/v1/seeds/a%20b", nil))
	if _, err := server.Start(t.Context(), server.Config{HTTPAddr: "127.0.0.1:0", DatabaseURL: dbtest.URL(t), SeedDir: "/nowhere"}); err == nil || !strings.Contains(err.Error(), "MOCKTENANT_SEED_DIR: open /nowhere") {
		t.Errorf("no folder: %v", err)
	}
}

func startDemo(t *testing.T, database string) error {
	s, err := server.Start(t.Context(), server.Config{HTTPAddr: "127.0.0.1:0", DatabaseURL: database, Demo: true})
	if err == nil {
		err = s.Shutdown(context.WithoutCancel(t.Context()))
	}
	return err
}
