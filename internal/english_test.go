package internal_test

import (
	"bytes"
	"fmt"
	"go/scanner"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/testenv"
)

// phrases are constructions that a technical writer wouldn't use, with what to write instead;
// CONTRIBUTING.md explains them. A space matches any white space, so that a line break hides
// nothing, and \x00 the beginning and the end of a text. A match of except is fine.
var phrases = []struct{ found, except, instead string }{
	{found: `\bwhom\b`, instead: "who, or name the person"},
	{found: `\b(\w+ )?(is|are|was|were|be|been) no [a-z]+`, except: `^there|no (longer|more|less|later|earlier|other|different|better|worse)$`, instead: "isn't a, doesn't exist"},
	{found: `\bthere (is|are|was|were) none\b`, instead: "doesn't exist, has none"},
	{found: `\b(comes?|came|coming) of\b`, instead: "results from"},
	{found: `\b(stands?|stood|standing) for\b`, instead: "means, represents"},
	{found: `\b(goes|went) on\b`, instead: "continues"},
	{found: `\b(holds?|held) (\w+ ){1,4}against\b`, instead: "checks against"},
	{found: `\b(holds?|held) (it|them|(the |a )?\w+) to (what|its|their|those|how|that|the)\b`, except: `(reference|connection|lock|pointer|key|link|path|right)s? to`, instead: "checks against"},
	{found: `\bof elsewhere\b`, instead: "foreign"},
	{found: `(,|;|:|\(|\.) else\b`, instead: "otherwise"},
	{found: `\b(would|could|might|will|nowhere) else\b`, instead: "otherwise, anywhere else"},
	{found: `, for (it|they|there|we|he|she|nobody|nothing) `, instead: "because"},
	{found: `\b(seconds?|minutes?|hours?|days?|moments?) behind\b`, instead: "after, late"},
	{found: `\bbehind the (last|first|next|previous)\b`, instead: "after"},
	{found: `\b(\w+ )?(is|are|was|were) to [a-z]+`, except: `^(way|point|purpose|aim|goal|job|idea|task|step|thing|remedy|alternative|plan|rule) `, instead: "must, should, or the plain verb"},
	{found: `(\x00 ?|\. )\w+ (is|are) (what|who|whom|where|of|as) `, except: `^(\. )?(this|that|these) `, instead: "say what it does"},
	{found: `\btells whether\b`, instead: "reports whether"},
	{found: `\bby night\b`, instead: "nightly"},
	{found: `\b(is|are|was|were) told of\b`, instead: "is called with, learns of"},
	{found: `\b(thereof|therein|thereby|wherein|whereof|lest|nought|naught|aught|whither|anew)\b`, instead: "a word of this century"},
	{found: `(\x00 ?|[.;] )(?-i:Who) [^?.:\x00]*[.\x00]`, instead: "a caller who, anyone who"},
	{found: `\b(to|of|by|from) who\b`, instead: "to anyone who"},
	{found: `\ball that\b`, except: `after all that`, instead: "everything that"},
	{found: `\b(serves|runs|lives) on(,|\.|;|:| and)`, instead: "keeps serving"},
	{found: `[a-z],? but for\b`, instead: "except"},
	{found: `\bdoes as\b`, instead: "works like"},
	{found: `\ball the same\b`, instead: "nevertheless, anyway"},
	{found: `\bof late\b`, instead: "recently"},
	{found: `\bfor ever\b`, instead: "forever"},
	{found: `\ba most of\b`, instead: "a maximum number of"},
	{found: `\b(is|are) as (it|they) (was|were|is|are)\b`, instead: "is unchanged"},
	{found: `\bmade at the same time\b`, instead: "concurrent"},
	{found: `\bis part of [a-z]+\.[a-z]`, instead: "implements"},
	{found: `\b(is|are|was|were) (that|those) of\b`, instead: "the noun again, X's"},
	{found: `\bunder way\b`, instead: "in progress, pending, running"},
	{found: `\b(that|what|which|it|one) (is|was|are|were) there\b`, except: `^there`, instead: "exists"},
	{found: `\btime (is|was) over\b`, instead: "has expired"},
	{found: `\bas (it|they) stands?\b`, instead: "as shown, unchanged"},
	{found: `\bpass(es|ed)? over\b`, instead: "skips, ignores"},
	{found: `\bin the place of\b`, instead: "replaces"},
	{found: `\bonce more\b`, instead: "again"},
	{found: `\bh(old|olds|eld) (nobody|others?|anyone) (else )?back\b`, instead: "doesn't delay others"},
	{found: `\b(exists?|waits?) already\b`, instead: "already exists, is already waiting"},
	{found: `\b(keeps?|takes?) nobody\b`, instead: "doesn't delay others, doesn't affect others"},
	{found: `\bnothing that can't\b`, instead: "can't fail"},
	{found: `\b(is|are) let be\b`, instead: "stays unchanged"},
}

