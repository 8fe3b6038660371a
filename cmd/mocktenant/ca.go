package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/internal/certs"
	"github.com/mocktenant/mocktenant/internal/db"
)

type caCommand struct {
	Path bool
}

// trust lists, per client, how to trust a certificate in a file. SSL_CERT_FILE replaces the
// machine's authorities; NODE_EXTRA_CA_CERTS adds to them.
var trust = []struct{ client, line string }{
	{"Go", "export SSL_CERT_FILE='%s'"},
	{"Node", "export NODE_EXTRA_CA_CERTS='%s'"},
	{"Python", "export REQUESTS_CA_BUNDLE='%[1]s' SSL_CERT_FILE='%[1]s'"},
	{".NET", "export SSL_CERT_FILE='%s'"},
	{"Java", "keytool -importcert -noprompt -alias mocktenant -storepass changeit -keystore mocktenant.p12 -file '%s' && export JAVA_TOOL_OPTIONS=-Djavax.net.ssl.trustStore=mocktenant.p12"},
	{"curl", "export CURL_CA_BUNDLE='%s'"},
	{"PowerShell", "$env:SSL_CERT_FILE = '%[1]s'   # on Windows: Import-Certificate -FilePath '%[1]s' -CertStoreLocation Cert:\\CurrentUser\\Root"},
}

func newCA(c *cli) *cobra.Command {
	a := &caCommand{}
	cmd := c.command("ca", "Print the certificate authority of the service, and how to trust it.", a)
	truthFlag(cmd.Flags(), &a.Path, "path", "Print only the path of the certificate.")
	return cmd
}

// Run prints the certificate authority on stdout, and how to trust it on stderr.
func (a *caCommand) Run(ctx context.Context, c *cli, con console) error {
	pool, err := c.Database.open(ctx, con.log)
	if err != nil {
		return err
	}
	defer pool.Close()
	pem, path, err := c.Database.findCA(ctx, pool)
	if err != nil && (pem == nil || a.Path) {
		return err
	}
	if a.Path {
		_, err := fmt.Fprintln(con.out, path)
		return err
	}
	if _, err := con.out.Write(pem); err != nil {
		return err
	}
	if err != nil { // a container may have nowhere to write
		_, err = fmt.Fprintf(con.err, "It can't be stored here: %v\n", err)
		return err
	}
	w := tabwriter.NewWriter(con.err, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "It is stored in %s. To trust it:\n", path)
	for _, t := range trust {
		_, _ = fmt.Fprintf(w, "  %s\t%s\n", t.client, fmt.Sprintf(t.line, path))
	}
	return w.Flush()
}

// findCA returns the service's certificate authority and the file with it. If the file
// can't be written, it returns the authority and an error.
func (f databaseFlags) findCA(ctx context.Context, pool *db.Pool) (pem []byte, path string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	authority, err := certs.Find(ctx, db.New(pool))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, "", errors.New("the service has not made a certificate authority: start it with MOCKTENANT_HTTPS_ADDR and without a certificate of your own")
	}
	if err != nil {
		return nil, "", err
	}
	dir := ""
	if f.embedded() {
		if dir, err = f.dataDir(); err != nil {
			return nil, "", err
		}
	}
	path, err = writeCA(dir, authority.PEM())
	return authority.PEM(), path, err
}
