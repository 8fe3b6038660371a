package spool_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mocktenant/mocktenant/internal/spool"
)

const patience = 30 * time.Second

// connection keeps the deadlines that a call sets, and takes some time for each write.
type connection struct {
	http.ResponseWriter
	read, write time.Time
	pause       time.Duration
}

func (c *connection) SetReadDeadline(at time.Time) error  { c.read = at; return nil }
func (c *connection) SetWriteDeadline(at time.Time) error { c.write = at; return nil }

func (c *connection) Write(b []byte) (int, error) {
	time.Sleep(c.pause)
	if time.Now().After(c.write) {
		return 0, os.ErrDeadlineExceeded
	}
	return len(b), nil
}

// endless is a body of spaces.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// A body may pause for as long as patience says, must come at no less than its rate, and
// must end within an hour however much has come.
func TestBodyKeepsItsPace(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		every time.Duration
		chunk int
		after time.Duration // the last chunk
		want  time.Duration // deadline
	}{
		"at first":            {every: time.Second, chunk: 1, want: patience},
		"it pauses":           {every: 20 * time.Second, chunk: 32 << 20, after: time.Minute, want: time.Minute + patience},
		"too few bytes":       {every: 20 * time.Second, chunk: 1, after: 20 * time.Second, want: patience},
		"enough for a minute": {every: 20 * time.Second, chunk: 320 << 10, after: 40 * time.Second, want: patience + 20*time.Second},
		"for nearly an hour":  {every: 15 * time.Second, chunk: 32 << 20, after: 59*time.Minute + 45*time.Second, want: time.Hour},
		"for an hour":         {every: 30 * time.Second, chunk: 32 << 20, after: time.Hour, want: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &connection{ResponseWriter: httptest.NewRecorder()}
				body := spool.Body(w, httptest.NewRequestWithContext(t.Context(), "PUT", "/", endless{}), patience)
				begun, chunk := time.Now(), make([]byte, tt.chunk)
				for {
					if _, err := body.Read(chunk); err != nil {
						t.Fatal(err)
					}
					if time.Since(begun) >= tt.after {
						break
					}
					time.Sleep(tt.every)
				}
				if got := w.read.Sub(begun); got != tt.want {
					t.Errorf("after %s the deadline is at %s, want %s", tt.after, got, tt.want)
				}
			})
		})
	}
}

// A client that takes a document too slowly is cut off.
func TestSendKeepsItsPace(t *testing.T) {
	t.Parallel()
	for pause, want := range map[time.Duration]error{time.Second: nil, 3 * time.Second: os.ErrDeadlineExceeded, 31 * time.Second: os.ErrDeadlineExceeded} {
		t.Run(pause.String(), func(t *testing.T) {
			document := spool.NewRoom(8 << 20).New()
			t.Cleanup(func() { _ = document.Close() })
			if _, err := io.Copy(document, strings.NewReader(strings.Repeat("x", 4<<20))); err != nil { // 64 chunks of 64 kB
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				if err := spool.Send(&connection{ResponseWriter: httptest.NewRecorder(), pause: pause}, document, patience); !errors.Is(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
			})
		})
	}
}
