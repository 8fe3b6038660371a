// Package spool buffers documents between clients and the database, in memory or a temporary
// file, so that a slow client holds no database connection and no lock. It also limits the
// total size of the files, the number of concurrent operations, and how slow a client may be.
package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
)

// InMemory is the maximum size in bytes of a document in memory. A larger one is kept in a
// temporary file.
const InMemory = 256 << 10

// Error is a refusal with its HTTP status and its text for the client.
type Error struct {
	Status int
	Text   string
	Err    error // for the log; may be nil
}

func (e *Error) Error() string { return e.Text }

func (e *Error) Unwrap() error { return e.Err }

// Room limits the total size of its documents' temporary files.
type Room struct {
	most  int64
	taken atomic.Int64
}

// NewRoom returns a room for most bytes.
func NewRoom(most int64) *Room { return &Room{most: most} }

// Most returns the size of the room in bytes.
func (r *Room) Most() int64 { return r.most }

func (r *Room) take(n int64) error {
	if r.taken.Add(n) <= r.most {
		return nil
	}
	r.taken.Add(-n)
	return &Error{
		Status: http.StatusServiceUnavailable,
		Text:   fmt.Sprintf("The files of all running imports and exports have reached the limit of %d bytes (MOCKTENANT_SPOOL_MEGABYTES). Try again in a moment.", r.most),
	}
}

// Document is a buffer that is first written and then read, as often as necessary.
type Document struct {
	room   *Room
	memory bytes.Buffer
	file   *os.File // nil while the document is in memory
	size   int64
	taken  int64 // bytes of the room
}

// New returns an empty document in the room. The caller must close it.
func (r *Room) New() *Document { return &Document{room: r} }

// Size returns how many bytes were written.
func (d *Document) Size() int64 { return d.size }

// Write appends to the document. It returns an *Error if there is no room.
func (d *Document) Write(b []byte) (n int, err error) {
	if d.file == nil && d.memory.Len()+len(b) <= InMemory {
		n, err = d.memory.Write(b)
		d.size += int64(n)
		return n, err
	}
	more := d.size + int64(len(b)) - d.taken
	if err := d.room.take(more); err != nil {
		return 0, err
	}
	d.taken += more
	if d.file == nil {
		if err := d.spill(); err != nil {
			return 0, noRoom(err)
		}
	}
	if n, err = d.file.Write(b); err != nil {
		err = noRoom(err)
	}
	d.size += int64(n)
	return n, err
}

func noRoom(err error) error {
	return &Error{Status: http.StatusServiceUnavailable, Text: "The service can't buffer the document. Its log says why.", Err: err}
}

// spill moves the document to a file. It removes the file's name at once where the system
// allows that, so that nothing remains however the process ends.
func (d *Document) spill() (err error) {
	if d.file, err = os.CreateTemp("", "mocktenant-document-*"); err != nil {
		return err
	}
	_ = os.Remove(d.file.Name())
	_, err = d.memory.WriteTo(d.file)
	d.memory = bytes.Buffer{}
	return err
}

// Open returns a reader of the document from its start.
func (d *Document) Open() *io.SectionReader {
	if d.file == nil {
		return io.NewSectionReader(bytes.NewReader(d.memory.Bytes()), 0, d.size)
	}
	return io.NewSectionReader(d.file, 0, d.size)
}

// Close removes the document and returns its bytes to the room.
func (d *Document) Close() error {
	defer func() { d.room.taken.Add(-d.taken) }()
	if d.file == nil {
		return nil
	}
	err := d.file.Close()
	if gone := os.Remove(d.file.Name()); !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}
