package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/mocktenant/mocktenant/internal/embeddedpg"
)

// checkPorts returns an error if the service can't listen at one of its addresses. It runs
// before a database is made or started.
func (s *serveCommand) checkPorts(ctx context.Context, f databaseFlags) error {
	all := [][2]string{
		{"MOCKTENANT_HTTP_ADDR", s.HTTPAddr},
		{"MOCKTENANT_HTTPS_ADDR", s.HTTPSAddr},
		{"MOCKTENANT_ADMIN_ADDR", s.AdminAddr},
		{"MOCKTENANT_PROXY_ADDR", s.Proxy.Addr},
	}
	hosts, port, err := embeddedpg.ParseListen(f.PGListen)
	if err != nil {
		return fmt.Errorf("MOCKTENANT_PG_LISTEN: %w", err)
	}
	if f.embedded() {
		for _, host := range hosts {
			all = append(all, [2]string{"MOCKTENANT_PG_LISTEN", net.JoinHostPort(strings.Trim(host, "*"), port)})
		}
	}
	for _, l := range all {
		if l[1] == "" {
			continue
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l[1])
		if err != nil {
			return fmt.Errorf("%s %q: %w", l[0], l[1], explainListen(err))
		}
		if err := listener.Close(); err != nil {
			return err
		}
	}
	return nil
}

// explainListen adds a remedy to an error of listening.
func explainListen(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return errors.New("another program listens there, perhaps another mocktenant: stop it or choose another port; port 0 picks a free one")
	case errors.Is(err, syscall.EACCES):
		return errors.New("this user isn't allowed to listen there: choose a port above 1023")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return errors.New("this machine doesn't have that address")
	}
	return err
}
