package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/identity"
	"github.com/mocktenant/mocktenant/internal/server"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

// writers lists the permissions that let a caller write every set.
var writers = entity.Permissions(func(t *entity.Type) []string { return t.Write })

const (
	readWrite = "DeviceManagementServiceConfig.ReadWrite.All"
	readOnly  = "DeviceManagementServiceConfig.Read.All"
	partners  = "/deviceManagement/remoteAssistancePartners"

	// seedExample is the request on Graph's page "Create remoteAssistancePartner".
	seedExample = `{
  "@odata.type": "#microsoft.graph.remoteAssistancePartner",
  "displayName": "Display Name value",
  "onboardingUrl": "https://example.com/onboardingUrl/",
  "onboardingStatus": "onboarding",
  "lastConnectionDateTime": "2016-12-31T23:58:36.6670033-08:00"
}`
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	os.Exit(dbtest.Run(m))
}

// shared is one whole service for all tests of the binary.
var shared struct {
	once   sync.Once
	server *server.Server
	err    error
}

// client is a user in a tenant of a single test.
type client struct {
	testing.TB
	server *server.Server
	tenant dbtest.Tenant
	token  string
}

// answer is an HTTP response.
type answer struct {
	status int
	header http.Header
	body   string
}

func setup(t testing.TB) *client {
	t.Helper()
	shared.once.Do(func() {
		shared.server, shared.err = server.Start(context.Background(), server.Config{
			RequestTimeout: time.Minute, // a busy machine may take more than ten seconds
			HTTPAddr:       "127.0.0.1:0", DatabaseURL: dbtest.URL(t),
			NoGathering: os.Getenv("MOCKTENANT_NO_GATHERING") != "", // CI runs the suite both ways
			Log:         testenv.Log(),
		})
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return newClient(t, shared.server)
}

// newClient returns a client in a new tenant with permission to write.
func newClient(t testing.TB, s *server.Server) *client {
	t.Helper()
	c := &client{TB: t, server: s, tenant: dbtest.NewTenantIn(t, s.Pool())}
	c.token = c.issue(c.userToken(writers...))
	return c
}

func (c *client) userToken(scopes ...string) identity.AccessToken {
	return identity.AccessToken{
		TenantID: c.tenant.ID, ObjectID: c.tenant.UserID, AppID: c.tenant.ClientID, UserName: "user@example.test", Scopes: scopes, Lifetime: time.Hour,
	}
}

func (c *client) issue(t identity.AccessToken) string {
	c.Helper()
	token, err := c.server.Identity().IssueAccessToken(t)
	if err != nil {
		c.Fatal(err)
	}
	return token
}

// do sends a request; header alternates names and values. The body is JSON unless the
// header says otherwise.
func (c *client) do(method, path, body string, header ...string) answer {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), method, c.server.URL()+path, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header[header[i]] = []string{header[i+1]}
		if header[i+1] == "" {
			delete(r.Header, header[i])
		}
	}
	return c.send(r)
}

func (c *client) send(r *http.Request) answer {
	c.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var body bytes.Buffer
	if _, err := io.Copy(&body, response.Body); err != nil {
		c.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, body.String()}
}

// want fails the test unless the answer has the status.
func (c *client) want(status int, a answer) answer {
	c.Helper()
	if a.status != status {
		c.Fatalf("status %d, want %d; body:\n%s", a.status, status, a.body)
	}
	return a
}

// create makes a partner with the body and returns its id.
func (c *client) create(body string) string {
	c.Helper()
	a := c.want(http.StatusCreated, c.do("POST", "/v1.0"+partners, body))
	return decode[partner](c, a).ID
}

// partner is the entity in beta.
type partner struct {
	Context                         string  `json:"@odata.context"`
	Type                            string  `json:"@odata.type"`
	ID                              string  `json:"id"`
	DisplayName                     *string `json:"displayName"`
	OnboardingURL                   *string `json:"onboardingUrl"`
	OnboardingStatus                string  `json:"onboardingStatus"`
	LastConnectionDateTime          string  `json:"lastConnectionDateTime"`
	OnboardingRequestExpiryDateTime string  `json:"onboardingRequestExpiryDateTime"`
}

type list struct {
	Context  string    `json:"@odata.context"`
	Count    *int      `json:"@odata.count"`
	NextLink string    `json:"@odata.nextLink"`
	Value    []partner `json:"value"`
}

type errorDocument struct {
	Error struct {
		Code       string `json:"code"`
		Message    string `json:"message"`
		Target     string `json:"target"`
		InnerError struct {
			Message         string `json:"message"`
			Date            string `json:"date"`
			RequestID       string `json:"request-id"`
			ClientRequestID string `json:"client-request-id"`
		} `json:"innerError"`
	} `json:"error"`
}

func decode[T any](c *client, a answer) T {
	c.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		c.Fatalf("not JSON: %v\n%s", err, a.body)
	}
	return v
}
