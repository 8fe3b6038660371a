package session

import (
	"github.com/oapi-codegen/nullable"

	"github.com/mocktenant/mocktenant/api"
)

// Option changes how a tenant is made. Write your own function for anything that has no
// option here.
type Option func(*api.TenantCreate)

// Create describes a tenant with a name, which it cuts to the longest allowed, and options.
func Create(name string, options ...Option) api.TenantCreate {
	wanted := api.TenantCreate{DisplayName: name[:min(len(name), 256)]}
	for _, o := range options {
		o(&wanted)
	}
	return wanted
}

// WithState makes the tenant start with a document: settings, users, applications and
// partners, in JSON or YAML, as in an export. The administration describes the format at
// /schemas/state-v1.json. A reset returns the tenant to this document's entities.
func WithState(document []byte) Option {
	return func(t *api.TenantCreate) {
		state := api.State(document)
		t.Source = &api.TenantSource{Document: &state}
	}
}

// WithSeed makes the tenant start with a seed that the service has.
func WithSeed(name string) Option {
	return func(t *api.TenantCreate) { t.Source = &api.TenantSource{Seed: &name} }
}

// WithIDSeed makes the tenant's new ids the same in every run with the same seed.
func WithIDSeed(seed string) Option {
	return func(t *api.TenantCreate) { t.IdSeed = &seed }
}

// WithPageSize limits pages to this many entities, 1 to 1000, to test that a program follows
// links.
func WithPageSize(entities int32) Option {
	return func(t *api.TenantCreate) { settings(t).PageSize = &entities }
}

// WithPermissionRule says who may manage entities: with PermissionRuleSeed, the default, only
// users, as Graph's documentation said in 2018; with PermissionRuleCurrent also applications
// without a user.
func WithPermissionRule(rule api.PermissionRule) Option {
	return func(t *api.TenantCreate) { settings(t).PermissionRule = &rule }
}

// WithPartnerPortal makes beginOnboarding give a remoteAssistancePartner without an onboardingUrl
// the link to a page. There a person, or a test with a POST of decision=accept or
// decision=decline and link=SECRET, the end of the link, decides as the partner would.
func WithPartnerPortal() Option {
	return func(t *api.TenantCreate) { yes := true; settings(t).PartnerPortal = &yes }
}

// WithStatusCodes says what to answer where Graph's documentation and what clients of Graph met
// differ: StatusCodesDocumented, the default, answers 201 to a create and 204 to a delete,
// StatusCodesObserved answers 200 in the sets where clients met that.
func WithStatusCodes(codes api.StatusCodes) Option {
	return func(t *api.TenantCreate) { settings(t).StatusCodes = &codes }
}

// WithEntityQuota makes creates fail once a set of the tenant has this many entities.
func WithEntityQuota(entities int32) Option {
	return func(t *api.TenantCreate) { quota(t).Entities = nullable.NewNullableWithValue(entities) }
}

// WithRequestRate makes Graph answer 429 above this rate, to test that a program waits.
func WithRequestRate(perSecond int32) Option {
	return func(t *api.TenantCreate) { quota(t).RequestsPerSecond = nullable.NewNullableWithValue(perSecond) }
}

func settings(t *api.TenantCreate) *api.TenantSettings {
	if t.Settings == nil {
		t.Settings = &api.TenantSettings{}
	}
	return t.Settings
}

func quota(t *api.TenantCreate) *api.TenantQuota {
	if t.Quota == nil {
		t.Quota = &api.TenantQuota{}
	}
	return t.Quota
}
