package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/client"
)

type appCertificateAdd struct {
	adminFlags
	outputFlags
	tenantFlag

	ClientID uuid.UUID
	File     string
}

func newAppCertificateAdd(c *cli) *cobra.Command {
	a := &appCertificateAdd{}
	cmd := c.command("add <client-id> <file>", "Register a certificate by which it proves itself: X.509 with an RSA key, PEM.", a, &a.adminFlags, &a.outputFlags, &a.tenantFlag)
	arguments(cmd, readID(&a.ClientID), readText(&a.File))
	return cmd
}

// Run registers a certificate.
func (a *appCertificateAdd) Run(ctx context.Context, c *cli, con console) error {
	certificate, err := readCertificate(a.File)
	if err != nil {
		return err
	}
	api, err := a.client(c)
	if err != nil {
		return err
	}
	made, err := client.Read[client.ApplicationCertificate](api.CreateApplicationCertificate(ctx, a.Tenant, a.ClientID, client.ApplicationCertificateCreate{Certificate: certificate}))
	if err != nil {
		return err
	}
	return a.print(con, made, [][]string{{"ID", "THUMBPRINT", "EXPIRES"}, {made.Id.String(), made.Thumbprint, moment(&made.ExpiresDateTime)}})
}

// readCertificate returns the first certificate of a file, PEM. What else the file has
// stays here: many tools keep the private key beside its certificate.
func readCertificate(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	key := false
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return string(pem.EncodeToMemory(block)), nil
		}
		key = key || strings.HasSuffix(block.Type, "PRIVATE KEY")
	}
	if key {
		return "", fmt.Errorf("%s: has a private key, which is not sent, and no certificate: want the file of the certificate", file)
	}
	return "", fmt.Errorf("%s: has no certificate: want PEM, which begins with -----BEGIN CERTIFICATE-----", file)
}

type appCertificateDelete struct {
	adminFlags
	tenantFlag

	ClientID    uuid.UUID
	Certificate uuid.UUID
}

func newAppCertificateDelete(c *cli) *cobra.Command {
	a := &appCertificateDelete{}
	cmd := c.command("delete <client-id> <certificate>", "Remove a certificate, by its id.", a, &a.adminFlags, &a.tenantFlag)
	arguments(cmd, readID(&a.ClientID), readID(&a.Certificate))
	return cmd
}

// Run removes a certificate.
func (a *appCertificateDelete) Run(ctx context.Context, c *cli, _ console) error {
	api, err := a.client(c)
	if err != nil {
		return err
	}
	return client.Done(api.DeleteApplicationCertificate(ctx, a.Tenant, a.ClientID, a.Certificate))
}

type appFederatedCreate struct {
	adminFlags
	outputFlags
	tenantFlag

	ClientID uuid.UUID
	Name     string
	Issuer   string
	Subject  string
	Audience []string
	KeySet   string
}

func newAppFederatedCreate(c *cli) *cobra.Command {
	a := &appFederatedCreate{}
	cmd := c.command("create <client-id> <name>", "Let tokens of another issuer prove it.", a, &a.adminFlags, &a.outputFlags, &a.tenantFlag)
	arguments(cmd, readID(&a.ClientID), readText(&a.Name))
	flags := cmd.Flags()
	flags.StringVar(&a.Issuer, "issuer", "", "The `URL` that is the iss of the tokens.")
	flags.StringVar(&a.Subject, "subject", "", "The `TEXT` that is the sub of the tokens.")
	flags.StringArrayVar(&a.Audience, "audience", nil, "The `TEXT` that is the aud of the tokens (default: api://AzureADTokenExchange).")
	flags.StringVar(&a.KeySet, "key-set", "", "The `FILE` of the issuer's keys, a JSON Web Key Set, instead of what it publishes.")
	must(cmd.MarkFlagRequired("issuer"))
	must(cmd.MarkFlagRequired("subject"))
	must(cmd.MarkFlagFilename("key-set"))
	return cmd
}

// Run makes a federated credential.
func (a *appFederatedCreate) Run(ctx context.Context, c *cli, con console) error {
	create := client.FederatedCredentialCreate{Name: a.Name, Issuer: a.Issuer, Subject: a.Subject, Audiences: some(a.Audience)}
	if a.KeySet != "" {
		text, err := os.ReadFile(a.KeySet)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &create.KeySet); err != nil {
			return fmt.Errorf("%s: want a JSON Web Key Set: %w", a.KeySet, err)
		}
	}
	api, err := a.client(c)
	if err != nil {
		return err
	}
	made, err := client.Read[client.FederatedCredential](api.CreateFederatedCredential(ctx, a.Tenant, a.ClientID, create))
	if err != nil {
		return err
	}
	return a.print(con, made, [][]string{{"ID", "NAME", "ISSUER", "SUBJECT", "AUDIENCES"}, {made.Id.String(), made.Name, made.Issuer, made.Subject, strings.Join(made.Audiences, " ")}})
}

type appFederatedDelete struct {
	adminFlags
	tenantFlag

	ClientID   uuid.UUID
	Credential uuid.UUID
}

func newAppFederatedDelete(c *cli) *cobra.Command {
	a := &appFederatedDelete{}
	cmd := c.command("delete <client-id> <credential>", "Remove a federated credential, by its id.", a, &a.adminFlags, &a.tenantFlag)
	arguments(cmd, readID(&a.ClientID), readID(&a.Credential))
	return cmd
}

// Run removes a federated credential.
func (a *appFederatedDelete) Run(ctx context.Context, c *cli, _ console) error {
	api, err := a.client(c)
	if err != nil {
		return err
	}
	return client.Done(api.DeleteFederatedCredential(ctx, a.Tenant, a.ClientID, a.Credential))
}