// Comments, messages and pages avoid the phrases that CONTRIBUTING.md rules out.
func TestEnglish(t *testing.T) {
	t.Parallel()
	all := texts(t)
	for name, page := range all {
		all[name] = page.condense()
	}
	for _, p := range phrases {
		found, except := compile(p.found), compile(p.except)
		for name, page := range all {
			for _, at := range found.FindAllIndex(page.text, -1) {
				match := bytes.Trim(page.text[at[0]:at[1]], "\x00 ")
				if p.except == "" || !except.Match(match) {
					t.Errorf("%s:%d: %q: write: %s", name, 1+bytes.Count(page.source[:page.places[at[0]]], []byte("\n")), match, p.instead)
				}
			}
		}
	}
}

// The phrases are found across line breaks, and in texts alone.
func TestPhrases(t *testing.T) {
	t.Parallel()
	source := "package x\n\n// F is no\n// G. There is no H.\nvar whom = \"sent to whom it may\"\n"
	text := goText([]byte(source))
	if len(text) != len(source) || strings.Count(string(text), "\n") != strings.Count(source, "\n") {
		t.Fatalf("%q has other lines than %q", text, source)
	}
	if short := (page{text: text}).condense(); string(short.text) != "\x00F is no\n   G. There is no H.\x00sent to whom it may\x00" || short.text[1] != text[short.places[1]] {
		t.Errorf("condensed to %q", short.text)
	}
	if got := compile(`is no [a-z]`).FindAllIndex(text, -1); len(got) != 2 {
		t.Errorf("is no: found %d times in %q", len(got), text)
	}
	if got := compile(`\bwhom\b`).FindAllIndex(text, -1); len(got) != 1 {
		t.Errorf("whom: found %d times in %q", len(got), text)
	}
	if got := string(markdownText([]byte("A `whom` is\nno X.\n```sh\nwhom\n```\nEnd.\n"))); strings.Contains(got, "whom") || !compile("is no X").MatchString(got) {
		t.Errorf("the page became %q", got)
	}
}

func compile(phrase string) *regexp.Regexp {
	return regexp.MustCompile("(?i)" + strings.ReplaceAll(phrase, " ", `\s+`))
}

// page is a file and its text: the bytes of its human language in their places, without
// comment marks and with \x00 instead of code.
type page struct {
	source, text []byte
	places       []int // of the text's bytes in source; nil: the same
}

// condense shortens what isn't text to single \x00, because expressions take long to read it.
func (p page) condense() page {
	short := page{source: p.source}
	for i := 0; i < len(p.text); i++ {
		rest := p.text[i:]
		if gap := len(rest) - len(bytes.TrimLeft(rest, "\x00 \t\n")); gap > 1 && bytes.IndexByte(rest[:gap], 0) >= 0 {
			short.text, short.places = append(short.text, 0), append(short.places, i)
			i += gap - 1
			continue
		}
		short.text, short.places = append(short.text, p.text[i]), append(short.places, i)
	}
	return short
}

