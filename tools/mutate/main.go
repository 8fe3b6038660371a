// Command mutate compares a report of gremlins with the list of mutants that no test can see.
// The list names a mutant by its file and function, gremlins' type, and the source text of the
// expression, so it survives edits elsewhere. The command fails if a mutant survives that isn't
// in the list, and if the list has one that is killed or no longer exists.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: mutate PACKAGE REPORT LIST")
		os.Exit(2)
	}
	summary, err := compare(os.Args[1], os.Args[2], os.Args[3])
	fmt.Println(summary)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// report has what we read of a report.
type report struct {
	Files []struct {
		Name      string `json:"file_name"`
		Mutations []struct {
			Type, Status string
			Line, Column int
		}
	}
	Elapsed float64 `json:"elapsed_time"`
}

func compare(dir, reportFile, listFile string) (summary string, err error) {
	data, err := os.ReadFile(reportFile)
	if err != nil {
		return "", err
	}
	var r report
	if err := json.Unmarshal(data, &r); err != nil {
		return "", fmt.Errorf("%s: %w", reportFile, err)
	}
	list, err := os.ReadFile(listFile)
	if err != nil {
		return "", err
	}
	survivors, count, err := r.survivors(dir)
	if err != nil {
		return "", err
	}
	killed := count["KILLED"] + count["TIMED OUT"]
	total := killed + len(survivors)
	summary = fmt.Sprintf("%s: %d mutants, %d killed (%.1f %%), %d survive; %d more don't compile; %.0f min",
		dir, total, killed, 100*float64(killed)/float64(max(total, 1)), len(survivors), count["NOT VIABLE"], r.Elapsed/60)
	return summary, errors.Join(differences(survivors, listed(string(list), dir))...)
}

// survivors names the mutants that live or that no test reaches, and counts all by status.
func (r report) survivors(dir string) (names []string, count map[string]int, err error) {
	count = map[string]int{}
	for _, f := range r.Files {
		file := path.Join(dir, f.Name)
		source, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, err
		}
		for _, m := range f.Mutations {
			count[m.Status]++
			if m.Status != "LIVED" && m.Status != "NOT COVERED" {
				continue
			}
			place, err := describe(source, m.Line, m.Column)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", file, err)
			}
			names = append(names, file+" "+m.Type+" "+place)
		}
	}
	slices.Sort(names)
	return names, count, nil
}

// describe returns the function, and the text of the smallest node, whose token is at a position.
func describe(source []byte, line, column int) (string, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "", source, parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	at := set.File(file.Pos()).LineStart(line) + token.Pos(column-1)
	text := func(n ast.Node) string {
		return strings.Join(strings.Fields(string(source[set.Position(n.Pos()).Offset:set.Position(n.End()).Offset])), " ")
	}
	function, smallest := "", ast.Node(file)
	for n := range ast.Preorder(file) {
		if n.Pos() > at || at >= n.End() {
			continue
		}
		if f, ok := n.(*ast.FuncDecl); ok {
			function = f.Name.Name + ": "
		}
		smallest = n
	}
	return function + text(smallest), nil
}

// listed returns the mutants of a package in the list. Lines that are indented are reasons.
func listed(list, dir string) (names []string) {
	for line := range strings.Lines(list) {
		name := strings.TrimSpace(line)
		if strings.HasPrefix(line, dir+"/") && filepath.Dir(strings.Fields(name)[0]) == dir {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// differences merges both sorted lists.
func differences(survivors, listed []string) (all []error) {
	for len(survivors) > 0 || len(listed) > 0 {
		switch {
		case len(listed) == 0 || len(survivors) > 0 && survivors[0] < listed[0]:
			all = append(all, errors.New("survives, and isn't listed: "+survivors[0]))
			survivors = survivors[1:]
		case len(survivors) == 0 || listed[0] < survivors[0]:
			all = append(all, errors.New("listed, but killed or gone: "+listed[0]))
			listed = listed[1:]
		default:
			survivors, listed = survivors[1:], listed[1:]
		}
	}
	return all
}
