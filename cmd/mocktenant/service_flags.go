package main

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mocktenant/mocktenant/internal/proxy"
	"github.com/mocktenant/mocktenant/internal/server"
	"github.com/mocktenant/mocktenant/internal/signin"
)

// serviceFlags are the settings of the service. Each is a flag with an environment variable
// and a default.
type serviceFlags struct{ *server.Config }

// someServiceFlags are the settings with which another command finds the service.
type someServiceFlags struct {
	serviceFlags
	names []string
}

func (f someServiceFlags) register(flags *pflag.FlagSet) {
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.serviceFlags.register(all)
	for _, name := range f.names {
		flags.AddFlag(all.Lookup(name))
	}
}

func (f serviceFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.HTTPAddr, "http-addr", "127.0.0.1:8080", "The `HOST:PORT` to listen at for HTTP; port 0 picks a free port.")
	flags.StringVar(&f.HTTPSAddr, "https-addr", "127.0.0.1:8443", "The `HOST:PORT` to listen at for HTTPS, which Microsoft's clients require; empty turns it off.")
	flags.StringSliceVar(&f.TLSHosts, "tls-host", nil, "An additional `HOST`, name or address, in the service's certificate, which names localhost, this host and the addresses it listens on.")
	truthFlag(flags, &f.MicrosoftHosts, "microsoft-hosts", "Add Microsoft's hosts (graph.microsoft.com, login.microsoftonline.com, the national clouds') to the certificate, for clients whose hosts can't be changed.")
	flags.StringVar(&f.TLSCertFile, "tls-cert-file", "", "The `FILE` with your own certificate, PEM with its chain, instead of one from the service's authority; reloaded when it changes.")
	flags.StringVar(&f.TLSKeyFile, "tls-key-file", "", "The `FILE` with the certificate's key, PEM.")
	flags.StringVar(&f.AdminAddr, "admin-addr", "127.0.0.1:8081", "The `HOST:PORT` to listen at for administration (HTTP); empty turns it off. Beyond loopback it requires a key: MOCKTENANT_ADMIN_KEY, or one from mocktenant admin-key create.")
	flags.StringVar(&f.AdminKey, "admin-key", "", "A `KEY` for administering everything, at least 20 characters.")
	flags.StringVar(&f.ReportURL, "report-url", "", "The database `URL` for report logins, if it differs from the service's: host, port, name, parameters.")
	proxyFlags{&f.Proxy, "proxy-"}.register(flags)
	f.registerOIDC(flags)
	f.registerClients(flags)
	flags.StringVar(&f.PublicURL, "public-url", "", "The `URL` that links in answers start with, as clients see the service. By default they follow each request's scheme and Host.")
	flags.DurationVar(&f.RefreshTokenLeeway, "refresh-token-leeway", 0, "How long after its first redemption a refresh token can be redeemed again, for clients that refresh in parallel. By default a second redemption revokes all tokens of the sign-in.")
	truthFlag(flags, &f.OneTimeAssertions, "one-time-assertions", "Refuse a client assertion whose jti was used before. MSAL for Python and Node reuses assertions for ten minutes.")
	flags.StringSliceVar(&f.IssuerNetworks, "issuer-network", nil, "A `NETWORK` in CIDR notation from which the keys of federated credentials' issuers may be fetched, in addition to public networks.")
	flags.DurationVar(&f.DatabaseWait, "database-wait", 30*time.Second, "How long to wait at the start for an unreachable database.")
	flags.IntVar(&f.TenantConnections, "tenant-connections", 0, "How many database connections one tenant may use at a time, for lists, counts and changes that wait for others; 0 means a quarter of pool_max_conns.")
	flags.DurationVar(&f.ShutdownDelay, "shutdown-delay", 0, "How long to keep serving after SIGTERM, with /readyz at 503, so that a proxy in front can send requests elsewhere.")
	flags.StringVar(&f.SeedDir, "seed-dir", "", "A `DIR` with documents, *.json and *.yaml. At the start, each is stored as a seed with the file's name, and a new one also becomes a tenant.")
	flags.IntVar(&f.SpoolMegabytes, "spool-megabytes", 4096, "The maximum size of all temporary files of imports and exports in TMPDIR, `N` MB together; further requests are told to retry.")
	flags.IntVar(&f.JournalRate, "journal-rate", server.DefaultJournalRate, "Record up to `N` requests a second in the request journals. All tenants share them; each has at least 100, or N if that is less. Further requests are dropped and counted. 0 records nothing.")
	flags.IntVar(&f.JournalMegabytes, "journal-megabytes", 32, "Requests waiting to be recorded may take `N` MB. Further ones are dropped and counted.")
	flags.IntVar(&f.JournalBodyKilobytes, "journal-body-kilobytes", 16, "Store the first `N` KB of each body in the request journal, 1 to 1024.")
	truthFlag(flags, &f.NoGathering, "no-gathering", "Run each create, get by id, change, action, delete and list in a separate statement, instead of letting concurrent ones share statements.")
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

		"journal-rate":           "MOCKTENANT_JOURNAL_RATE",
		"journal-megabytes":      "MOCKTENANT_JOURNAL_MEGABYTES",
		"journal-body-kilobytes": "MOCKTENANT_JOURNAL_BODY_KILOBYTES",
	})
	must(cobra.MarkFlagFilename(flags, "tls-cert-file"))
	must(cobra.MarkFlagFilename(flags, "tls-key-file"))
	must(cobra.MarkFlagDirname(flags, "seed-dir"))
}

