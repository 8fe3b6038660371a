package state

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Document is a document that may be read more than once. The zero Document is none.
type Document struct {
	in    *io.SectionReader // JSON in UTF-8, after a byte order mark
	lines func(offset int64) int
}

// Open opens a document, which in must hold as long as the document is read. A byte
// order mark of UTF-8 is passed over (RFC 8259, section 8.1); another encoding is an
// *Error. YAML is converted at once, which takes some 50 bytes of memory for each of its
// own: see MaxYAML.
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

// ToJSON returns a document as JSON, without a byte order mark, and with the lines of
// the document. What can't be a document is an *Error; what is wrong with JSON, others
// say.
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

// skipMark returns where a text begins, after a byte order mark, and refuses encodings
// other than UTF-8. Without a mark, the zeros tell: the first character of JSON, and in
// practice of YAML, is ASCII (RFC 4627, section 3).
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

// values reads the document from its start, value by value, as far as none is larger or
// deeper than may be.
func (d Document) values() *reader { return d.reader(&metered{in: d.begin()}, maxValue) }

// structure reads the document from its start, token by token.
func (d Document) structure() *reader { return d.reader(d.begin(), maxToken) }

func (d Document) begin() io.Reader {
	return bufio.NewReaderSize(io.NewSectionReader(d.in, 0, d.in.Size()), 64<<10)
}

// reader reads what comes from in, of which it keeps up to most bytes in memory.
func (d Document) reader(in io.Reader, most int64) *reader {
	w := &window{in: in, most: most}
	w.decoder = jsontext.NewDecoder(w)
	return &reader{decoder: w.decoder, lines: d.lines}
}

// line is the line of an offset. It is counted when somebody asks: once in a document,
// if ever.
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

// maxToken is how large a name or a string may be where only the structure is read, in
// bytes: more than any that a document may have.
const maxToken = 1 << 20

// Cut finds the object that names lead to, one in the other, and returns the JSON around
// it, with an empty object of as many lines in its place. Without such an object, that
// is all of it, and part is the zero Document. What is around may have limit bytes;
// ErrTooLong says that it has more.
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

// ErrTooLong says that what is around a document is longer than it may be.
var ErrTooLong = errors.New("is too long beside the document")

// IsZero tells whether it is no document.
func (d Document) IsZero() bool { return d.in == nil }

// find returns where the object begins and ends that the names lead to, from the value
// that comes next; 0, 0 if it isn't there.
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

// Skim reads a document as an import does, keeps nothing, and says where it ceases to be
// one that can be imported: where a value is too large or too deep, or where it isn't
// JSON.
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

// Limits of a document's values. maxDepth is more than the form has, which is 6; without
// a limit, finding the place of a fault would take the square of the depth.
const (
	// maxValue is how large one element of a document may be, in bytes, with the blanks
	// before it: so much of it is in memory at once. An application that 80,000 users
	// consented to by themselves has as much.
	maxValue = 8 << 20

	// maxParts is how many brackets, braces, commas and colons such an element may have: an
	// empty object takes many times its bytes when it is read. Those 80,000 users have fewer.
	maxParts = 800_000

	maxDepth = 32
)

// tooLarge and tooDeep refuse the value that comes next; a reader adds its place.
func tooLarge(most int64) *Error {
	return &Error{Message: fmt.Sprintf("is larger than %d bytes, the most that one value may have", most)}
}

func tooMany() *Error {
	return &Error{Message: fmt.Sprintf("has more than %d brackets, braces, commas and colons, the most that one value may have", maxParts)}
}

func tooDeep() *Error { return &Error{Message: fmt.Sprintf("is nested deeper than %d", maxDepth)} }

// Meter measures the values of a JSON document as it comes, without keeping it: Write
// fails with an *Error as soon as one is larger or deeper than an import takes. Skim says
// which.
type Meter struct {
	depth    int
	list     bool // whether what is at depth 2 is an array
	quoted   bool
	escaped  bool
	measured int64 // of the value that isn't over
	parts    int   // of it
}

// Write measures what comes next.
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

// structure follows a character between strings. A value is over where a decoder has
// made it out: an element of an array that is a member of the document, or a member.
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

// window is what a decoder reads from: never more than most bytes beyond what it has
// made out, which it keeps in memory.
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

// metered reads what a Meter lets through.
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
