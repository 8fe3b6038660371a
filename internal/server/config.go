package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/front"
	"github.com/mocktenant/mocktenant/internal/listener"
	"github.com/mocktenant/mocktenant/internal/proxy"
	"github.com/mocktenant/mocktenant/internal/signin"
	"github.com/mocktenant/mocktenant/internal/telemetry"
)

// DefaultJournalRate bounds what journals cost a busy service. Each tenant may record 100
// requests a second in any case.
const DefaultJournalRate = 500

// Config configures the service. The command line has a flag, an environment variable and a
// default for most fields. Here, an empty field disables something unless its comment says
// otherwise.
type Config struct {
	// HTTPAddr and HTTPSAddr are the addresses to listen on, HOST:PORT; port 0 picks a free
	// one. An empty HTTPSAddr disables HTTPS.
	HTTPAddr  string
	HTTPSAddr string

	// TLSHosts are more names and addresses for the service's certificate, in addition to
	// localhost, this host's name and the addresses it listens on; MicrosoftHosts adds
	// Microsoft's.
	TLSHosts       []string
	MicrosoftHosts bool

	// TLSCertFile is the user's own certificate, in PEM with its chain, and TLSKeyFile its
	// key. They replace the certificate of the service's authority, and are read again when
	// they change.
	TLSCertFile string
	TLSKeyFile  string

	// AdminAddr is the address of the administration, HOST:PORT. On other addresses than
	// loopback it requires a key.
	AdminAddr string

	// AdminKey is a key for administering everything, at least 20 characters.
	AdminKey string

	// OIDC lets people sign in to the console at their company's identity provider. Without
	// its Issuer they need a key. With it, everybody else needs one even on loopback.
	OIDC signin.Config

	// ReportURL is the database URL for report logins, if it differs from the service's
	// own.
	ReportURL string

	// Proxy makes the service a forward proxy too, unless Proxy.Addr is "".
	Proxy proxy.Config

	// AcceptProxyProtocol gives connections that begin with a PROXY header, version 1 or 2,
	// the address in that header, on all listeners except the proxy's. Use it only if
	// clients can't bypass the reverse proxies that send the header.
	AcceptProxyProtocol bool

	// TrustedHops is how many reverse proxies are in front of the service, each of which
	// adds its caller's address to X-Forwarded-For. The client's address is the one that
	// the outermost proxy added, and links start with X-Forwarded-Proto and -Host. 0
	// ignores these headers. Clients that can bypass the proxies can claim any address.
	TrustedHops int

	// ConnectionsPerAddress is how many connections a client's address may have open on
	// each listener; an IPv6 /64 counts as one address; 0 is unlimited. It has no effect on
	// loopback, or with TrustedHops, where all connections come from the proxy.
	ConnectionsPerAddress int

	// Timeouts are how long a client may pause, on every listener; zero fields have
	// defaults.
	Timeouts listener.Timeouts

	// PublicURL is the start of links in answers; if it is "", they follow each request's
	// scheme and Host.
	PublicURL string

	// RequestTimeout bounds the time for a request to Graph, which is then answered with
	// 503; 0 means 10 seconds.
	RequestTimeout time.Duration

	// RefreshTokenLeeway is how long after its first redemption a refresh token may be
	// redeemed again, for clients that refresh in parallel. With 0, a second redemption
	// revokes all tokens of the sign-in.
	RefreshTokenLeeway time.Duration

	// OneTimeAssertions refuses a client assertion whose jti was used before. MSAL for
	// Python and for Node reuse an assertion for ten minutes.
	OneTimeAssertions bool

	// IssuerNetworks are networks (CIDR), in addition to public ones, from which the keys
	// of federated credentials' issuers may be fetched.
	IssuerNetworks []string

	// DatabaseWait is how long Start waits for an unreachable database.
	DatabaseWait time.Duration

	// TenantConnections is how many database connections a tenant may use at a time for
	// lists, counts and changes that wait for others; 0 means a quarter of all
	// (pool_max_conns). Further calls wait for others of the same tenant.
	TenantConnections int

	// ShutdownDelay is how long Shutdown keeps serving, unready, before it stops listening.
	ShutdownDelay time.Duration

	// SeedDir is a folder with documents, *.json and *.yaml. Each becomes a seed, named
	// like its file, and the first time also a tenant.
	SeedDir string

	// SpoolMegabytes is the limit for the temporary files of all imports and exports
	// together, in MB of 2^20 bytes; 0 means 4096.
	SpoolMegabytes int

	// JournalRate is how many requests a second this replica records at most. Further ones
	// are dropped and counted for their tenants. 0 records nothing; programs take
	// DefaultJournalRate unless they are told otherwise.
	JournalRate int

	// JournalMegabytes is the limit for requests that wait to be written, in MB of 2^20
	// bytes; 0 means 32.
	JournalMegabytes int

	// JournalBodyKilobytes is how much of a body the journal keeps, in KB of 2^10 bytes; 0
	// means 16.
	JournalBodyKilobytes int

	// NoGathering gives each request its own statement instead of sharing one among
	// concurrent requests.
	NoGathering bool

	// DatabaseURL is set by the caller, who may start a database first.
	DatabaseURL string

	// SQLRole is a database role that may read and change the rows of tenants, users,
	// applications and partners; "" for none.
	SQLRole string

	// Demo makes the demo tenant.
	Demo bool

	// OpenTelemetry sends traces and metrics to where the process's OTEL_… variables say;
	// nil ignores the variables.
	OpenTelemetry *telemetry.Exporters

	// Hooks see every request of Graph, the authority and the administration.
	Hooks []front.Hook

	// Version and Commit describe the build in metrics and traces.
	Version string
	Commit  string

	Now func() time.Time // the clock; nil means time.Now
	Log *slog.Logger     // nil discards
}

