package entity

// MobileThreatDefenseConnector is the connection to a partner who defends devices. Its id
// identifies the partner and is the same in every tenant, so clients set it.
// https://learn.microsoft.com/graph/api/resources/intune-onboarding-mobilethreatdefenseconnector
var MobileThreatDefenseConnector = Type{
	Name:           "mobileThreatDefenseConnector",
	Set:            "deviceManagement/mobileThreatDefenseConnectors",
	Table:          "mobile_threat_defense_connectors",
	Noun:           "mobile threat defense connector",
	Service:        "microsoft.management.services.api.mobileThreatDefenseConnector",
	Gateway:        "StatelessOnboardingService",
	AuditComponent: "Enrollment",
	AuditCategory:  "Enrollment",
	Description:    "The connection to a partner who defends devices.",
	Keys:           ClientKeys,
	Read:           readers(serviceConfig),
	Write:          writers(serviceConfig, configuration),
	Properties: []Property{
		Date("lastHeartbeatDateTime", "last_heartbeat").Doc("When the partner last connected."),
		Enum("partnerState", "partner_state", "mobileThreatPartnerTenantState", "threat_partner_state", "unavailable", "available", "enabled", "unresponsive", "notSetUp", "error", "unknownFutureValue").
			BetaMembers("notSetUp", "error").Doc("The state of the partner's connection."),
		Boolean("androidMobileApplicationManagementEnabled", "android_mam_enabled").Doc("Whether the partner's findings count for the management of Android apps."),
		Boolean("iosMobileApplicationManagementEnabled", "ios_mam_enabled").Doc("Whether the partner's findings count for the management of iOS apps."),
		Boolean("windowsMobileApplicationManagementEnabled", "windows_mam_enabled").Beta().Doc("Whether the partner's findings count for the management of Windows apps."),
		Boolean("androidEnabled", "android_enabled").Doc("Whether the partner's findings count for Android devices."),
		Boolean("iosEnabled", "ios_enabled").Doc("Whether the partner's findings count for iOS devices."),
		Boolean("windowsEnabled", "windows_enabled").Doc("Whether the partner's findings count for Windows devices."),
		Boolean("macEnabled", "mac_enabled").Beta().Doc("Whether the partner's findings count for macOS devices."),
		Boolean("androidDeviceBlockedOnMissingPartnerData", "android_blocked_on_missing_data").Doc("Whether an Android device without findings is blocked."),
		Boolean("iosDeviceBlockedOnMissingPartnerData", "ios_blocked_on_missing_data").Doc("Whether an iOS device without findings is blocked."),
		Boolean("windowsDeviceBlockedOnMissingPartnerData", "windows_blocked_on_missing_data").Doc("Whether a Windows device without findings is blocked."),
		Boolean("macDeviceBlockedOnMissingPartnerData", "mac_blocked_on_missing_data").Beta().Doc("Whether a macOS device without findings is blocked."),
		Boolean("partnerUnsupportedOsVersionBlocked", "unsupported_os_blocked").Doc("Whether devices with a version that the partner doesn't support are blocked."),
		Integer("partnerUnresponsivenessThresholdInDays", "unresponsiveness_threshold", 0).Doc("The number of days without a heartbeat after which the partner counts as unresponsive."),
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
