//go:build unix

package main

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/mocktenant/mocktenant/internal/testenv"
)

// The first minute of the README works as shown: the service with go run, the line that it
// prints, and the commands in another terminal.
func TestREADME(t *testing.T) {
	t.Parallel()
	testenv.Heavy(t)
	for _, tool := range []string{"go", "curl", "psql"} {
		if _, err := exec.LookPath(tool); err != nil {
			testenv.Skip(t, tool+" is not installed")
		}
	}
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Sixty seconds\n")
	blocks := regexp.MustCompile("(?s)\n```sh\n(.*?)```\n").FindAllStringSubmatch(section, 2)
	if len(blocks) != 2 || blocks[0][1] != "go run ./cmd/mocktenant\n" {
		t.Fatalf("the README begins otherwise: %q", blocks)
	}
	dir := dataDir(t)
	settings := []string{"MOCKTENANT_DATA_DIR=" + dir, "DATABASE_URL="}

	service := command(t, settings)
	service.Path, service.Args, service.Dir = "/bin/sh", []string{"sh", "-c", blocks[0][1]}, filepath.Join("..", "..")
	service.Env = append(os.Environ(), service.Env[1:]...) // go needs the environment, but without runMainVariable
	service.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var log bytes.Buffer
	service.Stderr = &log
	stdout, err := service.StdoutPipe()
	if err == nil {
		err = service.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	terminal := -service.Process.Pid // Ctrl-C signals the terminal's whole process group
	t.Cleanup(func() { _ = syscall.Kill(terminal, syscall.SIGKILL); _ = service.Wait() })
	printed := ""
	for lines := bufio.NewScanner(stdout); lines.Scan() && !strings.Contains(printed, "Authorization: Bearer"); {
		printed += lines.Text() + "\n"
	}
	_, line, found := strings.Cut(printed, "\ncurl ")
	if !found {
		t.Fatalf("it prints no curl line:\n%s%s", printed, &log)
	}
	shell := func(script string) string {
		t.Helper()
		c := command(t, settings)
		c.Path, c.Args, c.Dir = "/bin/sh", []string{"sh", "-ec", script}, t.TempDir()
		if err := os.Symlink(os.Args[0], filepath.Join(c.Dir, "mocktenant")); err != nil { // instead of the result of go build
			t.Fatal(err)
		}
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s\n%v\n%s", script, err, out)
		}
		return string(out)
	}
	if out := shell("curl " + line); !strings.Contains(out, "HTTP/1.1 201 Created\r\n") {
		t.Error(out)
	}
	out := shell(blocks[1][1])
	for _, want := range []string{`"displayName":"Display Name value"`, " Display Name value | onboarding\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if err := syscall.Kill(terminal, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = service.Wait() // after Ctrl-C, go run exits with 1
	if _, err := os.Stat(filepath.Join(dir, "postgres", "postmaster.pid")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no clean end: %v\n%s", err, &log)
	}
}
