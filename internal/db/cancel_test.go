package db_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
)

// cancelCode begins the message that cancels a statement, after its length.
// https://www.postgresql.org/docs/current/protocol-message-formats.html
const cancelCode = 80877102

// The client waits for the end of its cancel message: hanging up early ends PgBouncer 1.18.
func TestCancelMessageIsDelivered(t *testing.T) {
	t.Parallel()
	config, err := pgx.ParseConfig(dbtest.NewEmptyDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	hungUp := make(chan bool, 1)
	answered := make(chan struct{})
	go relay(listener, config, answered, hungUp)
	url := fmt.Sprintf("host=127.0.0.1 port=%d user='%s' password='%s' dbname='%s' sslmode=disable",
		listener.Addr().(*net.TCPAddr).Port, config.User, config.Password, config.Database)
	pool, err := db.Open(t.Context(), url, 0, discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	done := make(chan error)
	go func() {
		_, err := pool.Exec(ctx, "SELECT pg_sleep(3600)")
		done <- err
	}()
	if <-hungUp {
		t.Error("the client of the cancel message hung up before it was answered")
	}
	close(answered)
	if err := <-done; err == nil {
		t.Error("the statement ended by itself")
	}
}

// relay passes connections on to the server. It reports whether the client of the first
// cancel message hangs up before the answer although the statement has ended.
func relay(listener net.Listener, server *pgx.ConnConfig, answered chan struct{}, hungUp chan bool) {
	network, address := "tcp", net.JoinHostPort(server.Host, fmt.Sprint(server.Port))
	if server.Host[0] == '/' {
		network, address = "unix", fmt.Sprintf("%s/.s.PGSQL.%d", server.Host, server.Port)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		backend, err := net.Dial(network, address)
		if err != nil {
			_ = client.Close()
			return
		}
		go func() {
			defer func() { _, _ = client.Close(), backend.Close() }()
			begin := make([]byte, 8)
			if _, err := io.ReadFull(client, begin); err != nil {
				return
			}
			_, _ = backend.Write(begin)
			if binary.BigEndian.Uint32(begin[4:]) != cancelCode {
				go func() { _, _ = io.Copy(backend, client) }()
				_, _ = io.Copy(client, backend)
				return
			}
			rest := make([]byte, 8) // the process whose statement it cancels
			_, _ = io.ReadFull(client, rest)
			_, _ = backend.Write(rest)
			_, _ = io.Copy(io.Discard, backend) // returns once the server has read it
			_ = client.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
			_, err := client.Read(begin)
			hungUp <- !errors.Is(err, os.ErrDeadlineExceeded)
			<-answered
		}()
	}
}
