package clients_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/serialization"
	betadevices "github.com/microsoftgraph/msgraph-beta-sdk-go/devicemanagement"
	betamodels "github.com/microsoftgraph/msgraph-beta-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/devicemanagement"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/entity/sample"
)

// sdkModels has the SDK's function that makes an entity's model.
var sdkModels = map[string]serialization.ParsableFactory{
	"remoteAssistancePartner":      models.CreateRemoteAssistancePartnerFromDiscriminatorValue,
	"deviceManagementPartner":      models.CreateDeviceManagementPartnerFromDiscriminatorValue,
	"deviceCategory":               models.CreateDeviceCategoryFromDiscriminatorValue,
	"complianceManagementPartner":  models.CreateComplianceManagementPartnerFromDiscriminatorValue,
	"mobileThreatDefenseConnector": models.CreateMobileThreatDefenseConnectorFromDiscriminatorValue,
	"termsAndConditions":           models.CreateTermsAndConditionsFromDiscriminatorValue,
	"notificationMessageTemplate":  models.CreateNotificationMessageTemplateFromDiscriminatorValue,
	"localizedNotificationMessage": models.CreateLocalizedNotificationMessageFromDiscriminatorValue,
}

// betaSDKModels has the same of the SDK for beta.
var betaSDKModels = map[string]serialization.ParsableFactory{
	"remoteAssistancePartner":                betamodels.CreateRemoteAssistancePartnerFromDiscriminatorValue,
	"deviceManagementPartner":                betamodels.CreateDeviceManagementPartnerFromDiscriminatorValue,
	"deviceCategory":                         betamodels.CreateDeviceCategoryFromDiscriminatorValue,
	"complianceManagementPartner":            betamodels.CreateComplianceManagementPartnerFromDiscriminatorValue,
	"mobileThreatDefenseConnector":           betamodels.CreateMobileThreatDefenseConnectorFromDiscriminatorValue,
	"ndesConnector":                          betamodels.CreateNdesConnectorFromDiscriminatorValue,
	"termsAndConditions":                     betamodels.CreateTermsAndConditionsFromDiscriminatorValue,
	"deviceAndAppManagementAssignmentFilter": betamodels.CreateDeviceAndAppManagementAssignmentFilterFromDiscriminatorValue,
	"roleScopeTag":                           betamodels.CreateRoleScopeTagFromDiscriminatorValue,
	"remoteAssistanceSettings":               betamodels.CreateRemoteAssistanceSettingsFromDiscriminatorValue,
	"notificationMessageTemplate":            betamodels.CreateNotificationMessageTemplateFromDiscriminatorValue,
	"localizedNotificationMessage":           betamodels.CreateLocalizedNotificationMessageFromDiscriminatorValue,
}

// newer are properties that the metadata has and the SDK for beta doesn't know yet.
var newer = []string{"grantMobileThreatDefensePartnerRole", "launchMobileThreatDefensePartnerOnSetupEnabled"}

// sdk is one version's SDK. Its builders are generated, so that calls by name work for every set.
type sdk struct {
	*testing.T
	beta   bool
	root   any // the builder for /deviceManagement
	models map[string]serialization.ParsableFactory
}

// The SDKs for v1.0 and for beta create, get, list, act on, update and delete every entity, and know
// every property.
func TestSDKs(t *testing.T) {
	t.Parallel()
	token := staticToken(mocktenant(t.Context(), t, "token"))
	v1, beta := adapterFor(t, token), adapterFor(t, token)
	beta.SetBaseUrl(tenant.graph + "/beta")
	for _, s := range []sdk{
		{beta: false, models: sdkModels, root: devicemanagement.NewDeviceManagementRequestBuilderInternal(map[string]string{"baseurl": v1.GetBaseUrl()}, v1)},
		{beta: true, models: betaSDKModels, root: betadevices.NewDeviceManagementRequestBuilderInternal(map[string]string{"baseurl": beta.GetBaseUrl()}, beta)},
	} {
		for _, e := range entity.All {
			if e.BetaOnly && !s.beta {
				continue
			}
			t.Run(fmt.Sprintf("%s beta=%t", e.Name, s.beta), func(t *testing.T) {
				t.Parallel()
				s.T = t
				s.lifeCycle(e)
			})
		}
	}
}

