package entity

import (
	"time"

	"github.com/google/uuid"
)

// PortalPath is in every link to a page of the partner's side.
const PortalPath = "/mocktenant/partner/"

// PartnerID is who made a change at such a link, as the history has it. In ASCII, it says partner.
var PartnerID = uuid.MustParse("70617274-6e65-7200-0000-000000000000")

// RemoteAssistancePartner is a service that helps users of devices remotely.
// https://learn.microsoft.com/graph/api/resources/intune-remoteassistance-remoteassistancepartner
var RemoteAssistancePartner = Type{
	Name:           "remoteAssistancePartner",
	Set:            "deviceManagement/remoteAssistancePartners",
	Table:          "remote_assistance_partners",
	Noun:           "remote assistance partner",
	Service:        "microsoft.management.services.api.remoteAssistancePartner",
	Gateway:        "RemoteAssistance",
	AuditComponent: "ManagedDevices",
	AuditCategory:  "Device",
	Description:    "A service that helps users of devices remotely.",
	Typed:          true,
	Gathered:       true,
	Read:           readers(serviceConfig),
	Write:          writers(serviceConfig),
	Properties: []Property{
		Text("displayName", "display_name", 1024).Doc("The name that is shown."),
		URL("onboardingUrl", "onboarding_url", 2048).Doc("The URL at which an administrator begins the onboarding, with http or https."),
		Enum("onboardingStatus", "onboarding_status", "remoteAssistanceOnboardingStatus", "onboarding_status", "notOnboarded", "onboarding", "onboarded").
			Doc("The state of the onboarding."),
		Date("lastConnectionDateTime", "last_connection").Doc("When the partner last connected."),
		Date("onboardingRequestExpiryDateTime", "request_expiry").Beta().Doc("When the onboarding request expires; the partner can confirm it until then."),
	},
	State: "onboardingStatus",
	Actions: []Action{
		{
			Name: "beginOnboarding", Change: "beginOnboarding", From: []string{"notOnboarded"},
			// The period is ours: no source names one.
			To:      map[string]Setting{"onboardingStatus": member("onboarding"), "onboardingRequestExpiryDateTime": in(7 * 24 * time.Hour)},
			Link:    "onboardingUrl",
			Refused: []string{"onboarded"},
			Refusal: "The remote assistance partner is onboarded already. Disconnect it before it begins onboarding again",
		},
		{
			Name: "disconnect", Change: "disconnect", From: []string{"onboarding", "onboarded"},
			To: map[string]Setting{"onboardingStatus": member("notOnboarded"), "onboardingRequestExpiryDateTime": never},
		},
		{
			Name: "confirm", Change: "confirmOnboarding", ByPartner: true, From: []string{"onboarding"},
			To: map[string]Setting{"onboardingStatus": member("onboarded"), "onboardingRequestExpiryDateTime": never},
		},
		{
			Name: "refuse", Change: "refuseOnboarding", ByPartner: true, From: []string{"onboarding"},
			To: map[string]Setting{"onboardingStatus": member("notOnboarded"), "onboardingRequestExpiryDateTime": never},
		},
		{
			Name: "expire", Change: "expireOnboarding", ByPartner: true, From: []string{"onboarding"},
			To: map[string]Setting{"onboardingStatus": member("notOnboarded"), "onboardingRequestExpiryDateTime": in(0)},
		},
		{
			Name: "heartbeat", Change: "heartbeat", ByPartner: true, From: []string{"onboarded"},
			To: map[string]Setting{"onboardingStatus": member("onboarded"), "lastConnectionDateTime": in(0)},
		},
	},
}
