package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mocktenant/mocktenant/internal/server"
)

// envCommand prints the settings for reaching a tenant. For the demo tenant it needs only
// the database, for another one the administration.
type envCommand struct {
	server.Config

	service adminFlags
	tenant  string
	shell   string
	proxied bool
	caFile  string
}

func newEnv(c *cli) *cobra.Command {
	e := &envCommand{}
	where := someServiceFlags{serviceFlags{&e.Config}, []string{"http-addr", "https-addr", "tls-cert-file", "admin-addr", "report-url", "public-url", "proxy-addr"}}
	cmd := c.command("env", "Print export lines that point Microsoft's SDKs at the demo tenant, or another one.", e, &e.service, where)
	flags := cmd.Flags()
	flags.StringVar(&e.tenant, "tenant", "", "The `TENANT`, by its id, a domain or its name. Its secrets aren't printed, because only hashes are stored (default: the demo tenant).")
	choiceFlag(flags, &e.shell, "output", "o", "sh", "The shell or file format to print for.", shells...)
	truthFlag(flags, &e.proxied, "proxy", "Print settings for the service's proxy, for applications whose hosts can't be changed.")
	flags.StringVar(&e.caFile, "ca-file", "", "The `FILE` with the output of mocktenant ca on the machine that will use the settings, if it is another machine or the host of this container.")
	must(cmd.MarkFlagFilename("ca-file"))
	return cmd
}

// Run prints the settings under the names that the Azure SDKs read.
// https://learn.microsoft.com/azure/developer/go/sdk/authentication/authentication-overview
func (e *envCommand) Run(ctx context.Context, c *cli, con console) error {
	describe := e.describe
	if isDemo(e.tenant) {
		describe = e.describeDemo
	}
	values, err := describe(ctx, c, con)
	if err != nil {
		return err
	}
	return printVariables(con.out, e.shell, values)
}

func (e *envCommand) describeDemo(ctx context.Context, c *cli, con console) ([]variable, error) {
	database, err := c.Database.find()
	if err != nil {
		return nil, err
	}
	pool, err := c.Database.open(ctx, con.log)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	if err := findDemo(ctx, pool); err != nil {
		return nil, err
	}
	s, err := locate(e.Config, c.Database)
	if err != nil {
		return nil, err
	}
	ca := e.caFile
	if ca == "" && e.ownCertificate(s) {
		if _, ca, err = c.Database.findCA(ctx, pool); err != nil {
			return nil, err
		}
	}
	hosts, err := e.hosts(s, ca)
	values := append([]variable{
		{"AZURE_TENANT_ID", server.DemoTenantID.String()},
		{"AZURE_CLIENT_ID", server.DemoClientID.String()},
		{"AZURE_CLIENT_SECRET", server.DemoClientSecret},
		{"AZURE_USERNAME", server.DemoUserName},
		{"AZURE_PASSWORD", server.DemoPassword},
	}, hosts...)
	values = append(values, variable{"DATABASE_URL", c.Database.shown(database, e.ReportURL)})
	return append(values, e.administration(c, s)...), err
}

// describe returns the variables of any tenant. It doesn't know the tenant's secrets, so it
// unsets those that the shell may have for another tenant.
func (e *envCommand) describe(ctx context.Context, c *cli, _ console) ([]variable, error) {
	connection, err := e.service.client(c)
	if err != nil {
		return nil, err
	}
	who, err := findPrincipals(ctx, connection, e.tenant, "", "")
	if err != nil {
		return nil, err
	}
	s, err := locate(e.Config, c.Database)
	if err != nil {
		return nil, err
	}
	ca := e.caFile
	if ca == "" && e.ownCertificate(s) {
		ca = c.Database.keptCA()
	}
	hosts, err := e.hosts(s, ca)
	values := append([]variable{
		{"AZURE_TENANT_ID", who.tenant.String()},
		{"AZURE_CLIENT_ID", who.app.ClientId.String()},
		{"AZURE_CLIENT_SECRET", ""},
		{"AZURE_USERNAME", who.user.UserPrincipalName},
		{"AZURE_PASSWORD", ""},
	}, hosts...)
	return append(values, e.administration(c, s)...), err
}

