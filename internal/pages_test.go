package internal_test

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	pathForm = regexp.MustCompile(`^(\./)?[\w.-]+(/[\w.-]+)*/?$`)
	testForm = regexp.MustCompile(`^(Test|Fuzz)[A-Z]\w*$`)
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	links    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	headings = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// Pages name only files, folders and tests that exist.
func TestPagesNameWhatExists(t *testing.T) {
	t.Parallel()
	paths, tests := everyPath(t), everyTest(t)
	for name, prose := range pages(t) {
		for _, at := range spans.FindAllIndex(prose, -1) {
			word := string(prose[at[0]+1 : at[1]-1])
			switch {
			case testForm.MatchString(word) && !tests[word]:
				t.Errorf("%s: no test is called %s", place(name, prose, at[0]), word)
			case namesPath(word, paths) && !paths[path.Clean(word)]:
				t.Errorf("%s: %s doesn't exist", place(name, prose, at[0]), word)
			}
		}
	}
}

// Links between pages lead to files, folders and headings that exist.
func TestPagesLinkToWhatExists(t *testing.T) {
	t.Parallel()
	paths, all := everyPath(t), pages(t)
	for name, prose := range all {
		for _, at := range links.FindAllSubmatchIndex(prose, -1) {
			link := string(prose[at[2]:at[3]])
			if strings.Contains(link, "://") {
				continue
			}
			file, anchor, _ := strings.Cut(link, "#")
			to := name
			if file != "" {
				to = path.Join(path.Dir(name), file)
			}
			if !paths[to] || anchor != "" && !slices.Contains(anchors(all[to]), anchor) {
				t.Errorf("%s: the link %s leads nowhere", place(name, prose, at[0]), link)
			}
		}
	}
}

// The way to run the container is the same wherever it is shown.
func TestPagesAgreeOnTheContainer(t *testing.T) {
	t.Parallel()
	block := regexp.MustCompile("(?ms)^docker run -d --name mocktenant .*?^```")
	shown := map[string][]byte{}
	for name, page := range texts(t) {
		if found := block.Find(page.source); filepath.Ext(name) == ".md" && found != nil {
			shown[name] = found
		}
	}
	for name, text := range shown {
		if !bytes.Equal(text, shown["README.md"]) {
			t.Errorf("README.md and %s run the container differently", name)
		}
	}
	if shown["docs/clients.md"] == nil {
		t.Errorf("docs/clients.md doesn't run the container")
	}
}

// pages returns the text of each page by its name, with code blocks blanked.
func pages(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for name, page := range texts(t) {
		if filepath.Ext(name) == ".md" {
			all[name] = fences.ReplaceAllFunc(page.source, blank)
		}
	}
	return all
}

func place(name string, text []byte, at int) string {
	return fmt.Sprintf("%s:%d", name, 1+bytes.Count(text[:at], []byte("\n")))
}

// everyPath has each file and folder of the repository, and the ends of its files' paths,
// because a page may call internal/graph/path.go just path.go.
func everyPath(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{".": true}
	for _, name := range listed(t) {
		for dir := name; dir != "."; dir = path.Dir(dir) {
			all[dir] = true
		}
		for end, more := name, true; more; {
			all[end] = true
			_, end, more = strings.Cut(end, "/")
		}
	}
	return all
}

// namesPath reports whether a word in code is a path in this repository: it begins with one
// of its folders, or ends like a file in a language of ours.
func namesPath(word string, paths map[string]bool) bool {
	if !pathForm.MatchString(word) {
		return false
	}
	first, _, deep := strings.Cut(strings.TrimPrefix(word, "./"), "/")
	return deep && paths[first] || slices.Contains([]string{".go", ".md", ".sh", ".sql"}, path.Ext(word))
}

// everyTest has the names of all tests and fuzz targets.
func everyTest(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, name := range listed(t) {
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			continue // deleted, and not committed yet
		}
		for _, found := range testFunc.FindAllSubmatch(text, -1) {
			all[string(found[1])] = true
		}
	}
	return all
}

// anchors lists the anchors that GitHub gives to a page's headings.
func anchors(prose []byte) (all []string) {
	drop := regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	for _, found := range headings.FindAllSubmatch(prose, -1) {
		anchor := drop.ReplaceAllString(strings.ToLower(string(found[1])), "")
		all = append(all, strings.ReplaceAll(anchor, " ", "-"))
	}
	return all
}
