package main

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mocktenant/mocktenant/internal/proxy"
	"github.com/mocktenant/mocktenant/internal/server"
)

// serviceFlags are the settings of the service, each a flag with an environment
// variable; what isn't given is as it says here.
type serviceFlags struct{ *server.Config }

func (f serviceFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.HTTPAddr, "http-addr", "127.0.0.1:8080", "Where to listen for HTTP, `HOST:PORT`; port 0 picks a free one.")
	flags.StringVar(&f.HTTPSAddr, "https-addr", "127.0.0.1:8443", "Where to listen for HTTPS, `HOST:PORT`, which Microsoft's clients insist on; empty turns it off.")
	flags.StringSliceVar(&f.TLSHosts, "tls-host", nil, "A further `HOST`, name or address, for the service's certificate, besides localhost, this host's name and the addresses it listens on.")
	truthFlag(flags, &f.MicrosoftHosts, "microsoft-hosts", "Name Microsoft's hosts (graph.microsoft.com, login.microsoftonline.com, the national clouds') in the certificate too, for clients whose hosts can't be changed.")
	flags.StringVar(&f.TLSCertFile, "tls-cert-file", "", "The `FILE` of a certificate of your own, PEM with its chain, instead of one by the service's authority; read again when it changes.")
	flags.StringVar(&f.TLSKeyFile, "tls-key-file", "", "The `FILE` of the key to that, PEM.")
	flags.StringVar(&f.AdminAddr, "admin-addr", "127.0.0.1:8081", "Where to listen for administration (HTTP), `HOST:PORT`; empty turns it off. Beyond loopback it takes a key: MOCKTENANT_ADMIN_KEY, or one by mocktenant admin-key create.")
	flags.StringVar(&f.AdminKey, "admin-key", "", "A `KEY` that may administer everything, at least 20 characters.")
	flags.StringVar(&f.ReportURL, "report-url", "", "The database `URL` that report logins are given, where it isn't the service's own: host, port, name, parameters.")
	proxyFlags{&f.Proxy, "proxy-"}.register(flags)
	f.registerClients(flags)
	flags.StringVar(&f.PublicURL, "public-url", "", "The `URL` that links in answers start with, as clients see the service. By default they follow each request's scheme and Host.")
	flags.DurationVar(&f.RefreshTokenLeeway, "refresh-token-leeway", 0, "How long after its first redemption a refresh token may be redeemed again, by clients that refresh in parallel. By default a second redemption ends all tokens of the sign-in.")
	truthFlag(flags, &f.OneTimeAssertions, "one-time-assertions", "Refuse a client assertion that was used before, by its jti. MSAL for Python and for Node use one again, for ten minutes.")
	flags.StringSliceVar(&f.IssuerNetworks, "issuer-network", nil, "A `NETWORK` in CIDR notation, besides public ones, from which the keys of federated credentials' issuers are fetched.")
	flags.DurationVar(&f.DatabaseWait, "database-wait", 30*time.Second, "How long to wait at the start for a database that can't be reached yet.")
	flags.IntVar(&f.TenantConnections, "tenant-connections", 0, "How many of the database's connections one tenant may use at a time, for lists, counts and changes that wait for others; 0 means a quarter of pool_max_conns.")
	flags.DurationVar(&f.ShutdownDelay, "shutdown-delay", 0, "How long to go on serving after SIGTERM, with /readyz at 503, for a proxy in front to send its requests elsewhere.")
	flags.StringVar(&f.SeedDir, "seed-dir", "", "The `DIR` of documents, *.json and *.yaml: each is kept as the seed of its name at the start and, when it comes for the first time, made a tenant.")
	flags.IntVar(&f.SpoolMegabytes, "spool-megabytes", 4096, "The temporary files of all imports and exports may have `N` MB together, in TMPDIR; further ones are asked to come again.")
	truthFlag(flags, &f.NoGathering, "no-gathering", "Give each create, get by id, change, action, delete and list a statement of its own, rather than letting those that come at the same time share one.")
	settings(flags, "", map[string]string{
		"http-addr":            "MOCKTENANT_HTTP_ADDR",
		"https-addr":           "MOCKTENANT_HTTPS_ADDR",
		"tls-host":             "MOCKTENANT_TLS_HOSTS",
		"microsoft-hosts":      "MOCKTENANT_MICROSOFT_HOSTS",
		"tls-cert-file":        "MOCKTENANT_TLS_CERT_FILE",
		"tls-key-file":         "MOCKTENANT_TLS_KEY_FILE",
		"admin-addr":           "MOCKTENANT_ADMIN_ADDR",
		"admin-key":            "MOCKTENANT_ADMIN_KEY",
		"report-url":           "MOCKTENANT_REPORT_URL",
		"public-url":           "MOCKTENANT_PUBLIC_URL",
		"refresh-token-leeway": "MOCKTENANT_REFRESH_TOKEN_LEEWAY",
		"one-time-assertions":  "MOCKTENANT_ONE_TIME_ASSERTIONS",
		"issuer-network":       "MOCKTENANT_ISSUER_NETWORKS",
		"database-wait":        "MOCKTENANT_DATABASE_WAIT",
		"tenant-connections":   "MOCKTENANT_TENANT_CONNECTIONS",
		"shutdown-delay":       "MOCKTENANT_SHUTDOWN_DELAY",
		"seed-dir":             "MOCKTENANT_SEED_DIR",
		"spool-megabytes":      "MOCKTENANT_SPOOL_MEGABYTES",
		"no-gathering":         "MOCKTENANT_NO_GATHERING",
	})
	must(cobra.MarkFlagFilename(flags, "tls-cert-file"))
	must(cobra.MarkFlagFilename(flags, "tls-key-file"))
	must(cobra.MarkFlagDirname(flags, "seed-dir"))
}

