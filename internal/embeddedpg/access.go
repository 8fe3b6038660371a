//go:build unix

package embeddedpg

import (
	"context"
	"errors"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/scram"
)

// hba admits whoever can enter the socket's folder and, over TCP, any role with a password.
// The superuser has no password. Source: PostgreSQL documentation, "The pg_hba.conf File".
const hba = `local all all trust
host all ` + superuser + ` all reject
host all all all scram-sha-256
`

// writeHBA writes pg_hba.conf if the server listens on TCP, since the file that initdb
// wrote trusts every local connection.
func (i *instance) writeHBA() error {
	if len(i.hosts) == 0 {
		return nil
	}
	if err := os.WriteFile(i.home.hba(), []byte(hba), 0o600); err != nil {
		return err
	}
	return i.account.chown(i.home.hba())
}

// ensureRole creates the role for TCP, if the server listens there, and sets its password.
// The role sees every row of the tables granted to it, and has no other rights of its own.
func (i *instance) ensureRole(ctx context.Context) error {
	if len(i.hosts) == 0 {
		return nil
	}
	if i.password == "" {
		return errors.New("its password is empty")
	}
	conn, err := pgx.Connect(ctx, databaseURL(i.home.socketDir, databaseName))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", RoleName).Scan(&exists); err != nil {
		return err
	}
	if !exists {
		if _, err := conn.Exec(ctx, "CREATE ROLE "+RoleName+" LOGIN BYPASSRLS"); err != nil {
			return err
		}
	}
	// Earlier versions granted these, secrets included.
	if _, err := conn.Exec(ctx, "REVOKE pg_read_all_data, pg_write_all_data FROM "+RoleName); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "ALTER ROLE "+RoleName+" PASSWORD '"+scram.Verifier(i.password)+"'")
	return err
}

// TCPURL returns the URL with which a local client reaches the server that listens on
// listen, as role mocktenant; "" if listen is wrong.
func TCPURL(listen, password string) string { return tcpURL(listen, password) }
