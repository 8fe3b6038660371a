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
		f := r.figures
		_, _ = fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", r.trial.name, r.trial.does, strings.Join(r.cases, ", "),
			unlessZero(f.phases), unlessZero(f.acknowledged), unlessZero(f.unknown), recovery(f), f.took.Round(time.Second), result(f))
	}
	return b.String()
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

// writePage puts the result of a run into the page.
func writePage(ctx context.Context, part string, runs []*run) error {
	version, err := output(ctx, "", "git", "describe", "--always", "--dirty", "--tags")
	if err != nil {
		return err
	}
	text := fmt.Sprintf("On %s, version %s, %s.\n\n%s\n", time.Now().UTC().Format("2006-01-02"), version, machine(), table(runs))
	if err := replaceSection(part, text); err != nil {
		return err
	}
	return replaceSection("invariants", rules())
}

// machine describes this machine, and how busy it is.
func machine() string {
	memory, _ := os.ReadFile("/proc/meminfo")
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	load, _ := os.ReadFile("/proc/loadavg") // of 1, 5 and 15 minutes
	var kilobytes int
	if m := regexp.MustCompile(`MemTotal:\s+\d+`).Find(memory); m != nil {
		_, _ = fmt.Sscanf(string(m), "MemTotal: %d", &kilobytes)
	}
	return fmt.Sprintf("%d cores, %d GB of memory, %s, Linux %s, %s, load average %.14s", runtime.NumCPU(), kilobytes>>20, runtime.GOARCH, strings.TrimSpace(string(kernel)), runtime.Version(), load)
}

// replaceSection replaces what is between a part's markers in the page.
func replaceSection(part, text string) error {
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	begin, end := "<!-- chaos "+part+" -->\n", "<!-- /chaos "+part+" -->"
	section := regexp.MustCompile(`(?s)` + begin + `.*` + end)
	if !section.Match(old) {
		return fmt.Errorf("%s lacks the markers %s%s", page, begin, end)
	}
	return os.WriteFile(page, section.ReplaceAllLiteral(old, []byte(begin+text+end)), 0o644)
}
