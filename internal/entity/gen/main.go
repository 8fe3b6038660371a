// Gen generates code from the descriptions of the entities. For each entity it writes:
//
//   - queries/TABLE.sql: the queries, which sqlc reads
//   - internal/db/TABLE.entity.go: functions that convert between values, parameters and rows
//   - a part of the migration that creates TABLE: the views in schema reporting
//
// It also writes internal/db/entities.entity.go, the list of all entities. Run it from the
// root of the module, before sqlc.
package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"go/format"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/mocktenant/mocktenant/internal/entity"
)

var (
	//go:embed queries.sql.tmpl
	queriesTemplate string
	//go:embed entity.go.tmpl
	entityTemplate string
	//go:embed entities.go.tmpl
	entitiesTemplate string
)

func main() {
	all, err := files(".")
	for path, text := range all {
		if err == nil {
			err = os.WriteFile(path, text, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// files returns the generated files by their paths. root is the directory of the module.
func files(root string) (map[string][]byte, error) {
	var sources []source
	all := map[string][]byte{}
	add := func(path, text string, data any) (err error) {
		all[path], err = fill(path, text, data)
		return err
	}
	for _, t := range entity.All {
		s := newSource(t)
		sources = append(sources, s)
		err := errors.Join(
			add(filepath.Join("queries", t.Table+".sql"), queriesTemplate, s),
			add(filepath.Join("internal", "db", t.Table+".entity.go"), entityTemplate, s),
		)
		if err != nil {
			return nil, err
		}
	}
	changed, err := migrations(root, sources)
	if err != nil {
		return nil, err
	}
	maps.Copy(all, changed)
	return all, add(filepath.Join("internal", "db", "entities.entity.go"), entitiesTemplate, sources)
}

// fill executes the template of a file, and formats Go code.
func fill(path, text string, data any) ([]byte, error) {
	t, err := template.New(path).Parse(text)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	if !strings.HasSuffix(path, ".go") {
		return b.Bytes(), nil
	}
	formatted, err := format.Source(b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("format %s: %w", path, err)
	}
	return formatted, nil
}
