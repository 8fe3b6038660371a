package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

var (
	secretTable = table[api.ApplicationSecretCreated]{
		[]string{"ID", "SECRET", "EXPIRES"},
		func(s api.ApplicationSecretCreated) []any { return []any{s.Id, s.ClientSecret, s.ExpiresDateTime} },
	}
	certificateTable = table[api.ApplicationCertificate]{
		[]string{"ID", "THUMBPRINT", "EXPIRES"},
		func(c api.ApplicationCertificate) []any { return []any{c.Id, c.Thumbprint, c.ExpiresDateTime} },
	}
	federatedTable = table[api.FederatedCredential]{
		[]string{"ID", "NAME", "ISSUER", "SUBJECT", "AUDIENCES"},
		func(f api.FederatedCredential) []any {
			return []any{f.Id, f.Name, f.Issuer, f.Subject, strings.Join(f.Audiences, " ")}
		},
	}
)

func newAppSecretCreate(c *cli) *cobra.Command {
	var id uuid.UUID
	var r api.ApplicationSecretCreate
	cmd := c.ofTenant("create <application>", "Make another secret.", appArg(&id))
	cmd.Flags().Var(seconds(set(&r.TtlSeconds)), "ttl", "How long it is valid, such as 90s, 75m, 12h, 30d (default: two years).")
	return show(cmd, secretTable.one, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.CreateApplicationSecret(ctx, s.tenant, id, nil, r)
	})
}

func newAppSecretDelete(c *cli) *cobra.Command {
	var id, secret uuid.UUID
	cmd := c.ofTenant("delete <application> <secret>", "Remove a secret, by its id.", appArg(&id), idArg(&secret))
	return done(cmd, "Removed secret %[2]s of application %[1]s.", func(ctx context.Context, s *session) (*http.Response, error) {
		return s.DeleteApplicationSecret(ctx, s.tenant, id, secret)
	})
}

func newAppCertificateAdd(c *cli) *cobra.Command {
	var id uuid.UUID
	var file string
	cmd := c.ofTenant("add <application> <file>", "Register a certificate with which it authenticates: X.509 with an RSA key, PEM.", appArg(&id), textArg(&file))
	return show(cmd, certificateTable.one, func(ctx context.Context, s *session) (*http.Response, error) {
		certificate, err := readCertificate(file)
		if err != nil {
			return nil, err
		}
		return s.CreateApplicationCertificate(ctx, s.tenant, id, api.ApplicationCertificateCreate{Certificate: certificate})
	})
}

func newAppCertificateCreate(c *cli) *cobra.Command {
	var id uuid.UUID
	var file string
	lifetime := int64(2 * 365 * 24 * 60 * 60)
	cmd := c.ofTenant("create <application> <file>", "Make a key and its certificate, register the certificate, and write both to a file, PEM.", appArg(&id), textArg(&file))
	cmd.Flags().Var(seconds(func(n int64) { lifetime = n }), "ttl", "How long it is valid, such as 90s, 75m, 12h, 30d (default: two years).")
	return show(cmd, certificateTable.one, func(ctx context.Context, s *session) (*http.Response, error) {
		key, certificate, err := newCertificate(time.Now(), time.Duration(lifetime)*time.Second)
		if err != nil {
			return nil, err
		}
		if err := writeNew(file, append(key, certificate...)); err != nil {
			return nil, err
		}
		made, err := client.Body(s.CreateApplicationCertificate(ctx, s.tenant, id, api.ApplicationCertificateCreate{Certificate: string(certificate)}))
		if err != nil {
			return nil, errors.Join(err, os.Remove(file))
		}
		return &http.Response{StatusCode: http.StatusCreated, Body: made}, nil
	})
}

// newCertificate returns a key and its certificate as PEM.
func newCertificate(now time.Time, lifetime time.Duration) (private, certificate []byte, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "mocktenant application"}, NotBefore: now.Add(-time.Minute), NotAfter: now.Add(lifetime)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), err
}

// writeNew writes a new file that only this user can read. It doesn't replace an existing
// file.
func writeNew(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// readCertificate returns the first certificate in a PEM file. It never sends the rest of
// the file, because many tools store the private key next to the certificate.
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
		return "", fmt.Errorf("%s: has a private key, which is not sent, and no certificate: name the file with the certificate", file)
	}
	return "", fmt.Errorf("%s: has no certificate: want PEM, which begins with -----BEGIN CERTIFICATE-----", file)
}

func newAppCertificateDelete(c *cli) *cobra.Command {
	var id, certificate uuid.UUID
	cmd := c.ofTenant("delete <application> <certificate>", "Remove a certificate, by its id.", appArg(&id), idArg(&certificate))
	return done(cmd, "Removed certificate %[2]s of application %[1]s.", func(ctx context.Context, s *session) (*http.Response, error) {
		return s.DeleteApplicationCertificate(ctx, s.tenant, id, certificate)
	})
}

func newAppFederatedCreate(c *cli) *cobra.Command {
	var id uuid.UUID
	var r api.FederatedCredentialCreate
	var keySet string
	cmd := c.ofTenant("create <application> <name>", "Let tokens of another issuer authenticate it.", appArg(&id), textArg(&r.Name))
	flags := cmd.Flags()
	flags.StringVar(&r.Issuer, "issuer", "", "The `URL` in the tokens' iss claim.")
	flags.StringVar(&r.Subject, "subject", "", "The `TEXT` in the tokens' sub claim.")
	flags.Func("audience", "The `TEXT` in the tokens' aud claim (default: api://AzureADTokenExchange).", optional(&r.Audiences, readEach))
	flags.StringVar(&keySet, "key-set", "", "A `FILE` with the issuer's keys, a JSON Web Key Set, instead of the published ones.")
	must(cmd.MarkFlagRequired("issuer"))
	must(cmd.MarkFlagRequired("subject"))
	must(cmd.MarkFlagFilename("key-set"))
	return show(cmd, federatedTable.one, func(ctx context.Context, s *session) (_ *http.Response, err error) {
		if r.KeySet, err = readKeySet(keySet); err != nil {
			return nil, err
		}
		return s.CreateFederatedCredential(ctx, s.tenant, id, r)
	})
}

// readKeySet returns nil without a file.
func readKeySet(file string) (set *map[string]any, err error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("%s: want a JSON Web Key Set: %w", file, err)
	}
	return set, nil
}

func newAppFederatedDelete(c *cli) *cobra.Command {
	var id, credential uuid.UUID
	cmd := c.ofTenant("delete <application> <credential>", "Remove a federated credential, by its id.", appArg(&id), idArg(&credential))
	return done(cmd, "Removed federated credential %[2]s of application %[1]s.", func(ctx context.Context, s *session) (*http.Response, error) {
		return s.DeleteFederatedCredential(ctx, s.tenant, id, credential)
	})
}
