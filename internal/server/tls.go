package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mocktenant/mocktenant/internal/certs"
	"github.com/mocktenant/mocktenant/internal/db"
)

// caPath is where clients get the certificate authority that they are to trust.
const caPath = "/.well-known/mocktenant/ca.pem"

// secure prepares for HTTPS, if it is on: by the user's own certificate, or one
// of the service's own authority.
func (s *Server) secure(ctx context.Context) error {
	if s.config.HTTPSAddr == "" {
		return nil
	}
	get, err := s.certificates(ctx)
	if err == nil {
		// HTTP/2 is named here: net/http sets it up once for a server, and if plain
		// HTTP comes first, only where it is named.
		s.tls = &tls.Config{GetCertificate: get, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	}
	return err
}

func (s *Server) certificates(ctx context.Context) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	if s.config.TLSCertFile != "" {
		return s.ownCertificate()
	}
	// By the real time, whatever the service's clock says: clients know no other.
	hosts := s.config.hosts()
	authority, err := certs.Open(ctx, db.New(s.pool), hosts, machine(), time.Now())
	if err != nil {
		return nil, err
	}
	if authority.Renewed {
		s.log.Warn("there is a new certificate authority, as the one before couldn't name all hosts: have clients trust this one", "hosts", hosts)
	}
	for _, name := range machine() {
		if authority.Permits(name) {
			hosts = append(hosts, name)
		} else {
			s.log.Info("the certificate doesn't name this machine, which the certificate authority may not: set MOCKTENANT_TLS_HOSTS to have a new one", "name", name)
		}
	}
	s.ca = authority.PEM()
	return authority.Certificates(hosts, time.Now)
}

// machine is this machine's name, if it has one. Containers have another each time, for
// which clients must not have to trust a new authority.
func machine() []string {
	name, err := os.Hostname()
	if err != nil || name == "" || name == "localhost" {
		return nil
	}
	return []string{name}
}

// ownCertificate is the user's, which names what clients are to find here.
func (s *Server) ownCertificate() (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	get, err := certs.FromFiles(s.config.TLSCertFile, s.config.TLSKeyFile, func(err error) {
		s.log.Error("the certificate stays as it was", "error", err)
	})
	if err != nil || !s.config.namesMicrosoft() {
		return get, err
	}
	now, err := get(nil)
	if err != nil {
		return nil, err
	}
	if missing := certs.MissingHosts(now.Leaf, certs.MicrosoftHosts); len(missing) > 0 {
		return nil, fmt.Errorf("MOCKTENANT_TLS_CERT_FILE %q does not name %s, which MOCKTENANT_MICROSOFT_HOSTS and MOCKTENANT_PROXY_ADDR need: use a certificate that does, or none, for the service to make one", s.config.TLSCertFile, strings.Join(missing, ", "))
	}
	return get, nil
}

// hosts are the names and addresses by which clients may come, but for this machine's.
func (c *Config) hosts() []string {
	all := []string{"localhost", "127.0.0.1", "::1"}
	if host, _, err := net.SplitHostPort(c.HTTPSAddr); err == nil && host != "" && !net.ParseIP(host).IsUnspecified() {
		all = append(all, host)
	}
	if u, err := url.Parse(c.PublicURL); err == nil && u.Hostname() != "" {
		all = append(all, u.Hostname())
	}
	all = append(all, c.TLSHosts...)
	if c.namesMicrosoft() {
		all = append(all, certs.MicrosoftHosts...)
	}
	slices.Sort(all[1:]) // localhost is the name that is shown
	return slices.Compact(all)
}

func (s *Server) serveCA(w http.ResponseWriter, r *http.Request) {
	if s.ca == nil {
		http.Error(w, "The service has no certificate authority of its own.", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	w.Header().Set("Content-Disposition", `attachment; filename="mocktenant-ca.pem"`)
	_, _ = w.Write(s.ca)
}
