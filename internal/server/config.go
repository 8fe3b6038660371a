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

	"github.com/mocktenant/mocktenant/internal/listener"
	"github.com/mocktenant/mocktenant/internal/proxy"
	"github.com/mocktenant/mocktenant/internal/telemetry"
)

// Config is how the service runs. The command line makes most fields flags, and names
// their environment variables and defaults; here an empty field is off, unless it says
// otherwise.
type Config struct {
	// HTTPAddr and HTTPSAddr are where to listen, HOST:PORT; port 0 picks a free one.
	// No HTTPSAddr turns HTTPS off.
	HTTPAddr  string
	HTTPSAddr string

	// TLSHosts are further names and addresses for the service's certificate, besides
	// localhost, this host's name and the addresses it listens on; MicrosoftHosts adds
	// Microsoft's.
	TLSHosts       []string
	MicrosoftHosts bool

	// TLSCertFile is a certificate of the user's own, PEM with its chain, and TLSKeyFile
	// its key, instead of one by the service's authority; read again when it changes.
	TLSCertFile string
	TLSKeyFile  string

	// AdminAddr is where to listen for administration, HOST:PORT. Beyond loopback it
	// takes a key.
	AdminAddr string

	// AdminKey is a key that may administer everything, at least 20 characters.
	AdminKey string

	// ReportURL is the database URL that report logins are given, where it isn't the
	// service's own.
	ReportURL string

	// Proxy makes the service a forward proxy too; Proxy.Addr is "" if it is none.
	Proxy proxy.Config

	// AcceptProxyProtocol has connections that begin with a PROXY header, version 1 or 2,
	// come from the address that it names, on all listeners but the proxy's. It is for
	// services that others reach only through reverse proxies that send it.
	AcceptProxyProtocol bool

	// TrustedHops is how many reverse proxies are in front of the service, each of which
	// adds the address that it was called from to X-Forwarded-For. The client's address is
	// the one that the outermost added, and X-Forwarded-Proto and -Host are what links
	// start with; 0 believes none of these headers. Where clients can also reach the
	// service without these proxies, they can claim any address.
	TrustedHops int

	// ConnectionsPerAddress is how many connections a client's address may have open on
	// each listener, all of an IPv6 /64 counting as one; 0 is any number. It doesn't hold
	// for loopback, nor with TrustedHops, where they are all the proxy's.
	ConnectionsPerAddress int

	// Timeouts are how long a client may pause, on every listener; zero fields have
	// defaults.
	Timeouts listener.Timeouts

	// PublicURL is what links in answers start with; "" has them follow each request's
	// scheme and Host.
	PublicURL string

	// RequestTimeout bounds the work on one request of Graph, which is then answered 503;
	// 0: 10 seconds.
	RequestTimeout time.Duration

	// RefreshTokenLeeway is how long after its first redemption a refresh token may be
	// redeemed again, by clients that refresh in parallel; 0: a second redemption ends all
	// tokens of the sign-in.
	RefreshTokenLeeway time.Duration

	// OneTimeAssertions refuses a client assertion that was used before, by its jti. MSAL
	// for Python and for Node use one again, for ten minutes.
	OneTimeAssertions bool

	// IssuerNetworks are networks (CIDR), besides public ones, from which the keys of
	// federated credentials' issuers are fetched.
	IssuerNetworks []string

	// DatabaseWait is how long Start waits for a database that can't be
	// reached yet.
	DatabaseWait time.Duration

	// TenantConnections is how many of the database's connections one tenant may use at
	// a time, for lists, counts and changes that wait for others; 0 means a quarter of
	// them (pool_max_conns). Who wants more waits for its tenant's others.
	TenantConnections int

	// ShutdownDelay is how long Shutdown goes on serving, not ready any more,
	// before it stops listening.
	ShutdownDelay time.Duration

	// SeedDir is a folder of documents, *.json and *.yaml: each is kept as the seed of
	// its name and, when it comes for the first time, made a tenant.
	SeedDir string

	// SpoolMegabytes is how much the temporary files of all imports and exports may have
	// together, in MB of 2^20 bytes; 0 means 4096.
	SpoolMegabytes int

	// NoGathering gives each request a statement of its own, rather than letting those
	// that come at the same time share one.
	NoGathering bool

	// DatabaseURL is filled by the caller, who may start a database first.
	DatabaseURL string

	// SQLRole is a role of the database that may read and change the rows of tenants,
	// users, applications and partners; "": none.
	SQLRole string

	// Demo makes the demo tenant.
	Demo bool

	// OpenTelemetry sends traces and metrics to where the OTEL_… variables of the
	// process's environment say; nil sends none, whatever they say.
	OpenTelemetry *telemetry.Exporters

	// Version and Commit are what metrics and traces say that the program was built from.
	Version string
	Commit  string

	Now func() time.Time // the clock; nil means time.Now
	Log *slog.Logger     // nil discards
}

// Validate says which setting is wrong, and how.
func (c *Config) Validate() error {
	return errors.Join(
		validateAddr("MOCKTENANT_HTTP_ADDR", c.HTTPAddr), c.validateHTTPSAddr(), c.validateAdmin(), c.validateTLSHosts(), c.validateTLSFiles(), c.validatePublicURL(), c.validateProxy(), c.validateClients(), c.validateShutdownDelay(), c.validateTenantConnections(), c.validateRefreshTokenLeeway(), c.validateIssuerNetworks(), c.validateSpool(), c.validateTelemetry(),
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

// maxRefreshTokenLeeway is how long a redeemed token may be good at most.
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
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("MOCKTENANT_PUBLIC_URL %q: want http(s)://HOST[:PORT]", c.PublicURL)
	case strings.Trim(u.Path, "/") != "":
		return fmt.Errorf("MOCKTENANT_PUBLIC_URL %q: want http(s)://HOST[:PORT] with no path: Microsoft's clients take the first part of an authority's path for the tenant. Give the service a host of its own", c.PublicURL)
	}
	return nil
}

func (c *Config) validateClients() error {
	switch {
	case c.TrustedHops < 0:
		return fmt.Errorf("MOCKTENANT_TRUSTED_HOPS %d: want 0 or more", c.TrustedHops)
	case c.ConnectionsPerAddress < 0:
		return fmt.Errorf("MOCKTENANT_CONNECTIONS_PER_ADDRESS %d: want 0, for any number, or more", c.ConnectionsPerAddress)
	case c.TrustedHops > 0 && c.AcceptProxyProtocol:
		return fmt.Errorf("MOCKTENANT_TRUSTED_HOPS %d: want no MOCKTENANT_ACCEPT_PROXY_PROTOCOL with it: each tells the client's address", c.TrustedHops)
	}
	return nil
}

// clients is how the service's listeners treat who connects.
func (c *Config) clients(log *slog.Logger) listener.Config {
	most := c.ConnectionsPerAddress
	if c.TrustedHops > 0 {
		most = 0
	}
	return listener.Config{Timeouts: c.Timeouts, PerAddress: most, ProxyProtocol: c.AcceptProxyProtocol, Log: log}
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
