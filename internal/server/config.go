package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/proxy"
	"github.com/mocktenant/mocktenant/internal/telemetry"
)

// Config is how the service runs. The tags make each field a flag with an
// environment variable as its default.
type Config struct {
	HTTPAddr string `name:"http-addr" env:"MOCKTENANT_HTTP_ADDR" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where to listen for HTTP; port 0 picks a free one."`

	HTTPSAddr      string   `name:"https-addr" env:"MOCKTENANT_HTTPS_ADDR" default:"127.0.0.1:8443" placeholder:"HOST:PORT" help:"Where to listen for HTTPS, which Microsoft's clients insist on; empty turns it off."`
	TLSHosts       []string `name:"tls-host" env:"MOCKTENANT_TLS_HOSTS" placeholder:"HOST" help:"Further names and addresses for the service's certificate, besides localhost, this host's name and the addresses it listens on."`
	MicrosoftHosts bool     `env:"MOCKTENANT_MICROSOFT_HOSTS" help:"Name Microsoft's hosts (graph.microsoft.com, login.microsoftonline.com, the national clouds') in the certificate too, for clients whose hosts can't be changed."`
	TLSCertFile    string   `name:"tls-cert-file" env:"MOCKTENANT_TLS_CERT_FILE" placeholder:"FILE" help:"A certificate of your own, PEM with its chain, instead of one by the service's authority; read again when it changes."`
	TLSKeyFile     string   `name:"tls-key-file" env:"MOCKTENANT_TLS_KEY_FILE" placeholder:"FILE" help:"The key to that, PEM."`

	AdminAddr string `name:"admin-addr" env:"MOCKTENANT_ADMIN_ADDR" default:"127.0.0.1:8081" placeholder:"HOST:PORT" help:"Where to listen for administration (HTTP); empty turns it off. Beyond loopback it takes a key: MOCKTENANT_ADMIN_KEY, or one by mocktenant admin-key create."`
	AdminKey  string `name:"admin-key" env:"MOCKTENANT_ADMIN_KEY" placeholder:"KEY" help:"A key that may administer everything, at least 20 characters."`
	ReportURL string `name:"report-url" env:"MOCKTENANT_REPORT_URL" placeholder:"URL" help:"The database URL that report logins are given, where it isn't the service's own: host, port, name, parameters."`

	// Proxy makes the service a forward proxy too; Proxy.Addr is "" if it is none.
	Proxy proxy.Config `embed:"" prefix:"proxy-" envprefix:"MOCKTENANT_PROXY_" group:"Proxy"`

	PublicURL string `env:"MOCKTENANT_PUBLIC_URL" placeholder:"URL" help:"What links in answers start with, as clients see the service. By default they follow each request's scheme and Host."`

	// DatabaseWait is how long Start waits for a database that can't be
	// reached yet.
	DatabaseWait time.Duration `env:"MOCKTENANT_DATABASE_WAIT" default:"30s" help:"How long to wait at the start for a database that can't be reached yet."`

	// ShutdownDelay is how long Shutdown goes on serving, not ready any more,
	// before it stops listening.
	ShutdownDelay time.Duration `env:"MOCKTENANT_SHUTDOWN_DELAY" default:"0s" help:"How long to go on serving after SIGTERM, with /readyz at 503, for a proxy in front to send its requests elsewhere."`

	SeedDir string `env:"MOCKTENANT_SEED_DIR" placeholder:"DIR" help:"A folder of documents, *.json and *.yaml: each is kept as the seed of its name at the start and, when it comes for the first time, made a tenant."`

	NoGathering bool `env:"MOCKTENANT_NO_GATHERING" help:"Give each create, get by id, change, action, delete and list a statement of its own, rather than letting those that come at the same time share one."`

	// DatabaseURL is filled by the caller, who may start a database first.
	DatabaseURL string `kong:"-"`

	// Demo makes the demo tenant.
	Demo bool `kong:"-"`

	// OpenTelemetry sends traces and metrics to where the OTEL_… variables of the
	// process's environment say; nil sends none, whatever they say.
	OpenTelemetry *telemetry.Exporters `kong:"-"`

	// Version and Commit are what metrics and traces say that the program was built from.
	Version string `kong:"-"`
	Commit  string `kong:"-"`

	Now func() time.Time `kong:"-"` // the clock; nil means time.Now
	Log *slog.Logger     `kong:"-"` // nil discards
}

// Validate says which setting is wrong, and how.
func (c *Config) Validate() error {
	return errors.Join(
		validateAddr("MOCKTENANT_HTTP_ADDR", c.HTTPAddr), c.validateHTTPSAddr(), c.validateAdmin(), c.validateTLSHosts(), c.validateTLSFiles(), c.validatePublicURL(), c.validateProxy(), c.validateShutdownDelay(), c.validateTelemetry(),
	)
}

