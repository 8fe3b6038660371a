package db

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What an error from the database means to those who asked.
var (
	ErrNotFound    = errors.New("no such row")
	ErrNoTenant    = errors.New("no such tenant")
	ErrUnavailable = errors.New("the database is not available")

	// ErrTaken says that there is a row of this id or name.
	ErrTaken = errors.New("the id or name is taken")

	// ErrQuota says that the tenant has as many as it may have.
	ErrQuota = errors.New("the quota is used up")
)

// Classify says what err, of a query, means: the result is ErrNotFound,
// ErrNoTenant (the row that was to be written names a tenant that is gone),
// ErrTaken (there is one of its id or name) or ErrUnavailable (try again later: the server can't be reached, is going down,
// has no room, or the time was up) with err wrapped, or err itself. Postgres's
// errors are told apart by SQLSTATE: names of constraints differ, or are
// missing, when tables are distributed.
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
		return classOfState(refusal.Code)
	case unreachable(err):
		return ErrUnavailable
	}
	return nil
}

func classOfState(code string) error {
	if code == "23503" { // foreign_key_violation; the only foreign keys lead to tenants
		return ErrNoTenant
	}
	if code == "23505" { // unique_violation
		return ErrTaken
	}
	if code == "25006" { // read-only: a standby that is not promoted yet
		return ErrUnavailable
	}
	switch code[:2] {
	case
		"08", // connection exception
		"40", // rolled back: deadlock, serialization
		"53", // insufficient resources
		"57", // operator intervention: shutdown, cancelled, starting up
		"58": // system error
		return ErrUnavailable
	}
	return nil
}

// NoRoom tells whether the server refused another connection (SQLSTATE 53300,
// too_many_connections): those that are open still serve.
func NoRoom(err error) bool {
	var connect *pgconn.ConnectError
	var refusal *pgconn.PgError
	return errors.As(err, &connect) && errors.As(err, &refusal) && refusal.Code == "53300"
}

// rolledBack tells whether a statement failed because of others at the same time:
// by itself, each of its rows may go through.
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
