package admin

import (
	"context"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // Microsoft's thumbprint is by definition one
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/identity"
)

// proofs are the credentials of a tenant's applications.
type proofs struct {
	secrets      []db.ApplicationSecret
	certificates []db.ApplicationCertificate
	federated    []db.ApplicationFederatedCredential
}

func loadProofs(ctx context.Context, q *db.Queries, tenant uuid.UUID, clients []uuid.UUID) (c proofs, err error) {
	if c.secrets, err = q.ListSecretsOf(ctx, db.ListSecretsOfParams{TenantID: tenant, ClientIds: clients}); err != nil {
		return c, err
	}
	if c.certificates, err = q.ListCertificatesOf(ctx, db.ListCertificatesOfParams{TenantID: tenant, ClientIds: clients}); err != nil {
		return c, err
	}
	c.federated, err = q.ListFederatedCredentialsOf(ctx, db.ListFederatedCredentialsOfParams{TenantID: tenant, ClientIds: clients})
	return c, err
}

// add adds an application's credentials to its description.
func (c proofs) add(to *api.Application) error {
	for _, s := range c.secrets {
		if s.ClientID == to.ClientId {
			to.Secrets = append(to.Secrets, api.ApplicationSecret{Id: s.ID, Hint: s.Hint, ExpiresDateTime: s.ExpiresAt.UTC()})
		}
	}
	for _, row := range c.certificates {
		if row.ClientID != to.ClientId {
			continue
		}
		certificate, err := newApplicationCertificate(row.ID, row.Certificate)
		if err != nil {
			return fmt.Errorf("certificate %s: %w", row.ID, err)
		}
		to.Certificates = append(to.Certificates, certificate)
	}
	return c.addFederated(to)
}

func (c proofs) addFederated(to *api.Application) error {
	for _, row := range c.federated {
		if row.ClientID != to.ClientId {
			continue
		}
		credential, err := newFederatedCredential(row)
		if err != nil {
			return err
		}
		to.FederatedCredentials = append(to.FederatedCredentials, credential)
	}
	return nil
}

func newApplicationCertificate(id uuid.UUID, der []byte) (api.ApplicationCertificate, error) {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return api.ApplicationCertificate{}, err
	}
	thumbprint := sha1.Sum(der) //nolint:gosec // see above
	return api.ApplicationCertificate{
		Id: id, Thumbprint: fmt.Sprintf("%X", thumbprint), StartDateTime: certificate.NotBefore.UTC(), ExpiresDateTime: certificate.NotAfter.UTC(),
	}, nil
}

func newFederatedCredential(c db.ApplicationFederatedCredential) (api.FederatedCredential, error) {
	credential := api.FederatedCredential{Id: c.ID, Name: c.Name, Issuer: c.Issuer, Subject: c.Subject, Audiences: c.Audiences, Description: c.Description}
	if c.KeySet == nil {
		return credential, nil
	}
	if err := json.Unmarshal(c.KeySet, &credential.KeySet); err != nil {
		return credential, fmt.Errorf("federated credential %s: %w", c.ID, err)
	}
	return credential, nil
}

var (
	errCertificate = errors.New("want a certificate, X.509 with an RSA key: PEM, or its DER in base64")
	errPrivateKey  = errors.New("this is a private key, which only its application may have: want the certificate; and make a new key if others may have read this one")
)

// parseCertificate reads a certificate in the forms that administrators send.
func parseCertificate(text string) ([]byte, error) {
	var der []byte
	if block, _ := pem.Decode([]byte(text)); block != nil {
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return nil, errPrivateKey
		}
		der = block.Bytes
	} else if raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), "")); err == nil {
		der = raw
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errCertificate
	}
	if _, ok := certificate.PublicKey.(*rsa.PublicKey); !ok {
		return nil, errCertificate
	}
	return der, nil
}

// findConfidential finds an application that can have credentials.
func (c *change) findConfidential(ctx context.Context, id uuid.UUID) error {
	app, err := c.findApplication(ctx, id)
	if err == nil && app.PublicClient {
		err = errBadRequest("The application is a public client, which can't have credentials.")
	}
	return err
}

// maxCertificates is how many certificates an application may have.
const maxCertificates = 20

// certificateCreate is a request to register a certificate.
type certificateCreate struct {
	applicationPath
	api.ApplicationCertificateCreate
	der []byte
}

