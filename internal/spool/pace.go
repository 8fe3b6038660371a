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
	// minRate is the lowest accepted average speed of a transfer, in bytes per second, and
	// longest the longest accepted duration, so that slow clients don't keep slots from others.
	minRate = 32 << 10
	longest = time.Hour
)

// pace limits how long a client may take to send or receive a document.
type pace struct {
	begun    time.Time
	patience time.Duration // the longest pause
	n        int64         // bytes transferred
}

// deadline returns the time by which the client must transfer the next bytes.
func (p *pace) deadline() time.Time {
	pause := time.Now().Add(p.patience)
	whole := p.begun.Add(min(p.patience+time.Duration(p.n/minRate)*time.Second, longest))
	if whole.Before(pause) {
		return whole
	}
	return pause
}

// reader reads a body from a client that keeps the pace.
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
	_ = r.controller.SetReadDeadline(r.pace.deadline()) // fails only without a real connection
	n, err := r.ReadCloser.Read(b)
	r.pace.n += int64(n)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, &Error{Status: http.StatusRequestTimeout, Text: fmt.Sprintf("The body came too slowly: it paused for %s, had fewer than %d bytes per second, or took longer than %s.", r.pace.patience, minRate, longest), Err: err}
	}
	_ = r.controller.SetReadDeadline(time.Time{}) // otherwise it could end the request during the answer
	if !errors.Is(err, io.EOF) {
		err = &Error{Status: http.StatusBadRequest, Text: "The body ended too early.", Err: err}
	}
	return n, err
}

// Send writes a document to a client. It fails if the client doesn't keep the pace.
func Send(w http.ResponseWriter, d *Document, patience time.Duration) error {
	controller, p := http.NewResponseController(w), pace{begun: time.Now(), patience: patience}
	in, chunk := d.Open(), make([]byte, 64<<10)
	for {
		n, err := in.Read(chunk)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			_ = controller.SetWriteDeadline(p.deadline()) // the server resets it afterwards
			_, err = w.Write(chunk[:n])
		}
		if err != nil {
			return err
		}
		p.n += int64(n)
	}
}