// ownCertificate reports whether clients must be told to trust the service's own authority.
func (e *envCommand) ownCertificate(s service) bool {
	throughProxy := e.proxied && s.ProxyURL != ""
	return e.TLSCertFile == "" && (throughProxy || strings.HasPrefix(s.base(), "https:"))
}

// hosts returns the addresses of Graph and the authority, and the certificates to trust.
func (e *envCommand) hosts(s service, ca string) ([]variable, error) {
	if !e.proxied {
		values := []variable{{"AZURE_AUTHORITY_HOST", s.base() + "/"}, {"GRAPH_BASE_URL", s.base()}}
		if ca != "" {
			values = append(values, variable{"SSL_CERT_FILE", ca}, variable{"NODE_EXTRA_CA_CERTS", ca})
		}
		return values, nil
	}
	if s.ProxyURL == "" {
		return nil, fmt.Errorf("the service isn't a proxy: start it with MOCKTENANT_PROXY_ADDR=%s", defaultProxyAddr)
	}
	values := []variable{{"AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/"}, {"GRAPH_BASE_URL", "https://graph.microsoft.com"}}
	return append(values, proxySettings(s.ProxyURL, ca)...), nil
}

// administration returns the variables with which other commands find the service.
func (e *envCommand) administration(c *cli, s service) []variable {
	at := cmp.Or(e.service.AdminURL, s.AdminURL)
	if at == "" {
		return nil
	}
	values := []variable{{"MOCKTENANT_ADMIN_URL", at}}
	if key := cmp.Or(e.service.AdminKey, c.Database.keptAdminKey()); key != "" {
		values = append(values, variable{"MOCKTENANT_ADMIN_KEY", key})
	}
	return values
}

// places are the settings by which commands other than mocktenant env find Graph and the
// authority. The help hides them, because the data directory of the service says the same.
type places struct{ server.Config }

func newPlaces(flags *pflag.FlagSet) *places {
	p := &places{}
	names := []string{"http-addr", "https-addr", "public-url", "tls-cert-file"}
	someServiceFlags{serviceFlags{&p.Config}, names}.register(flags)
	for _, name := range names {
		flags.Lookup(name).Hidden = true
	}
	return p
}

func (p *places) locate(d databaseFlags) ([]variable, error) {
	s, err := locate(p.Config, d)
	if err != nil {
		return nil, err
	}
	e := envCommand{Config: p.Config}
	ca := ""
	if e.ownCertificate(s) {
		ca = d.keptCA()
	}
	return e.hosts(s, ca)
}

// locate returns the service's address: the public URL, otherwise the one that the service
// recorded, otherwise the one in the settings.
func locate(c server.Config, f databaseFlags) (service, error) {
	s := service{
		URL: reachable("http://", c.HTTPAddr), SecureURL: reachable("https://", c.HTTPSAddr),
		AdminURL: reachable("http://", c.AdminAddr), ProxyURL: reachable("http://", c.Proxy.Addr),
	}
	if f.embedded() {
		dir, err := f.dataDir()
		if err != nil {
			return s, err
		}
		if found, ok := findService(dir); ok {
			found.ProxyURL = cmp.Or(found.ProxyURL, s.ProxyURL) // that of another process
			s = found
		}
	}
	if c.PublicURL != "" {
		s.URL, s.SecureURL = strings.TrimSuffix(c.PublicURL, "/"), ""
	}
	return s, nil
}

// reachable returns the URL at which this machine reaches a listening address, or "" if the
// service doesn't listen.
func reachable(scheme, addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return scheme + net.JoinHostPort(host, port)
}
