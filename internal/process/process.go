// Package process starts the program as users do, in a process of its own, for benchmarks
// and trials of reliability.
package process

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// startTimeout bounds how long a process may take until it serves.
const startTimeout = 2 * time.Minute

// Addresses are what the service prints when it serves: the URLs at which it listens, "" if
// it doesn't, and a token of the demo tenant.
type Addresses struct {
	HTTP, HTTPS, Admin, Proxy string
	Token                     string
}

// curlLine is in the last line that the service prints before it only logs.
const curlLine = "Authorization: Bearer"

var addresses = regexp.MustCompile(`(?s)serves Microsoft Graph at (http://\S+)(?:.*?  HTTPS  (https://\S+))?.*?  admin  (http://\S+)(?:.*?  proxy  (http://\S+))?.*?Authorization: Bearer ([^']+)'`)

// Start starts the program with settings of the form NAME=value, on ports of this machine
// that are free unless the settings name others, and waits until it serves. Its log goes to
// log. The end of ctx kills the process.
func Start(ctx context.Context, program string, log io.Writer, settings ...string) (*exec.Cmd, Addresses, error) {
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), "MOCKTENANT_HTTP_ADDR=127.0.0.1:0", "MOCKTENANT_HTTPS_ADDR=127.0.0.1:0", "MOCKTENANT_ADMIN_ADDR=127.0.0.1:0",
		"MOCKTENANT_DEMO=true", "MOCKTENANT_LOG_LEVEL=warn")
	cmd.Env = append(cmd.Env, settings...)
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, Addresses{}, err
	}
	if err := cmd.Start(); err != nil {
		return nil, Addresses{}, err
	}
	limit := time.AfterFunc(startTimeout, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	text := readUntil(stdout, curlLine)
	m := addresses.FindStringSubmatch(text)
	if m == nil {
		_ = cmd.Process.Kill()
		return nil, Addresses{}, fmt.Errorf("the service did not start (%w): %s", cmd.Wait(), text)
	}
	return cmd, Addresses{HTTP: m[1], HTTPS: m[2], Admin: m[3], Proxy: m[4], Token: m[5]}, nil
}

// readUntil reads lines up to the first that contains the word.
func readUntil(from io.Reader, word string) string {
	text := ""
	for lines := bufio.NewScanner(from); lines.Scan(); {
		text += lines.Text() + "\n"
		if strings.Contains(lines.Text(), word) {
			break
		}
	}
	return text
}
