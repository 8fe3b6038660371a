package admin

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/mocktenant/mocktenant/internal/state"
)

// Documents are kept on their way between a client and the database, in both
// directions, so that a slow client holds neither a connection nor a lock.
const (
	// maxDocuments is how many are kept at once.
	maxDocuments = 64

	// inMemory is how much of one is in memory, in bytes; a longer one is a
	// temporary file.
	inMemory = 256 << 10

	// defaultSpool is how much the temporary files of all may have, in bytes.
	defaultSpool = 4 << 30

	// patience is how long a client may pause within a document, and how long a
	// call waits for its turn.
	patience = 30 * time.Second

	// minRate is how fast a document must come or go on the whole, in bytes a
	// second, and longest how long it may take, however large it is: so a slow one
	// leaves its place to others.
	minRate = 32 << 10
	longest = time.Hour
)

// slots are how many calls may do something at the same time. The zero slots are as many
// as there are calls.
type slots struct {
	places chan struct{}
	what   string // they do
}

func newSlots(n int, what string) slots { return slots{make(chan struct{}, max(1, n)), what} }

// take waits for a slot, and returns what gives it back. It is a 503 if there is
// none for as long as wait.
func (s slots) take(ctx context.Context, wait time.Duration) (func(), error) {
	if s.places == nil {
		return func() {}, nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case s.places <- struct{}{}:
		return func() { <-s.places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, &problem{
			status: http.StatusServiceUnavailable,
			detail: fmt.Sprintf("%d %s are under way, the most that may be; none ended within %s. Try again in a moment.", cap(s.places), s.what, wait),
		}
	}
}

// keepDocument makes room for the document of a call, until the call ends. A short
// body that may bring one with it, as most don't, takes no place of the documents.
func (a *API) keepDocument(x *call) error {
	if x.op == nil || !x.op.document() && !x.op.export() && !x.op.embeds() {
		return nil
	}
	release := func() {}
	if n := x.Request.ContentLength; !x.op.embeds() || n < 0 || n > inMemory {
		var err error
		if release, err = a.documents.take(x.Request.Context(), a.patience); err != nil {
			return err
		}
	}
	x.document = &spool{room: a.spool}
	x.end = func() {
		if err := x.document.Close(); err != nil {
			a.log.Warn("remove a document", "error", err)
		}
		release()
	}
	return nil
}

// room is how many bytes the temporary files of all documents may have together.
type room struct {
	most  int64
	taken atomic.Int64
}

// take takes n bytes, or says that there aren't as many.
func (r *room) take(n int64) error {
	if r.taken.Add(n) <= r.most {
		return nil
	}
	r.taken.Add(-n)
	return &problem{
		status: http.StatusServiceUnavailable,
		detail: fmt.Sprintf("The imports and exports under way have the %d bytes that their files may have together (MOCKTENANT_SPOOL_MEGABYTES). Try again in a moment.", r.most),
	}
}

// spool is a document that was written and may then be read, more than once.
type spool struct {
	room   *room
	memory bytes.Buffer
	file   *os.File // nil: all of it is in memory
	size   int64
	taken  int64 // of the room
}

// Write appends to the document.
func (s *spool) Write(b []byte) (n int, err error) {
	if s.file == nil && s.memory.Len()+len(b) <= inMemory {
		n, err = s.memory.Write(b)
		s.size += int64(n)
		return n, err
	}
	more := s.size + int64(len(b)) - s.taken
	if err := s.room.take(more); err != nil {
		return 0, err
	}
	s.taken += more
	if s.file == nil {
		if err := s.spill(); err != nil {
			return 0, errNoRoom(err)
		}
	}
	if n, err = s.file.Write(b); err != nil {
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
func (s *spool) open() *io.SectionReader {
	if s.file == nil {
		return io.NewSectionReader(bytes.NewReader(s.memory.Bytes()), 0, s.size)
	}
	return io.NewSectionReader(s.file, 0, s.size)
}

// Close forgets the document.
func (s *spool) Close() error {
	defer func() { s.room.taken.Add(-s.taken) }()
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
	whole := p.begun.Add(min(p.patience+time.Duration(p.n/minRate)*time.Second, longest))
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
		return n, &problem{status: http.StatusRequestTimeout, detail: fmt.Sprintf("The body came too slowly: no byte for %s, or fewer than %d a second, or for more than %s.", r.pace.patience, minRate, longest), cause: err}
	}
	_ = r.controller.SetReadDeadline(time.Time{}) // or it would end the call while that is answered
	if !errors.Is(err, io.EOF) {
		err = &problem{status: http.StatusBadRequest, detail: "The body ended too early.", cause: err}
	}
	return n, err
}

// receive keeps the document that comes, and opens it. It reads no more than what an
// import would take: a YAML document's bytes, and JSON up to a value that is too large.
func (a *API) receive(x *call) error {
	in, meter, yaml := x.limited(min(maxDocument, a.spool.most)), io.Discard, x.ContentType() == yamlType
	if yaml {
		in = io.LimitReader(in, state.MaxYAML+1)
	} else {
		meter = &state.Meter{}
	}
	_, err := io.Copy(io.MultiWriter(x.document, meter), in)
	tooMuch := new(state.Error)
	if err != nil && !errors.As(err, &tooMuch) {
		return err
	}
	if opened := a.openState(x, yaml); opened != nil || err == nil {
		return opened
	}
	return cmp.Or(x.state.Skim(), err) // which knows the place
}

// openState opens the document that was kept, one of YAML as the JSON that it is.
func (a *API) openState(x *call, yaml bool) (err error) {
	if yaml {
		if err := a.convert(x); err != nil {
			return err
		}
	}
	x.state, err = state.Open(x.document.open(), false)
	return err
}

// convert keeps a document of YAML as JSON instead. That takes much memory, so one is
// converted after the other, and none of it stays while the document waits.
func (a *API) convert(x *call) error {
	release, err := a.conversions.take(x.Request.Context(), a.patience)
	if err != nil {
		return err
	}
	defer release()
	text, err := io.ReadAll(x.document.open())
	if err == nil {
		text, err = state.ToJSON(text, true)
	}
	if err != nil {
		return err
	}
	if err := x.document.Close(); err != nil {
		a.log.Warn("remove a document", "error", err)
	}
	x.document = &spool{room: a.spool}
	_, err = x.document.Write(text)
	return err
}

// receiveAround keeps a body that may have a document in it, of which only the rest is
// read here.
func (x *call) receiveAround() error {
	if _, err := io.Copy(x.document, x.limited(maxCreate)); err != nil || x.document.size == 0 {
		return err
	}
	whole, err := state.Open(x.document.open(), false)
	if err != nil {
		return err
	}
	x.body, x.state, err = whole.Cut(maxBody, "source", "document")
	if errors.Is(err, state.ErrTooLong) {
		err = &problem{status: http.StatusRequestEntityTooLarge, detail: fmt.Sprintf("The body is larger than %d bytes beside its source.document.", maxBody)}
	}
	return err
}

// limited is the body up to a number of bytes; reading more is a 413.
func (x *call) limited(limit int64) io.Reader {
	return http.MaxBytesReader(x.Writer, x.Request.Body, limit)
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

// transfer is a change that reads a document into the database. Few may do that at the
// same time: each has a connection, of which most are for others.
func (a *API) transfer(x *call, target string, f func(ctx context.Context, c *change) (answer, error)) (answer, error) {
	x.slots = a.transfers
	return a.change(x, target, f)
}

// copying is a change that copies what a tenant or a state holds, all of it within the
// database; it may take as long.
func (a *API) copying(x *call, target string, f func(ctx context.Context, c *change) (answer, error)) (answer, error) {
	x.slots = a.copies
	return a.change(x, target, f)
}
