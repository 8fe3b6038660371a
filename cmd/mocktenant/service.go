package main

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/adrg/xdg"

	"github.com/mocktenant/mocktenant/internal/embeddedpg"
	"github.com/mocktenant/mocktenant/internal/server"
)

// service describes a running service for other commands. It is stored in the data
// directory.
type service struct {
	URL       string `json:"url"`
	SecureURL string `json:"secureUrl"` // "" without TLS
	AdminURL  string `json:"adminUrl"`  // "" without administration
	ProxyURL  string `json:"proxyUrl"`  // "" if it isn't a forward proxy
	PID       int    `json:"pid"`
}

// base returns the address of Graph and the authority, with HTTPS if available.
func (s service) base() string { return cmp.Or(s.SecureURL, s.URL) }

func serviceFile(dir string) string { return filepath.Join(dir, "service.json") }

func writeService(dir string, s *server.Server) error {
	text, err := json.Marshal(service{URL: s.URL(), SecureURL: s.SecureURL(), AdminURL: s.AdminURL(), ProxyURL: s.ProxyURL(), PID: os.Getpid()})
	if err != nil {
		return err
	}
	return os.WriteFile(serviceFile(dir), append(text, '\n'), 0o644)
}

func removeService(dir string) { _ = os.Remove(serviceFile(dir)) }

// findService returns the service that is running on a data directory. It checks that the
// service still runs, because a killed one leaves its file, and its addresses may belong to
// another program.
func findService(dir string) (s service, ok bool) {
	text, err := os.ReadFile(serviceFile(dir))
	return s, err == nil && json.Unmarshal(text, &s) == nil && s.URL != "" && !embeddedpg.Abandoned(dir)
}

func adminKeyFile(dir string) string { return filepath.Join(dir, "admin-key") }

// ownAdminKey returns the administration key in the data directory, and makes one if it has
// none. So anyone who can enter the directory, or its container, can use the
// administration.
func ownAdminKey(dir string) (string, error) {
	return ownSecret(adminKeyFile(dir), "mocktenant_"+rand.Text())
}

// ownSecret returns the secret in a file. If the file doesn't exist, it writes fresh to it.
func ownSecret(file, fresh string) (string, error) {
	text, err := os.ReadFile(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return strings.TrimSpace(string(text)), err
	}
	return fresh, os.WriteFile(file, []byte(fresh+"\n"), 0o600)
}

// keptAdminKey returns the key in the service's own data directory, or "" if it doesn't
// exist or isn't readable.
func (f databaseFlags) keptAdminKey() string {
	if !f.embedded() {
		return ""
	}
	return f.kept(adminKeyFile)
}

// kept returns the content of a file in the data directory, or "" if it doesn't exist or
// isn't readable.
func (f databaseFlags) kept(file func(dir string) string) string {
	dir, err := f.dataDir()
	if err != nil {
		return ""
	}
	text, _ := os.ReadFile(file(dir))
	return strings.TrimSpace(string(text))
}

func caFile(dir string) string { return filepath.Join(dir, "ca.pem") }

// keptCA returns the file of the certificate authority in the data directory, or "" if it
// doesn't exist.
func (f databaseFlags) keptCA() string {
	dir, err := f.dataDir()
	if err != nil || !f.embedded() {
		return ""
	}
	if _, err := os.Stat(caFile(dir)); err != nil {
		return ""
	}
	return caFile(dir)
}

// writeCA writes the certificate authority to where clients can find it: the data directory
// or, without one, the user's cache.
func writeCA(dir string, pem []byte) (path string, err error) {
	if dir == "" {
		dir = filepath.Join(xdg.CacheHome, "mocktenant")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
	}
	path = caFile(dir)
	if have, err := os.ReadFile(path); err == nil && string(have) == string(pem) {
		return path, nil
	}
	next, err := os.CreateTemp(dir, "ca.pem.") // readers see all of it or the old file
	if err != nil {
		return "", err
	}
	_, err = next.Write(pem)
	for _, step := range []func() error{
		func() error { return next.Chmod(0o644) }, next.Close, func() error { return os.Rename(next.Name(), path) },
	} {
		if err == nil {
			err = step()
		}
	}
	return path, err
}
