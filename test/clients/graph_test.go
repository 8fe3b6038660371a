package clients_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"
	"github.com/jackc/pgx/v5"
	"github.com/microsoft/kiota-abstractions-go/serialization"
	authentication "github.com/microsoft/kiota-authentication-azure-go"
	khttp "github.com/microsoft/kiota-http-go"
	kjson "github.com/microsoft/kiota-serialization-json-go"
	ktext "github.com/microsoft/kiota-serialization-text-go"
	"github.com/microsoftgraph/msgraph-sdk-go/devicemanagement"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
)

const scope = "https://graph.microsoft.com/.default"

func init() {
	serialization.DefaultParseNodeFactoryInstance.ContentTypeAssociatedFactories["application/json"] = kjson.NewJsonParseNodeFactory()
	serialization.DefaultParseNodeFactoryInstance.ContentTypeAssociatedFactories["text/plain"] = ktext.NewTextParseNodeFactory()
	serialization.DefaultSerializationWriterFactoryInstance.ContentTypeAssociatedFactories["application/json"] = kjson.NewJsonSerializationWriterFactory()
}

// options lets azidentity use the service.
func options() azcore.ClientOptions {
	return azcore.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: tenant.authority},
		Transport: tenant.transport,
	}
}

// partners returns the Graph SDK's request builder with a credential.
func partners(t *testing.T, credential azcore.TokenCredential) *devicemanagement.RemoteAssistancePartnersRequestBuilder {
	t.Helper()
	return partnersOf(adapterFor(t, credential))
}

func partnersOf(adapter *khttp.NetHttpRequestAdapter) *devicemanagement.RemoteAssistancePartnersRequestBuilder {
	return devicemanagement.NewRemoteAssistancePartnersRequestBuilderInternal(map[string]string{"baseurl": adapter.GetBaseUrl()}, adapter)
}

func adapterFor(t *testing.T, credential azcore.TokenCredential) *khttp.NetHttpRequestAdapter {
	t.Helper()
	base, err := url.Parse(tenant.graph)
	if err != nil {
		t.Fatal(err)
	}
	provider, err := authentication.NewAzureIdentityAuthenticationProviderWithScopesAndValidHosts(credential, []string{scope}, []string{base.Hostname()})
	if err != nil {
		t.Fatal(err)
	}
	client := khttp.GetDefaultClient(khttp.GetDefaultMiddlewares()...)
	client.Transport = khttp.NewCustomTransportWithParentTransport(tenant.transport.Transport, khttp.GetDefaultMiddlewares()...)
	adapter, err := khttp.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(provider, nil, nil, client)
	if err != nil {
		t.Fatal(err)
	}
	adapter.SetBaseUrl(tenant.graph + "/v1.0")
	return adapter
}

// lifecycle creates, reads, lists, changes and deletes a partner with the SDK.
func lifecycle(t *testing.T, credential azcore.TokenCredential) {
	t.Helper()
	ctx := t.Context()
	b := partners(t, credential)
	p := models.NewRemoteAssistancePartner()
	name, link, status := t.Name(), "https://example.com/onboardingUrl/", models.ONBOARDING_REMOTEASSISTANCEONBOARDINGSTATUS
	at := time.Date(2016, 12, 31, 23, 58, 36, 667003300, time.FixedZone("", -8*3600))
	p.SetDisplayName(&name)
	p.SetOnboardingUrl(&link)
	p.SetOnboardingStatus(&status)
	p.SetLastConnectionDateTime(&at)
	created, err := b.Post(ctx, p, nil)
	if err != nil {
		t.Fatalf("create: %v", explain(err))
	}
	if *created.GetDisplayName() != name || *created.GetOnboardingStatus() != status || !created.GetLastConnectionDateTime().Equal(at.Truncate(time.Second)) {
		t.Errorf("created %s %v %v", *created.GetDisplayName(), *created.GetOnboardingStatus(), created.GetLastConnectionDateTime())
	}
	item := b.ByRemoteAssistancePartnerId(*created.GetId())
	if got, err := item.Get(ctx, nil); err != nil || *got.GetDisplayName() != name {
		t.Errorf("get: %v", explain(err))
	}
	list, err := b.Get(ctx, nil)
	if err != nil {
		t.Fatalf("list: %v", explain(err))
	}
	found := false
	for _, e := range list.GetValue() {
		found = found || *e.GetId() == *created.GetId()
	}
	if !found {
		t.Error("not in the list")
	}
	if n, err := b.Count().Get(ctx, nil); err != nil || *n < 1 {
		t.Errorf("count: %v", explain(err))
	}
	change := models.NewRemoteAssistancePartner()
	other := name + " changed"
	change.SetDisplayName(&other)
	if got, err := item.Patch(ctx, change, nil); err != nil || *got.GetDisplayName() != other {
		t.Errorf("patch: %v", explain(err))
	}
	if err := item.Disconnect().Post(ctx, nil); err != nil {
		t.Errorf("disconnect: %v", explain(err))
	}
	if err := item.BeginOnboarding().Post(ctx, nil); err != nil {
		t.Errorf("beginOnboarding: %v", explain(err))
	}
	if err := item.Delete(ctx, nil); err != nil {
		t.Errorf("delete: %v", explain(err))
	}
	var refusal *odataerrors.ODataError
	if _, err := item.Get(ctx, nil); !errors.As(err, &refusal) || *refusal.GetErrorEscaped().GetCode() != "ResourceNotFound" {
		t.Errorf("get after delete: %v", explain(err))
	}
}

