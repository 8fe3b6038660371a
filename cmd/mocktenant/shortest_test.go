package main

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/mocktenant/mocktenant/internal/fault"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

var shortestRuns = flag.Int("shortest-runs", testenv.Often(4, 100), "how often TestShortest runs the test")

// pasted finds the page's commands, which are pasted as they are.
var pasted = regexp.MustCompile("(?s)\n```sh\n(.*?)```\n")

// The commands of docs/test-control.md work as shown, each block in a tenant to which some
// requests were sent. The page describes all scenarios.
func TestControlPage(t *testing.T) {
	t.Parallel()
	page := controlPage(t)
	settings := []string{"MOCKTENANT_DATA_DIR=" + preparedDir(t)}
	serve(t, settings)
	blocks := pasted.FindAllStringSubmatch(page, -1)
	if len(blocks) != 5 {
		t.Errorf("the page has %d blocks of commands", len(blocks))
	}
	for _, block := range blocks {
		c := command(t, settings)
		c.Path, c.Dir = "/bin/sh", t.TempDir()
		c.Args = []string{"sh", "-ec", program + blocks[0][1] + someRequests + strings.ReplaceAll(block[1], " --follow", "")}
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s%v\n%s", block[1], err, out)
		}
	}
	for _, s := range fault.Scenarios {
		if !strings.Contains(page, "| `"+s.Name+"`: ") && !strings.Contains(page, "\n`"+s.Name+"` is ") {
			t.Errorf("the page doesn't describe %s", s.Name)
		}
	}
}

// someRequests are four creates, a list, and a delete.
const someRequests = `
send() { curl -sS -o sent.json -X "$1" "$GRAPH_BASE_URL/v1.0/deviceManagement/remoteAssistancePartners$2" -H "Authorization: Bearer $(mocktenant token)" -H 'Content-Type: application/json' -d "$3"; }
for i in 1 2 3 4; do send POST "" '{}'; done
curl -sSf -o sent.json "$GRAPH_BASE_URL/v1.0/deviceManagement/remoteAssistancePartners" -H "Authorization: Bearer $(mocktenant token)"
send DELETE /8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44 ''
`

// The shortest test in a shell, in docs/test-control.md, passes each time, on a service on
// which other tenants send as much as they can.
func TestShortest(t *testing.T) {
	t.Parallel()
	script := shortest(t)
	settings := []string{"MOCKTENANT_DATA_DIR=" + preparedDir(t)}
	p := serve(t, settings)
	ctx, stop := context.WithCancel(t.Context())
	var load, runs sync.WaitGroup
	for range 3 {
		made := parse[map[string]string](t, administration{t, settings}.run("tenant", "create", "--display-name", "other", "-o", "json"))
		load.Go(func() {
			for ctx.Err() == nil {
				_, _, _ = p.doAs(made["accessToken"], "POST", "/v1.0/deviceManagement"+partnersSet, `{}`)
			}
		})
	}
	turns := make(chan struct{}, 8)
	for range *shortestRuns {
		turns <- struct{}{}
		runs.Go(func() {
			defer func() { <-turns }()
			c := command(t, settings)
			c.Path, c.Args = "/bin/sh", []string{"sh", "-ec", script}
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	runs.Wait()
	stop()
	load.Wait()
}

// shortest returns the page's script.
func shortest(t *testing.T) string {
	t.Helper()
	shown := regexp.MustCompile("(?s)\n```sh shortest\n(.*?)```\n").FindStringSubmatch(controlPage(t))
	if shown == nil {
		t.Fatal("the page doesn't show it")
	}
	return program + shown[1]
}

// program makes a shell's mocktenant the test's program.
var program = "mocktenant() { " + quote(os.Args[0]) + ` "$@"; }` + "\n"

// controlPage returns docs/test-control.md, whose commands need curl.
func controlPage(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		testenv.Skip(t, "curl is not installed")
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "test-control.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}