func readCertificate(_ context.Context, x *call, r *certificateCreate) (err error) {
	if r.der, err = parseCertificate(r.Certificate); err != nil {
		return x.errAt("/certificate", "%v.", err)
	}
	return nil
}

func createApplicationCertificate(ctx context.Context, c *change, r certificateCreate) (made api.ApplicationCertificate, err error) {
	if err := c.findConfidential(ctx, r.ClientID); err != nil {
		return made, err
	}
	all, err := c.queries.ListApplicationCertificates(ctx, db.ListApplicationCertificatesParams{TenantID: c.tenant.ID, ClientID: r.ClientID})
	if err != nil {
		return made, err
	}
	if len(all) >= maxCertificates {
		return made, errConflict("The application has %d certificates, the maximum.", len(all))
	}
	p := db.CreateApplicationCertificateParams{TenantID: c.tenant.ID, ClientID: r.ClientID, ID: uuid.New(), Certificate: r.der, CreatedAt: c.x.Now}
	if err := c.queries.CreateApplicationCertificate(ctx, p); err != nil {
		return made, err
	}
	return newApplicationCertificate(p.ID, r.der)
}

// credentialPath names a credential of an application.
type credentialPath struct{ ClientID, CredentialID uuid.UUID }

func deleteApplicationCertificate(ctx context.Context, c *change, r credentialPath) (none, error) {
	n, err := c.queries.DeleteApplicationCertificate(ctx, db.DeleteApplicationCertificateParams{TenantID: c.tenant.ID, ClientID: r.ClientID, ID: r.CredentialID})
	if err == nil && n == 0 {
		err = errNotFound("The application has no certificate %s.", r.CredentialID)
	}
	return none{}, err
}

// federatedCredentialCreate is a request to make a federated credential.
type federatedCredentialCreate struct {
	applicationPath
	api.FederatedCredentialCreate
	keySet []byte
}

func checkFederatedCredential(_ context.Context, x *call, r *federatedCredentialCreate) (err error) {
	if err := identity.CheckIssuer(r.Issuer); err != nil {
		return x.errAt("/issuer", "%q: %v.", r.Issuer, err)
	}
	if r.KeySet == nil {
		return nil
	}
	if r.keySet, err = json.Marshal(r.KeySet); err == nil {
		err = identity.CheckKeySet(r.keySet)
	}
	if err != nil {
		return x.errAt("/keySet", "%v.", err)
	}
	return nil
}

// createFederatedCredential lets tokens of another issuer authenticate an application.
func createFederatedCredential(ctx context.Context, c *change, r federatedCredentialCreate) (made api.FederatedCredential, err error) {
	row := db.ApplicationFederatedCredential{
		TenantID: c.tenant.ID, ClientID: r.ClientID, ID: uuid.New(), Name: r.Name, Issuer: r.Issuer, Subject: r.Subject,
		Audiences: []string{identity.FederatedAudience}, Description: r.Description, KeySet: r.keySet, CreatedAt: c.x.Now,
	}
	set(&row.Audiences, r.Audiences)
	if err := c.createFederatedCredential(ctx, row); err != nil {
		return made, err
	}
	return newFederatedCredential(row)
}

func (c *change) createFederatedCredential(ctx context.Context, row db.ApplicationFederatedCredential) error {
	if err := c.findConfidential(ctx, row.ClientID); err != nil {
		return err
	}
	all, err := c.queries.ListFederatedCredentialsOf(ctx, db.ListFederatedCredentialsOfParams{TenantID: row.TenantID, ClientIds: []uuid.UUID{row.ClientID}})
	if err != nil {
		return err
	}
	if len(all) >= identity.MaxFederatedCredentials {
		return errConflict("The application has %d federated credentials, the maximum.", len(all))
	}
	n, err := c.queries.CreateFederatedCredential(ctx, db.CreateFederatedCredentialParams(row))
	if err == nil && n == 0 {
		err = errConflict("The application has a federated credential %q.", row.Name)
	}
	return err
}

func deleteFederatedCredential(ctx context.Context, c *change, r credentialPath) (none, error) {
	n, err := c.queries.DeleteFederatedCredential(ctx, db.DeleteFederatedCredentialParams{TenantID: c.tenant.ID, ClientID: r.ClientID, ID: r.CredentialID})
	if err == nil && n == 0 {
		err = errNotFound("The application has no federated credential %s.", r.CredentialID)
	}
	return none{}, err
}