// Validate returns an error that names the invalid setting and how to correct it.
func (c *Config) Validate() error {
	return errors.Join(
		validateAddr("MOCKTENANT_HTTP_ADDR", c.HTTPAddr), c.validateHTTPSAddr(), c.validateAdmin(), c.validateOIDC(), c.validateTLSHosts(), c.validateTLSFiles(), c.validatePublicURL(), c.validateProxy(), c.validateClients(), c.validateShutdownDelay(), c.validateTenantConnections(), c.validateRefreshTokenLeeway(), c.validateIssuerNetworks(), c.validateSpool(), c.validateJournal(), c.validateTelemetry(),
	)
}

// Loopback reports whether only this machine can reach the service.
func (c *Config) Loopback() bool {
	return loopback(c.HTTPAddr) && (c.HTTPSAddr == "" || loopback(c.HTTPSAddr)) && (c.Proxy.Addr == "" || loopback(c.Proxy.Addr))
}

// AdminLoopback reports whether only this machine, or nobody, can reach the administration.
func (c *Config) AdminLoopback() bool {
	return c.AdminAddr == "" || loopback(c.AdminAddr)
}

// NeedsKey reports whether callers of the administration need a key even if none exists.
func (c *Config) NeedsKey() bool { return !c.AdminLoopback() || c.OIDC.Enabled() }

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

// minAdminKey is the minimum length of an administration key.
const minAdminKey = 20

