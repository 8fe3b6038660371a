// Package release_test makes a release as goreleaser would for a tag, without publishing
// it, and checks the result.
package release_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
)

const (
	root    = "../../.."
	tag     = "v1.9.8"
	version = "1.9.8"
)

var allFlag = flag.Bool("all", false, "make the programs for all platforms, as nightly runs do, rather than for two")

// platforms returns the platforms of the programs in the test's release.
func platforms() []string {
	if *allFlag {
		return []string{"darwin_amd64", "darwin_arm64", "linux_amd64", "linux_arm64", "windows_amd64", "windows_arm64"}
	}
	return []string{"linux_" + runtime.GOARCH, "windows_" + runtime.GOARCH}
}

// configuration returns the project's configuration, limited to those platforms.
func configuration(t *testing.T) string {
	t.Helper()
	text := string(read(t, filepath.Join(root, ".goreleaser.yaml")))
	const systems, processors = "goos: [linux, darwin, windows]\n", "goarch: [amd64, arm64]\n"
	if !strings.Contains(text, systems) || !strings.Contains(text, processors) {
		t.Fatal("the platforms are written otherwise")
	}
	if !*allFlag {
		text = strings.NewReplacer(systems, "goos: [linux, windows]\n", processors, "goarch: ["+runtime.GOARCH+"]\n").Replace(text)
	}
	file := filepath.Join(t.TempDir(), "goreleaser.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// run runs a command in a folder and expects it to succeed.
func run(t *testing.T, dir string, env []string, command ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), command[0], command[1:]...)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	var out, log bytes.Buffer
	c.Stdout, c.Stderr = &out, &log
	if err := c.Run(); err != nil {
		t.Fatalf("%q: %v\n%s%s", command, err, out.String(), log.String())
	}
	return strings.TrimSpace(out.String())
}

// checkout clones the project as it is in this folder, including uncommitted changes, and
// tags it.
func checkout(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "mocktenant")
	who := []string{
		"GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@example.com", "GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test@example.com",
		"GIT_AUTHOR_DATE=2026-02-03T04:05:06Z", "GIT_COMMITTER_DATE=2026-02-03T04:05:06Z", // the same commit each time
		"GIT_INDEX_FILE=" + filepath.Join(t.TempDir(), "index"),
	}
	run(t, root, who, "git", "add", "--all")
	tree := run(t, root, who, "git", "write-tree")
	commit := run(t, root, who, "git", "commit-tree", "-m", "a release", tree)
	run(t, root, nil, "git", "clone", "--quiet", "--no-checkout", ".", dir)
	run(t, dir, nil, "git", "checkout", "--quiet", commit)
	run(t, dir, nil, "git", "tag", tag)
	run(t, dir, nil, "git", "remote", "set-url", "origin", "https://github.com/mocktenant/mocktenant")
	return dir
}

func goreleaser(t *testing.T, dir string, args ...string) {
	t.Helper()
	run(t, dir, nil, append([]string{"go", "tool", "-modfile=tools/goreleaser.mod", "goreleaser"}, args...)...)
}

// built is the output of `mocktenant version -o json`.
type built struct{ Version, Commit, Date, Go, Platform string }

