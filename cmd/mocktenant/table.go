package main

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"
)

// table shows values in rows.
type table[T any] struct {
	heads []string
	cells func(T) []any
}

// with returns a table for values that contain those of this table, with more columns.
func with[T, U any](t table[T], of func(U) T, head string, more func(U) any) table[U] {
	return table[U]{append(t.heads[:len(t.heads):len(t.heads)], head), func(v U) []any { return append(t.cells(of(v)), more(v)) }}
}

// one returns the heads and the row of one value.
func (t table[T]) one(v T) [][]string { return t.all([]T{v}) }

// all returns the heads and the rows of values.
func (t table[T]) all(values []T) [][]string {
	rows := [][]string{t.heads}
	for _, v := range values {
		rows = append(rows, cells(t.cells(v)...))
	}
	return rows
}

// cells returns values as cells of a table.
func cells(values ...any) []string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = cell(v)
	}
	return texts
}

// cell returns a value, or what a pointer points to, as a cell of a table.
func cell(v any) string {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Pointer:
		if r.IsNil() {
			return "-"
		}
		return cell(r.Elem().Interface())
	case reflect.Slice:
		texts := make([]string, r.Len())
		for i := range texts {
			texts[i] = cell(r.Index(i).Interface())
		}
		return strings.Join(texts, ",")
	}
	if t, ok := v.(time.Time); ok {
		return t.UTC().Format(time.RFC3339)
	}
	return fmt.Sprint(v)
}

// never shows an optional time.
func never(t *time.Time) any {
	if t == nil {
		return "never"
	}
	return *t
}

// graphTime shows a time in Graph's form, where the year 1 means never.
func graphTime(text string) any {
	t, err := time.Parse(time.RFC3339Nano, text)
	switch {
	case err != nil:
		return text
	case t.IsZero():
		return "never"
	}
	return t
}

// printer prints answers in the format that --output names.
type printer struct{ format string }

// newPrinter declares --output.
func newPrinter(flags *pflag.FlagSet) *printer {
	o := &printer{}
	choiceFlag(flags, &o.format, "output", "o", "table", "The output format.", "table", "json")
	return o
}

// print prints a value as JSON, or rows.
func (o *printer) print(con console, value any, rows [][]string) error {
	if o.format == "json" {
		return printJSON(con.out, value)
	}
	return printTable(con.out, rows)
}

func printJSON(out io.Writer, value any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(value)
}

func printTable(out io.Writer, rows [][]string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		shown := make([]string, len(row))
		for i, text := range row {
			shown[i] = printable(text)
		}
		if _, err := fmt.Fprintln(w, strings.Join(shown, "\t")); err != nil {
			return err
		}
	}
	return w.Flush()
}
