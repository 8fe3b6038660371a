package entity

// MobileThreatDefenseConnector is the connection to a partner who defends devices. Its id is
// the partner's, the same in every tenant, and a client names it.
// https://learn.microsoft.com/graph/api/resources/intune-onboarding-mobilethreatdefenseconnector
var MobileThreatDefenseConnector = Type{
	Name:        "mobileThreatDefenseConnector",
	Set:         "deviceManagement/mobileThreatDefenseConnectors",
	Table:       "mobile_threat_defense_connectors",
	Noun:        "mobile threat defense connector",
	Service:     "microsoft.management.services.api.mobileThreatDefenseConnector",
	Gateway:     "StatelessOnboardingService",
	Description: "The connection to a partner who defends devices.",
	Keys:        ClientKeys,
	Read:        readers(serviceConfig),
	Write:       writers(serviceConfig, configuration),
	Properties: []Property{
		Date("lastHeartbeatDateTime", "last_heartbeat").Doc("When the partner last connected."),
		Enum("partnerState", "partner_state", "mobileThreatPartnerTenantState", "threat_partner_state", "unavailable", "available", "enabled", "unresponsive", "notSetUp", "error", "unknownFutureValue").
			BetaMembers("notSetUp", "error").Doc("The state of the partner's connection."),
		Boolean("androidMobileApplicationManagementEnabled", "android_mam_enabled").Doc("Whether Android apps are managed by the partner's findings."),
		Boolean("iosMobileApplicationManagementEnabled", "ios_mam_enabled").Doc("Whether iOS apps are managed by the partner's findings."),
		Boolean("windowsMobileApplicationManagementEnabled", "windows_mam_enabled").Beta().Doc("Whether Windows apps are managed by the partner's findings."),
		Boolean("androidEnabled", "android_enabled").Doc("Whether the partner's findings count for Android devices."),
		Boolean("iosEnabled", "ios_enabled").Doc("Whether the partner's findings count for iOS devices."),
		Boolean("windowsEnabled", "windows_enabled").Doc("Whether the partner's findings count for Windows devices."),
		Boolean("macEnabled", "mac_enabled").Beta().Doc("Whether the partner's findings count for macOS devices."),
		Boolean("androidDeviceBlockedOnMissingPartnerData", "android_blocked_on_missing_data").Doc("Whether an Android device without findings is blocked."),
		Boolean("iosDeviceBlockedOnMissingPartnerData", "ios_blocked_on_missing_data").Doc("Whether an iOS device without findings is blocked."),
		Boolean("windowsDeviceBlockedOnMissingPartnerData", "windows_blocked_on_missing_data").Doc("Whether a Windows device without findings is blocked."),
		Boolean("macDeviceBlockedOnMissingPartnerData", "mac_blocked_on_missing_data").Beta().Doc("Whether a macOS device without findings is blocked."),
		Boolean("partnerUnsupportedOsVersionBlocked", "unsupported_os_blocked").Doc("Whether devices are blocked whose version the partner doesn't support."),
		Integer("partnerUnresponsivenessThresholdInDays", "unresponsiveness_threshold", 0).Doc("After how many days a silent partner is unresponsive."),
		Boolean("allowPartnerToCollectIOSApplicationMetadata", "collect_ios_apps").Doc("Whether the partner gets metadata of apps on corporate iOS devices."),
		Boolean("allowPartnerToCollectIOSPersonalApplicationMetadata", "collect_ios_personal_apps").Doc("Whether the partner gets metadata of apps on personal iOS devices."),
		Boolean("allowPartnerToCollectIosCertificateMetadata", "collect_ios_certificates").Beta().Doc("Whether the partner gets metadata of certificates on corporate iOS devices."),
		Boolean("allowPartnerToCollectIosPersonalCertificateMetadata", "collect_ios_personal_certificates").Beta().Doc("Whether the partner gets metadata of certificates on personal iOS devices."),
		Boolean("microsoftDefenderForEndpointAttachEnabled", "defender_attach_enabled").Doc("Whether Defender's security settings are managed."),
		Boolean("grantMobileThreatDefensePartnerRole", "grant_partner_role").Beta().Doc("Whether the partner gets its role."),
		Boolean("launchMobileThreatDefensePartnerOnSetupEnabled", "launch_on_setup").Beta().Doc("Whether the partner's app starts at setup."),
	},
	State: "partnerState",
	Actions: []Action{
		{Name: "heartbeat", Change: "heartbeat", ByPartner: true, To: map[string]Setting{"partnerState": member("enabled"), "lastHeartbeatDateTime": in(0)}},
	},
}
