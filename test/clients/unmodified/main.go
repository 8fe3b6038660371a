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
	// Nothing here is specific to the mock: no host, no certificate, no option.
	credential, err := azidentity.NewUsernamePasswordCredential(
		os.Getenv("AZURE_TENANT_ID"), os.Getenv("AZURE_CLIENT_ID"), os.Getenv("AZURE_USERNAME"), os.Getenv("AZURE_PASSWORD"), nil)
	if err != nil {
		log.Fatal(err)
	}
	graph, err := msgraph.NewGraphServiceClientWithCredentials(credential, nil)
	if err != nil {
		log.Fatal(err)
	}
	partner, name := models.NewRemoteAssistancePartner(), "TeamViewer"
	partner.SetDisplayName(&name)
	created, err := graph.DeviceManagement().RemoteAssistancePartners().Post(context.Background(), partner, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("created", *created.GetId())
}
