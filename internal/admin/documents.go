package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

// Documents are kept on their way between a client and the database, in both
// directions, so that a slow client holds neither a connection nor a lock.
const (
	// maxDocuments is how many are kept at once.
	maxDocuments = 64

	// inMemory is how much of one is in memory, in bytes; a longer one is a
	// temporary file.
	inMemory = 256 << 10

	// patience is how long a client may pause within a document, and how long a
	// call waits for its turn.
	patience = 30 * time.Second

	// minRate is how fast a document must come or go on the whole, in bytes a
	// second.
	minRate = 4 << 10
)

// slots are how many may do something at the same time.
type slots chan struct{}

// take waits for a slot, and returns what gives it back. It is a 503 if there is
// none for as long as wait.
func (s slots) take(ctx context.Context, wait time.Duration) (func(), error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, &problem{
			status: http.StatusServiceUnavailable,
			detail: fmt.Sprintf("%d imports and exports are under way, the most that may be; none ended within %s. Try again in a moment.", cap(s), wait),
		}
	}
}

// keepDocument makes room for the document of an import or an export, until the
// call ends.
func (a *API) keepDocument(x *call) error {
	if x.op == nil || !x.op.document() && !x.op.export() {
		return nil
	}
	release, err := a.documents.take(x.Request.Context(), a.patience)
	if err != nil {
		return err
	}
	x.document = &spool{}
	x.end = func() {
		if err := x.document.Close(); err != nil {
			a.log.Warn("remove a document", "error", err)
		}
		release()
	}
	return nil
}

// spool is a document that was written and may then be read, more than once.
type spool struct {
	memory bytes.Buffer
	file   *os.File // nil: all of it is in memory
	size   int64
}

// Write appends to the document.
func (s *spool) Write(b []byte) (n int, err error) {
	if s.file == nil && s.memory.Len()+len(b) > inMemory {
		if err := s.spill(); err != nil {
			return 0, errNoRoom(err)
		}
	}
	if s.file == nil {
		n, err = s.memory.Write(b)
	} else if n, err = s.file.Write(b); err != nil {
		err = errNoRoom(err)
	}
	s.size += int64(n)
	return n, err
}

func errNoRoom(err error) error {
	return &problem{status: http.StatusServiceUnavailable, detail: "There is no room to keep the document while it is under way; the service's log has more.", cause: err}
}

// spill goes on in a file. It has no name any more, where the system lets it: so
// nothing is left of it whatever ends the process.
func (s *spool) spill() (err error) {
	if s.file, err = os.CreateTemp("", "mocktenant-document-*"); err != nil {
		return err
	}
	_ = os.Remove(s.file.Name())
	_, err = s.memory.WriteTo(s.file)
	s.memory = bytes.Buffer{}
	return err
}

// open returns the document from its start.
func (s *spool) open() io.ReadSeeker {
	if s.file == nil {
		return bytes.NewReader(s.memory.Bytes())
	}
	return io.NewSectionReader(s.file, 0, s.size)
}

// Close forgets the document.
func (s *spool) Close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if gone := os.Remove(s.file.Name()); !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

// pace is how long a client may take for a document.
type pace struct {
	begun    time.Time
	patience time.Duration
	n        int64 // bytes
}

func (a *API) pace() pace { return pace{begun: time.Now(), patience: a.patience} }

// deadline is when the client must have gone on.
func (p *pace) deadline() time.Time {
	pause := time.Now().Add(p.patience)
	whole := p.begun.Add(p.patience + time.Duration(p.n)*time.Second/minRate)
	if whole.Before(pause) {
		return whole
	}
	return pause
}

// pacedReader reads a body at no less than its pace.
type pacedReader struct {
	io.ReadCloser
	controller *http.ResponseController
	pace       pace
}

func (a *API) pacedBody(x *call) io.ReadCloser {
	return &pacedReader{x.Request.Body, http.NewResponseController(x.Writer), a.pace()}
}

// Read fails with a *problem if the client is too slow or goes away.
func (r *pacedReader) Read(b []byte) (int, error) {
	_ = r.controller.SetReadDeadline(r.pace.deadline()) // there is one on every real connection
	n, err := r.ReadCloser.Read(b)
	r.pace.n += int64(n)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, &problem{status: http.StatusRequestTimeout, detail: fmt.Sprintf("The body came too slowly: no byte for %s, or fewer than %d a second.", r.pace.patience, minRate), cause: err}
	}
	_ = r.controller.SetReadDeadline(time.Time{}) // or it would end the call while that is answered
	if !errors.Is(err, io.EOF) {
		err = &problem{status: http.StatusBadRequest, detail: "The body ended too early.", cause: err}
	}
	return n, err
}

// receive keeps the document that comes.
func (x *call) receive(limit int64) error {
	_, err := io.Copy(x.document, http.MaxBytesReader(x.Writer, x.Request.Body, limit))
	return err
}

// send answers with the document.
func (a *API) send(x *call, kind string) error {
	x.Header("Content-Type", kind)
	x.Header("Content-Length", strconv.FormatInt(x.document.size, 10))
	x.Status(http.StatusOK)
	controller, p := http.NewResponseController(x.Writer), a.pace()
	in, chunk := x.document.open(), make([]byte, 64<<10)
	for {
		n, err := in.Read(chunk)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			_ = controller.SetWriteDeadline(p.deadline()) // the server takes it back at the end
			_, err = x.Writer.Write(chunk[:n])
		}
		if err != nil {
			return err
		}
		p.n += int64(n)
	}
}

// transfers is how many documents may go into the database or come out of it at
// the same time: each has a connection, of which most are for others.
func transfers(connections int32) slots { return make(slots, max(1, connections/4)) }

// transfer is a change that reads a document into the database.
func (a *API) transfer(x *call, target string, f func(ctx context.Context, c *change) (answer, error)) (answer, error) {
	release, err := a.transfers.take(x.Request.Context(), a.patience)
	if err != nil {
		return answer{}, err
	}
	defer release()
	return a.change(x, target, f)
}
