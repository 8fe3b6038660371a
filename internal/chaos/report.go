//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"
)

const page = "docs/reliability.md"

// table returns the figures of the runs in Markdown.
func table(runs []*run) string {
	var b strings.Builder
	b.WriteString("| trial | what happens | on | phases | calls acknowledged | of unknown result | longest recovery | took | result |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range runs {
		b.WriteString(row(r))
	}
	return b.String()
}

func row(r *run) string {
	f := r.figures
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", r.trial.name, r.trial.does, strings.Join(r.cases, ", "),
		unlessZero(f.phases), unlessZero(f.acknowledged), unlessZero(f.unknown), recovery(f), f.took.Round(time.Second), result(f))
}

func unlessZero(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func recovery(f figures) string {
	if f.longest == 0 {
		return ""
	}
	return f.longest.Round(time.Millisecond).String()
}

// result says in one line how a trial ended.
func result(f figures) string {
	text := "passed"
	switch {
	case errors.Is(f.result, errNotHere):
		text = f.result.Error()
	case f.result != nil:
		text = "**failed**: " + f.result.Error()
	}
	text = strings.Join(append([]string{text}, f.notes...), "; ")
	text = regexp.MustCompile(`\s+`).ReplaceAllString(strings.ReplaceAll(text, "|", "/"), " ")
	return text[:min(len(text), 400)]
}

// rules returns the invariants and where they are checked, in Markdown.
func rules() string {
	var b strings.Builder
	b.WriteString("| invariant | | checked in |\n|---|---|---|\n")
	for _, i := range invariants {
		var in []string
		for _, t := range trials {
			for _, name := range t.invariants {
				if name == i.name {
					in = append(in, t.name)
				}
			}
		}
		where := strings.Join(in, ", ")
		if len(in) > 9 {
			where = fmt.Sprintf("%d trials", len(in))
		}
		_, _ = fmt.Fprintf(&b, "| %s | %s | %s |\n", i.name, i.says, where)
	}
	return b.String()
}

// writePage puts the result of a run into the page: of all trials, or of some, whose rows it
// replaces in those of an earlier run.
func writePage(ctx context.Context, part string, runs []*run) error {
	version, err := output(ctx, "", "git", "describe", "--always", "--dirty", "--tags")
	if err != nil {
		return err
	}
	when := fmt.Sprintf("on %s, version %s, %s", time.Now().UTC().Format("2006-01-02"), version, machine())
	err = replaceSection(part, func(old string) (string, error) {
		if len(runs) < len(trials) {
			return replaceRows(old, runs, when)
		}
		return fmt.Sprintf("O%s.\n\n%s\n", when[1:], table(runs)), nil
	})
	if err != nil {
		return err
	}
	return replaceSection("invariants", func(string) (string, error) { return rules(), nil })
}

// replaceRows replaces the rows of some trials in a section, and says below them when these
// trials ran.
func replaceRows(section string, runs []*run, when string) (string, error) {
	for _, r := range runs {
		old := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(r.trial.name) + ` \|.*\n`)
		if !old.MatchString(section) {
			return "", fmt.Errorf("%s has no row of the trial %q: run all trials once", page, r.trial.name)
		}
		section = old.ReplaceAllLiteralString(section, row(r))
		begin := "The row *" + r.trial.name + "* is of a later run: "
		section = regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(begin)+`.*\n\n`).ReplaceAllLiteralString(section, "") + begin + when + ".\n\n"
	}
	return section, nil
}

// machine describes this machine, and how busy it is.
func machine() string {
	memory, _ := os.ReadFile("/proc/meminfo")
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	load, _ := os.ReadFile("/proc/loadavg")
	var kilobytes int
	if m := regexp.MustCompile(`MemTotal:\s+\d+`).Find(memory); m != nil {
		_, _ = fmt.Sscanf(string(m), "MemTotal: %d", &kilobytes)
	}
	return fmt.Sprintf("%d cores, %d GB of memory, %s, Linux %s, %s, load average %s", runtime.NumCPU(), kilobytes>>20, runtime.GOARCH, strings.TrimSpace(string(kernel)), runtime.Version(), strings.Join(strings.Fields(string(load))[:3], ", ")) // of 1, 5 and 15 minutes
}

// replaceSection replaces what is between a part's markers in the page.
func replaceSection(part string, with func(old string) (string, error)) error {
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	begin, end := "<!-- chaos "+part+" -->\n", "<!-- /chaos "+part+" -->"
	before, rest, begins := strings.Cut(string(old), begin)
	section, after, ends := strings.Cut(rest, end)
	if !begins || !ends {
		return fmt.Errorf("%s lacks the markers %s%s", page, begin, end)
	}
	text, err := with(section)
	if err != nil {
		return err
	}
	return os.WriteFile(page, []byte(before+begin+text+end+after), 0o644)
}
