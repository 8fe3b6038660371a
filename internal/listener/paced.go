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

// paced gives a client Timeouts.Read for each next part of its body, and Timeouts.Write for
// each next part of the answer, however long the whole request takes. Deadlines that a
// handler sets itself, with http.ResponseController, apply while it runs. When net/http
// discards the rest of a body that the handler didn't read, the client has Timeouts.Header
// for it.
func paced(t Timeouts, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &pacedAnswer{ResponseWriter: w, controller: http.NewResponseController(w), timeouts: t}
		_ = a.controller.SetWriteDeadline(time.Now().Add(t.Write)) // so that every connection has a deadline
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

// pacedAnswer is an answer whose client must not pause for long.
type pacedAnswer struct {
	http.ResponseWriter
	controller  *http.ResponseController
	timeouts    Timeouts
	ownsReads   bool // the handler sets deadlines itself
	ownsWriting bool
}

// Unwrap lets http.ResponseController find the connection.
func (a *pacedAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Flush sends the buffered part of the answer.
func (a *pacedAnswer) Flush() { _ = a.controller.Flush() }

// SetReadDeadline sets a deadline for http.ResponseController. From then on, the handler is
// responsible for read deadlines.
func (a *pacedAnswer) SetReadDeadline(deadline time.Time) error {
	a.ownsReads = true
	return a.controller.SetReadDeadline(deadline)
}

// SetWriteDeadline sets a deadline for http.ResponseController. From then on, the handler is
// responsible for write deadlines.
func (a *pacedAnswer) SetWriteDeadline(deadline time.Time) error {
	a.ownsWriting = true
	return a.controller.SetWriteDeadline(deadline)
}

// Write writes in chunks, each with its own deadline.
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

// end sets a deadline for the rest of the answer, which net/http still buffers.
func (a *pacedAnswer) end() {
	_ = a.controller.SetWriteDeadline(time.Now().Add(a.timeouts.Write))
}

// pacedBody is a body whose client must not pause for long.
type pacedBody struct {
	io.ReadCloser
	answer *pacedAnswer

	mu    sync.Mutex // a handler's goroutine may still read after the handler has returned
	ended bool
}

// Read sets a deadline for the next bytes and reads them.
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
		// net/http now waits for the client to close the connection and would mistake a
		// deadline for that.
		_ = b.answer.controller.SetReadDeadline(time.Time{})
	}
	return n, err
}

// end sets a deadline for the rest of the body, which the handler didn't read.
func (b *pacedBody) end() {
	if !b.mu.TryLock() {
		return // a goroutine still reads; its deadline applies
	}
	defer b.mu.Unlock()
	if !b.ended {
		b.ended = true
		_ = b.answer.controller.SetReadDeadline(time.Now().Add(b.answer.timeouts.Header))
	}
}