// explain adds the content of Graph's error document.
func explain(err error) error {
	var refusal *odataerrors.ODataError
	if errors.As(err, &refusal) && refusal.GetErrorEscaped() != nil {
		return errors.New(*refusal.GetErrorEscaped().GetCode() + ": " + *refusal.GetErrorEscaped().GetMessage())
	}
	return err
}

// staticToken is a credential that always returns the same token.
type staticToken string

func (s staticToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(s), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func TestStaticToken(t *testing.T) {
	t.Parallel()
	lifecycle(t, staticToken(mocktenant(t.Context(), t, "token")))
}

func TestUsernamePassword(t *testing.T) {
	t.Parallel()
	credential, err := azidentity.NewUsernamePasswordCredential(tenant.id, tenant.client, tenant.user, tenant.password, //nolint:staticcheck // deprecated by Entra, and what tests use
		&azidentity.UsernamePasswordCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	lifecycle(t, credential)
}

func TestDeviceCode(t *testing.T) {
	t.Parallel()
	credential, err := azidentity.NewDeviceCodeCredential(&azidentity.DeviceCodeCredentialOptions{
		TenantID: tenant.id, ClientID: tenant.client, ClientOptions: options(), DisableInstanceDiscovery: true,
		UserPrompt: func(ctx context.Context, m azidentity.DeviceCodeMessage) error {
			return approve(ctx, m.VerificationURL, m.UserCode)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	lifecycle(t, credential)
}

// approve submits the page to which a device sends its user.
func approve(ctx context.Context, page, code string) error {
	return approveBy(ctx, tenant.transport, page, code)
}

func approveBy(ctx context.Context, browser *http.Client, page, code string) error {
	form := url.Values{"code": {code}, "user": {tenant.user}, "password": {tenant.password}, "action": {"allow"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, page, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := browser.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the page answered %s", response.Status)
	}
	return nil
}

// A token for an application's own API is exchanged for one for Graph.
func TestOnBehalfOf(t *testing.T) {
	t.Parallel()
	user, err := azidentity.NewUsernamePasswordCredential(tenant.id, tenant.client, tenant.user, tenant.password, //nolint:staticcheck // as above
		&azidentity.UsernamePasswordCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	token, err := user.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"api://" + tenant.client + "/access_as_user"}})
	if err != nil {
		t.Fatal(err)
	}
	credential, err := azidentity.NewOnBehalfOfCredentialWithSecret(tenant.id, tenant.client, token.Token, tenant.secret,
		&azidentity.OnBehalfOfCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	lifecycle(t, credential)
}

// An application signs in and is refused, because the entity supports no application
// permission.
func TestClientSecret(t *testing.T) {
	t.Parallel()
	credential, err := azidentity.NewClientSecretCredential(tenant.id, tenant.client, tenant.secret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	forbidden(t, credential)
}

func forbidden(t *testing.T, credential azcore.TokenCredential) {
	t.Helper()
	_, err := partners(t, credential).Get(t.Context(), nil)
	var refusal *odataerrors.ODataError
	if !errors.As(err, &refusal) || *refusal.GetErrorEscaped().GetCode() != "Forbidden" {
		t.Errorf("got %v, want Forbidden", explain(err))
	}
}

// A wrong secret is refused in Entra's words.
func TestWrongSecret(t *testing.T) {
	t.Parallel()
	credential, err := azidentity.NewClientSecretCredential(tenant.id, tenant.client, "wrong",
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{scope}})
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) || failed.RawResponse.StatusCode != http.StatusUnauthorized || !strings.Contains(err.Error(), "AADSTS7000215") {
		t.Errorf("got %v", err)
	}
}

// After a user was signed out, the SDK answers the claims challenge by itself.
func TestClaimsChallenge(t *testing.T) {
	t.Parallel()
	const reader = "reader@demo.mocktenant.example"
	credential, err := azidentity.NewUsernamePasswordCredential(tenant.id, tenant.client, reader, tenant.password, //nolint:staticcheck // as above
		&azidentity.UsernamePasswordCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	b := partners(t, credential)
	if _, err := b.Get(t.Context(), nil); err != nil {
		t.Fatal(explain(err))
	}
	conn, err := pgx.Connect(t.Context(), tenant.database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if _, err := conn.Exec(t.Context(), "UPDATE users SET tokens_valid_from = now() WHERE user_principal_name = $1", reader); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // as long as a caller is cached
	if _, err := b.Get(t.Context(), nil); err != nil {
		t.Errorf("the challenge was not satisfied: %v", explain(err))
	}
}

// MSAL itself: with a password, then silently with the refresh token.
func TestMSAL(t *testing.T) {
	t.Parallel()
	app, err := public.New(tenant.client, public.WithAuthority(tenant.authority+tenant.id), public.WithInstanceDiscovery(false), public.WithHTTPClient(tenant.transport))
	if err != nil {
		t.Fatal(err)
	}
	first, err := app.AcquireTokenByUsernamePassword(t.Context(), []string{scope}, tenant.user, tenant.password) //nolint:staticcheck // as above
	if err != nil {
		t.Fatal(err)
	}
	if first.Account.PreferredUsername != tenant.user || first.IDToken.TenantID != tenant.id || first.Account.HomeAccountID != first.IDToken.Oid+"."+tenant.id {
		t.Errorf("account %+v", first.Account)
	}
	// Claims make it skip its cache and use the refresh token.
	second, err := app.AcquireTokenSilent(t.Context(), []string{scope}, public.WithSilentAccount(first.Account), public.WithClaims(`{"access_token":{"nbf":{"essential":true,"value":"1"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if second.AccessToken == first.AccessToken {
		t.Error("the same token")
	}
	lifecycle(t, staticToken(second.AccessToken))
}
