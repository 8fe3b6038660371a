package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	msgraph "github.com/microsoftgraph/msgraph-sdk-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
)

func main() {
	// The authority and the certificate come from AZURE_AUTHORITY_HOST and SSL_CERT_FILE.
	credential, err := azidentity.NewUsernamePasswordCredential(
		os.Getenv("AZURE_TENANT_ID"), os.Getenv("AZURE_CLIENT_ID"), os.Getenv("AZURE_USERNAME"), os.Getenv("AZURE_PASSWORD"),
		&azidentity.UsernamePasswordCredentialOptions{DisableInstanceDiscovery: true})
	if err != nil {
		log.Fatal(err)
	}
	graph, err := msgraph.NewGraphServiceClientWithCredentialsAndHosts(credential,
		[]string{"https://graph.microsoft.com/.default"}, []string{"127.0.0.1", "localhost"}) // hosts without port
	if err != nil {
		log.Fatal(err)
	}
	graph.GetAdapter().SetBaseUrl(os.Getenv("GRAPH_BASE_URL") + "/v1.0")

	partner, name := models.NewRemoteAssistancePartner(), "TeamViewer"
	partner.SetDisplayName(&name)
	created, err := graph.DeviceManagement().RemoteAssistancePartners().Post(context.Background(), partner, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("created", *created.GetId())
}
