package dbtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/testenv"
)

// PgBouncer starts a PgBouncer with transaction pooling in front of the shared server, and
// returns the URL of a database through it. It stops when the test ends.
func PgBouncer(tb testing.TB, database string) string {
	tb.Helper()
	if _, err := findPgBouncer(); err != nil {
		testenv.Skip(tb, "there is no pgbouncer: install the package of that name")
	}
	config := Pool(tb).Config().ConnConfig.Copy()
	pooler, port, err := startPgBouncer(tb.Context(), config)
	if err != nil {
		tb.Fatalf("start PgBouncer: %v", err)
	}
	tb.Cleanup(func() { _ = pooler.Process.Kill(); _ = pooler.Wait() })
	return fmt.Sprintf("host=127.0.0.1 port=%d user='%s' dbname='%s' sslmode=disable", port, config.User, database)
}

// startPgBouncer starts a PgBouncer that lets every user in, as the server's user. It
// returns once PgBouncer listens.
func startPgBouncer(ctx context.Context, server *pgx.ConnConfig) (*exec.Cmd, uint16, error) {
	program, err := findPgBouncer()
	if err != nil {
		return nil, 0, err
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, 0, err
	}
	dir, err := os.MkdirTemp("", "pgbouncer")
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // PgBouncer has read it by then
	file := filepath.Join(dir, "pgbouncer.ini")
	password := ""
	if server.Password != "" {
		password = " password=" + server.Password
	}
	settings := fmt.Sprintf(`[databases]
* = host=%s port=%d user=%s%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 1000
`, server.Host, server.Port, server.User, password, port)
	if err := os.WriteFile(file, []byte(settings), 0o644); err != nil {
		return nil, 0, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, 0, err
	}
	args := []string{"-q", file}
	if os.Geteuid() == 0 { // PgBouncer refuses to run as root; the server's account can reach the server's socket
		args = append(args, "-u", "postgres")
	}
	pooler := exec.CommandContext(context.WithoutCancel(ctx), program, args...)
	pooler.Stderr = os.Stderr
	if err := pooler.Start(); err != nil {
		return nil, 0, err
	}
	if err := awaitListener(ctx, port); err != nil {
		_ = pooler.Process.Kill()
		return nil, 0, fmt.Errorf("PgBouncer doesn't listen: %w", err)
	}
	return pooler, port, nil
}

func findPgBouncer() (string, error) {
	if program, err := exec.LookPath("pgbouncer"); err == nil {
		return program, nil
	}
	return exec.LookPath("/usr/sbin/pgbouncer") // only root has this directory in PATH
}

func freePort(ctx context.Context) (uint16, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = listener.Close() }()
	return uint16(listener.Addr().(*net.TCPAddr).Port), nil
}

func awaitListener(ctx context.Context, port uint16) error {
	const pause = 10 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}