func (s sdk) lifeCycle(e *entity.Type) {
	item := s.set(e)
	if !e.Singleton {
		item = s.created(item, e)
	}
	for _, a := range e.Actions {
		if !a.ByPartner {
			s.call(s.call(item, entity.Pascal(a.Name)), "Post", s.Context())
		}
	}
	s.wantValues(s.call(item, "Patch", s.Context(), s.model(e, 2)), e, 2)
	s.wantValues(s.call(item, "Get", s.Context()), e, 2)
	if e.Singleton {
		return
	}
	s.call(item, "Delete", s.Context())
	var refusal abstractions.ApiErrorable
	if _, err := try(item, "Get", s.Context()); !errors.As(err, &refusal) || refusal.GetStatusCode() != http.StatusNotFound {
		s.Errorf("get after delete: %v", err)
	}
}

// set returns the builder of an entity's set. It creates a parent for a contained one.
func (s sdk) set(e *entity.Type) any {
	within := s.root
	if e.Parent != nil {
		within = s.created(s.set(e.Parent), e.Parent)
	}
	return s.call(within, entity.Pascal(e.SetName()))
}

// created creates an entity, gets it and lists its set. It returns the entity's builder.
func (s sdk) created(set any, e *entity.Type) (item any) {
	type identified interface{ GetId() *string }
	made := s.call(set, "Post", s.Context(), s.model(e, 1))
	s.wantValues(made, e, 1)
	id := *made.(identified).GetId()
	item = s.call(set, "By"+entity.Pascal(e.Name)+"Id", id)
	s.wantValues(s.call(item, "Get", s.Context()), e, 1)
	list := reflect.ValueOf(s.call(s.call(set, "Get", s.Context()), "GetValue"))
	for i := range list.Len() {
		if *list.Index(i).Interface().(identified).GetId() == id {
			return item
		}
	}
	s.Errorf("%s is not in the list", id)
	return item
}

// model returns the nth sample of an entity as the SDK's model.
func (s sdk) model(e *entity.Type, n int) serialization.Parsable {
	s.Helper()
	m, err := serialization.DeserializeFromJson(asJSON(s.T, sample.Body(e, s.beta, n)), s.models[e.Name])
	if err != nil {
		s.Fatal(err)
	}
	return m
}

// wantValues fails the test unless the SDK's model has the values of the nth sample, and no
// properties that the SDK doesn't know.
func (s sdk) wantValues(m any, e *entity.Type, n int) {
	s.Helper()
	for name := range m.(serialization.AdditionalDataHolder).GetAdditionalData() {
		if !strings.HasPrefix(name, "@odata.") && !slices.Contains(newer, name) {
			s.Errorf("the SDK doesn't know %s", name)
		}
	}
	got, want := s.values(m.(serialization.Parsable)), s.values(s.model(e, n))
	for name := range sample.Body(e, s.beta, n) {
		if !includes(got[name], want[name]) {
			s.Errorf("%s is %v, want %v", name, got[name], want[name])
		}
	}
}

// values returns the properties of a model.
func (s sdk) values(m serialization.Parsable) (values map[string]any) {
	s.Helper()
	text, err := serialization.SerializeToJson(m)
	if err == nil {
		err = json.Unmarshal(text, &values)
	}
	if err != nil {
		s.Fatal(err)
	}
	return values
}

// includes reports whether a decoded JSON value has everything that another has.
func includes(got, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		got, _ := got.(map[string]any)
		for name := range want {
			if !includes(got[name], want[name]) {
				return false
			}
		}
		return true
	case []any:
		got, _ := got.([]any)
		return slices.EqualFunc(got, want, includes)
	}
	return got == want
}

// call calls a method of one of the SDK's values. It ends the test if that returns an error.
func (s sdk) call(on any, method string, args ...any) any {
	s.Helper()
	result, err := try(on, method, args...)
	if err != nil {
		s.Fatalf("%s of %T: %v", method, on, err)
	}
	return result
}

// try calls a method with further arguments of nil. It returns the first result, and the error.
func try(on any, method string, args ...any) (result any, err error) {
	m := reflect.ValueOf(on).MethodByName(method)
	if !m.IsValid() {
		return nil, fmt.Errorf("%T has no %s", on, method)
	}
	in := make([]reflect.Value, m.Type().NumIn())
	for i := range in {
		if in[i] = reflect.Zero(m.Type().In(i)); i < len(args) {
			in[i] = reflect.ValueOf(args[i])
		}
	}
	out := m.Call(in)
	err, _ = out[len(out)-1].Interface().(error)
	return out[0].Interface(), err
}
