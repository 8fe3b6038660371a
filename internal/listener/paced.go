package listener

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// chunk is how much of an answer the client must take within Timeouts.Write, in bytes.
const chunk = 64 << 10

// paced gives a client Timeouts.Read for each next part of its body, and Timeouts.Write
// for each next part of the answer, however long the request takes in all. Where a
// handler sets deadlines itself, by http.ResponseController, those hold while it runs.
// What the handler leaves of the body, net/http reads or doesn't: for that the client
// has Timeouts.Header.
func paced(t Timeouts, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &pacedAnswer{ResponseWriter: w, controller: http.NewResponseController(w), timeouts: t}
		_ = a.controller.SetWriteDeadline(time.Now().Add(t.Write)) // every connection has deadlines
		if r.Body == nil || r.Body == http.NoBody {
			next.ServeHTTP(a, r)
			a.end()
			return
		}
		_ = a.controller.SetReadDeadline(time.Now().Add(t.Read))
		body := &pacedBody{ReadCloser: r.Body, answer: a}
		withBody := *r
		withBody.Body = body
		next.ServeHTTP(a, &withBody)
		a.end()
		body.end()
	})
}

// pacedAnswer is an answer that its client must take without long pauses.
type pacedAnswer struct {
	http.ResponseWriter
	controller  *http.ResponseController
	timeouts    Timeouts
	ownsReads   bool // the handler sets deadlines by itself
	ownsWriting bool
}

// Unwrap is for http.ResponseController.
func (a *pacedAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Flush sends what was written.
func (a *pacedAnswer) Flush() { _ = a.controller.Flush() }

// SetReadDeadline is for http.ResponseController: from now on the handler sets them.
func (a *pacedAnswer) SetReadDeadline(deadline time.Time) error {
	a.ownsReads = true
	return a.controller.SetReadDeadline(deadline)
}

// SetWriteDeadline is for http.ResponseController: from now on the handler sets them.
func (a *pacedAnswer) SetWriteDeadline(deadline time.Time) error {
	a.ownsWriting = true
	return a.controller.SetWriteDeadline(deadline)
}

// Write writes in chunks, each of which has its time.
func (a *pacedAnswer) Write(b []byte) (n int, err error) {
	for err == nil && (len(b) > n || n == 0) {
		if !a.ownsWriting {
			_ = a.controller.SetWriteDeadline(time.Now().Add(a.timeouts.Write))
		}
		var written int
		written, err = a.ResponseWriter.Write(b[n:min(n+chunk, len(b))])
		if n += written; len(b) == 0 {
			break
		}
	}
	return n, err
}

// end gives the rest of the answer, which net/http still holds, its time.
func (a *pacedAnswer) end() {
	_ = a.controller.SetWriteDeadline(time.Now().Add(a.timeouts.Write))
}

// pacedBody is a body that must come without long pauses.
type pacedBody struct {
	io.ReadCloser
	answer *pacedAnswer

	mu    sync.Mutex // a handler's goroutine may read when the handler has returned
	ended bool
}

// Read gives the client time for the next bytes.
func (b *pacedBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return b.ReadCloser.Read(p)
	}
	if !b.answer.ownsReads {
		_ = b.answer.controller.SetReadDeadline(time.Now().Add(b.answer.timeouts.Read))
	}
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.ended = true
		// net/http now looks for the client's end: a deadline would look like one.
		_ = b.answer.controller.SetReadDeadline(time.Time{})
	}
	return n, err
}

// end gives the rest of the body, which the handler doesn't want, its time.
func (b *pacedBody) end() {
	if !b.mu.TryLock() {
		return // somebody still reads, in the time that there is
	}
	defer b.mu.Unlock()
	if !b.ended {
		b.ended = true
		_ = b.answer.controller.SetReadDeadline(time.Now().Add(b.answer.timeouts.Header))
	}
}
