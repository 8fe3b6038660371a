package spool

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const (
	// minRate is how fast a document must come or go on the whole, in bytes a second, and
	// longest how long it may take, however large it is: so a slow one leaves its place to
	// others.
	minRate = 32 << 10
	longest = time.Hour
)

// pace is how long a client may take for a document.
type pace struct {
	begun    time.Time
	patience time.Duration // for a pause
	n        int64         // bytes
}

// deadline is when the client must have continued.
func (p *pace) deadline() time.Time {
	pause := time.Now().Add(p.patience)
	whole := p.begun.Add(min(p.patience+time.Duration(p.n/minRate)*time.Second, longest))
	if whole.Before(pause) {
		return whole
	}
	return pause
}

// reader reads a body at no less than its pace.
type reader struct {
	io.ReadCloser
	controller *http.ResponseController
	pace       pace
}

// Body returns the body of a request. Reading fails with an *Error if the client is too
// slow, pauses for longer than patience, or goes away.
func Body(w http.ResponseWriter, r *http.Request, patience time.Duration) io.ReadCloser {
	return &reader{r.Body, http.NewResponseController(w), pace{begun: time.Now(), patience: patience}}
}

func (r *reader) Read(b []byte) (int, error) {
	_ = r.controller.SetReadDeadline(r.pace.deadline()) // there is one on every real connection
	n, err := r.ReadCloser.Read(b)
	r.pace.n += int64(n)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, &Error{Status: http.StatusRequestTimeout, Text: fmt.Sprintf("The body came too slowly: no byte for %s, or fewer than %d a second, or for more than %s.", r.pace.patience, minRate, longest), Err: err}
	}
	_ = r.controller.SetReadDeadline(time.Time{}) // or it would end the call while that is answered
	if !errors.Is(err, io.EOF) {
		err = &Error{Status: http.StatusBadRequest, Text: "The body ended too early.", Err: err}
	}
	return n, err
}

// Send answers with a document, to a client that takes it at no less than its pace.
func Send(w http.ResponseWriter, d *Document, patience time.Duration) error {
	controller, p := http.NewResponseController(w), pace{begun: time.Now(), patience: patience}
	in, chunk := d.Open(), make([]byte, 64<<10)
	for {
		n, err := in.Read(chunk)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			_ = controller.SetWriteDeadline(p.deadline()) // the server takes it back at the end
			_, err = w.Write(chunk[:n])
		}
		if err != nil {
			return err
		}
		p.n += int64(n)
	}
}
