package state

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Document is a document that can be read more than once. The zero Document is empty.
type Document struct {
	in    *io.SectionReader // JSON in UTF-8, possibly after a byte order mark
	lines func(offset int64) int
}

// Open opens a document, whose bytes in must keep as long as the document is read. It skips
// a UTF-8 byte order mark (RFC 8259, section 8.1) and refuses other encodings with an
// *Error. It converts YAML immediately, which takes about 50 bytes of memory per byte: see
// MaxYAML.
func Open(in *io.SectionReader, yaml bool) (Document, error) {
	begin, err := skipMark(in)
	if err != nil {
		return Document{}, err
	}
	in = io.NewSectionReader(in, begin, in.Size()-begin)
	if yaml {
		text, err := readYAML(in)
		if err != nil {
			return Document{}, err
		}
		in = section(text)
	}
	d := Document{in: in}
	d.lines = d.line
	return d, nil
}

// ToJSON returns a document as JSON, without a byte order mark and with the same line
// numbers. It returns an *Error for YAML that can't be a document; it doesn't check JSON.
func ToJSON(text []byte, yaml bool) ([]byte, error) {
	d, err := Open(section(text), yaml)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(d.in)
}

func section(text []byte) *io.SectionReader {
	return io.NewSectionReader(bytes.NewReader(text), 0, int64(len(text)))
}

// skipMark returns the offset of a text after its byte order mark, and refuses encodings
// other than UTF-8. Without a mark, zero bytes give UTF-16 and UTF-32 away: the first
// character of JSON, and in practice of YAML, is ASCII (RFC 4627, section 3).
func skipMark(in io.ReaderAt) (int64, error) {
	var b [4]byte
	if n, err := in.ReadAt(b[:], 0); n < 2 {
		if err != nil && n == 0 && err != io.EOF {
			return 0, err
		}
		return 0, nil
	}
	switch {
	case bytes.HasPrefix(b[:], []byte("\xEF\xBB\xBF")):
		return 3, nil
	case b == [4]byte{0, 0, 0xFE, 0xFF}, b == [4]byte{0xFF, 0xFE, 0, 0}, b[0] == 0 && b[1] == 0, b[1] == 0 && b[2] == 0 && b[3] == 0:
		return 0, &Error{Line: 1, Message: "is UTF-32; save it as UTF-8"}
	case bytes.HasPrefix(b[:], []byte("\xFE\xFF")), bytes.HasPrefix(b[:], []byte("\xFF\xFE")), b[0] == 0, b[1] == 0:
		return 0, &Error{Line: 1, Message: "is UTF-16; save it as UTF-8"}
	}
	return 0, nil
}

// values reads the document from its start, value by value, and fails at a value that is
// too large or too deep.
func (d Document) values() *reader { return d.reader(&metered{in: d.begin()}, maxValue) }

// structure reads the document from its start, token by token.
func (d Document) structure() *reader { return d.reader(d.begin(), maxToken) }

func (d Document) begin() io.Reader {
	return bufio.NewReaderSize(io.NewSectionReader(d.in, 0, d.in.Size()), 64<<10)
}

// reader reads from in and keeps up to most bytes in memory.
func (d Document) reader(in io.Reader, most int64) *reader {
	w := &window{in: in, most: most}
	w.decoder = jsontext.NewDecoder(w)
	return &reader{decoder: w.decoder, lines: d.lines}
}

// line returns the line of an offset. It counts lines only when called, which is at most
// once per document.
func (d Document) line(offset int64) int {
	n, buffer := 1, make([]byte, 64<<10)
	for in := io.NewSectionReader(d.in, 0, offset); ; {
		read, err := in.Read(buffer)
		n += bytes.Count(buffer[:read], []byte("\n"))
		if err != nil {
			return n
		}
	}
}

// maxToken bounds a name or a string when only the structure is read, in bytes. It exceeds
// the limit of every text in a document.
const maxToken = 1 << 20

// Cut finds the object at a path of names. It returns the JSON around the object, with an
// empty object of as many lines in its place, and the object as part. If the object doesn't
// exist, it returns the whole JSON and the zero Document. The JSON around may have limit
// bytes; more is ErrTooLong.
func (d Document) Cut(limit int64, names ...string) (around []byte, part Document, err error) {
	from, to, err := d.structure().find(names)
	if err != nil {
		return nil, Document{}, err
	}
	after := d.in.Size() - to
	if from+after > limit {
		return nil, Document{}, ErrTooLong
	}
	around = make([]byte, from)
	if _, err := d.in.ReadAt(around, 0); err != nil && from > 0 {
		return nil, Document{}, err
	}
	if to > 0 {
		part = Document{in: io.NewSectionReader(d.in, from, to-from), lines: func(offset int64) int { return d.lines(from + offset) }}
		around = append(around, '{')
		around = append(around, bytes.Repeat([]byte{'\n'}, part.line(part.in.Size())-1)...)
		around = append(around, '}')
	}
	rest, err := io.ReadAll(io.NewSectionReader(d.in, to, after))
	return append(around, rest...), part, err
}

// ErrTooLong says that a result exceeds its size limit.
var ErrTooLong = errors.New("is too long beside the document")