func versionOf(t *testing.T, binary string) (b built) {
	t.Helper()
	if err := json.Unmarshal([]byte(run(t, ".", nil, binary, "version", "--output=json")), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	goreleaser(t, root, "check")
}

// A release of a tag, except for the steps of buildx, syft and cosign.
func TestRelease(t *testing.T) {
	t.Parallel()
	dir := checkout(t)
	goreleaser(t, dir, "release", "--config="+configuration(t), "--clean", "--skip=publish,announce,docker,sbom,sign")
	commit := run(t, dir, nil, "git", "rev-parse", "HEAD")
	dist := filepath.Join(dir, "dist/release")

	sums := map[string]string{}
	programs := map[string][]byte{}
	for _, platform := range platforms() {
		archive, program := "mocktenant_"+version+"_"+platform+".tar.gz", "mocktenant"
		if strings.HasPrefix(platform, "windows") {
			archive, program = "mocktenant_"+version+"_"+platform+".zip", "mocktenant.exe"
		}
		text := read(t, filepath.Join(dist, archive))
		sums[archive] = sum(text)
		files := unpack(t, archive, text)
		want := []string{"CHANGELOG.md", "LICENSE", "README.md", "completions/mocktenant.bash", "completions/mocktenant.fish", "completions/mocktenant.zsh", program}
		if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q", archive, got, want)
		}
		if got := string(files["completions/mocktenant.bash"]); !strings.Contains(got, "\n    complete -o default -F __start_mocktenant mocktenant\n") {
			t.Errorf("%s completes by %q", archive, got)
		}
		programs[platform] = files[program]
	}

	for _, platform := range platforms() {
		if strings.HasPrefix(platform, "linux") {
			name := "mocktenant_" + version + "_" + platform + ".deb"
			sums[name] = sum(read(t, filepath.Join(dist, name)))
		}
	}
	installs(t, filepath.Join(dist, "mocktenant_"+version+"_linux_"+runtime.GOARCH+".deb"))

	chart := "mocktenant-" + version + ".tgz"
	sums[chart] = sum(read(t, filepath.Join(dir, "dist/files", chart)))
	if got := run(t, root, nil, "go", "tool", "-modfile=tools/helm.mod", "helm", "show", "chart", filepath.Join(dir, "dist/files", chart)); !strings.Contains(got, "\nversion: "+version) || !strings.Contains(got, "appVersion: "+version+"\n") {
		t.Errorf("the chart says\n%s", got)
	}
	listed := map[string]string{}
	for line := range strings.Lines(string(read(t, filepath.Join(dist, "checksums.txt")))) {
		sum, file, _ := strings.Cut(strings.TrimSpace(line), "  ")
		listed[file] = sum
	}
	if !maps.Equal(listed, sums) {
		t.Errorf("checksums.txt says %v, the files are %v", listed, sums)
	}

	manifests := []string{"scoop/mocktenant.json"}
	if *allFlag { // a cask needs a program for macOS
		manifests = append(manifests, "homebrew/Casks/mocktenant.rb")
	}
	for _, file := range manifests {
		text := string(read(t, filepath.Join(dist, file)))
		if !strings.Contains(text, `"`+version+`"`) {
			t.Errorf("%s has no version %s\n%s", file, version, text)
		}
		for archive, sum := range sums {
			scoop, cask := strings.HasSuffix(archive, ".zip"), strings.HasSuffix(archive, ".tar.gz")
			if (strings.HasPrefix(file, "scoop") && scoop || strings.HasPrefix(file, "homebrew") && cask) && !strings.Contains(text, sum) {
				t.Errorf("%s doesn't know %s\n%s", file, archive, text)
			}
		}
	}

	here := programs[runtime.GOOS+"_"+runtime.GOARCH]
	if here == nil {
		t.Fatalf("no program for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	binary := filepath.Join(t.TempDir(), "mocktenant")
	if err := os.WriteFile(binary, here, 0o755); err != nil {
		t.Fatal(err)
	}
	want := built{Version: tag, Commit: commit, Date: "2026-02-03T04:05:06Z", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if got := versionOf(t, binary); got != want {
		t.Errorf("the program says %+v, want %+v", got, want)
	}

	// The same commit in another folder gives the same bytes.
	again := checkout(t)
	goreleaser(t, again, "build", "--clean", "--single-target", "--skip=before", "--output="+filepath.Join(again, "program"))
	if got := read(t, filepath.Join(again, "program")); !bytes.Equal(got, here) {
		t.Errorf("built twice: %d bytes, then %d others", len(here), len(got))
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func sum(text []byte) string {
	s := sha256.Sum256(text)
	return hex.EncodeToString(s[:])
}

// unpack returns the files of an archive.
func unpack(t *testing.T, name string, text []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	keep := func(name string, r io.Reader, err error) {
		if err == nil {
			files[name], err = io.ReadAll(r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if strings.HasSuffix(name, ".zip") {
		z, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			r, err := f.Open()
			keep(f.Name, r, err)
		}
		return files
	}
	z, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		keep(h.Name, r, nil)
	}
}

// A program built without goreleaser knows its version too, from git or from the linker's
// flags.
func TestVersionWithoutARelease(t *testing.T) {
	t.Parallel()
	dir, bin := checkout(t), t.TempDir()
	commit := run(t, dir, nil, "git", "rev-parse", "HEAD")
	run(t, dir, nil, "go", "build", "-buildvcs=true", "-o", filepath.Join(bin, "built"), "./cmd/mocktenant")
	if got := versionOf(t, filepath.Join(bin, "built")); got.Version != tag || got.Commit != commit || got.Date != "2026-02-03T04:05:06Z" {
		t.Errorf("go build of a checkout: %+v", got)
	}
	run(t, dir, nil, "go", "build", "-buildvcs=false", "-ldflags=-X main.version=v1.2.3", "-o", filepath.Join(bin, "built"), "./cmd/mocktenant")
	if got := versionOf(t, filepath.Join(bin, "built")); got.Version != "v1.2.3" || got.Commit != "" {
		t.Errorf("told to the linker: %+v", got)
	}
}

// The notes are the version's section of the changelog, which must exist.
func TestNotes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".ci"), 0o755); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, ".ci/release-notes")
	changelog := "# Changelog\n\n## Unreleased\n\n## 1.2.3\n\n### Added\n\n- A thing.\n\n## 1.2.2 - 2026-01-01\n\n- Older.\n\n## 1.2.1\n"
	for file, text := range map[string][]byte{script: read(t, filepath.Join(root, ".ci/release-notes")), filepath.Join(dir, "CHANGELOG.md"): []byte(changelog)} {
		if err := os.WriteFile(file, text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for v, want := range map[string]string{"v1.2.3": "### Added\n\n- A thing.", "v1.2.2": "- Older."} {
		if got := run(t, dir, nil, script, v); got != want {
			t.Errorf("%s: %q, want %q", v, got, want)
		}
	}
	for _, v := range []string{"v1.2.1", "v1.2", "v9.9.9"} {
		out, err := exec.CommandContext(t.Context(), script, v).CombinedOutput()
		if err == nil || !strings.Contains(string(out), `no section "## `+strings.TrimPrefix(v, "v")+`"`) {
			t.Errorf("%s: %v %s", v, err, out)
		}
	}
}

// The workflows are well-formed according to actionlint, and the one for releases runs only
// pinned actions.
func TestWorkflows(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	linter, err := actionlint.NewLinter(&out, &actionlint.LinterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if bad, err := linter.LintDir(filepath.Join(root, ".github/workflows"), nil); err != nil || len(bad) > 0 {
		t.Errorf("%v\n%s", err, out.String())
	}
	for name, least := range map[string]int{"release.yml": 5, "ci.yml": 3} {
		text := string(read(t, filepath.Join(root, ".github/workflows", name)))
		uses := regexp.MustCompile(`(?m)uses: (\S+)(.*)$`).FindAllStringSubmatch(text, -1)
		if len(uses) < least {
			t.Fatalf("%s uses %q", name, uses)
		}
		for _, u := range uses {
			if !strings.HasPrefix(u[1], "./") && !regexp.MustCompile(`^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`).MatchString(u[1]+u[2]) {
				t.Errorf("%s: %s isn't pinned", name, u[1])
			}
		}
		if !strings.Contains(text, "\npermissions:\n  contents: read\n") {
			t.Errorf("%s: jobs may do more than read by default", name)
		}
	}
}
