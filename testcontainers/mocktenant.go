// Package mocktenant is the module of Testcontainers for Go for a mock tenant of
// Microsoft Graph: it runs the image mocktenant:standalone in a container, the
// authority by which clients sign in, the administration and Postgres with it.
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
// A container takes about a second, a tenant in it some 10 ms: tests may share a
// container, where each has a tenant of its own, which others don't see and which
// goes with the test.
//
// Package [github.com/mocktenant/mocktenant/graphtest] runs the same service in the
// test's own process, without Docker. Tenants are the same here and there, fields,
// methods and options, so that a test can move.
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

// Where the service listens in the container.
const (
	httpPort  = "8080/tcp"
	httpsPort = "8443/tcp"
	adminPort = "8081/tcp"
	sqlPort   = "5432/tcp"
)

// pollInterval is the time between two looks whether the service is ready. The
// default, 100 ms, is a good part of a start.
const pollInterval = 20 * time.Millisecond

// microsoftHosts are those that the service's certificate names beside its own.
// https://learn.microsoft.com/graph/deployments
var microsoftHosts = []string{
	"graph.microsoft.com", "login.microsoftonline.com", "login.microsoft.com", "login.windows.net", "sts.windows.net",
	"graph.microsoft.us", "dod-graph.microsoft.us", "login.microsoftonline.us",
	"microsoftgraph.chinacloudapi.cn", "login.chinacloudapi.cn", "login.partner.microsoftonline.cn",
}

// Container is a container in which the service runs.
type Container struct {
	testcontainers.Container

	client *http.Client
	ca     []byte // PEM
	pool   *x509.CertPool

	mu sync.RWMutex // guards what is another after a restart
	at location
}

// location is where the service of a container is found.
type location struct {
	url, httpURL, databaseURL string
	admin                     *client.Client
}

// Run starts a container of an image and returns when the service is ready. The
// image is mocktenant:standalone or, WithDatabaseURL, mocktenant. What has no option
// here is set by those of Testcontainers: each setting of the service is a variable
// for [testcontainers.WithEnv].
//
// With an error, there may be a container as well, to be looked into and terminated.
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
	if ctr.IsRunning() { // not WithNoStart
		if err := c.locate(ctx); err != nil {
			return c, fmt.Errorf("run mocktenant: %w", err)
		}
	}
	return c, nil
}

// nameHosts has the service's certificate name the hosts by which the test and other
// containers come.
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

// withLog adds to why the service isn't ready what it said itself as it ended, such
// as which setting it refuses to start with.
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

// Start starts the container again, after Stop. Its ports may be others then, and
// with them the URLs; what the tenants hold is the same.
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

// locate finds out where the ports are published, and whom to trust.
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
	if c.ca == nil { // else it is the same as before
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

// env is the environment of the container: it may be another's that is reused.
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

// readCA reads whom to trust: the authority that the service has made or, if it has
// a certificate of the user's, that.
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

// URL is where the service is reached by HTTPS, without a slash at the end. Graph is
// at URL+"/v1.0" and URL+"/beta", and URL is the host of the authority. Links in
// answers start with the URL that was asked, at its published port.
func (c *Container) URL() string { return c.location().url }

// HTTPURL is the same by plain HTTP.
func (c *Container) HTTPURL() string { return c.location().httpURL }

// DatabaseURL leads to the service's database: the container's own, as a role with a
// random password that reads and changes tenants, users, applications and partners, and
// reaches no key and no secret; or the one of WithDatabaseURL, as it was given.
func (c *Container) DatabaseURL() string { return c.location().databaseURL }

// published is a URL that leads to the container's own Postgres, as the service knows
// it, with the port where the test finds that.
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

// CA is the certificate authority that signs the service's certificate, in PEM, or
// the certificate of WithCertificate.
func (c *Container) CA() []byte { return c.ca }

// CertPool is a pool of CA alone.
func (c *Container) CertPool() *x509.CertPool { return c.pool }

// Admin administers the service, as an owner.
func (c *Container) Admin() *client.Client { return c.location().admin }

// Client returns an HTTP client that trusts the service. Under the names of
// Microsoft's own hosts, such as https://graph.microsoft.com and
// https://login.microsoftonline.com, it gets to the service too, so that programs
// which have them built in can be tested as they are. It shows no token;
// Tenant.Client does.
func (c *Container) Client() *http.Client { return c.client }

// transport trusts the service alone, and finds it by Microsoft's names, whatever
// its port is.
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

// serves tells whether requests to a URL get to the service.
func (c *Container) serves(u *url.URL) bool {
	base, at := u.Scheme+"://"+u.Host, c.location()
	return base == at.url || base == at.httpURL || u.Scheme == "https" && slices.Contains(microsoftHosts, u.Host)
}