// IsZero reports whether d is the zero value.
func (d Document) IsZero() bool { return d.in == nil }

// find returns the start and end of the object at a path of names, beginning with the next
// value, or 0, 0 if it doesn't exist.
func (r *reader) find(names []string) (from, to int64, err error) {
	if r.decoder.PeekKind() != '{' {
		return 0, 0, r.skip()
	}
	if len(names) == 0 {
		_, from = r.upcoming()
		err = r.skip()
		return from, r.decoder.InputOffset(), err
	}
	_, _ = r.decoder.ReadToken()
	for r.decoder.PeekKind() != '}' {
		name, err := r.decoder.ReadToken()
		if err != nil {
			return 0, 0, r.explain(err)
		}
		if name.String() != names[0] {
			err = r.skip()
		} else {
			from, to, err = r.find(names[1:])
		}
		if err != nil {
			return 0, 0, err
		}
	}
	_, err = r.decoder.ReadToken()
	return from, to, r.explain(err)
}

// Skim reads a document like an import, stores nothing, and returns an *Error for the first
// place that can't be imported: a value that is too large or too deep, or invalid JSON.
func (d Document) Skim() error {
	r := d.values()
	return r.members(func(string) error {
		if r.decoder.PeekKind() != '[' {
			_, err := r.decoder.ReadValue()
			return r.explain(err)
		}
		_, _ = r.decoder.ReadToken()
		for r.decoder.PeekKind() != ']' {
			if _, err := r.decoder.ReadValue(); err != nil {
				return r.explain(err)
			}
		}
		_, err := r.decoder.ReadToken()
		return r.explain(err)
	})
}

// maxDepth bounds the nesting of a document, whose form needs 6 levels. Without a limit,
// finding the place of an error would take time quadratic in the depth.
const (
	// maxValue bounds one element of a document with the white space before it, in bytes:
	// that much is in memory at once. It fits an application with consents by 80,000 users.
	maxValue = 8 << 20

	// maxParts bounds the brackets, braces, commas and colons of an element, because an
	// empty object takes many times its size in memory. It also fits the consents of 80,000
	// users.
	maxParts = 800_000

	maxDepth = 32
)

// tooLarge and tooDeep refuse the next value; a reader adds its position.
func tooLarge(most int64) *Error {
	return &Error{Message: fmt.Sprintf("is larger than %d bytes, the limit for one value", most)}
}

func tooMany() *Error {
	return &Error{Message: fmt.Sprintf("has more than %d brackets, braces, commas and colons, the limit for one value", maxParts)}
}

func tooDeep() *Error { return &Error{Message: fmt.Sprintf("is nested deeper than %d", maxDepth)} }

// Meter checks the size and depth of the values in a JSON document that is written to it,
// without storing them. Write fails with an *Error at the first value that exceeds a limit;
// Skim says which value that is.
type Meter struct {
	depth    int
	list     bool // the value at depth 2 is an array
	quoted   bool
	escaped  bool
	measured int64 // bytes of the current value
	parts    int   // its brackets, braces, commas and colons
}

// Write checks the next bytes.
func (m *Meter) Write(b []byte) (int, error) {
	for i, c := range b {
		m.measured++
		switch {
		case m.escaped:
			m.escaped = false
		case m.quoted && c == '\\':
			m.escaped = true
		case c == '"':
			m.quoted = !m.quoted
		case !m.quoted:
			m.structure(c)
		}
		if m.depth > maxDepth {
			return i, tooDeep()
		}
		if m.measured > maxValue {
			return i, tooLarge(maxValue)
		}
		if m.parts > maxParts {
			return i, tooMany()
		}
	}
	return len(b), nil
}

// structure handles a character outside strings. A value ends where a decoder would return
// it: after an element of an array that is a member of the document, or after a member.
func (m *Meter) structure(c byte) {
	switch c {
	case '{', '[':
		m.depth++
		if m.depth == 2 {
			m.list = c == '['
		}
	case '}', ']':
		m.depth--
	case ',', ':':
	default:
		return
	}
	m.parts++
	if m.depth < 2 || m.depth == 2 && m.list {
		m.measured, m.parts = 0, 0
	}
}

// window is a decoder's source. It buffers at most most bytes beyond what the decoder has
// parsed.
type window struct {
	in      io.Reader
	decoder *jsontext.Decoder
	most    int64
	given   int64
}

func (w *window) Read(b []byte) (int, error) {
	room := w.decoder.InputOffset() + w.most - w.given
	if room <= 0 {
		return 0, tooLarge(w.most)
	}
	n, err := w.in.Read(b[:min(int64(len(b)), room)])
	w.given += int64(n)
	var ours *Error
	if err != nil && err != io.EOF && !errors.As(err, &ours) {
		err = &readError{err}
	}
	return n, err
}

// metered passes on what a Meter accepts.
type metered struct {
	in    io.Reader
	meter Meter
	err   error
}

func (m *metered) Read(b []byte) (int, error) {
	if m.err != nil {
		return 0, m.err
	}
	n, err := m.in.Read(b)
	if fine, refused := m.meter.Write(b[:n]); refused != nil {
		n, err = fine, refused
	}
	m.err = err
	return n, err
}