// texts returns every file with human language, by name.
func texts(t *testing.T) map[string]page {
	t.Helper()
	all := map[string]page{}
	for _, name := range listed(t) {
		read := reader(name)
		if read == nil || strings.Contains(name, "/testdata/") {
			continue
		}
		source, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			continue // deleted, and not committed yet
		}
		if head := source[:min(len(source), 200)]; !bytes.Contains(head, []byte("DO NOT EDIT")) {
			all[name] = page{source: source, text: read(source)}
		}
	}
	if len(all) < 100 {
		t.Errorf("read only %d files", len(all))
	}
	return all
}

// listed returns the names of the repository's files, and of those that will be added.
func listed(t *testing.T) []string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "git", "ls-files", "--cached", "--others", "--exclude-standard")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		testenv.Skip(t, fmt.Sprintf("git ls-files: %v: checks of pages need a checkout", err))
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// reader returns the function that extracts the text of a file, or nil.
func reader(name string) func([]byte) []byte {
	base := filepath.Base(name)
	switch filepath.Ext(base) {
	case ".go":
		if base == "english_test.go" {
			return nil
		}
		return goText
	case ".md":
		return markdownText
	case ".sql":
		return commentText(`--`)
	case ".js", ".cs", ".java":
		return commentText(`//`)
	case ".yaml", ".yml":
		if base == "openapi.yaml" {
			return bytes.Clone
		}
		return commentText(`#`)
	case ".sh", ".py", ".cfg":
		return commentText(`#`)
	}
	if base == "Dockerfile" || base == "Makefile" || strings.HasPrefix(name, ".ci/") || base == "stand-ins" {
		return commentText(`#`)
	}
	return nil
}

// goText keeps comments, and strings of three words and more.
func goText(source []byte) []byte {
	text := blank(source)
	files := token.NewFileSet()
	file := files.AddFile("", -1, len(source))
	var s scanner.Scanner
	s.Init(file, source, nil, scanner.ScanComments)
	end, line := 0, 0
	for {
		pos, tok, literal := s.Scan()
		if tok == token.EOF {
			return text
		}
		at := file.Offset(pos)
		switch {
		case tok == token.COMMENT:
			if file.Line(pos) == line+1 && len(bytes.TrimSpace(source[end:at])) == 0 {
				copy(text[end:at], source[end:at]) // the comment continues
			}
			copy(text[at:], literal)
			copy(text[at:], "  ")
			end, line = at+len(literal), file.Line(pos)
		case tok == token.STRING && strings.Count(literal, " ") >= 2:
			copy(text[at+1:], literal[1:len(literal)-1])
		}
	}
}

var (
	fences = regexp.MustCompile("(?ms)^```.*?^```")
	spans  = regexp.MustCompile("`[^`\n]+`")
)

// markdownText keeps everything but code. Code within a sentence becomes a word.
func markdownText(source []byte) []byte {
	text := fences.ReplaceAllFunc(source, blank)
	text = spans.ReplaceAllFunc(text, func(code []byte) []byte { return bytes.Repeat([]byte("x"), len(code)) })
	return bytes.ReplaceAll(text, []byte("\n\n"), []byte("\x00\n"))
}

// commentText keeps comments that begin with a mark.
func commentText(mark string) func([]byte) []byte {
	comments := regexp.MustCompile(`(?m)(^|\s)` + mark + ` .*$`)
	return func(source []byte) []byte {
		text, end := blank(source), -1
		for _, at := range comments.FindAllIndex(source, -1) {
			if end >= 0 && len(bytes.TrimSpace(source[end:at[0]])) == 0 {
				copy(text[end:at[0]], source[end:at[0]])
			}
			copy(text[at[0]:at[1]], bytes.Replace(source[at[0]:at[1]], []byte(mark), bytes.Repeat([]byte(" "), len(mark)), 1))
			end = at[1]
		}
		return text
	}
}

// blank replaces everything but line ends by \x00.
func blank(source []byte) []byte {
	text := make([]byte, len(source))
	for i, b := range source {
		if b == '\n' {
			text[i] = b
		}
	}
	return text
}
