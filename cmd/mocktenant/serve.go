package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mocktenant/mocktenant/internal/exporters"
	"github.com/mocktenant/mocktenant/internal/server"
)

// drainTimeout is how long running requests may continue after SIGTERM.
const drainTimeout = 20 * time.Second

type serveCommand struct {
	server.Config

	DemoTenant string
	Ephemeral  bool

	insists bool // --ephemeral is on the command line, but --database-url isn't
}

func newServe(c *cli, s *serveCommand) *cobra.Command {
	return s.command(c, "serve", "Run the service. This is the default.")
}

// command declares a command that serves.
func (s *serveCommand) command(c *cli, use, help string) *cobra.Command {
	cmd := c.command(use, help, s, s)
	fromVariables := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if err := checkVariables(cmd.Root()); err != nil {
			return err
		}
		s.insists = cmd.Flags().Changed("ephemeral") && !cmd.Flags().Changed("database-url")
		return fromVariables(cmd, args)
	}
	return cmd
}

func (s *serveCommand) register(flags *pflag.FlagSet) {
	serviceFlags{&s.Config}.register(flags)
	choiceFlag(flags, &s.DemoTenant, "demo", "", "auto", "Whether to make the demo tenant, whose credentials are public: true, false, or auto (only on loopback with the service's own Postgres).", "auto", "true", "false")
	truthFlag(flags, &s.Ephemeral, "ephemeral", "Store nothing permanently: run the service's own Postgres in a throw-away directory.")
	settings(flags, "", map[string]string{"demo": "MOCKTENANT_DEMO", "ephemeral": "MOCKTENANT_EPHEMERAL"})
}

