package main

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/mocktenant/mocktenant/internal/testenv"
)

var shortestRuns = flag.Int("shortest-runs", testenv.Often(4, 100), "how often TestShortest runs the test")

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

// shortest returns the page's script, in which the program is the test's.
func shortest(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		testenv.Skip(t, "curl is not installed")
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "test-control.md"))
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?s)\n```sh shortest\n(.*?)```\n").FindSubmatch(page)
	if shown == nil {
		t.Fatal("the page doesn't show it")
	}
	return "mocktenant() { " + quote(os.Args[0]) + ` "$@"; }` + "\n" + string(shown[1])
}
