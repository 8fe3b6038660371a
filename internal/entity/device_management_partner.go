package entity

// DeviceManagementPartner is a partner that manages devices.
// https://learn.microsoft.com/graph/api/resources/intune-onboarding-devicemanagementpartner
var DeviceManagementPartner = Type{
	Name:           "deviceManagementPartner",
	Set:            "deviceManagement/deviceManagementPartners",
	Table:          "device_management_partners",
	Noun:           "device management partner",
	Service:        "microsoft.management.services.api.deviceManagementPartner",
	Gateway:        "StatelessOnboardingService",
	AuditComponent: "Enrollment",
	AuditCategory:  "Enrollment",
	Description:    "A partner that manages devices in Intune's place.",
	Read:           readers(serviceConfig, configuration),
	Write:          writers(serviceConfig, configuration),
	Properties: []Property{
		Date("lastHeartbeatDateTime", "last_heartbeat").Doc("When the partner last connected."),
		Enum("partnerState", "partner_state", "deviceManagementPartnerTenantState", "partner_tenant_state", "unknown", "unavailable", "enabled", "terminated", "rejected", "unresponsive").
			Doc("The state of the partner's connection."),
		Enum("partnerAppType", "partner_app_type", "deviceManagementPartnerAppType", "partner_app_type", "unknown", "singleTenantApp", "multiTenantApp").
			Doc("The kind of application that the partner uses."),
		Text("singleTenantAppId", "single_tenant_app_id", maxID).Doc("The id of its application, if that belongs to one tenant."),
		Text("displayName", "display_name", 1024).Doc("The name that is shown."),
		Boolean("isConfigured", "is_configured").Doc("Whether the partner is set up."),
		Date("whenPartnerDevicesWillBeRemovedDateTime", "devices_removed").OrNull().Doc("When the partner's devices will be removed."),
		Date("whenPartnerDevicesWillBeMarkedAsNonCompliantDateTime", "devices_non_compliant").OrNull().Doc("When the partner's devices will be marked as non-compliant."),
		Objects("groupsRequiringPartnerEnrollment", "groups_requiring_enrollment", &Complex{
			Name: "deviceManagementPartnerAssignment", Properties: []Member{{Name: "target", Object: AssignmentTarget}},
		}).Doc("The groups whose devices must enroll with the partner."),
	},
	State: "partnerState",
	Actions: []Action{
		// No source says what terminate changes. Here it changes the state and isConfigured.
		{Name: "terminate", Change: "terminate", To: map[string]Setting{"partnerState": member("terminated"), "isConfigured": {Value: BoolValue(false)}}},
		{Name: "heartbeat", Change: "heartbeat", ByPartner: true, To: map[string]Setting{"partnerState": member("enabled"), "lastHeartbeatDateTime": in(0)}},
	},
}
