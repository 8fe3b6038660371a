package mocktenant_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"strings"

	"github.com/testcontainers/testcontainers-go"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
	mocktenant "github.com/mocktenant/mocktenant/testcontainers"
)

// A program with Graph's built-in address is tested unchanged.
func ExampleRun() {
	t, end := newT() // in a test, t is its *testing.T
	defer end()
	ctx := context.Background()

	ctr, err := mocktenant.Run(ctx, "mocktenant:dev-standalone")
	testcontainers.CleanupContainer(t, ctr)
	if err != nil {
		log.Fatal(err)
	}
	tenant := ctr.NewTenant(t)
	const partners = "https://graph.microsoft.com/v1.0/deviceManagement/remoteAssistancePartners"
	response, err := tenant.Client().Post(partners, "application/json", strings.NewReader(`{"displayName": "TeamViewer"}`))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var partner struct{ DisplayName, OnboardingStatus string }
	if err := json.NewDecoder(response.Body).Decode(&partner); err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.Status, partner.DisplayName, partner.OnboardingStatus)
	// Output: 201 Created TeamViewer notOnboarded
}

// The service starts with a document from a file, logs less, and has no demo tenant.
func ExampleRun_options() {
	t, end := newT()
	defer end()
	ctx := context.Background()

	ctr, err := mocktenant.Run(ctx, "mocktenant:dev-standalone",
		mocktenant.WithSeeds("testdata/contoso.yaml"),
		mocktenant.WithDemo(false),
		testcontainers.WithEnv(map[string]string{"MOCKTENANT_LOG_LEVEL": "warn"}),
	)
	testcontainers.CleanupContainer(t, ctr)
	if err != nil {
		log.Fatal(err)
	}
	tenants, err := client.Read[api.TenantList](ctr.Admin().ListTenants(ctx, nil))
	if err != nil {
		log.Fatal(err)
	}
	for _, tenant := range tenants.Value {
		fmt.Println(tenant.DisplayName)
	}
	// Output: contoso
}

// Pages are small, so that a program must follow links.
func ExampleContainer_NewTenant() {
	t, end := newT()
	defer end()
	ctr := exampleContainer()

	tenant := ctr.NewTenant(t, mocktenant.WithPageSize(1), mocktenant.WithState([]byte(`{"version": 1, "remoteAssistancePartners": [{"displayName": "A"}, {"displayName": "B"}]}`)))
	pages := 0
	for next := ctr.URL() + "/v1.0/deviceManagement/remoteAssistancePartners"; next != ""; pages++ {
		response, err := tenant.Client().Get(next)
		if err != nil {
			log.Fatal(err)
		}
		var page struct {
			NextLink string `json:"@odata.nextLink"`
		}
		err = json.NewDecoder(response.Body).Decode(&page)
		_ = response.Body.Close()
		if err != nil {
			log.Fatal(err)
		}
		next = page.NextLink
	}
	fmt.Println(pages, "pages")
	// Output: 2 pages
}

// A tenant starts with a document, changes, and returns to a snapshot.
func ExampleTenant_Snapshot() {
	t, end := newT()
	defer end()
	ctx := context.Background()
	ctr := exampleContainer()

	tenant := ctr.NewTenant(t, mocktenant.WithState([]byte(`
version: 1
remoteAssistancePartners:
  - displayName: TeamViewer
    onboardingStatus: onboarded
`)))
	if err := tenant.Snapshot(ctx, "before"); err != nil {
		log.Fatal(err)
	}
	response, err := tenant.Client().Post(ctr.URL()+"/v1.0/deviceManagement/remoteAssistancePartners", "application/json", strings.NewReader(`{}`))
	if err != nil {
		log.Fatal(err)
	}
	_ = response.Body.Close()
	if err := tenant.Restore(ctx, "before"); err != nil {
		log.Fatal(err)
	}

	list, err := client.Read[api.EntityList](ctr.Admin().ListEntities(ctx, tenant.ID, "remoteAssistancePartners", nil))
	if err != nil {
		log.Fatal(err)
	}
	for _, partner := range list.Value {
		fmt.Println(partner.Properties["displayName"], partner.Properties["onboardingStatus"])
	}
	// Output: TeamViewer onboarded
}

func exampleContainer() *mocktenant.Container {
	ctr, err := shared()
	if err != nil {
		log.Fatal(err)
	}
	return ctr
}

func newT() (t *fakeTB, end func()) {
	t = &fakeTB{}
	return t, t.end
}
