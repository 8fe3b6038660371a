package admin

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/mocktenant/mocktenant/internal/spool"
	"github.com/mocktenant/mocktenant/internal/state"
)

const (
	// maxDocuments is how many documents can be transferred at once.
	maxDocuments = 64

	// defaultSpool bounds all temporary files together, in bytes.
	defaultSpool = 4 << 30

	// patience is how long a client may pause within a document, and how long a call waits
	// for its turn.
	patience = 30 * time.Second
)

// keepDocument reserves room for a call's document until the call ends. A short body, which
// rarely has a document, needs no reservation.
func (a *API) keepDocument(x *call) error {
	if x.op == nil || x.op.document == noDocument {
		return nil
	}
	release := func() {}
	if n := x.Request.ContentLength; x.op.document != documentInBody || n < 0 || n > spool.InMemory {
		var err error
		if release, err = a.documents.Take(x.Request.Context(), a.patience); err != nil {
			return err
		}
	}
	x.document = a.spool.New()
	x.end = func() {
		if err := x.document.Close(); err != nil {
			a.log.Warn("remove a document", "error", err)
		}
		release()
	}
	return nil
}

// receive stores the body's document in a temporary file and opens it. It stops where an
// import would fail: at the size limit of YAML, or at a value of JSON that is too large.
func (a *API) receive(x *call) error {
	in, meter, yaml := x.limited(min(maxDocument, a.spool.Most())), io.Discard, x.ContentType() == yamlType
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
	return cmp.Or(x.state.Skim(), err) // its error has the position
}

// openState opens the stored document; YAML is converted to JSON.
func (a *API) openState(x *call, yaml bool) (err error) {
	if yaml {
		if err := a.convert(x); err != nil {
			return err
		}
	}
	x.state, err = state.Open(x.document.Open(), false)
	return err
}

// convert replaces a stored YAML document with JSON. That takes much memory, so conversions
// run one at a time, and nothing stays in memory while the document waits.
func (a *API) convert(x *call) error {
	release, err := a.conversions.Take(x.Request.Context(), a.patience)
	if err != nil {
		return err
	}
	defer release()
	text, err := io.ReadAll(x.document.Open())
	if err == nil {
		text, err = state.ToJSON(text, true)
	}
	if err != nil {
		return err
	}
	if err := x.document.Close(); err != nil {
		a.log.Warn("remove a document", "error", err)
	}
	x.document = a.spool.New()
	_, err = x.document.Write(text)
	return err
}

// receiveAround stores a body that may contain a document, and reads only the rest.
func (x *call) receiveAround() error {
	if _, err := io.Copy(x.document, x.limited(maxCreate)); err != nil || x.document.Size() == 0 {
		return err
	}
	whole, err := state.Open(x.document.Open(), false)
	if err != nil {
		return err
	}
	x.body, x.state, err = whole.Cut(maxBody, "source", "document")
	if errors.Is(err, state.ErrTooLong) {
		err = &problem{status: http.StatusRequestEntityTooLarge, detail: fmt.Sprintf("The body without its source.document is larger than %d bytes.", maxBody)}
	}
	return err
}

// limited returns the body up to a number of bytes. Reading more fails with 413.
func (x *call) limited(limit int64) io.Reader {
	return http.MaxBytesReader(x.Writer, x.Request.Body, limit)
}

// send answers with the document.
func (x *call) send(kind string) error {
	x.Header("Content-Type", kind)
	x.Header("Content-Length", strconv.FormatInt(x.document.Size(), 10))
	x.Status(http.StatusOK)
	return spool.Send(x.Writer, x.document, x.admin.patience)
}
