// Package spool keeps documents on their way between a client and the database, in both
// directions, so that a slow client keeps neither a connection nor a lock: in memory,
// then in a temporary file. It bounds how much all of them take, how many callers do
// something at once, and how slow a client may be.
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

// InMemory is how many bytes of a document are in memory; a longer one is a temporary
// file.
const InMemory = 256 << 10

// Error is a refusal: its status of HTTP, and its text for the client.
type Error struct {
	Status int
	Text   string
	Err    error // for the log; may be nil
}

func (e *Error) Error() string { return e.Text }

func (e *Error) Unwrap() error { return e.Err }

// Room bounds the temporary files of all its documents together.
type Room struct {
	most  int64
	taken atomic.Int64
}

// NewRoom returns room for most bytes.
func NewRoom(most int64) *Room { return &Room{most: most} }

// Most returns how many bytes the room is for.
func (r *Room) Most() int64 { return r.most }

func (r *Room) take(n int64) error {
	if r.taken.Add(n) <= r.most {
		return nil
	}
	r.taken.Add(-n)
	return &Error{
		Status: http.StatusServiceUnavailable,
		Text:   fmt.Sprintf("The imports and exports under way have the %d bytes that their files may have together (MOCKTENANT_SPOOL_MEGABYTES). Try again in a moment.", r.most),
	}
}

// Document is written first, and may then be read, more than once.
type Document struct {
	room   *Room
	memory bytes.Buffer
	file   *os.File // nil: all of it is in memory
	size   int64
	taken  int64 // of the room
}

// New returns an empty document in the room. Close it.
func (r *Room) New() *Document { return &Document{room: r} }

// Size returns how many bytes were written.
func (d *Document) Size() int64 { return d.size }

// Write appends to the document. Without room for it, the error is an *Error.
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
	return &Error{Status: http.StatusServiceUnavailable, Text: "There is no room to keep the document while it is under way; the service's log has more.", Err: err}
}

// spill continues in a file. It has no name any more, where the system lets it: so
// nothing is left of it whatever ends the process.
func (d *Document) spill() (err error) {
	if d.file, err = os.CreateTemp("", "mocktenant-document-*"); err != nil {
		return err
	}
	_ = os.Remove(d.file.Name())
	_, err = d.memory.WriteTo(d.file)
	d.memory = bytes.Buffer{}
	return err
}

// Open returns the document from its start.
func (d *Document) Open() *io.SectionReader {
	if d.file == nil {
		return io.NewSectionReader(bytes.NewReader(d.memory.Bytes()), 0, d.size)
	}
	return io.NewSectionReader(d.file, 0, d.size)
}

// Close forgets the document.
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
