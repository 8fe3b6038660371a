package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// git runs git in the checkout and returns what it printed.
func git(t *testing.T, args ...string) (string, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "git", args...)
	c.Dir = filepath.Join("..", "..")
	out, err := c.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// previous returns the previous commit or, if a migration was rewritten since then, this one.
// It is the oldest commit whose data this program accepts.
func previous(t *testing.T) string {
	t.Helper()
	if _, err := git(t, "rev-parse", "HEAD"); err != nil {
		testenv.Skip(t, "this isn't a checkout of git")
	}
	parent, err := git(t, "rev-parse", "--verify", "HEAD~1")
	if err != nil {
		t.Fatalf("the commit before this one is missing: fetch it (git fetch --deepen=1): %s", parent)
	}
	if _, err := git(t, "diff", "--quiet", "--diff-filter=MDR", parent, "--", "migrations"); err == nil {
		return parent
	}
	head, err := git(t, "rev-parse", "HEAD")
	if err != nil {
		t.Fatal(head)
	}
	if changed, err := git(t, "diff", "--quiet", "--diff-filter=MDR", head, "--", "migrations"); err != nil {
		t.Fatalf("migrations are changed and not committed: commit them first %s", changed)
	}
	return head
}

// buildAt builds the program of a commit.
func buildAt(t *testing.T, commit string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "source")
	if out, err := git(t, "worktree", "add", "--quiet", "--detach", dir, commit); err != nil {
		t.Fatal(out)
	}
	t.Cleanup(func() { _, _ = git(t, "worktree", "remove", "--force", dir) })
	program := filepath.Join(t.TempDir(), "mocktenant")
	c := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, "./cmd/mocktenant")
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// maintenance returns the commands in docs/deploy.md that need DATABASE_URL, in order.
func maintenance(t *testing.T) (backup, restore, upgrade string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Keep it\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)\n```sh\n(.*?)```\n").FindAllStringSubmatch(section, -1) {
		if !strings.Contains(m[1], "docker compose") { // test/images runs these
			blocks = append(blocks, m[1])
		}
	}
	if len(blocks) != 3 {
		t.Fatalf("docs/deploy.md has %d commands", len(blocks))
	}
	return blocks[0], blocks[1], blocks[2]
}

// With the commands of docs/deploy.md, data of the previous commit's program is backed up,
// restored and upgraded, and then served by that program again.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	testenv.Heavy(t)
	backup, restore, upgrade := maintenance(t)
	old := buildAt(t, previous(t))
	from, to := dbtest.NewEmptyDatabase(t), dbtest.NewEmptyDatabase(t)
	run := func(script string) {
		t.Helper()
		c := command(t, []string{"DATABASE_URL=" + from, "NEW_DATABASE_URL=" + to, "PROGRAM=" + os.Args[0]})
		c.Path, c.Args, c.Dir = "/bin/bash", []string{"bash", "-ec", `mocktenant() { "$PROGRAM" "$@"; }` + "\n" + script}, filepath.Dir(old)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	former := func(url string) *process {
		c := command(t, []string{"DATABASE_URL=" + url})
		c.Path = old
		return start(t, c)
	}
	p := former(from)
	status, text, err := p.do("POST", partners, `{"displayName":"from before"}`)
	if err != nil || status != 201 {
		t.Fatalf("%d %s %v", status, text, err)
	}
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(text), &made); err != nil {
		t.Fatal(err)
	}
	finds := func(when string, p *process) {
		t.Helper()
		if status, text, err := p.do("GET", partners+"/"+made.ID, ""); err != nil || status != 200 || !strings.Contains(text, `"from before"`) {
			t.Errorf("%s: %d %s %v", when, status, text, err)
		}
		if status, text, err := p.do("POST", partners, `{}`); err != nil || status != 201 {
			t.Errorf("%s, a create: %d %s %v", when, status, text, err)
		}
		p.stop(t)
	}
	run(backup)
	p.stop(t)
	run(upgrade)
	finds("upgraded", serve(t, []string{"DATABASE_URL=" + from}))
	finds("gone back", former(from))
	run(restore)
	finds("restored", serve(t, []string{"DATABASE_URL=" + to}))
	finds("restored, gone back", former(to))
}
