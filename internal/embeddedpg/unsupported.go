//go:build !unix

package embeddedpg

import (
	"context"
	"fmt"
	"runtime"
)

// Server is a running PostgreSQL; this system can't have one.
type Server struct{}

// Start fails: the package doesn't support this system.
func Start(context.Context, Options) (*Server, error) {
	return nil, fmt.Errorf("PostgreSQL can't be embedded on %s: name a running server with DATABASE_URL=postgres://user:password@host/database, or use docker compose up", runtime.GOOS)
}

// DatabaseURL returns "".
func (s *Server) DatabaseURL() string { return "" }

// Stop does nothing.
func (s *Server) Stop() error { return nil }

// Running returns false.
func Running(string) (url string, ok bool) { return "", false }

// Exists returns false.
func Exists(string) bool { return false }

// Abandoned returns false.
func Abandoned(string) bool { return false }

// Owns returns false.
func Owns(string, string) bool { return false }

// TCPURL returns "".
func TCPURL(string, string) string { return "" }
