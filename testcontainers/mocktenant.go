// Package mocktenant is the Testcontainers for Go module for a mock Microsoft Graph tenant.
// It runs the image mocktenant:standalone in a container: Graph, the authority at which
// clients sign in, the administration, and Postgres.
//
//	func TestOnboarding(t *testing.T) {
//		ctr, err := mocktenant.Run(t.Context(), "mocktenant:standalone")
//		testcontainers.CleanupContainer(t, ctr)
//		if err != nil {
//			t.Fatal(err)
//		}
//		tenant := ctr.NewTenant(t)
//
//		response, err := tenant.Client().Get("https://graph.microsoft.com/v1.0/deviceManagement/remoteAssistancePartners")
//		…
//	}
//
// A container starts in about a second, and a tenant in it takes about 10 ms: let tests
// share a container and make a tenant each. A tenant is isolated from others and ends with
// its test.
//
// Package [github.com/mocktenant/mocktenant/graphtest] runs the same service in the test's
// own process, without Docker. Tenants have the same fields, methods and options in both, so
// that a test can move.
package mocktenant

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"

	"github.com/mocktenant/mocktenant/client"
)

// Ports and paths of the service in the container.
const (
	httpPort  = "8080/tcp"
	httpsPort = "8443/tcp"
	adminPort = "8081/tcp"
	sqlPort   = "5432/tcp"
)

// pollInterval is the time between readiness checks. The default, 100 ms, would make up
// much of a start.
const pollInterval = 20 * time.Millisecond

// microsoftHosts are the hosts that the service's certificate names in addition to its own.
// https://learn.microsoft.com/graph/deployments
var microsoftHosts = []string{
	"graph.microsoft.com", "login.microsoftonline.com", "login.microsoft.com", "login.windows.net", "sts.windows.net",
	"graph.microsoft.us", "dod-graph.microsoft.us", "login.microsoftonline.us",
	"microsoftgraph.chinacloudapi.cn", "login.chinacloudapi.cn", "login.partner.microsoftonline.cn",
}

// Container is a container with the service.
type Container struct {
	testcontainers.Container

	client *http.Client
	ca     []byte // PEM
	pool   *x509.CertPool

	mu sync.RWMutex // guards what changes with a restart
	at location
}

// location has the addresses of a container's service.
type location struct {
	url, httpURL, databaseURL string
	admin                     *client.Client
}

// Run starts a container and returns when its service is ready. The image is
// mocktenant:standalone or, with WithDatabaseURL, mocktenant. Settings without an option
// here are set with those of Testcontainers: every setting of the service is a variable for
// [testcontainers.WithEnv].
//
// Together with an error, Run may return a container to inspect and terminate.
func Run(ctx context.Context, img string, opts ...testcontainers.ContainerCustomizer) (*Container, error) {
	moduleOpts := []testcontainers.ContainerCustomizer{
		testcontainers.WithExposedPorts(httpPort, httpsPort, adminPort, sqlPort),
		testcontainers.WithEnv(map[string]string{
			"MOCKTENANT_ADMIN_ADDR":      ":8081",
			"MOCKTENANT_ADMIN_KEY":       rand.Text(),
			"MOCKTENANT_PG_PASSWORD":     rand.Text(),
			"MOCKTENANT_MICROSOFT_HOSTS": "true",
		}),
		testcontainers.WithWaitStrategy(wait.ForHTTP("/readyz").WithPort(httpPort).WithPollInterval(pollInterval)),
	}
	moduleOpts = append(moduleOpts, opts...)
	moduleOpts = append(moduleOpts, nameHosts(ctx))

	ctr, err := testcontainers.Run(ctx, img, moduleOpts...)
	if ctr == nil {
		return nil, fmt.Errorf("run mocktenant: %w", err)
	}
	c := &Container{Container: ctr, pool: x509.NewCertPool()}
	c.client = &http.Client{Transport: c.transport()}
	if err != nil {
		return c, fmt.Errorf("run mocktenant: %w", c.withLog(ctx, err))
	}
	if ctr.IsRunning() { // without WithNoStart
		if err := c.locate(ctx); err != nil {
			return c, fmt.Errorf("run mocktenant: %w", err)
		}
	}
	return c, nil
}

// nameHosts lets the service's certificate name the hosts through which the test and other
// containers connect.
func nameHosts(ctx context.Context) testcontainers.CustomizeRequestOption {
	return func(req *testcontainers.GenericContainerRequest) error {
		provider, err := req.ProviderType.GetProvider()
		if err != nil {
			return fmt.Errorf("get provider: %w", err)
		}
		defer func() { _ = provider.Close() }()
		var hosts []string
		if docker, ok := provider.(*testcontainers.DockerProvider); ok {
			host, err := docker.DaemonHost(ctx)
			if err != nil {
				return fmt.Errorf("find the host of published ports: %w", err)
			}
			hosts = append(hosts, host)
		}
		for _, aliases := range req.NetworkAliases {
			hosts = append(hosts, aliases...)
		}
		for _, more := range []string{req.Name, req.Env["MOCKTENANT_TLS_HOSTS"]} {
			if more != "" {
				hosts = append(hosts, more)
			}
		}
		return testcontainers.WithEnv(map[string]string{"MOCKTENANT_TLS_HOSTS": strings.Join(hosts, ",")})(req)
	}
}

// withLog adds the service's last output to an error about its start, such as which setting
// it refuses.
func (c *Container) withLog(ctx context.Context, err error) error {
	logs, logErr := c.Logs(context.WithoutCancel(ctx))
	if logErr != nil {
		return err
	}
	defer func() { _ = logs.Close() }()
	text, _ := io.ReadAll(logs)
	for line := range strings.Lines(string(text)) {
		if reason, ok := strings.CutPrefix(line, "mocktenant: "); ok {
			return fmt.Errorf("%w: %s", err, strings.TrimSpace(reason))
		}
	}
	return err
}

