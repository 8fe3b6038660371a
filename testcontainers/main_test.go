package mocktenant_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/testcontainers/testcontainers-go"

	mocktenant "github.com/mocktenant/mocktenant/testcontainers"
)

const partners = "/v1.0/deviceManagement/remoteAssistancePartners"

// The images to test, by default those that make images makes.
var (
	standalone    = cmp.Or(os.Getenv("TEST_STANDALONE_IMAGE"), "mocktenant:dev-standalone")
	slim          = cmp.Or(os.Getenv("TEST_IMAGE"), "mocktenant:dev")
	postgresImage = cmp.Or(os.Getenv("TEST_POSTGRES_IMAGE"), "postgres:17")
)

// shared is the container shared by tests that need none of their own.
var (
	shared    = sync.OnceValues(startShared)
	sharedCtr *mocktenant.Container // nil unless a test has needed it
)

func startShared() (ctr *mocktenant.Container, err error) {
	sharedCtr, err = mocktenant.Run(context.Background(), standalone)
	return sharedCtr, err
}

func TestMain(m *testing.M) {
	code := m.Run()
	if err := testcontainers.TerminateContainer(sharedCtr); err != nil {
		log.Print(err)
		code = 1
	}
	os.Exit(code)
}

func sharedContainer(tb testing.TB) *mocktenant.Container {
	tb.Helper()
	ctr, err := shared()
	if err != nil {
		tb.Fatal(err)
	}
	return ctr
}

// run starts a container that is removed when the test ends.
func run(tb testing.TB, image string, opts ...testcontainers.ContainerCustomizer) *mocktenant.Container {
	tb.Helper()
	ctr, err := mocktenant.Run(tb.Context(), image, opts...)
	testcontainers.CleanupContainer(tb, ctr)
	if err != nil {
		tb.Fatal(err)
	}
	return ctr
}

// answer is an HTTP response.
type answer struct {
	status int
	header http.Header
	body   string
}

func call(t testing.TB, c *http.Client, method, url, body string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

// create creates a partner and returns its id and location.
func create(t testing.TB, tenant *mocktenant.Tenant, base, name string) (id, location string) {
	t.Helper()
	a := call(t, tenant.Client(), "POST", base+partners, fmt.Sprintf(`{"displayName":%q}`, name))
	var created struct{ ID, DisplayName string }
	if err := json.Unmarshal([]byte(a.body), &created); err != nil || a.status != 201 || created.DisplayName != name {
		t.Fatalf("create: %d %s", a.status, a.body)
	}
	return created.ID, a.header.Get("Location")
}

// names returns the partners' names, page by page, and the links of the pages.
func names(t testing.TB, tenant *mocktenant.Tenant, base string) (all, links []string) {
	t.Helper()
	for next := base + partners + "?$orderby=displayName"; next != ""; {
		a := call(t, tenant.Client(), "GET", next, "")
		var page struct {
			Value    []struct{ DisplayName string }
			NextLink string `json:"@odata.nextLink"`
		}
		if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != 200 {
			t.Fatalf("list: %d %s", a.status, a.body)
		}
		for _, p := range page.Value {
			all = append(all, p.DisplayName)
		}
		if next = page.NextLink; next != "" {
			links = append(links, next)
		}
	}
	return all, links
}

func readAll(t testing.TB, r io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fakeTB is the test that is passed to NewTenant. It records why it failed.
type fakeTB struct {
	testing.TB
	cleanups []func()
	failure  string
}

func (f *fakeTB) Helper()                           {}
func (f *fakeTB) Name() string                      { return "TestFake" }
func (f *fakeTB) Context() context.Context          { return context.Background() }
func (f *fakeTB) Cleanup(c func())                  { f.cleanups = append(f.cleanups, c) }
func (f *fakeTB) Errorf(format string, args ...any) { f.failure = fmt.Sprintf(format, args...) }
func (f *fakeTB) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

// run runs a test that may fail, then its cleanups.
func (f *fakeTB) run(test func(testing.TB)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer f.end()
		test(f)
	}()
	<-done
}

func (f *fakeTB) end() {
	for _, c := range slices.Backward(f.cleanups) {
		c()
	}
	f.cleanups = nil
}
