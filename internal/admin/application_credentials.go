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

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/identity"
)

// proofs are what applications of a tenant prove themselves by.
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

// add adds an application's credentials to what is shown of it.
func (c proofs) add(to *Application) error {
	for _, s := range c.secrets {
		if s.ClientID == to.ClientId {
			to.Secrets = append(to.Secrets, ApplicationSecret{Id: s.ID, Hint: s.Hint, ExpiresDateTime: s.ExpiresAt.UTC()})
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

func newApplicationCertificate(id uuid.UUID, der []byte) (ApplicationCertificate, error) {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return ApplicationCertificate{}, err
	}
	thumbprint := sha1.Sum(der) //nolint:gosec // see above
	return ApplicationCertificate{
		Id: id, Thumbprint: fmt.Sprintf("%X", thumbprint), StartDateTime: certificate.NotBefore.UTC(), ExpiresDateTime: certificate.NotAfter.UTC(),
	}, nil
}

func newFederatedCredential(c db.ApplicationFederatedCredential) (FederatedCredential, error) {
	credential := FederatedCredential{Id: c.ID, Name: c.Name, Issuer: c.Issuer, Subject: c.Subject, Audiences: c.Audiences, Description: c.Description}
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
	errPrivateKey  = errors.New("it is a private key, which only its application may have: want the certificate; and make a new key if others could read this one")
)

// parseCertificate reads a certificate as administrators write it.
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

// findConfidential finds an application that may have credentials.
func (c *change) findConfidential(ctx context.Context, id uuid.UUID) error {
	app, err := c.findApplication(ctx, id)
	if err == nil && app.PublicClient {
		err = errBadRequest("The application is a public client, which has no credentials.")
	}
	return err
}

// maxCertificates is how many certificates an application may have.
const maxCertificates = 20

// CreateApplicationCertificate registers a certificate.
func (a *API) CreateApplicationCertificate(c *gin.Context, tenant TenantId, id ClientId) {
	a.answer(c, func(x *call) (answer, error) {
		r, err := read[ApplicationCertificateCreate](x)
		if err != nil {
			return answer{}, err
		}
		der, err := parseCertificate(r.Certificate)
		if err != nil {
			return answer{}, x.errAt("/certificate", "%v.", err)
		}
		return a.change(x, id.String(), func(ctx context.Context, c *change) (answer, error) {
			if err := c.findConfidential(ctx, id); err != nil {
				return answer{}, err
			}
			all, err := c.ListApplicationCertificates(ctx, db.ListApplicationCertificatesParams{TenantID: tenant, ClientID: id})
			if err != nil {
				return answer{}, err
			}
			if len(all) >= maxCertificates {
				return answer{}, errConflict("The application has %d certificates, the most that it may have.", len(all))
			}
			p := db.CreateApplicationCertificateParams{TenantID: tenant, ClientID: id, ID: uuid.New(), Certificate: der, CreatedAt: x.now}
			if err := c.CreateApplicationCertificate(ctx, p); err != nil {
				return answer{}, err
			}
			certificate, err := newApplicationCertificate(p.ID, der)
			return created(certificate), err
		})
	})
}

// DeleteApplicationCertificate removes a certificate.
func (a *API) DeleteApplicationCertificate(c *gin.Context, tenant TenantId, id ClientId, certificate CredentialId) {
	a.answer(c, func(x *call) (answer, error) {
		return a.change(x, certificate.String(), func(ctx context.Context, c *change) (answer, error) {
			n, err := c.DeleteApplicationCertificate(ctx, db.DeleteApplicationCertificateParams{TenantID: tenant, ClientID: id, ID: certificate})
			if err == nil && n == 0 {
				err = errNotFound("The application has no certificate %s.", certificate)
			}
			return done(), err
		})
	})
}

// CreateFederatedCredential lets tokens of another issuer prove an application.
func (a *API) CreateFederatedCredential(c *gin.Context, tenant TenantId, id ClientId) {
	a.answer(c, func(x *call) (answer, error) {
		r, err := read[FederatedCredentialCreate](x)
		if err != nil {
			return answer{}, err
		}
		row := db.ApplicationFederatedCredential{
			TenantID: tenant, ClientID: id, ID: uuid.New(), Name: r.Name, Issuer: r.Issuer, Subject: r.Subject,
			Audiences: []string{identity.FederatedAudience}, Description: r.Description, CreatedAt: x.now,
		}
		set(&row.Audiences, r.Audiences)
		if err := identity.CheckIssuer(r.Issuer); err != nil {
			return answer{}, x.errAt("/issuer", "%q: %v.", r.Issuer, err)
		}
		if r.KeySet != nil {
			if row.KeySet, err = json.Marshal(r.KeySet); err == nil {
				err = identity.CheckKeySet(row.KeySet)
			}
			if err != nil {
				return answer{}, x.errAt("/keySet", "%v.", err)
			}
		}
		return a.change(x, id.String(), func(ctx context.Context, c *change) (answer, error) {
			if err := c.createFederatedCredential(ctx, row); err != nil {
				return answer{}, err
			}
			credential, err := newFederatedCredential(row)
			return created(credential), err
		})
	})
}

func (c *change) createFederatedCredential(ctx context.Context, row db.ApplicationFederatedCredential) error {
	if err := c.findConfidential(ctx, row.ClientID); err != nil {
		return err
	}
	all, err := c.ListFederatedCredentialsOf(ctx, db.ListFederatedCredentialsOfParams{TenantID: row.TenantID, ClientIds: []uuid.UUID{row.ClientID}})
	if err != nil {
		return err
	}
	if len(all) >= identity.MaxFederatedCredentials {
		return errConflict("The application has %d federated credentials, the most that it may have.", len(all))
	}
	n, err := c.CreateFederatedCredential(ctx, db.CreateFederatedCredentialParams(row))
	if err == nil && n == 0 {
		err = errConflict("The application has a federated credential %q.", row.Name)
	}
	return err
}

// DeleteFederatedCredential removes a federated credential.
func (a *API) DeleteFederatedCredential(c *gin.Context, tenant TenantId, id ClientId, credential CredentialId) {
	a.answer(c, func(x *call) (answer, error) {
		return a.change(x, credential.String(), func(ctx context.Context, c *change) (answer, error) {
			n, err := c.DeleteFederatedCredential(ctx, db.DeleteFederatedCredentialParams{TenantID: tenant, ClientID: id, ID: credential})
			if err == nil && n == 0 {
				err = errNotFound("The application has no federated credential %s.", credential)
			}
			return done(), err
		})
	})
}
