// Package certs makes the certificates with which the service speaks TLS: an authority that
// is made once and kept in the database, and a leaf that each process issues for itself and
// renews before it expires. It also reads a user's own certificate from files.
package certs

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
)

const (
	authorityName  = "tls" // in the database
	authorityYears = 10

	// A leaf's lifetime is shorter than the 398 days that clients accept. It is renewed
	// when a third of it is left.
	leafLifetime = 90 * 24 * time.Hour
	leafRenewal  = leafLifetime / 3

	// skew is how far a client's clock may lag.
	skew = time.Hour
)

// MicrosoftHosts are the hosts of Graph and of the identity platform in the
// public and the national clouds, for clients whose hosts can't be changed.
// https://learn.microsoft.com/graph/deployments
var MicrosoftHosts = []string{
	"graph.microsoft.com", "login.microsoftonline.com", "login.microsoft.com", "login.windows.net", "sts.windows.net",
	"graph.microsoft.us", "dod-graph.microsoft.us", "login.microsoftonline.us",
	"microsoftgraph.chinacloudapi.cn", "login.chinacloudapi.cn", "login.partner.microsoftonline.cn",
}

// MissingHosts returns the hosts that the certificate doesn't name.
func MissingHosts(certificate *x509.Certificate, hosts []string) []string {
	return slices.DeleteFunc(slices.Clone(hosts), func(host string) bool { return certificate.VerifyHostname(host) == nil })
}

// Authority is the service's certificate authority.
type Authority struct {
	certificate *x509.Certificate
	key         crypto.Signer

	// Renewed reports that Open made this authority because the previous one couldn't name
	// all hosts: tell clients to trust it.
	Renewed bool
}

// Open returns the authority in the database. It makes one if the database has none, or
// none that can name all hosts. A new one is constrained to hosts, wanted and private
// networks, so its key is worth little to a thief; a missing wanted host alone doesn't
// cause a renewal. An authority from an earlier version is unconstrained, and stays because
// clients trust it. Concurrent processes get the same one.
func Open(ctx context.Context, q *db.Queries, hosts, wanted []string, now time.Time) (*Authority, error) {
	a, err := Find(ctx, q)
	renewed := false
	for range 3 {
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			err = create(ctx, q, append(slices.Clone(hosts), wanted...), now)
		case err != nil:
			return nil, err
		case a.permitsAll(hosts):
			a.Renewed = renewed
			return a, nil
		default:
			renewed = true
			err = a.renew(ctx, q, append(slices.Clone(hosts), wanted...), now)
		}
		if err != nil {
			return nil, fmt.Errorf("open the certificate authority: %w", err)
		}
		a, err = Find(ctx, q) // another process may have made it
	}
	if err == nil && !a.permitsAll(hosts) {
		err = fmt.Errorf("open the certificate authority: other services on this database renew it for other hosts: %v", hosts)
	}
	return a, err
}

// create makes an authority, unless another process already has.
func create(ctx context.Context, q *db.Queries, hosts []string, now time.Time) error {
	c, key, err := newAuthority(permit(x509.Certificate{}, hosts), now)
	if err != nil {
		return err
	}
	return q.CreateCertificateAuthority(ctx, db.CreateCertificateAuthorityParams{Name: authorityName, Certificate: c, PrivateKey: key, CreatedAt: now})
}

// renew replaces the authority, unless another process already has, by one that may name
// more hosts. It has a new key and a new name because clients that trust both would
// otherwise mix them up.
func (a *Authority) renew(ctx context.Context, q *db.Queries, hosts []string, now time.Time) error {
	c, key, err := newAuthority(permit(*a.certificate, hosts), now)
	if err != nil {
		return err
	}
	return q.RenewCertificateAuthority(ctx, db.RenewCertificateAuthorityParams{
		Name: authorityName, Former: a.certificate.Raw, Certificate: c, PrivateKey: key, CreatedAt: now,
	})
}

// Find returns the authority in the database, or an error that wraps pgx.ErrNoRows if it
// has none.
func Find(ctx context.Context, q *db.Queries) (*Authority, error) {
	row, err := q.GetCertificateAuthority(ctx, authorityName)
	if err != nil {
		return nil, fmt.Errorf("find the certificate authority: %w", err)
	}
	return parseAuthority(row)
}

func parseAuthority(row db.CertificateAuthority) (*Authority, error) {
	certificate, err := x509.ParseCertificate(row.Certificate)
	if err != nil {
		return nil, fmt.Errorf("read the certificate authority: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(row.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("read the certificate authority's key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("read the certificate authority's key: a %T can't sign", key)
	}
	return &Authority{certificate: certificate, key: signer}, nil
}

func newAuthority(c constraints, now time.Time) (certificate, private []byte, err error) {
	key, serial, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		// The serial number is part of the name because clients that trust two authorities
		// would otherwise mix them up.
		Subject:   pkix.Name{CommonName: "mocktenant test CA " + serial.Text(36)[:8], Organization: []string{"mocktenant"}},
		NotBefore: now.Add(-skew), NotAfter: now.AddDate(authorityYears, 0, 0),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:     true, BasicConstraintsValid: true, MaxPathLenZero: true,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: c.domains, PermittedIPRanges: c.addresses,
	}
	if certificate, err = x509.CreateCertificate(rand.Reader, template, template, key.Public(), key); err != nil {
		return nil, nil, err
	}
	private, err = x509.MarshalPKCS8PrivateKey(key)
	return certificate, private, err
}

func newKey() (*ecdsa.PrivateKey, *big.Int, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	return key, serial.SetBit(serial, 126, 1), nil
}

// PEM returns the authority's certificate, for clients to trust.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// Certificates returns a function for tls.Config.GetCertificate. Its certificate names all
// the hosts (names and addresses), is made now, and is renewed in time according to the
// clock now.
func (a *Authority) Certificates(hosts []string, now func() time.Time) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	l := &leaf{authority: a, hosts: hosts, now: now}
	_, err := l.get(nil)
	return l.get, err
}

// leaf is this process's certificate.
type leaf struct {
	authority *Authority
	hosts     []string
	now       func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
}

func (l *leaf) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if l.current != nil && now.Add(leafRenewal).Before(l.current.Leaf.NotAfter) {
		return l.current, nil
	}
	next, err := l.authority.issue(l.hosts, now)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	l.current = next
	return next, nil
}

func (a *Authority) issue(hosts []string, now time.Time) (*tls.Certificate, error) {
	key, serial, err := newKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: hosts[0], Organization: []string{"mocktenant"}},
		NotBefore: now.Add(-skew), NotAfter: now.Add(leafLifetime),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parsed}, err
}
