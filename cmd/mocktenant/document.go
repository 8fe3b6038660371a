package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/internal/state"
)

// counts shows the counts of a document's content.
var countTable = table[api.StateCounts]{
	[]string{"ENTITIES", "USERS", "APPLICATIONS"},
	func(c api.StateCounts) []any { return []any{entitiesOf(c), c.Users, c.Applications} },
}

// entitiesOf returns the number of entities in all sets.
func entitiesOf(c api.StateCounts) (n int64) {
	for _, of := range c.Entities {
		n += of
	}
	return n
}

func newExport(c *cli) *cobra.Command {
	var id uuid.UUID
	cmd := c.administer("export [<tenant>]", "Export a tenant as a document.", thisTenantArg(&id))
	return save(cmd, func(ctx context.Context, s *session, format *api.ExportTenantParamsFormat) (*http.Response, error) {
		return s.ExportTenant(ctx, id, &api.ExportTenantParams{Format: format})
	})
}

func newImport(c *cli) *cobra.Command {
	var id uuid.UUID
	var file string
	cmd := c.administer("import <tenant> <file>", "Replace a tenant's content with a document.", tenantArg(&id), textArg(&file))
	return send(cmd, &file, countTable.one, func(ctx context.Context, s *session, contentType string, document io.Reader) (*http.Response, error) {
		return s.ImportTenant(ctx, id, contentType, document)
	})
}

// save writes the document from a call to a file.
func save[F ~string](a *adminCommand, ask func(ctx context.Context, s *session, format *F) (*http.Response, error)) *cobra.Command {
	var file toFile
	file.register(a.Flags())
	return a.does(func(ctx context.Context, s *session, con console) error {
		body, err := client.Body(ask(ctx, s, given(F(file.format()))))
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		return file.write(con, body)
	})
}

// send sends the document in a file and prints the result.
func send[A any](a *adminCommand, file *string, rows func(A) [][]string, ask func(ctx context.Context, s *session, contentType string, document io.Reader) (*http.Response, error)) *cobra.Command {
	a.Long = a.Short + "\n\nThe document is JSON, or YAML in a .yaml or .yml file; - reads JSON from standard input."
	completesFile(a.Command)
	output := newPrinter(a.Flags())
	return a.does(func(ctx context.Context, s *session, con console) error {
		opened, document, err := openDocument(*file, con)
		if err != nil {
			return err
		}
		defer func() { _ = opened.Close() }()
		answer, err := client.Read[A](ask(ctx, s, documentType(*file), document))
		if err != nil {
			return fmt.Errorf("%s: %w", *file, err)
		}
		return output.print(con, answer, rows(answer))
	})
}

const (
	jsonType = "application/json"
	yamlType = "application/yaml"
)

// documentType returns a file's media type, by its name.
func documentType(name string) string {
	if ext := strings.ToLower(filepath.Ext(name)); ext == ".yaml" || ext == ".yml" {
		return yamlType
	}
	return jsonType
}

// readDocument reads a file as JSON. Errors name the file.
func readDocument(name string) (json.RawMessage, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	text, err = state.ToJSON(text, documentType(name) == yamlType)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var document json.RawMessage
	err = json.Unmarshal(text, &document)
	var bad *json.SyntaxError
	if errors.As(err, &bad) {
		err = fmt.Errorf("%s: line %d: %w", name, 1+bytes.Count(text[:bad.Offset], []byte("\n")), err)
	}
	return document, err
}

// progress shows on a terminal how much of a file has been sent.
type progress struct {
	io.Reader
	out        io.Writer
	sent, size int64
	last       time.Time
}

func (p *progress) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	p.sent += int64(n)
	if done := err != nil; p.out != nil && (done || time.Since(p.last) > 200*time.Millisecond) {
		p.last = time.Now()
		if p.size > 0 {
			_, _ = fmt.Fprintf(p.out, "\rsent %d of %d MB (%d %%)  ", p.sent>>20, p.size>>20, 100*p.sent/p.size)
		} else {
			_, _ = fmt.Fprintf(p.out, "\rsent %d MB  ", p.sent>>20)
		}
		if done {
			_, _ = fmt.Fprintln(p.out, "\nthe service is storing it")
		}
	}
	return n, err
}

// openDocument opens a file, or stdin for "-". On a terminal it shows progress.
func openDocument(name string, con console) (io.ReadCloser, io.Reader, error) {
	p := &progress{}
	if f, ok := con.err.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.out = f
		}
	}
	if name == "-" {
		p.Reader = os.Stdin
		return io.NopCloser(os.Stdin), p, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	if info, err := f.Stat(); err == nil {
		p.size = info.Size()
	}
	p.Reader = f
	return f, p, nil
}

// toFile is the destination of a document.
type toFile struct {
	File   string
	Format string
}

func (t *toFile) register(flags *pflag.FlagSet) {
	flags.StringVarP(&t.File, "file", "f", "-", "The `FILE` to write; - means standard output.")
	choiceFlag(flags, &t.Format, "format", "", "", "The format to write (default: by the file's name, or json).", "json", "yaml", "")
	must(cobra.MarkFlagFilename(flags, "file", "json", "yaml", "yml"))
}

func (t toFile) format() string {
	if t.Format == "" && documentType(t.File) == yamlType {
		return "yaml"
	}
	return t.Format
}

// write writes a document. It replaces a file completely or not at all.
func (t toFile) write(con console, document io.Reader) error {
	if t.File == "-" {
		_, err := io.Copy(con.out, document)
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(t.File), filepath.Base(t.File)+".")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, document)
	for _, step := range []func() error{f.Sync, f.Close, func() error { return os.Rename(f.Name(), t.File) }} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}
	return err
}
