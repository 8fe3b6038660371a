package db

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// cancelTimeout is how long a statement may take to notice that it was canceled. After
	// that, its connection is closed.
	cancelTimeout = 500 * time.Millisecond

	// messageTimeout is how long the cancel message itself may take.
	messageTimeout = 2 * time.Second

	// cancelPause gives a delivered cancel message time to reach its statement. Without the
	// pause, it could hit the next statement on the connection.
	cancelPause = 100 * time.Millisecond
)

// canceller cancels a statement with Postgres's cancel message when its context ends. It
// works like pgconn.CancelRequestContextWatcherHandler, but never closes the connection
// before the message is answered: PgBouncer 1.18 fails when its client hangs up ("bad
// client state").
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
		_ = c.conn.CancelRequest(ctx) // if this fails, the deadline ends the statement
		<-time.After(cancelPause)
	}()
}

// HandleUnwatchAfterCancel waits until the message is sent.
func (c *canceller) HandleUnwatchAfterCancel() {
	<-c.sent
	_ = c.conn.Conn().SetDeadline(time.Time{})
}
