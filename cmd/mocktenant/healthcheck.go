package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/mocktenant/mocktenant/internal/server"
)

type healthcheckCommand struct {
	server.Config `embed:""`

	URL     string        `placeholder:"URL" help:"The service to ask (default: the one that the settings name)."`
	Timeout time.Duration `default:"3s" help:"How long to wait for the answer."`
}

// Run asks for readiness and prints the answer.
func (h *healthcheckCommand) Run(ctx context.Context, c *cli, con console) error {
	base := h.URL
	if base == "" {
		var err error
		if base, err = plainURL(h.HTTPAddr, c.Database); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(con.out, io.LimitReader(response.Body, 64<<10)); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s answered %s", request.URL, response.Status)
	}
	return nil
}

// plainURL is where the service is reached by HTTP, which needs no trust.
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
	return "http://" + addr, nil
}
