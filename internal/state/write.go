package state

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/entity"
)

// Export writes the content of a tenant as a document. q must be in a transaction with a
// single snapshot.
func Export(ctx context.Context, q *db.Queries, tenant uuid.UUID, out io.Writer, yaml bool) error {
	settings, err := loadSettings(ctx, q, tenant)
	if err != nil {
		return err
	}
	w := &writer{out: bufio.NewWriterSize(out, 64<<10), yaml: yaml}
	w.begin()
	w.member("version", Version)
	w.member("settings", settings)
	clock, err := loadClock(ctx, q, tenant)
	if err != nil {
		return err
	}
	if clock != nil {
		w.member("clock", clock)
	}
	if err := writeList(w, "faults", loadFaults(ctx, q, tenant)); err != nil {
		return err
	}
	if err := writeList(w, "users", loadUsers(ctx, q, tenant)); err != nil {
		return err
	}
	if err := writeList(w, "applications", loadApplications(ctx, q, tenant)); err != nil {
		return err
	}
	for _, t := range entity.All {
		if err := writeList(w, t.SetName(), loadItems(ctx, q, tenant, t)); err != nil {
			return err
		}
	}
	w.end()
	return w.err
}

// writer writes a document piece by piece. It keeps the first error.
type writer struct {
	out     *bufio.Writer
	yaml    bool
	members int
	items   int
	err     error
}

func (w *writer) print(text string) {
	if w.err == nil {
		_, w.err = w.out.WriteString(text)
	}
}

func (w *writer) begin() {
	if !w.yaml {
		w.print("{")
	}
}

func (w *writer) end() {
	if !w.yaml {
		w.print("\n}\n")
	}
	if w.err == nil {
		w.err = w.out.Flush()
	}
}

func (w *writer) name(name string) {
	switch {
	case w.yaml:
		w.print(name + ":")
	case w.members > 0:
		w.print(",\n  \"" + name + "\": ")
	default:
		w.print("\n  \"" + name + "\": ")
	}
	w.members++
}

func (w *writer) member(name string, value any) {
	w.name(name)
	text := w.marshal(value)
	if !w.yaml {
		w.print(string(text))
		return
	}
	if bytes.HasPrefix(text, []byte("{")) && !bytes.Equal(text, []byte("{}")) {
		w.print("\n")
		w.printYAML(text, "  ")
		return
	}
	w.print(" " + string(text) + "\n")
}

func (w *writer) open(name string) {
	w.name(name)
	w.items = 0
	if !w.yaml {
		w.print("[")
	}
}

func (w *writer) element(value any) {
	text := w.marshal(value)
	if w.yaml {
		if w.items++; w.items == 1 {
			w.print("\n")
		}
		w.printYAML(append(append([]byte("["), text...), ']'), "  ")
		return
	}
	if w.items++; w.items > 1 {
		w.print(",")
	}
	w.print("\n    " + string(text))
}

func (w *writer) close() {
	switch {
	case w.yaml && w.items == 0:
		w.print(" []\n")
	case w.yaml:
	case w.items > 0:
		w.print("\n  ]")
	default:
		w.print("]")
	}
}

func (w *writer) marshal(value any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil && w.err == nil {
		w.err = fmt.Errorf("write the document: %w", err)
	}
	return bytes.TrimSpace(b.Bytes())
}

func (w *writer) printYAML(text []byte, indent string) {
	b, err := appendYAML(nil, text, indent)
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("write the document: %w", err)
	}
	w.print(string(b))
}

func writeList[T any](w *writer, name string, list iter.Seq2[T, error]) error {
	w.open(name)
	for v, err := range list {
		if err != nil {
			return err
		}
		if w.element(v); w.err != nil {
			return w.err
		}
	}
	w.close()
	return w.err
}
