package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/internal/server"
)

// askAgain is the time between attempts of a waiting healthcheck.
const askAgain = 50 * time.Millisecond

type healthcheckCommand struct {
	server.Config

	URL     string
	Timeout time.Duration
	Wait    time.Duration
}

func newHealthcheck(c *cli) *cobra.Command {
	h := &healthcheckCommand{}
	cmd := c.command("healthcheck", "Check whether the running service is ready; exit 1 if not.", h, someServiceFlags{serviceFlags{&h.Config}, []string{"http-addr"}})
	flags := cmd.Flags()
	flags.StringVar(&h.URL, "url", "", "The `URL` of the service (default: from the settings).")
	flags.DurationVar(&h.Timeout, "timeout", 3*time.Second, "How long to wait for an answer.")
	flags.DurationVar(&h.Wait, "wait", 0, "How long to retry while the service isn't ready or not running yet.")
	return cmd
}

// Run asks for readiness and prints the last answer.
func (h *healthcheckCommand) Run(ctx context.Context, c *cli, con console) error {
	waiting, stop := context.WithTimeout(ctx, h.Wait)
	defer stop()
	answer, err := h.ask(ctx, c.Database)
	for err != nil && waiting.Err() == nil {
		select {
		case <-waiting.Done():
		case <-time.After(askAgain):
			answer, err = h.ask(ctx, c.Database)
		}
	}
	if _, printErr := con.out.Write(answer); printErr != nil {
		return printErr
	}
	return err
}

func (h *healthcheckCommand) ask(ctx context.Context, f databaseFlags) (answer []byte, err error) {
	base := h.URL
	if base == "" {
		if base, err = plainURL(h.HTTPAddr, f); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+"/readyz", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if answer, err = io.ReadAll(io.LimitReader(response.Body, 64<<10)); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return answer, fmt.Errorf("not ready: %s answered %s", request.URL, response.Status)
	}
	return answer, nil
}

// plainURL returns the service's address for HTTP, which needs no certificate.
func plainURL(addr string, f databaseFlags) (string, error) {
	if f.embedded() {
		dir, err := f.dataDir()
		if err != nil {
			return "", err
		}
		if s, ok := findService(dir); ok {
			return s.URL, nil
		}
	}
	return reachable("http://", addr), nil
}
