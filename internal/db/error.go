package db

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mocktenant/mocktenant/internal/gather"
)

// These errors say what an error from the database means to callers.
var (
	ErrNotFound    = errors.New("no such row")
	ErrNoTenant    = errors.New("no such tenant")
	ErrUnavailable = errors.New("the database is not available")

	// ErrTaken says that a row with this id or name exists.
	ErrTaken = errors.New("the id or name is taken")

	// ErrQuota says that the tenant has used up its quota.
	ErrQuota = errors.New("the quota is used up")
)

// Classify translates an error of a query. It returns err wrapped in ErrNotFound,
// ErrNoTenant (the written row names a tenant that doesn't exist), ErrTaken (a row with its
// id or name exists) or ErrUnavailable (the server can't be reached, is shutting down or
// out of resources, or the time was up: try again later). It returns any other error
// unchanged. Classify goes by SQLSTATE, because a cluster renames or omits constraints.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
func Classify(err error) error {
	class := classOf(err)
	if class == nil {
		return err
	}
	return &classified{class, err}
}

type classified struct{ class, cause error }

func (e *classified) Error() string   { return e.class.Error() + ": " + e.cause.Error() }
func (e *classified) Unwrap() []error { return []error{e.class, e.cause} }

func classOf(err error) error {
	var refusal *pgconn.PgError
	switch {
	case err == nil, refusedLogin(err):
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNotFound
	case errors.As(err, &refusal):
		return classOfState(stateOf(refusal))
	case unreachable(err), errors.Is(err, gather.ErrFull):
		return ErrUnavailable
	}
	return nil
}

// stateOf returns the SQLSTATE of an error. When a Citus worker refuses a COPY or an INSERT
// … SELECT, only its message arrives, under XX000; stateOf then goes by the message.
func stateOf(refusal *pgconn.PgError) string {
	switch {
	case refusal.Code != "XX000":
		return refusal.Code
	case strings.Contains(refusal.Message, "violates foreign key constraint"):
		return "23503"
	case strings.Contains(refusal.Message, "violates unique constraint"):
		return "23505"
	}
	return refusal.Code
}

func classOfState(code string) error {
	if code == "23503" { // foreign_key_violation; all foreign keys lead to tenants
		return ErrNoTenant
	}
	if code == "23505" { // unique_violation
		return ErrTaken
	}
	if code == "25006" { // read_only_sql_transaction: a standby that isn't promoted yet
		return ErrUnavailable
	}
	switch code[:2] {
	case
		"08", // connection exception
		"40", // transaction rollback: deadlock, serialization
		"53", // insufficient resources
		"57", // operator intervention: shutdown, canceled, starting up
		"58": // system error
		return ErrUnavailable
	}
	return nil
}

// NoRoom reports whether the server refused another connection (SQLSTATE 53300,
// too_many_connections). Open connections still work.
func NoRoom(err error) bool {
	var connect *pgconn.ConnectError
	var refusal *pgconn.PgError
	return errors.As(err, &connect) && errors.As(err, &refusal) && refusal.Code == "53300"
}

// rolledBack reports whether a statement failed because of concurrent ones. Its rows may
// succeed one by one.
func rolledBack(err error) bool {
	var refusal *pgconn.PgError
	return errors.As(err, &refusal) && strings.HasPrefix(refusal.Code, "40")
}

func unreachable(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) ||
		pgconn.SafeToRetry(err) || pgconn.Timeout(err) ||
		errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}
