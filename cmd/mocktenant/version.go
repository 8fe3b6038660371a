package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/module"
)

// These are set by a release's linker (-ldflags=-X=main.version=v1.2.3), or by anyone who
// builds from a source archive, where Go can't find the version. Otherwise they are empty.
var version, commit, date string

type versionCommand struct {
	Output string
}

func newVersion(c *cli) *cobra.Command {
	v := &versionCommand{}
	cmd := c.command("version", "Print the version.", v)
	choiceFlag(cmd.Flags(), &v.Output, "output", "o", "text", "The output format.", "text", "json")
	return cmd
}

// Run prints the build.
func (v *versionCommand) Run(_ context.Context, _ *cli, con console) error {
	if v.Output == "json" {
		e := json.NewEncoder(con.out)
		e.SetIndent("", "  ")
		return e.Encode(thisBuild())
	}
	_, err := fmt.Fprintln(con.out, thisBuild())
	return err
}

// build describes what a program was built from. Unknown fields are empty.
type build struct {
	Version  string `json:"version"`          // the module's, such as v1.2.3, with +dirty for a changed checkout; (devel) if unknown
	Commit   string `json:"commit,omitempty"` // Git commit; 12 digits if the version contains it
	Date     string `json:"date,omitempty"`   // the commit's, RFC 3339, UTC
	Go       string `json:"go"`
	Platform string `json:"platform"` // GOOS/GOARCH
}

// String returns the build in one line.
func (b build) String() string {
	parts := []string{"mocktenant " + b.Version}
	if b.Commit != "" {
		from := "commit " + b.Commit
		if b.Date != "" {
			from += " of " + b.Date
		}
		parts = append(parts, from)
	}
	return strings.Join(append(parts, b.Go+" "+b.Platform), ", ")
}

// thisBuild returns what the linker set, otherwise what Go knows: the commit of a checkout,
// or the version of a module (go install …@v1.2.3).
func thisBuild() build {
	b := build{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if version != "" {
		b.Version, b.Commit, b.Date = version, commit, date
		return b
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.read(info)
	}
	return b
}

func (b *build) read(info *debug.BuildInfo) {
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	if rev, err := module.PseudoVersionRev(b.Version); err == nil {
		b.Commit = rev
		if at, err := module.PseudoVersionTime(b.Version); err == nil {
			b.Date = at.Format(time.RFC3339)
		}
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Date = s.Value
		}
	}
}
