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
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/gin-gonic/gin"
	kongcompletion "github.com/jotaen/kong-completion"

	"github.com/mocktenant/mocktenant/client"
)

// cli is the command line: its commands, and the settings that they share.
type cli struct {
	Serve serveCommand `cmd:"" default:"withargs" help:"Run the service. This is the default."`
	Token tokenCommand `cmd:"" help:"Print an access token for the demo tenant."`
	Env   envCommand   `cmd:"" help:"Print export lines that point Microsoft's SDKs at the demo tenant."`
	CA    caCommand    `cmd:"" name:"ca" help:"Print the certificate authority of the service, and how to trust it."`
	Proxy proxyCommand `cmd:"" help:"Lead applications whose hosts can't be changed to a running service, as a forward proxy."`

	Tenant      tenantCommand      `cmd:"" group:"Administration" help:"Make, list, change, reset and remove tenants."`
	User        userCommand        `cmd:"" group:"Administration" help:"Make, list, change and remove users."`
	App         appCommand         `cmd:"" group:"Administration" help:"Make, list, change and remove applications, their secrets and consents."`
	Partner     partnerCommand     `cmd:"" group:"Administration" help:"Do what the partner's side does: confirm, refuse, expire, heartbeat."`
	Snapshot    snapshotCommand    `cmd:"" group:"Administration" help:"Keep, restore and compare what a tenant holds."`
	Seed        seedCommand        `cmd:"" group:"Administration" help:"Keep documents to make tenants from."`
	Export      exportCommand      `cmd:"" group:"Administration" help:"Write what a tenant holds as a document."`
	Import      importCommand      `cmd:"" group:"Administration" help:"Replace what a tenant holds by a document."`
	Report      reportCommand      `cmd:"" group:"Administration" help:"Run a report about a tenant."`
	ReportLogin reportLoginCommand `cmd:"" group:"Administration" help:"Make Postgres logins that read reports of their tenants."`
	AdminKey    adminKeyCommand    `cmd:"" group:"Administration" help:"Make, list and revoke keys of administrators."`
	Audit       auditCommand       `cmd:"" group:"Administration" help:"List the audit log."`

	Migrate     migrateCommand            `cmd:"" help:"Show or change the database's schema revision."`
	Healthcheck healthcheckCommand        `cmd:"" help:"Ask the running service whether it is ready; exit 1 if not."`
	Version     versionCommand            `cmd:"" help:"Print the version."`
	Completion  kongcompletion.Completion `cmd:"" help:"Print what turns on completion in your shell (bash, zsh, fish)."`

	Database databaseFlags `embed:"" group:"Database"`
	Log      logFlags      `embed:"" group:"Log"`

	ShowVersion kong.VersionFlag `name:"version" help:"Print the version and quit."`
}

// console is where a command prints and logs.
type console struct {
	out io.Writer
	err io.Writer
	log *slog.Logger
}

// gcPercent is GOGC, if the environment says nothing: the service keeps little alive, so
// that collecting a quarter as often costs few megabytes, and saves a tenth of the
// processor time of a create. It is set before all else, for the start makes much that
// is soon garbage.
const gcPercent = 400

func main() {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
	gin.SetMode(gin.ReleaseMode)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		code := exitCode(err)
		fmt.Fprintf(os.Stderr, "mocktenant: %v\n", err)
		if code == exitUsage {
			fmt.Fprintln(os.Stderr, "mocktenant --help, and --help behind each command, say what there is.")
		}
		stop()
		os.Exit(code)
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
	var usage *kong.ParseError
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
	parser, err := kong.New(&c,
		kong.Name("mocktenant"),
		kong.Description("A mock Microsoft Graph tenant: Intune's remoteAssistancePartners over Postgres."),
		kong.UsageOnError(),
		kong.Writers(stdout, stderr),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Vars{"version": thisBuild().String()},
		kong.Resolvers(kong.ResolverFunc(settingInFile)),
	)
	if err != nil {
		return err
	}
	kongcompletion.Register(parser)
	command, err := parser.Parse(args)
	if err != nil {
		return err
	}
	log, err := c.Log.logger(stderr)
	if err != nil {
		return err
	}
	con := console{stdout, stderr, log}
	if command.Command() == "serve" { // called here, so that nothing keeps kong's model while it runs: 1 MB
		return c.Serve.Run(ctx, &c, con)
	}
	return command.Run(&c, con)
}

// settingInFile reads a setting whose variable isn't set from the file that the
// variable with _FILE behind names: how secrets come into containers.
func settingInFile(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		path, ok := os.LookupEnv(name + "_FILE")
		if !ok {
			continue
		}
		if _, both := os.LookupEnv(name); both {
			return nil, fmt.Errorf("%[1]s and %[1]s_FILE are both set: want one of them", name)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("%s_FILE: %w", name, err)
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	}
	return nil, nil
}

type logFlags struct {
	LogLevel  string `env:"MOCKTENANT_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"What to log: debug, info, warn or error."`
	LogFormat string `env:"MOCKTENANT_LOG_FORMAT" default:"text" enum:"text,json" help:"How to log: text or json."`
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