// Run serves until ctx ends, then drains.
func (s *serveCommand) Run(ctx context.Context, c *cli, con console) (err error) {
	s.Log, s.OpenTelemetry = con.log, exporters.OfEnvironment()
	s.Version, s.Commit = thisBuild().Version, thisBuild().Commit
	if err := s.Validate(); err != nil {
		return err
	}
	if s.Ephemeral && s.insists { // as in a shell with the output of mocktenant env
		c.Database.DatabaseURL = ""
	}
	if err := c.Database.check(); err != nil {
		return err
	}
	if err := s.checkPorts(ctx, c.Database); err != nil {
		return err
	}
	dir, err := s.directory(c.Database)
	if err != nil {
		return err
	}
	con.log.Info("starting", "version", s.Version, "data", dir)
	url, stop, err := c.Database.start(ctx, dir, con.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	s.DatabaseURL = url
	s.Demo, s.SQLRole = s.wantsDemo(c.Database), c.Database.sqlRole()
	if c.Database.embedded() {
		s.ReportURL = cmp.Or(s.ReportURL, c.Database.tcpURL())
	}
	if dir != "" && s.AdminKey == "" && s.NeedsKey() {
		if s.AdminKey, err = ownAdminKey(dir); err != nil {
			return fmt.Errorf("keep a key of an administrator: %w", err)
		}
		con.log.Info("the administration requires a key, which mocktenant admin-key show prints", "file", adminKeyFile(dir))
	}
	srv, err := server.Start(ctx, s.Config)
	if err != nil {
		return err
	}
	screen := con.out
	if c.Log.LogFormat == "json" {
		screen = io.Discard // a program reads the log, and often stdout too
	}
	if err := s.announce(screen, srv, dir, c.Database); err != nil {
		return err
	}
	if dir != "" {
		if err := writeService(dir, srv); err != nil {
			return err
		}
		defer removeService(dir)
	}
	con.log.Info("ready", "url", srv.URL(), "https", srv.SecureURL(), "admin", srv.AdminURL(), "demo", s.Demo)
	go giveBack(ctx)
	return s.wait(ctx, srv, con)
}

// giveBackInterval is the time between calls that return memory to the system. Each takes
// some milliseconds of processor time.
const giveBackInterval = time.Minute

// giveBack returns free memory to the system, after the start and then regularly, so that
// an idle service is small again. By itself Go keeps freed memory, up to 16 MB with
// gcPercent even if little is alive.
func giveBack(ctx context.Context) {
	for ctx.Err() == nil {
		debug.FreeOSMemory()
		select {
		case <-ctx.Done():
		case <-time.After(giveBackInterval):
		}
	}
}

// directory returns the data directory of the service's own Postgres, or "" if nothing is
// stored.
func (s *serveCommand) directory(f databaseFlags) (string, error) {
	switch {
	case s.Ephemeral && !f.embedded():
		return "", errors.New("--ephemeral needs the service's own Postgres: unset DATABASE_URL, or omit --ephemeral")
	case s.Ephemeral || !f.embedded():
		return "", nil
	}
	return f.dataDir()
}

// wantsDemo reports whether to make the demo tenant. By default it is made only if no
// other machine can reach it, and never in a named database.
func (s *serveCommand) wantsDemo(f databaseFlags) bool {
	return s.DemoTenant == "true" || s.DemoTenant == "auto" && f.embedded() && f.loopback() && s.Loopback()
}

func (s *serveCommand) wait(ctx context.Context, srv *server.Server, con console) error {
	var failure error
	select {
	case <-ctx.Done():
		con.log.Info("stopping", "reason", "signal")
	case failure = <-srv.Failed():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.ShutdownDelay+drainTimeout)
	defer cancel()
	if err := srv.Shutdown(drain); err != nil {
		return errors.Join(failure, fmt.Errorf("requests were cut off after %s: %w", drainTimeout, err))
	}
	return failure
}

// announce prints where the service listens, and a request to paste.
func (s *serveCommand) announce(w io.Writer, srv *server.Server, dir string, f databaseFlags) error {
	var b strings.Builder
	fmt.Fprintf(&b, "mocktenant serves Microsoft Graph at %s\n", srv.URL())
	if srv.SecureURL() != "" {
		fmt.Fprintf(&b, "  HTTPS  %s\n", srv.SecureURL())
	}
	if srv.AdminURL() != "" {
		fmt.Fprintf(&b, "  admin  %s\n  pages  %s (the console)\n", srv.AdminURL(), srv.ConsoleURL())
	}
	if srv.ProxyURL() != "" {
		fmt.Fprintf(&b, "  proxy  %s (mocktenant env --proxy prints what an application needs)\n", srv.ProxyURL())
	}
	if srv.CA() != nil {
		at := srv.URL() + "/.well-known/mocktenant/ca.pem"
		if dir != "" {
			var err error
			if at, err = writeCA(dir, srv.CA()); err != nil {
				return err
			}
		}
		fmt.Fprintf(&b, "  CA     %s (mocktenant ca says how to trust it)\n", at)
	}
	if dir != "" {
		fmt.Fprintf(&b, "  data   %s\n", dir)
	}
	if url := withoutPassword(f.shown(s.DatabaseURL, s.ReportURL)); url != "" {
		fmt.Fprintf(&b, "  SQL    psql '%s'\n", url)
	}
	if s.Demo {
		token, err := srv.Identity().IssueAccessToken(server.DemoAccessToken(writeScopes, tokenLifetime))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "  tenant %s (demo)\n\nTry it:\n\n%s\n\n", server.DemoTenantID, curlLine(srv.URL(), token))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// withoutPassword returns a database URL for screens, or "" if it may contain a password.
func withoutPassword(database string) string {
	u, err := url.Parse(database)
	if err != nil || u.Scheme == "" || u.Query().Has("password") {
		return ""
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	return u.String()
}

// curlLine creates the partner of Graph's documentation.
func curlLine(url, token string) string {
	return fmt.Sprintf(`curl -i %s/v1.0/deviceManagement/remoteAssistancePartners -H 'Content-Type: application/json' -d '{
  "@odata.type": "#microsoft.graph.remoteAssistancePartner",
  "displayName": "Display Name value",
  "onboardingUrl": "https://example.com/onboardingUrl/",
  "onboardingStatus": "onboarding",
  "lastConnectionDateTime": "2016-12-31T23:58:36.6670033-08:00"
}' -H 'Authorization: Bearer %s'`, url, token)
}
