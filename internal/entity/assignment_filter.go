package entity

// DeviceAndAppManagementAssignmentFilter narrows an assignment to the devices or apps that meet a rule.
// https://learn.microsoft.com/graph/api/resources/intune-policyset-deviceandappmanagementassignmentfilter
var DeviceAndAppManagementAssignmentFilter = Type{
	Name:           "deviceAndAppManagementAssignmentFilter",
	Set:            "deviceManagement/assignmentFilters",
	Table:          "assignment_filters",
	Noun:           "assignment filter",
	Service:        "microsoft.management.services.api.deviceAndAppManagementAssignmentFilter",
	Gateway:        "StatelessDeviceConfigurationFEService",
	AuditComponent: "AssignmentFilter",
	AuditCategory:  "AssignmentFilter",
	Description:    "A rule that narrows an assignment.",
	BetaOnly:       true,
	Observed:       Observed{Delete: 200},
	Read:           readers(configuration),
	Write:          writers(configuration),
	Properties: []Property{
		Date("createdDateTime", "graph_created").Stamp(false).Doc("When the filter was created."),
		Date("lastModifiedDateTime", "last_modified").Stamp(true).Doc("When the filter last changed."),
		Text("displayName", "display_name", 1024).NotNull().Doc("The name that is shown."),
		Text("description", "description", 4096).Doc("What the filter is for."),
		Enum("platform", "platform", "devicePlatformType", "device_platform_type",
			"android", "androidForWork", "iOS", "macOS", "windowsPhone81", "windows81AndLater", "windows10AndLater", "androidWorkProfile", "unknown", "androidAOSP",
			"androidMobileApplicationManagement", "iOSMobileApplicationManagement", "unknownFutureValue", "windowsMobileApplicationManagement",
		).Starting("unknown").Doc("The platform of its devices or apps."),
		Text("rule", "rule", 4096).NotNull().Doc("The rule, which isn't checked."),
		scopeTags("roleScopeTags"),
		Enum("assignmentFilterManagementType", "management_type", "assignmentFilterManagementType", "filter_management_type", "devices", "apps", "unknownFutureValue").
			Doc("Whether it filters devices or apps."),
		Objects("payloads", "payloads", payloadByFilter).Computed().Doc("Where the filter is used: nowhere in this service, which has no assignments."),
	},
}

var payloadByFilter = &Complex{Name: "payloadByFilter", Properties: []Member{
	{Name: "payloadId", Max: maxID},
	{Name: "payloadType", EnumName: "associatedAssignmentPayloadType", Values: []int{0, 1, 2, 8, 9, 12, 15, 16, 20, 23, 24, 29}, Enum: []string{
		"unknown", "deviceConfigurationAndCompliance", "application", "androidEnterpriseApp", "enrollmentConfiguration", "groupPolicyConfiguration",
		"zeroTouchDeploymentDeviceConfigProfile", "androidEnterpriseConfiguration", "deviceFirmwareConfigurationInterfacePolicy", "resourceAccessPolicy", "win32app",
		"deviceManagmentConfigurationAndCompliancePolicy",
	}},
	{Name: "groupId", Max: maxID},
	{Name: "assignmentFilterType", EnumName: "deviceAndAppManagementAssignmentFilterType", Enum: []string{"none", "include", "exclude"}},
}}
