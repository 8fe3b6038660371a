//go:build unix

package embeddedpg

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/scram"
)

// hba lets in whoever can enter the folder of the socket and, by TCP, who has a
// password; the superuser has none. Source: PostgreSQL documentation, "The
// pg_hba.conf File".
const hba = `local all all trust
host all ` + superuser + ` all reject
host all all all scram-sha-256
`

// writeHBA writes pg_hba.conf, if the server listens for TCP: what initdb wrote
// trusts this machine.
func (i *instance) writeHBA() error {
	if i.listen == "" {
		return nil
	}
	if err := os.WriteFile(i.home.hba(), []byte(hba), 0o600); err != nil {
		return err
	}
	return i.account.chown(i.home.hba())
}

// ensureRole makes the role for TCP, if the server listens there, and sets its
// password. It sees all rows of the tables that it is granted, and may do nothing else
// by itself.
func (i *instance) ensureRole(ctx context.Context) error {
	if i.listen == "" {
		return nil
	}
	if i.password == "" {
		return errors.New("it has no password")
	}
	conn, err := pgx.Connect(ctx, databaseURL(i.home.socketDir, databaseName))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var exists bool
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", RoleName).Scan(&exists)
	if err == nil && !exists {
		_, err = conn.Exec(ctx, "CREATE ROLE "+RoleName+" LOGIN BYPASSRLS")
	}
	if err == nil {
		// Earlier versions granted these, secrets included.
		_, err = conn.Exec(ctx, "REVOKE pg_read_all_data, pg_write_all_data FROM "+RoleName)
	}
	if err == nil {
		_, err = conn.Exec(ctx, "ALTER ROLE "+RoleName+" PASSWORD '"+scram.Verifier(i.password)+"'")
	}
	return err
}

// TCPURL returns the URL by which this machine reaches, as role mocktenant, the
// server that listens there.
func TCPURL(listen, password string) string {
	host, _, _ := strings.Cut(listen, ",")
	if ip := net.ParseIP(host); host == "*" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(RoleName, password), Host: net.JoinHostPort(host, port),
		Path: "/" + databaseName, RawQuery: "sslmode=disable",
	}
	return u.String()
}