// Loopback tells whether only this machine can reach the service.
func (c *Config) Loopback() bool {
	return loopback(c.HTTPAddr) && (c.HTTPSAddr == "" || loopback(c.HTTPSAddr)) && (c.Proxy.Addr == "" || loopback(c.Proxy.Addr))
}

// AdminLoopback tells whether only this machine, or nobody, can reach the
// administration.
func (c *Config) AdminLoopback() bool {
	return c.AdminAddr == "" || loopback(c.AdminAddr)
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func validateAddr(setting, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("%s %q: want HOST:PORT: %w", setting, addr, err)
	}
	return nil
}

func (c *Config) validateHTTPSAddr() error {
	if c.HTTPSAddr == "" {
		return nil
	}
	return validateAddr("MOCKTENANT_HTTPS_ADDR", c.HTTPSAddr)
}

// minAdminKey is how short a key of an administrator may be.
const minAdminKey = 20

func (c *Config) validateAdmin() error {
	if c.AdminKey != "" && len(c.AdminKey) < minAdminKey {
		return fmt.Errorf("MOCKTENANT_ADMIN_KEY has %d characters: want %d at least", len(c.AdminKey), minAdminKey)
	}
	if c.ReportURL != "" {
		if _, err := pgx.ParseConfig(c.ReportURL); err != nil {
			return fmt.Errorf("MOCKTENANT_REPORT_URL: want postgres://HOST[:PORT]/NAME: %w", err)
		}
	}
	if c.AdminAddr == "" {
		return nil
	}
	return validateAddr("MOCKTENANT_ADMIN_ADDR", c.AdminAddr)
}

func (c *Config) validateTLSHosts() error {
	for _, host := range c.TLSHosts {
		if host == "" || net.ParseIP(host) == nil && strings.ContainsAny(host, "/: ") {
			return fmt.Errorf("MOCKTENANT_TLS_HOSTS %q: want a host's name or address, with no scheme and no port", host)
		}
	}
	return nil
}

func (c *Config) validateTLSFiles() error {
	switch {
	case c.TLSCertFile == "" && c.TLSKeyFile == "":
		return nil
	case c.TLSKeyFile == "":
		return fmt.Errorf("MOCKTENANT_TLS_CERT_FILE %q: want MOCKTENANT_TLS_KEY_FILE with it", c.TLSCertFile)
	case c.TLSCertFile == "":
		return fmt.Errorf("MOCKTENANT_TLS_KEY_FILE %q: want MOCKTENANT_TLS_CERT_FILE with it", c.TLSKeyFile)
	case c.HTTPSAddr == "":
		return fmt.Errorf("MOCKTENANT_TLS_CERT_FILE %q: want MOCKTENANT_HTTPS_ADDR with it", c.TLSCertFile)
	}
	return nil
}

func (c *Config) validateShutdownDelay() error {
	if c.ShutdownDelay < 0 {
		return fmt.Errorf("MOCKTENANT_SHUTDOWN_DELAY %s: want 0s or more", c.ShutdownDelay)
	}
	return nil
}

func (c *Config) validateTelemetry() error {
	if c.OpenTelemetry == nil {
		return nil
	}
	return telemetry.CheckEnvironment()
}

func (c *Config) validatePublicURL() error {
	if c.PublicURL == "" {
		return nil
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("MOCKTENANT_PUBLIC_URL %q: want http(s)://HOST[:PORT] with no path", c.PublicURL)
	}
	return nil
}

// namesMicrosoft tells whether the certificate is to name Microsoft's hosts.
func (c *Config) namesMicrosoft() bool { return c.MicrosoftHosts || c.Proxy.Addr != "" }

func (c *Config) validateProxy() error {
	switch {
	case c.Proxy.Addr == "":
		return nil
	case c.HTTPSAddr == "":
		return fmt.Errorf("MOCKTENANT_PROXY_ADDR %q: want MOCKTENANT_HTTPS_ADDR with it, where the proxy leads to", c.Proxy.Addr)
	case c.PublicURL != "":
		return fmt.Errorf("MOCKTENANT_PROXY_ADDR %q: want no MOCKTENANT_PUBLIC_URL with it: links in answers have to follow Microsoft's hosts, or clients refuse them", c.Proxy.Addr)
	}
	return errors.Join(validateAddr("MOCKTENANT_PROXY_ADDR", c.Proxy.Addr), c.Proxy.Validate())
}
