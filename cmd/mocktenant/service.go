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

	"github.com/mocktenant/mocktenant/internal/server"
)

// service is what a running service leaves in its data directory for the other
// commands to find it.
type service struct {
	URL       string `json:"url"`
	SecureURL string `json:"secureUrl"` // "" if it speaks no TLS
	AdminURL  string `json:"adminUrl"`  // "" if nobody administers it
	ProxyURL  string `json:"proxyUrl"`  // "" if it is no forward proxy
	PID       int    `json:"pid"`
}

// base is where clients reach Graph and the authority, by HTTPS if they can.
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

// findService returns what the service of a data directory left, as far as it is
// known.
func findService(dir string) (s service, ok bool) {
	text, err := os.ReadFile(serviceFile(dir))
	return s, err == nil && json.Unmarshal(text, &s) == nil && s.URL != ""
}

func adminKeyFile(dir string) string { return filepath.Join(dir, "admin-key") }

// ownAdminKey returns the key of an administrator that the data directory keeps,
// after making one if there is none: who can enter the directory, or the container
// that it is in, may administer.
func ownAdminKey(dir string) (string, error) {
	return ownSecret(adminKeyFile(dir), "mocktenant_"+rand.Text())
}

// ownSecret returns the secret that a file keeps, after writing fresh into it if there
// is none.
func ownSecret(file, fresh string) (string, error) {
	text, err := os.ReadFile(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return strings.TrimSpace(string(text)), err
	}
	return fresh, os.WriteFile(file, []byte(fresh+"\n"), 0o600)
}

// keptAdminKey is the key that the service's own data directory keeps, "" if there
// is none, or none for us.
func (f databaseFlags) keptAdminKey() string {
	if !f.embedded() {
		return ""
	}
	return f.kept(adminKeyFile)
}

// kept is what a file of the data directory holds, "" if there is none, or none for us.
func (f databaseFlags) kept(file func(dir string) string) string {
	dir, err := f.dataDir()
	if err != nil {
		return ""
	}
	text, _ := os.ReadFile(file(dir))
	return strings.TrimSpace(string(text))
}

// writeCA keeps the certificate authority where clients can be told to look: in
// the data directory or, where there is none, in the user's cache.
func writeCA(dir string, pem []byte) (path string, err error) {
	if dir == "" {
		dir = filepath.Join(xdg.CacheHome, "mocktenant")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
	}
	path = filepath.Join(dir, "ca.pem")
	if have, err := os.ReadFile(path); err == nil && string(have) == string(pem) {
		return path, nil
	}
	next, err := os.CreateTemp(dir, "ca.pem.") // whole or not at all, whoever reads meanwhile
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
