package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/mocktenant/mocktenant/internal/server"
)

type envCommand struct {
	server.Config `embed:""`
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
	base := s.base()
	values := [][2]string{
		{"AZURE_TENANT_ID", server.DemoTenantID.String()},
		{"AZURE_CLIENT_ID", server.DemoClientID.String()},
		{"AZURE_CLIENT_SECRET", server.DemoClientSecret},
		{"AZURE_USERNAME", server.DemoUserName},
		{"AZURE_PASSWORD", server.DemoPassword},
		{"AZURE_AUTHORITY_HOST", base + "/"},
		{"GRAPH_BASE_URL", base},
		{"DATABASE_URL", database},
	}
	if s.AdminURL != "" {
		values = append(values, [2]string{"MOCKTENANT_ADMIN_URL", s.AdminURL})
	}
	if strings.HasPrefix(base, "https:") && e.TLSCertFile == "" {
		_, path, err := c.Database.findCA(ctx, pool)
		if err != nil {
			return err
		}
		values = append(values, [2]string{"SSL_CERT_FILE", path}, [2]string{"NODE_EXTRA_CA_CERTS", path})
	}
	for _, v := range values {
		if _, err := fmt.Fprintf(con.out, "export %s='%s'\n", v[0], strings.ReplaceAll(v[1], "'", `'\''`)); err != nil {
			return err
		}
	}
	return nil
}

// serviceURL is where the service is reached, by HTTPS if it can be.
func serviceURL(c server.Config, f databaseFlags) (string, error) {
	s, err := locate(c, f)
	return s.base(), err
}

// locate says where the service is: at the public URL, else where it said that
// it listens, else where the settings let it listen.
func locate(c server.Config, f databaseFlags) (service, error) {
	s := service{URL: "http://" + c.HTTPAddr}
	if c.HTTPSAddr != "" {
		s.SecureURL = "https://" + c.HTTPSAddr
	}
	if c.AdminAddr != "" {
		s.AdminURL = "http://" + c.AdminAddr
	}
	if f.embedded() {
		dir, err := f.dataDir()
		if err != nil {
			return s, err
		}
		if found, ok := findService(dir); ok {
			s = found
		}
	}
	if c.PublicURL != "" {
		s.URL, s.SecureURL = strings.TrimSuffix(c.PublicURL, "/"), ""
	}
	return s, nil
}
