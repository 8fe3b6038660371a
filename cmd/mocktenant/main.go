// Command mocktenant is a mock Microsoft Graph tenant: a service over Postgres
// that answers Intune's remoteAssistancePartners as Microsoft Graph does.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/gin-gonic/gin"
	"github.com/spf13/pflag"

	"github.com/mocktenant/mocktenant/client"
)

// cli is the command line: the settings that all commands share, and the command that
// was meant.
type cli struct {
	Database databaseFlags
	Log      logFlags

	meant runner
}

// runner is what a command does.
type runner interface {
	Run(ctx context.Context, c *cli, con console) error
}

// console is where a command prints and logs.
type console struct {
	out io.Writer
	err io.Writer
	log *slog.Logger
}

// memoryLimit is GOMEMLIMIT, in bytes, if the environment says nothing: up to it garbage
// may lie, beyond it the service collects more often, as far as it needs less. The
// process keeps below 512 MB so, its file included.
const memoryLimit = 384 << 20

// gcPercent is GOGC, if the environment says nothing: the service keeps little alive, so
// that collecting a quarter as often costs few megabytes, and saves a tenth of the
// processor time of a create. It is set before all else, for the start makes much that
// is soon garbage.
const gcPercent = 400

func main() {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
	if _, set := os.LookupEnv("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(memoryLimit)
	}
	gin.SetMode(gin.ReleaseMode)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		var usage *usageError
		if errors.As(err, &usage) {
			fmt.Fprintf(os.Stderr, "Usage: %s\n       %s --help\n\n", usage.line, usage.command)
		}
		fmt.Fprintf(os.Stderr, "mocktenant: %s\n", printableLines(err.Error()))
		stop()
		os.Exit(exitCode(err))
	}
}

// What the program exits with, for scripts.
const (
	exitFailure  = 1
	exitUsage    = 2
	exitDenied   = 3
	exitNotFound = 4
	exitConflict = 5
)

// exitCode tells what went wrong.
func exitCode(err error) int {
	var usage *usageError
	var refused *client.Problem
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case !errors.As(err, &refused) || refused.Type == "": // not a problem document: something else answered
		return exitFailure
	}
	switch refused.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitDenied
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusConflict:
		return exitConflict
	}
	return exitFailure
}

// run executes one command line. Settings that it doesn't give come from the
// environment.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var c cli
	root := newRoot(&c)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	completions(root)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case errors.Is(err, errVersion):
		_, err = fmt.Fprintln(stdout, thisBuild())
		return err
	case err != nil:
		return &usageError{cmd.CommandPath(), useLine(cmd), err}
	case c.meant == nil: // such as --help, which is done by now
		return nil
	}
	log, err := c.Log.logger(stderr)
	if err != nil {
		return err
	}
	return c.meant.Run(ctx, &c, console{stdout, stderr, log}) // and nothing keeps the commands while it runs
}

// logFlags say what is logged, and how.
type logFlags struct {
	LogLevel  string
	LogFormat string
}

func (f *logFlags) register(flags *pflag.FlagSet) {
	choiceFlag(flags, &f.LogLevel, "log-level", "", "info", "What to log.", "debug", "info", "warn", "error")
	choiceFlag(flags, &f.LogFormat, "log-format", "", "text", "How to log.", "text", "json")
	settings(flags, "Log", map[string]string{"log-level": "MOCKTENANT_LOG_LEVEL", "log-format": "MOCKTENANT_LOG_FORMAT"})
}

func (f logFlags) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.LogLevel)); err != nil {
		return nil, fmt.Errorf("MOCKTENANT_LOG_LEVEL: %w", err)
	}
	options := &slog.HandlerOptions{Level: level}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return slog.New(slog.NewTextHandler(w, options)), nil
}
