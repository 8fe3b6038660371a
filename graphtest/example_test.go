package graphtest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"strings"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/graphtest"
)

// A program with Graph's built-in address is tested unchanged.
func ExampleNewServer() {
	t, end := newT() // in a test, t is its *testing.T
	defer end()

	s := graphtest.NewServer(t)
	const partners = "https://graph.microsoft.com/v1.0/deviceManagement/remoteAssistancePartners"
	response, err := s.Tenant.Client().Post(partners, "application/json", strings.NewReader(`{"displayName": "TeamViewer"}`))
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

// A tenant starts with a document, changes, and returns to a snapshot.
func ExampleTenant_Snapshot() {
	t, end := newT()
	defer end()
	ctx := context.Background()

	s := graphtest.NewServer(t, graphtest.WithState([]byte(`
version: 1
remoteAssistancePartners:
  - displayName: TeamViewer
    onboardingStatus: onboarded
`)))
	if err := s.Tenant.Snapshot(ctx, "before"); err != nil {
		log.Fatal(err)
	}
	response, err := s.Tenant.Client().Post(s.URL+"/v1.0/deviceManagement/remoteAssistancePartners", "application/json", strings.NewReader(`{}`))
	if err != nil {
		log.Fatal(err)
	}
	_ = response.Body.Close()
	if err := s.Tenant.Restore(ctx, "before"); err != nil {
		log.Fatal(err)
	}

	list, err := client.Read[api.EntityList](s.Admin.ListEntities(ctx, s.Tenant.ID, "remoteAssistancePartners", nil))
	if err != nil {
		log.Fatal(err)
	}
	for _, partner := range list.Value {
		fmt.Println(partner.Properties["displayName"], partner.Properties["onboardingStatus"])
	}
	// Output: TeamViewer onboarded
}

// Pages are small, so that a program must follow links.
func ExampleServer_NewTenant() {
	t, end := newT()
	defer end()

	s := graphtest.NewServer(t)
	tenant := s.NewTenant(t, graphtest.WithPageSize(1), graphtest.WithState([]byte(`{"version": 1, "remoteAssistancePartners": [{"displayName": "A"}, {"displayName": "B"}]}`)))
	pages := 0
	for next := s.URL + "/v1.0/deviceManagement/remoteAssistancePartners"; next != ""; pages++ {
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

func newT() (t *fakeTB, end func()) {
	t = &fakeTB{}
	return t, t.end
}
