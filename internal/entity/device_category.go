package entity

// DeviceCategory is a category into which users or administrators put devices.
// https://learn.microsoft.com/graph/api/resources/intune-onboarding-devicecategory
var DeviceCategory = Type{
	Name:           "deviceCategory",
	Set:            "deviceManagement/deviceCategories",
	Table:          "device_categories",
	Noun:           "device category",
	Service:        "microsoft.management.services.api.deviceCategory",
	Gateway:        "StatelessOnboardingService",
	AuditComponent: "Enrollment",
	AuditCategory:  "Enrollment",
	Description:    "A category of devices.",
	Observed:       Observed{Delete: 200},
	Read:           readers(configuration, managedDevices),
	Write:          writers(configuration, managedDevices),
	Properties: []Property{
		Text("displayName", "display_name", 1024).Doc("The name that is shown."),
		Text("description", "description", 4096).Doc("What the category is for."),
		scopeTags("roleScopeTagIds").Beta(),
	},
}

// scopeTags is a property with the ids of scope tags. By default it has the built-in one.
func scopeTags(name string) Property {
	return Strings(name, "role_scope_tag_ids", maxID, "0").Doc("The ids of its scope tags.")
}
