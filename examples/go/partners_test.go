// Package partners_test tests a program that uses the Graph SDK, with a tenant in a
// container shared by the package's tests.
package partners_test

import (
	"cmp"
	"context"
	"log"
	"net/http"
	"os"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/jackc/pgx/v5"
	authentication "github.com/microsoft/kiota-authentication-azure-go"
	kiota "github.com/microsoft/kiota-http-go"
	msgraph "github.com/microsoftgraph/msgraph-sdk-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/testcontainers/testcontainers-go"

	"github.com/mocktenant/mocktenant/api"
	mocktenant "github.com/mocktenant/mocktenant/testcontainers"
)

var ctr *mocktenant.Container

func TestMain(m *testing.M) {
	var err error
	ctr, err = mocktenant.Run(context.Background(), cmp.Or(os.Getenv("MOCKTENANT_IMAGE"), "mocktenant:dev-standalone"))
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		log.Print(err)
	}
	if err := testcontainers.TerminateContainer(ctr); err != nil {
		log.Print(err)
	}
	os.Exit(code)
}

// newGraph returns the Graph SDK's client, signed in as a tenant's user. The SDK has
// Microsoft's addresses built in; the HTTP client leads to the container.
func newGraph(t *testing.T, tenant *mocktenant.Tenant) *msgraph.GraphServiceClient {
	t.Helper()
	credential, err := azidentity.NewUsernamePasswordCredential(
		tenant.ID.String(), tenant.ClientID.String(), tenant.UserName, tenant.Password,
		&azidentity.UsernamePasswordCredentialOptions{ClientOptions: azcore.ClientOptions{Transport: ctr.Client()}})
	if err != nil {
		t.Fatal(err)
	}
	provider, err := authentication.NewAzureIdentityAuthenticationProvider(credential)
	if err != nil {
		t.Fatal(err)
	}
	// A custom HTTP client has no middleware: without it, nothing repeats a throttled request.
	client := &http.Client{Transport: kiota.NewCustomTransportWithParentTransport(ctr.Client().Transport, kiota.GetDefaultMiddlewares()...)}
	adapter, err := msgraph.NewGraphRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(provider, nil, nil, client)
	if err != nil {
		t.Fatal(err)
	}
	return msgraph.NewGraphServiceClient(adapter)
}

func TestCreatePartner(t *testing.T) {
	t.Parallel()
	tenant := ctr.NewTenant(t) // for this test only
	graph := newGraph(t, tenant)

	partner, name := models.NewRemoteAssistancePartner(), "TeamViewer"
	partner.SetDisplayName(&name)
	created, err := graph.DeviceManagement().RemoteAssistancePartners().Post(t.Context(), partner, nil)
	if err != nil {
		t.Fatal(err)
	}
	if *created.GetDisplayName() != name {
		t.Errorf("created %s", *created.GetDisplayName())
	}

	// The same through SQL: with a login that sees only this tenant, and as the service
	// itself.
	report, err := tenant.ReportURL(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for url, table := range map[string]string{report: "reporting.remote_assistance_partners", ctr.DatabaseURL(): "remote_assistance_partners"} {
		db, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close(context.Background())
		var kept string
		err = db.QueryRow(t.Context(), "SELECT display_name FROM "+table+" WHERE tenant_id = $1", tenant.ID.String()).Scan(&kept)
		if err != nil || kept != name {
			t.Errorf("%s has %q: %v", table, kept, err)
		}
	}
}

// The third create is throttled for a second: the SDK waits and succeeds, with exactly four POSTs.
func TestThirdCreateIsThrottled(t *testing.T) {
	t.Parallel()
	tenant := ctr.NewTenant(t)
	graph := newGraph(t, tenant)
	tenant.Fault(t, api.FaultCreate{
		Match:    &api.FaultMatch{Path: new("/v1.0/deviceManagement/remoteAssistancePartners"), Method: new("POST")},
		Schedule: &api.FaultSchedule{After: new(int64(2)), Times: new(int64(1))},
		Effect:   api.FaultEffect{Error: new("throttled"), RetryAfterSeconds: new(int32(1))},
	})
	for range 3 {
		if _, err := graph.DeviceManagement().RemoteAssistancePartners().Post(t.Context(), models.NewRemoteAssistancePartner(), nil); err != nil {
			t.Error(err)
		}
	}
	posts := api.RequestMatch{Path: new("/v1.0/deviceManagement/remoteAssistancePartners"), Method: new("POST")}
	tenant.Verify(t, api.RequestVerify{RetryAfterHonoured: new(true), Counts: &[]api.RequestCount{{Match: posts, Exactly: new(int64(4))}}})
}
