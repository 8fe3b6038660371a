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
	"net/url"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/pflag"

	"github.com/mocktenant/mocktenant/api"
)

// cli is the command line: the settings that all commands share, and the chosen command.
type cli struct {
	Database databaseFlags
	Log      logFlags

	meant        runner
	administered []*adminCommand
}

// runner executes a command.
type runner interface {
	Run(ctx context.Context, c *cli, con console) error
}

// memoryLimit is the default of GOMEMLIMIT, in bytes. Above it, the service collects
// garbage more often. It keeps the whole process, program file included, below 512 MB.
const memoryLimit = 384 << 20

// gcPercent is the default of GOGC. Few objects stay alive, so collecting four times less
// often costs a few megabytes and saves a tenth of the processor time of a create. main
// sets it first, because the start makes much garbage.
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
	context.AfterFunc(ctx, stop) // a second signal ends the process immediately
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

// These are the exit codes, for scripts.
const (
	exitFailure  = 1
	exitUsage    = 2
	exitDenied   = 3
	exitNotFound = 4
	exitConflict = 5
)

// exitCode returns the exit code for an error.
func exitCode(err error) int {
	var usage *usageError
	var refused *api.Problem
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case !errors.As(err, &refused) || refused.Type == "": // not a problem document, so something else answered
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

// run executes a command line. Flags that it lacks come from the environment.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var c cli
	root := newRoot(&c)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	c.completions(root)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case errors.Is(err, errVersion):
		_, err = fmt.Fprintln(stdout, thisBuild())
		return err
	case err != nil:
		return &usageError{cmd.CommandPath(), useLine(cmd), groupError(cmd, err)}
	case c.meant == nil: // such as --help, which is done by now
		return nil
	}
	log, err := c.Log.logger(stderr)
	if err != nil {
		return err
	}
	c.administered = nil // lets the commands be freed while one runs
	return plain(c.meant.Run(ctx, &c, console{stdout, stderr, log}))
}

// plain says what a database lacks in which a table is missing, and what to do where nobody
// listens.
func plain(err error) error {
	var unanswered *url.Error
	if errors.As(err, &unanswered) && errors.Is(err, syscall.ECONNREFUSED) && unanswered.Err != nil {
		at, _ := url.Parse(unanswered.URL)
		return fmt.Errorf("no service answers at %s://%s (%w): start one with mocktenant serve, or name the one that is meant", at.Scheme, at.Host, unanswered.Err)
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == undefinedTable {
		return fmt.Errorf("the database has no tables of mocktenant: start the service on it, or run mocktenant migrate up (%w)", err)
	}
	return err
}

const undefinedTable = "42P01"

// logFlags set what is logged, and how.
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
		options.ReplaceAttr = nameUnit
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return slog.New(slog.NewTextHandler(w, options)), nil
}

// nameUnit replaces a duration with a number of milliseconds and adds the unit to its name,
// because JSON has no durations.
func nameUnit(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() != slog.KindDuration {
		return a
	}
	return slog.Float64(a.Key+"-ms", float64(a.Value.Duration().Microseconds())/1000)
}
