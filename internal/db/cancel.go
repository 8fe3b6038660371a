package db

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// cancelTimeout is how long a statement whose request ended has to hear that it is
	// cancelled; then its connection is given up.
	cancelTimeout = 500 * time.Millisecond

	// messageTimeout is how long the cancel message itself may take.
	messageTimeout = 2 * time.Second

	// cancelPause lets a message that has arrived reach its statement, rather than the
	// next one on the connection.
	cancelPause = 100 * time.Millisecond
)

// canceller cancels a statement by Postgres's cancel message when its context ends. It
// does as pgconn.CancelRequestContextWatcherHandler, but never hangs up on a message
// that is under way: PgBouncer 1.18 ends with its client ("bad client state").
type canceller struct {
	conn *pgconn.PgConn
	sent chan struct{}
}

// HandleCancel sends the message.
func (c *canceller) HandleCancel(context.Context) {
	c.sent = make(chan struct{})
	_ = c.conn.Conn().SetDeadline(time.Now().Add(cancelTimeout))
	go func() {
		defer close(c.sent)
		ctx, cancel := context.WithTimeout(context.Background(), messageTimeout)
		defer cancel()
		_ = c.conn.CancelRequest(ctx) // in vain, the deadline ends the statement
		<-time.After(cancelPause)
	}()
}

// HandleUnwatchAfterCancel waits until the message was sent.
func (c *canceller) HandleUnwatchAfterCancel() {
	<-c.sent
	_ = c.conn.Conn().SetDeadline(time.Time{})
}
