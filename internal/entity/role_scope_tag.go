package entity

// RoleScopeTag limits what administrators see.
// https://learn.microsoft.com/graph/api/resources/intune-rbac-rolescopetag
var RoleScopeTag = Type{
	Name:           "roleScopeTag",
	Set:            "deviceManagement/roleScopeTags",
	Table:          "role_scope_tags",
	Noun:           "role scope tag",
	Service:        "microsoft.management.services.api.roleScopeTag",
	Gateway:        "StatelessRoleAdministrationFEService",
	AuditComponent: "RoleBasedAccessControl",
	AuditCategory:  "Role",
	Description:    "A tag that limits what administrators see.",
	BetaOnly:       true,
	Keys:           CounterKeys,
	BuiltIn:        "isBuiltIn",
	Observed:       Observed{Create: 200, Delete: 200},
	Read:           readers(configuration, rbac),
	Write:          writers(configuration, rbac),
	Properties: []Property{
		Text("displayName", "display_name", 1024).Doc("The name that is shown."),
		Text("description", "description", 4096).Doc("What the tag is for."),
		Boolean("isBuiltIn", "is_built_in").Computed().Doc("Whether Intune made the tag: 0, the default one."),
	},
}
