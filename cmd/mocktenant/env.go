package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/internal/server"
)

type envCommand struct {
	server.Config

	Proxied bool
	CAFile  string
}

func newEnv(c *cli) *cobra.Command {
	e := &envCommand{}
	cmd := c.command("env", "Print export lines that point Microsoft's SDKs at the demo tenant.", e, serviceFlags{&e.Config})
	truthFlag(cmd.Flags(), &e.Proxied, "proxy", "For applications whose hosts can't be changed: lead them through the service's proxy.")
	cmd.Flags().StringVar(&e.CAFile, "ca-file", "", "The `FILE` where the reader of the lines has what mocktenant ca printed, if that is another machine, or the host of this container.")
	must(cmd.MarkFlagFilename("ca-file"))
	return cmd
}

// Run prints the settings under the names that the Azure SDKs read.
// https://learn.microsoft.com/azure/developer/go/sdk/authentication/authentication-overview
func (e *envCommand) Run(ctx context.Context, c *cli, con console) error {
	database, err := c.Database.find()
	if err != nil {
		return err
	}
	pool, err := c.Database.open(ctx, con.log)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := findDemo(ctx, pool); err != nil {
		return err
	}
	s, err := locate(e.Config, c.Database)
	if err != nil {
		return err
	}
	login, graph := s.base(), s.base()
	if e.Proxied {
		if s.ProxyURL == "" {
			return fmt.Errorf("the service is no proxy: start it with MOCKTENANT_PROXY_ADDR=%s", defaultProxyAddr)
		}
		login, graph = "https://login.microsoftonline.com", "https://graph.microsoft.com"
	}
	values := [][2]string{
		{"AZURE_TENANT_ID", server.DemoTenantID.String()},
		{"AZURE_CLIENT_ID", server.DemoClientID.String()},
		{"AZURE_CLIENT_SECRET", server.DemoClientSecret},
		{"AZURE_USERNAME", server.DemoUserName},
		{"AZURE_PASSWORD", server.DemoPassword},
		{"AZURE_AUTHORITY_HOST", login + "/"},
		{"GRAPH_BASE_URL", graph},
		{"DATABASE_URL", c.Database.shown(database, e.ReportURL)},
	}
	if s.AdminURL != "" {
		values = append(values, [2]string{"MOCKTENANT_ADMIN_URL", s.AdminURL})
		if key := cmp.Or(e.AdminKey, c.Database.keptAdminKey()); key != "" {
			values = append(values, [2]string{"MOCKTENANT_ADMIN_KEY", key})
		}
	}
	ca := e.CAFile
	if ca == "" && strings.HasPrefix(graph, "https:") && e.TLSCertFile == "" {
		if _, ca, err = c.Database.findCA(ctx, pool); err != nil {
			return err
		}
	}
	switch {
	case e.Proxied:
		values = append(values, proxySettings(s.ProxyURL, ca)...)
	case ca != "":
		values = append(values, [2]string{"SSL_CERT_FILE", ca}, [2]string{"NODE_EXTRA_CA_CERTS", ca})
	}
	return printExports(con.out, values)
}

// printExports prints variables for a shell to read.
func printExports(w io.Writer, values [][2]string) error {
	for _, v := range values {
		if _, err := fmt.Fprintf(w, "export %s='%s'\n", v[0], strings.ReplaceAll(v[1], "'", `'\''`)); err != nil {
			return err
		}
	}
	return nil
}

// locate says where the service is: at the public URL, else where it said that
// it listens, else where the settings let it listen.
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

// reachable is the URL by which this machine gets to where a setting lets the
// service listen; "" if that is nowhere.
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