// A load test from one machine fits; the files that a process may open are not all one
// address's.
const (
	defaultConnectionsPerAddress = 512
	connectionsPerAddressUsage   = "The `NUMBER` of connections that an address, or an IPv6 /64, may have open on each listener; 0 is any number, as loopback always may have."
)

// registerClients registers who connects, and from where.
func (f serviceFlags) registerClients(flags *pflag.FlagSet) {
	truthFlag(flags, &f.AcceptProxyProtocol, "accept-proxy-protocol", "Take the client's address from the PROXY header, version 1 or 2, of connections that begin with one. For services that others reach only through proxies that send it.")
	flags.IntVar(&f.TrustedHops, "trusted-hops", 0, "How many reverse proxies are in front of the service: the client's address is the one that the outermost of this `NUMBER` added to X-Forwarded-For, and links follow its X-Forwarded-Proto and -Host. For services that others reach only through these proxies.")
	flags.IntVar(&f.ConnectionsPerAddress, "connections-per-address", defaultConnectionsPerAddress, connectionsPerAddressUsage+" With --trusted-hops there is no such limit.")
	settings(flags, "", map[string]string{
		"accept-proxy-protocol":   "MOCKTENANT_ACCEPT_PROXY_PROTOCOL",
		"trusted-hops":            "MOCKTENANT_TRUSTED_HOPS",
		"connections-per-address": "MOCKTENANT_CONNECTIONS_PER_ADDRESS",
	})
}

// proxyFlags are the settings of the forward proxy: of mocktenant proxy, and with a
// prefix, under a heading of their own, of the service.
type proxyFlags struct {
	*proxy.Config
	prefix string
}

func (f proxyFlags) register(flags *pflag.FlagSet) {
	group := ""
	if f.prefix != "" {
		group = "Proxy"
	}
	flags.StringVar(&f.Addr, f.prefix+"addr", "", "The `HOST:PORT` to be a forward proxy at (HTTPS_PROXY), which leads Microsoft's hosts to the service, for applications whose hosts can't be changed. By default mocktenant proxy listens on 127.0.0.1:8888, and the service is no proxy.")
	choiceFlag(flags, &f.Others, f.prefix+"others", "", "refuse", "What the proxy does with all other hosts: refuse, so that no test reaches the internet by accident, or pass (on loopback only).", "refuse", proxy.Pass)
	flags.StringSliceVar(&f.Pass, f.prefix+"pass", nil, "A `HOST` that the proxy lets through all the same, at any port: a name, an address, or *.NAME for all below it.")
	settings(flags, group, map[string]string{
		f.prefix + "addr":   "MOCKTENANT_PROXY_ADDR",
		f.prefix + "others": "MOCKTENANT_PROXY_OTHERS",
		f.prefix + "pass":   "MOCKTENANT_PROXY_PASS",
	})
}
