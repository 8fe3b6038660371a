//go:build unix

package embeddedpg

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	port       = "5432" // only part of the socket's name
	socketName = ".s.PGSQL." + port

	socketTempPrefix = "mocktenant-socket-"

	// maxSocketPath is the longest path of a socket, in bytes: sun_path of
	// macOS and the BSDs without its final zero. Linux has 107.
	maxSocketPath = 103
)

// makeSocketDir makes the folder for the socket: run or, if its path would be too long or
// contains a character that separates folders in a list, a short one in the temporary
// folder, recorded in socket-dir.
func (h *home) makeSocketDir(a account) error {
	if err := h.removeSocketDir(); err != nil {
		return err
	}
	h.socketDir = filepath.Join(h.dir, runName)
	if len(filepath.Join(h.socketDir, socketName+"0")) <= maxSocketPath && !strings.ContainsAny(h.socketDir, `,"`) {
		if err := os.Mkdir(h.socketDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return a.own(h.socketDir)
	}
	dir, err := os.MkdirTemp("/tmp", socketTempPrefix)
	if err != nil {
		return fmt.Errorf("make a folder for the socket: %w", err)
	}
	h.socketDir = dir
	if err := os.WriteFile(filepath.Join(h.dir, socketDirName), []byte(dir+"\n"), 0o600); err != nil {
		return errors.Join(err, os.Remove(dir))
	}
	return a.own(dir)
}

// linkSocket links the socket's fixed name to the name that Postgres gives it, which contains
// the TCP port. So the socket's URL doesn't depend on that port.
func (h *home) linkSocket(tcpPort string) error {
	if tcpPort == "" || tcpPort == port {
		return nil
	}
	link := filepath.Join(h.socketDir, socketName)
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(".s.PGSQL."+tcpPort, link)
}

// removeSocketDir removes a socket folder in the temporary folder, of this run or an
// earlier one, and the file that records it.
func (h *home) removeSocketDir() error {
	dir := findSocketDir(h.dir)
	if !strings.HasPrefix(filepath.Base(dir), socketTempPrefix) {
		return nil
	}
	sockets, err := filepath.Glob(filepath.Join(dir, ".s.PGSQL.*"))
	if err != nil {
		return err
	}
	for _, name := range append(sockets, dir) {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Remove(filepath.Join(h.dir, socketDirName))
}

// findSocketDir returns the folder that contains the socket of the cluster in dataDir.
func findSocketDir(dataDir string) string {
	if note, err := os.ReadFile(filepath.Join(dataDir, socketDirName)); err == nil {
		return strings.TrimSpace(string(note))
	}
	return filepath.Join(dataDir, runName)
}

func answers(socketDir string) bool {
	conn, err := net.DialTimeout("unix", filepath.Join(socketDir, socketName), time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// databaseURL escapes spaces as %20, because libpq doesn't read "+" as a space.
func databaseURL(socketDir, database string) string {
	host := strings.NewReplacer("%2F", "/", "+", "%20").Replace(url.QueryEscape(socketDir))
	return "postgres:///" + database + "?host=" + host + "&port=" + port + "&user=" + superuser
}
