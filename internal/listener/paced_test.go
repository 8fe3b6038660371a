package listener_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/internal/listener"
)

// recorder is an answer that records deadlines.
type recorder struct {
	*httptest.ResponseRecorder
	reads, writes []time.Time
}

func (r *recorder) SetReadDeadline(t time.Time) error {
	r.reads = append(r.reads, t)
	return nil
}

func (r *recorder) SetWriteDeadline(t time.Time) error {
	r.writes = append(r.writes, t)
	return nil
}

// Deadlines advance with each part of a body and of an answer, so that a long transfer may
// take as long as it needs. The end of a body has no deadline, because net/http then waits
// for the client to close the connection. What the handler leaves unread has a last one.
func TestDeadlinesMoveOn(t *testing.T) {
	t.Parallel()
	timeouts := listener.Timeouts{Header: time.Hour, Read: 2 * time.Hour, Write: 3 * time.Hour}
	for _, tt := range []struct {
		name          string
		body          string
		handler       http.HandlerFunc
		reads, writes []time.Duration // 0 means no deadline
	}{
		{name: "no body", handler: func(w http.ResponseWriter, _ *http.Request) {}, writes: []time.Duration{3, 3}},
		{name: "a refused body", body: "body", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, reads: []time.Duration{2, 1}, writes: []time.Duration{3, 3}},
		{name: "a body read to its end", body: "body", handler: func(_ http.ResponseWriter, r *http.Request) {
			for b := make([]byte, 2); ; {
				if _, err := r.Body.Read(b); errors.Is(err, io.EOF) {
					return
				}
			}
		}, reads: []time.Duration{2, 2, 2, 2, 0}, writes: []time.Duration{3, 3}},
		{name: "a body read in part", body: "body", handler: func(_ http.ResponseWriter, r *http.Request) {
			_, _ = r.Body.Read(make([]byte, 2))
		}, reads: []time.Duration{2, 2, 1}, writes: []time.Duration{3, 3}},
		{name: "a long answer", handler: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "short")
			_, _ = io.WriteString(w, strings.Repeat("x", 130<<10))
			_, _ = w.Write(nil)
		}, writes: []time.Duration{3, 3, 3, 3, 3, 3, 3}},
		{name: "the handler's own deadlines", body: "body", handler: func(w http.ResponseWriter, r *http.Request) {
			own := http.NewResponseController(w)
			_ = own.SetReadDeadline(time.Now().Add(5 * time.Hour))
			_ = own.SetWriteDeadline(time.Now().Add(6 * time.Hour))
			_, _ = r.Body.Read(make([]byte, 2))
			_, _ = io.WriteString(w, "answer")
		}, reads: []time.Duration{2, 5, 1}, writes: []time.Duration{3, 6, 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := &recorder{ResponseRecorder: httptest.NewRecorder()}
			var body io.Reader
			if tt.body != "" {
				body = strings.NewReader(tt.body)
			}
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/", body)
			timeouts.LongServer(tt.handler, slog.New(slog.DiscardHandler)).Handler.ServeHTTP(w, r)
			compare(t, "read", w.reads, tt.reads)
			compare(t, "write", w.writes, tt.writes)
		})
	}
}

// compare compares deadlines with the hours from now at which they should be.
func compare(t *testing.T, what string, got []time.Time, want []time.Duration) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d %s deadlines, want %d: %v", len(got), what, len(want), got)
	}
	for i, hours := range want {
		if ahead := time.Until(got[i]); got[i].IsZero() != (hours == 0) || hours > 0 && ahead.Round(time.Hour) != hours*time.Hour {
			t.Errorf("%s deadline %d is %s ahead, want %d hours", what, i, ahead, hours)
		}
	}
}
