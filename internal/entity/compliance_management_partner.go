package entity

// ComplianceManagementPartner is a partner that judges whether devices comply.
// https://learn.microsoft.com/graph/api/resources/intune-onboarding-compliancemanagementpartner
var ComplianceManagementPartner = Type{
	Name:           "complianceManagementPartner",
	Set:            "deviceManagement/complianceManagementPartners",
	Table:          "compliance_management_partners",
	Noun:           "compliance management partner",
	Service:        "microsoft.management.services.api.complianceManagementPartner",
	Gateway:        "StatelessOnboardingService",
	AuditComponent: "DeviceCompliancePolicy",
	AuditCategory:  "Compliance",
	Description:    "A partner that judges whether devices comply.",
	Read:           readers(serviceConfig, configuration),
	Write:          writers(serviceConfig, configuration),
	Properties: []Property{
		Date("lastHeartbeatDateTime", "last_heartbeat").Doc("When the partner last connected."),
		Enum("partnerState", "partner_state", "deviceManagementPartnerTenantState", "partner_tenant_state", "unknown", "unavailable", "enabled", "terminated", "rejected", "unresponsive").
			Doc("The state of the partner's connection."),
		Text("displayName", "display_name", 1024).Doc("The name that is shown."),
		Boolean("macOsOnboarded", "mac_os_onboarded").Doc("Whether the partner is onboarded for macOS."),
		Boolean("linuxOnboarded", "linux_onboarded").Beta().Doc("Whether the partner is onboarded for Linux."),
		Boolean("androidOnboarded", "android_onboarded").Doc("Whether the partner is onboarded for Android."),
		Boolean("iosOnboarded", "ios_onboarded").Doc("Whether the partner is onboarded for iOS."),
		complianceAssignments("macOsEnrollmentAssignments", "mac_os_assignments").Doc("The users whose macOS devices enroll with the partner."),
		complianceAssignments("linuxEnrollmentAssignments", "linux_assignments").Beta().Doc("The users whose Linux devices enroll with the partner."),
		complianceAssignments("androidEnrollmentAssignments", "android_assignments").Doc("The users whose Android devices enroll with the partner."),
		complianceAssignments("iosEnrollmentAssignments", "ios_assignments").Doc("The users whose iOS devices enroll with the partner."),
	},
	State: "partnerState",
	Actions: []Action{
		{Name: "heartbeat", Change: "heartbeat", ByPartner: true, To: map[string]Setting{"partnerState": member("enabled"), "lastHeartbeatDateTime": in(0)}},
	},
}

var complianceAssignment = &Complex{Name: "complianceManagementPartnerAssignment", Properties: []Member{{Name: "target", Object: AssignmentTarget}}}

func complianceAssignments(name, column string) Property {
	return Objects(name, column, complianceAssignment)
}
