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

// What a release's linker says (-ldflags=-X=main.version=v1.2.3), and whoever
// builds where Go can't find it out: from an archive of the source. Empty
// otherwise.
var version, commit, date string

type versionCommand struct {
	Output string
}

func newVersion(c *cli) *cobra.Command {
	v := &versionCommand{}
	cmd := c.command("version", "Print the version.", v)
	choiceFlag(cmd.Flags(), &v.Output, "output", "o", "text", "How to print.", "text", "json")
	return cmd
}

// Run prints what the program was built from.
func (v *versionCommand) Run(_ context.Context, _ *cli, con console) error {
	if v.Output == "json" {
		e := json.NewEncoder(con.out)
		e.SetIndent("", "  ")
		return e.Encode(thisBuild())
	}
	_, err := fmt.Fprintln(con.out, thisBuild())
	return err
}

// build is what a program was built from. What isn't known is empty.
type build struct {
	Version  string `json:"version"`          // the module's, such as v1.2.3, +dirty where a checkout had changes; (devel) if nobody knows
	Commit   string `json:"commit,omitempty"` // of git; 12 digits of it if the version is made of it
	Date     string `json:"date,omitempty"`   // the commit's, RFC 3339, UTC
	Go       string `json:"go"`
	Platform string `json:"platform"` // GOOS/GOARCH
}

// String says it in one line.
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

// thisBuild tells what the linker was told, else what Go knows: of a checkout its
// commit, of a module its version (go install …@v1.2.3).
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
