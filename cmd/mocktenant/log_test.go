package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Every field of a request's line is documented, and durations are numbers with their unit in
// the name.
func TestLogInJSON(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := preparedDir(t)
	p := &process{Cmd: command(t, []string{"MOCKTENANT_DATA_DIR=" + dir, "MOCKTENANT_LOG_FORMAT=json"}), log: &bytes.Buffer{}}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	p.Stderr = log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill(); _ = p.Wait() })
	a := administration{t, []string{"MOCKTENANT_DATA_DIR=" + dir}}
	ready := regexp.MustCompile(`"msg":"ready","url":"([^"]+)"`)
	for deadline := time.Now().Add(time.Minute); p.url == ""; time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(log.Name())
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("the service did not start: %v\n%s", err, text)
		}
		if m := ready.FindSubmatch(text); m != nil {
			p.url = string(m[1])
		}
	}
	a.run("tenant", "list")
	token := strings.TrimSpace(a.run("token"))
	for _, tt := range []struct {
		token, path string
		status      int
	}{{token, partners, 200}, {"x", partners, 401}, {"", "/common/discovery/v2.0/keys", 200}} {
		if status, _, err := p.doAs(tt.token, "GET", tt.path, ""); err != nil || status != tt.status {
			t.Fatalf("%s: %d %v", tt.path, status, err)
		}
	}
	p.stop(t)
	fronts := map[any]int{}
	text, err := os.ReadFile(log.Name())
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if fields["msg"] != "request" {
			continue
		}
		fronts[fields["front"]]++
		if ms, ok := fields["took-ms"].(float64); !ok || ms <= 0 || ms > 60_000 {
			t.Errorf("took-ms is %v", fields["took-ms"])
		}
		for name := range fields {
			if !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("docs/observability.md has no %s", name)
			}
		}
	}
	if fronts["graph"] < 2 || fronts["authority"] < 1 || fronts["administration"] < 1 {
		t.Errorf("requests %v", fronts)
	}
}