func (c *Config) validateAdmin() error {
	if c.AdminKey != "" && len(c.AdminKey) < minAdminKey {
		return fmt.Errorf("MOCKTENANT_ADMIN_KEY has %d characters: want at least %d", len(c.AdminKey), minAdminKey)
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

func (c *Config) validateOIDC() error {
	if c.OIDC.Enabled() && c.AdminAddr == "" {
		return fmt.Errorf("MOCKTENANT_OIDC_ISSUER %q: want MOCKTENANT_ADMIN_ADDR with it, because the console is there", c.OIDC.Issuer)
	}
	return c.OIDC.Validate()
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

func (c *Config) validateTenantConnections() error {
	if c.TenantConnections < 0 {
		return fmt.Errorf("MOCKTENANT_TENANT_CONNECTIONS %d: want 1 or more, or 0 for a quarter of pool_max_conns", c.TenantConnections)
	}
	return nil
}

func (c *Config) validateShutdownDelay() error {
	if c.ShutdownDelay < 0 {
		return fmt.Errorf("MOCKTENANT_SHUTDOWN_DELAY %s: want 0s or more", c.ShutdownDelay)
	}
	return nil
}

// maxRefreshTokenLeeway bounds RefreshTokenLeeway.
const maxRefreshTokenLeeway = 24 * time.Hour

func (c *Config) validateRefreshTokenLeeway() error {
	if c.RefreshTokenLeeway < 0 || c.RefreshTokenLeeway > maxRefreshTokenLeeway {
		return fmt.Errorf("MOCKTENANT_REFRESH_TOKEN_LEEWAY %s: want 0s to %s", c.RefreshTokenLeeway, maxRefreshTokenLeeway)
	}
	return nil
}

func (c *Config) validateIssuerNetworks() error {
	_, err := c.issuerNetworks()
	return err
}

func (c *Config) issuerNetworks() ([]netip.Prefix, error) {
	networks := make([]netip.Prefix, len(c.IssuerNetworks))
	for i, text := range c.IssuerNetworks {
		var err error
		if networks[i], err = netip.ParsePrefix(text); err != nil {
			return nil, fmt.Errorf("MOCKTENANT_ISSUER_NETWORKS %q: want a network, as 10.0.0.0/8", text)
		}
	}
	return networks, nil
}

func (c *Config) validateSpool() error {
	if c.SpoolMegabytes < 0 {
		return fmt.Errorf("MOCKTENANT_SPOOL_MEGABYTES %d: want 1 or more", c.SpoolMegabytes)
	}
	return nil
}

func (c *Config) validateJournal() error {
	switch {
	case c.JournalRate < 0:
		return fmt.Errorf("MOCKTENANT_JOURNAL_RATE %d: want 0, which records nothing, or more", c.JournalRate)
	case c.JournalMegabytes < 0:
		return fmt.Errorf("MOCKTENANT_JOURNAL_MEGABYTES %d: want 1 or more", c.JournalMegabytes)
	case c.JournalBodyKilobytes < 0 || c.JournalBodyKilobytes > maxJournalBody:
		return fmt.Errorf("MOCKTENANT_JOURNAL_BODY_KILOBYTES %d: want 1 to %d", c.JournalBodyKilobytes, maxJournalBody)
	}
	return nil
}

// maxJournalBody is the longest body that a front takes, in KB.
const maxJournalBody = 1 << 10

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
	switch {
	case err != nil || !isOrigin(u):
		return fmt.Errorf("MOCKTENANT_PUBLIC_URL %q: want http(s)://HOST[:PORT]", c.PublicURL)
	case strings.Trim(u.Path, "/") != "":
		return fmt.Errorf("MOCKTENANT_PUBLIC_URL %q: want http(s)://HOST[:PORT] with no path: Microsoft's clients expect the tenant as the first part of an authority's path. Give the service its own host", c.PublicURL)
	}
	return nil
}

// isOrigin reports whether a URL has a scheme and a host, but nothing besides a path.
func isOrigin(u *url.URL) bool {
	if u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	rest := *u
	rest.Scheme, rest.Host, rest.Path, rest.RawPath = "", "", "", ""
	rest.ForceQuery = false
	return u.Host != "" && rest == url.URL{}
}

func (c *Config) validateClients() error {
	switch {
	case c.TrustedHops < 0:
		return fmt.Errorf("MOCKTENANT_TRUSTED_HOPS %d: want 0 or more", c.TrustedHops)
	case c.ConnectionsPerAddress < 0:
		return fmt.Errorf("MOCKTENANT_CONNECTIONS_PER_ADDRESS %d: want 0 (unlimited) or more", c.ConnectionsPerAddress)
	case c.TrustedHops > 0 && c.AcceptProxyProtocol:
		return fmt.Errorf("MOCKTENANT_TRUSTED_HOPS %d: want no MOCKTENANT_ACCEPT_PROXY_PROTOCOL with it, because both set the client's address", c.TrustedHops)
	}
	return nil
}

// clients returns the configuration of the service's listeners.
func (c *Config) clients(log *slog.Logger) listener.Config {
	most := c.ConnectionsPerAddress
	if c.TrustedHops > 0 {
		most = 0
	}
	return listener.Config{Timeouts: c.Timeouts, PerAddress: most, ProxyProtocol: c.AcceptProxyProtocol, Log: log}
}

// namesMicrosoft reports whether the certificate must name Microsoft's hosts.
func (c *Config) namesMicrosoft() bool { return c.MicrosoftHosts || c.Proxy.Addr != "" }

func (c *Config) validateProxy() error {
	switch {
	case c.Proxy.Addr == "":
		return nil
	case c.HTTPSAddr == "":
		return fmt.Errorf("MOCKTENANT_PROXY_ADDR %q: want MOCKTENANT_HTTPS_ADDR with it, because the proxy leads there", c.Proxy.Addr)
	case c.PublicURL != "":
		return fmt.Errorf("MOCKTENANT_PROXY_ADDR %q: want no MOCKTENANT_PUBLIC_URL with it: links in answers must have Microsoft's hosts, or clients refuse them", c.Proxy.Addr)
	}
	return errors.Join(validateAddr("MOCKTENANT_PROXY_ADDR", c.Proxy.Addr), c.Proxy.Validate())
}
