package server_test

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
)

var links = regexp.MustCompile(`href="([^"]+)"`)

// A browser finds a page at the root of each front, whose links lead somewhere; other
// clients find there what they found before.
func TestWelcome(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{DatabaseURL: dbtest.NewDatabase(t), AdminAddr: "127.0.0.1:0", HTTPSAddr: "127.0.0.1:0", Demo: true})
	get := func(url, accept string) (status int, contentType, text string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", accept)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, response.Header.Get("Content-Type"), string(body)
	}
	const browser = "text/html,application/xhtml+xml,*/*;q=0.8"
	for base, want := range map[string]string{s.URL(): "This is a mock Microsoft Graph tenant", s.AdminURL(): "This is the administration of a mock"} {
		status, contentType, page := get(base+"/", browser)
		if status != 200 || contentType != "text/html; charset=utf-8" || !strings.Contains(page, want) {
			t.Errorf("%s: %d %s %s", base, status, contentType, page)
		}
		found := links.FindAllStringSubmatch(page, -1)
		if len(found) < 4 {
			t.Errorf("%s links to %q", base, found)
		}
		for _, link := range found {
			at := link[1]
			switch {
			case strings.HasPrefix(at, "https://github.com/"):
				continue
			case strings.HasPrefix(at, "/"):
				at = base + at
			}
			if status, _, text := get(at, "*/*"); status != 200 && at != s.AdminURL()+"/" {
				t.Errorf("%s: %d %s", at, status, text)
			}
		}
		if status, _, text := get(base+"/", "application/json"); status == 200 || strings.Contains(text, "<html") {
			t.Errorf("%s, to a program: %d %s", base, status, text)
		}
	}
	if _, contentType, _ := get(s.URL()+"/", "*/*"); strings.HasPrefix(contentType, "text/html") {
		t.Errorf("to a program that takes anything: %s", contentType)
	}
}
