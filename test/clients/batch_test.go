package clients_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/devicemanagement"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
)

// A batch with the SDK's own BatchRequest: a create, a list, a filter with an order, and a
// request that fails.
func TestBatch(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	adapter := adapterFor(t, staticToken(mocktenant(ctx, t, "token")))
	b := partnersOf(adapter)
	partner, name := models.NewRemoteAssistancePartner(), t.Name()
	partner.SetDisplayName(&name)
	batch := msgraphgocore.NewBatchRequest(adapter)

	info, err := b.ToPostRequestInformation(ctx, partner, nil)
	if err != nil {
		t.Fatal(err)
	}
	create, err := batch.AddBatchRequestStep(*info)
	if err != nil {
		t.Fatal(err)
	}
	filter := "displayName eq '" + name + "'"
	if info, err = b.ToGetRequestInformation(ctx, &devicemanagement.RemoteAssistancePartnersRequestBuilderGetRequestConfiguration{
		QueryParameters: &devicemanagement.RemoteAssistancePartnersRequestBuilderGetQueryParameters{Filter: &filter, Orderby: []string{"displayName desc", "id"}},
	}); err != nil {
		t.Fatal(err)
	}
	list, err := batch.AddBatchRequestStep(*info)
	if err != nil {
		t.Fatal(err)
	}
	list.DependsOnItem(create)
	if info, err = b.ByRemoteAssistancePartnerId("00000000-0000-0000-0000-000000000000").ToGetRequestInformation(ctx, nil); err != nil {
		t.Fatal(err)
	}
	missing, err := batch.AddBatchRequestStep(*info)
	if err != nil {
		t.Fatal(err)
	}

	answer, err := batch.Send(ctx, adapter)
	if err != nil {
		t.Fatal(explain(err))
	}
	created, err := msgraphgocore.GetBatchResponseById[models.RemoteAssistancePartnerable](answer, *create.GetId(), models.CreateRemoteAssistancePartnerFromDiscriminatorValue)
	if err != nil || *created.GetDisplayName() != name {
		t.Fatalf("create: %v", explain(err))
	}
	found, err := msgraphgocore.GetBatchResponseById[models.RemoteAssistancePartnerCollectionResponseable](answer, *list.GetId(), models.CreateRemoteAssistancePartnerCollectionResponseFromDiscriminatorValue)
	if err != nil || len(found.GetValue()) != 1 || *found.GetValue()[0].GetId() != *created.GetId() {
		t.Errorf("list: %v", explain(err))
	}
	if _, err := msgraphgocore.GetBatchResponseById[models.RemoteAssistancePartnerable](answer, *missing.GetId(), models.CreateRemoteAssistancePartnerFromDiscriminatorValue); err == nil {
		t.Error("found a partner that doesn't exist")
	}
	if got := fmt.Sprint(*answer.GetResponseById(*missing.GetId()).GetStatus()); got != fmt.Sprint(http.StatusNotFound) {
		t.Errorf("the missing one: %s", got)
	}
}

// The SDK follows a list's links to the end.
func TestPages(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	adapter := adapterFor(t, staticToken(mocktenant(ctx, t, "token")))
	b := partnersOf(adapter)
	want := map[string]bool{}
	for range 5 {
		partner, name := models.NewRemoteAssistancePartner(), t.Name()
		partner.SetDisplayName(&name)
		created, err := b.Post(ctx, partner, nil)
		if err != nil {
			t.Fatal(explain(err))
		}
		want[*created.GetId()] = true
	}
	filter, top := "startswith(displayName,'"+t.Name()+"')", int32(2)
	page, err := b.Get(ctx, &devicemanagement.RemoteAssistancePartnersRequestBuilderGetRequestConfiguration{
		QueryParameters: &devicemanagement.RemoteAssistancePartnersRequestBuilderGetQueryParameters{Filter: &filter, Top: &top, Orderby: []string{"lastConnectionDateTime"}},
	})
	if err != nil {
		t.Fatal(explain(err))
	}
	pages, err := msgraphgocore.NewPageIterator[models.RemoteAssistancePartnerable](page, adapter, models.CreateRemoteAssistancePartnerCollectionResponseFromDiscriminatorValue)
	if err != nil {
		t.Fatal(err)
	}
	if err := pages.Iterate(ctx, func(p models.RemoteAssistancePartnerable) bool {
		if !want[*p.GetId()] {
			t.Errorf("%s was unexpected, or came twice", *p.GetId())
		}
		delete(want, *p.GetId())
		return true
	}); err != nil {
		t.Fatal(explain(err))
	}
	if len(want) != 0 {
		t.Errorf("not seen: %v", want)
	}
}