// The limit fits a load test from one machine, and keeps one address from using up the
// files that a process may open.
const (
	defaultConnectionsPerAddress = 512
	connectionsPerAddressUsage   = "The `NUMBER` of connections that one address, or one IPv6 /64 network, can keep open on each listener. 0 removes the limit. Connections from loopback are not limited."
)

// registerClients registers the flags about the clients' addresses.
func (f serviceFlags) registerClients(flags *pflag.FlagSet) {
	truthFlag(flags, &f.AcceptProxyProtocol, "accept-proxy-protocol", "Take the client's address from the PROXY header, version 1 or 2, of connections that begin with one. Use this only if all clients come through proxies that send it.")
	flags.IntVar(&f.TrustedHops, "trusted-hops", 0, "The `NUMBER` of reverse proxies in front of the service. The client's address is the one that the outermost of them added to X-Forwarded-For, and links follow its X-Forwarded-Proto and -Host. Use this only if all clients come through these proxies.")
	flags.IntVar(&f.ConnectionsPerAddress, "connections-per-address", defaultConnectionsPerAddress, connectionsPerAddressUsage+" With --trusted-hops there is no such limit.")
	settings(flags, "", map[string]string{
		"accept-proxy-protocol":   "MOCKTENANT_ACCEPT_PROXY_PROTOCOL",
		"trusted-hops":            "MOCKTENANT_TRUSTED_HOPS",
		"connections-per-address": "MOCKTENANT_CONNECTIONS_PER_ADDRESS",
	})
}

// registerOIDC registers the flags about people who sign in to the console.
func (f serviceFlags) registerOIDC(flags *pflag.FlagSet) {
	c, defaults := &f.OIDC, signin.Defaults()
	flags.StringVar(&c.Issuer, "oidc-issuer", "", "The `URL` of the identity provider at which people sign in to the console, exactly as its discovery document says it. By default they need a key.")
	flags.StringVar(&c.ClientID, "oidc-client-id", "", "The `ID` under which the identity provider knows the console.")
	flags.StringVar(&c.ClientSecret, "oidc-client-secret", "", "The console's `SECRET` at the identity provider; empty for a public client.")
	flags.StringVar(&c.RoleClaim, "oidc-role-claim", defaults.RoleClaim, "The `CLAIM` of the ID token that decides a person's role, a text or a list.")
	flags.StringSliceVar(&c.Roles, "oidc-role", defaults.Roles, "A `ROLE=VALUE`: people with this value in the role claim are owner, manager or reader. The highest role wins; nobody else can sign in.")
	flags.StringVar(&c.ManagerClaim, "oidc-manager-claim", defaults.ManagerClaim, "The `CLAIM` of the ID token that gives people with the role manager the name under which they act. They share the tenants of that name with each other and with keys of that name. Take one that people can't set themselves.")
	settings(flags, "Signing in to the console", map[string]string{
		"oidc-issuer":        "MOCKTENANT_OIDC_ISSUER",
		"oidc-client-id":     "MOCKTENANT_OIDC_CLIENT_ID",
		"oidc-client-secret": "MOCKTENANT_OIDC_CLIENT_SECRET",
		"oidc-role-claim":    "MOCKTENANT_OIDC_ROLE_CLAIM",
		"oidc-role":          "MOCKTENANT_OIDC_ROLES",
		"oidc-manager-claim": "MOCKTENANT_OIDC_MANAGER_CLAIM",
	})
}

// proxyFlags are the settings of the forward proxy. mocktenant proxy has them, and the
// service has them with a prefix and a separate heading.
type proxyFlags struct {
	*proxy.Config
	prefix string
}

func (f proxyFlags) register(flags *pflag.FlagSet) {
	group := ""
	if f.prefix != "" {
		group = "Proxy"
	}
	flags.StringVar(&f.Addr, f.prefix+"addr", "", "The `HOST:PORT` of a forward proxy (HTTPS_PROXY) that leads Microsoft's hosts to the service, for applications whose hosts can't be changed. By default mocktenant proxy listens on 127.0.0.1:8888, and the service isn't a proxy.")
	choiceFlag(flags, &f.Others, f.prefix+"others", "", "refuse", "What the proxy does with all other hosts: refuse, so that no test reaches the internet by accident, or pass (on loopback only).", "refuse", proxy.Pass)
	flags.StringSliceVar(&f.Pass, f.prefix+"pass", nil, "A `HOST` that the proxy always lets through, at any port: a name, an address, or *.NAME for all its subdomains.")
	settings(flags, group, map[string]string{
		f.prefix + "addr":   "MOCKTENANT_PROXY_ADDR",
		f.prefix + "others": "MOCKTENANT_PROXY_OTHERS",
		f.prefix + "pass":   "MOCKTENANT_PROXY_PASS",
	})
}