// Start starts the container again after Stop. Its ports and URLs may change; its tenants
// don't.
func (c *Container) Start(ctx context.Context) error {
	if err := c.Container.Start(ctx); err != nil {
		return err
	}
	return c.locate(ctx)
}

// Terminate stops and removes the container.
func (c *Container) Terminate(ctx context.Context, opts ...testcontainers.TerminateOption) error {
	c.client.CloseIdleConnections()
	return c.Container.Terminate(ctx, opts...)
}

// locate finds the published ports and the certificate authority.
func (c *Container) locate(ctx context.Context) error {
	var at location
	var adminURL, sql string
	for _, p := range []struct {
		port, scheme string
		to           *string
	}{{httpsPort, "https", &at.url}, {httpPort, "http", &at.httpURL}, {adminPort, "http", &adminURL}, {sqlPort, "", &sql}} {
		var err error
		if *p.to, err = c.PortEndpoint(ctx, p.port, p.scheme); err != nil {
			return fmt.Errorf("find port %s: %w", p.port, err)
		}
	}
	env, err := c.env(ctx)
	if err != nil {
		return err
	}
	if at.databaseURL = env["DATABASE_URL"]; at.databaseURL == "" {
		at.databaseURL = (&url.URL{
			Scheme: "postgres", User: url.UserPassword("mocktenant", env["MOCKTENANT_PG_PASSWORD"]), Host: sql,
			Path: "/mocktenant", RawQuery: "sslmode=disable",
		}).String()
	}
	if c.ca == nil { // it doesn't change
		if c.ca, err = c.readCA(ctx, at.httpURL, env["MOCKTENANT_TLS_CERT_FILE"]); err != nil {
			return fmt.Errorf("read the certificate authority: %w", err)
		}
		c.pool.AppendCertsFromPEM(c.ca)
	}
	if at.admin, err = client.New(adminURL, env["MOCKTENANT_ADMIN_KEY"], client.WithHTTPClient(c.client)); err != nil {
		return fmt.Errorf("administer the service: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
	return nil
}

// env returns the container's environment, which differs from ours if the container is
// reused.
func (c *Container) env(ctx context.Context) (map[string]string, error) {
	inspect, err := c.Inspect(ctx)
	if err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	env := map[string]string{}
	for _, v := range inspect.Config.Env {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	return env, nil
}

// readCA returns the certificates to trust: the service's authority or, with
// WithCertificate, the user's certificate.
func (c *Container) readCA(ctx context.Context, httpURL, certFile string) ([]byte, error) {
	if certFile != "" {
		file, err := c.CopyFileFromContainer(ctx, certFile)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		return io.ReadAll(file)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, httpURL+"/.well-known/mocktenant/ca.pem", http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := c.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	switch response.StatusCode {
	case http.StatusOK:
		return io.ReadAll(response.Body)
	case http.StatusNotFound: // without HTTPS
		return nil, nil
	}
	return nil, fmt.Errorf("%s answered %s", r.URL, response.Status)
}

func (c *Container) location() location {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.at
}

// URL returns the address at which the service listens for HTTPS, without a trailing slash.
// Graph is at URL+"/v1.0" and URL+"/beta", and URL is the authority host. Links in answers
// start with the URL of the request, with its published port.
func (c *Container) URL() string { return c.location().url }

// HTTPURL returns the address for plain HTTP.
func (c *Container) HTTPURL() string { return c.location().httpURL }

// DatabaseURL returns the URL of the service's database. For the container's own, its role
// has a random password, and reads and changes tenants, users, applications and partners,
// but no keys and secrets. With WithDatabaseURL it is the given URL.
func (c *Container) DatabaseURL() string { return c.location().databaseURL }

// published returns a URL of the container's own Postgres with the published port in place
// of the one inside the container.
func (c *Container) published(database string) (string, error) {
	theirs, err := url.Parse(database)
	if err != nil {
		return "", err
	}
	if ours, err := url.Parse(c.DatabaseURL()); err == nil && theirs.Hostname() == "localhost" {
		theirs.Host = ours.Host
	}
	return theirs.String(), nil
}

// CA returns the certificate authority that signs the service's certificate, in PEM, or the
// certificate of WithCertificate.
func (c *Container) CA() []byte { return c.ca }

// CertPool returns a pool that contains only CA.
func (c *Container) CertPool() *x509.CertPool { return c.pool }

// Admin calls the administration as an owner.
func (c *Container) Admin() *client.Client { return c.location().admin }

// Client returns an HTTP client that trusts the service. Requests to Microsoft's own hosts,
// such as https://graph.microsoft.com and https://login.microsoftonline.com, also reach the
// service, so that programs with built-in hosts can be tested unchanged. The client sends
// no token; Tenant.Client does.
func (c *Container) Client() *http.Client { return c.client }

// transport returns a transport that trusts only the service and sends requests for
// Microsoft's hosts to it, whatever its port.
func (c *Container) transport() *http.Transport {
	return &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: c.pool, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if host, _, _ := net.SplitHostPort(address); slices.Contains(microsoftHosts, host) {
				address = strings.TrimPrefix(c.URL(), "https://")
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
}

// serves reports whether requests to u reach the service.
func (c *Container) serves(u *url.URL) bool {
	base, at := u.Scheme+"://"+u.Host, c.location()
	return base == at.url || base == at.httpURL || u.Scheme == "https" && slices.Contains(microsoftHosts, u.Host)
}
