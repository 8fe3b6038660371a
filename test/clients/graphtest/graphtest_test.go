// Package graphtest_test runs the Graph SDK snippet of package graphtest's
// documentation.
package graphtest_test

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	authentication "github.com/microsoft/kiota-authentication-azure-go"
	msgraph "github.com/microsoftgraph/msgraph-sdk-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/mocktenant/mocktenant/graphtest"
)

func TestOnboarding(t *testing.T) {
	t.Parallel()
	s := graphtest.NewServer(t)
	credential, err := azidentity.NewUsernamePasswordCredential(
		s.Tenant.ID.String(), s.Tenant.ClientID.String(), s.Tenant.UserName, s.Tenant.Password,
		&azidentity.UsernamePasswordCredentialOptions{ClientOptions: azcore.ClientOptions{Transport: s.Client()}})
	if err != nil {
		t.Fatal(err)
	}
	provider, err := authentication.NewAzureIdentityAuthenticationProvider(credential)
	if err != nil {
		t.Fatal(err)
	}
	adapter, err := msgraph.NewGraphRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(provider, nil, nil, s.Client())
	if err != nil {
		t.Fatal(err)
	}
	graph := msgraph.NewGraphServiceClient(adapter)

	partner, name := models.NewRemoteAssistancePartner(), "TeamViewer"
	partner.SetDisplayName(&name)
	created, err := graph.DeviceManagement().RemoteAssistancePartners().Post(t.Context(), partner, nil)
	if err != nil {
		t.Fatal(err)
	}
	if *created.GetDisplayName() != name {
		t.Errorf("created %s", *created.GetDisplayName())
	}
}
