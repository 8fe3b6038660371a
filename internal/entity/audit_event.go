package entity

import (
	"slices"
	"strings"
)

// AuditEvent is a change of an entity that a client made through Graph. It has no table: it is
// read from the history.
// https://learn.microsoft.com/graph/api/resources/intune-auditing-auditevent
var AuditEvent = Type{
	Name:        "auditEvent",
	Set:         "deviceManagement/auditEvents",
	Noun:        "audit event",
	Service:     "microsoft.management.services.api.auditEvent",
	Gateway:     "StatelessAuditingService",
	Description: "A change that a client made through Graph.",
	ReadOnly:    true,
	Read:        readers(apps),
	Write:       writers(apps), // which let a caller read, too
	Functions: []Function{
		{Name: "getAuditCategories", Values: func(string) []string { return auditCategories }},
		{Name: "getAuditActivityTypes", Parameter: "category", Values: auditActivityTypes},
	},
	Properties: []Property{
		Text("displayName", "display_name", maxID).Doc("What was done, as activityType says."),
		Text("componentName", "component_name", maxID).Doc("The part of Intune."),
		Text("activity", "activity", maxID).Doc("Null."),
		Date("activityDateTime", "activity").Doc("When it was done."),
		Text("activityType", "activity_type", maxID).Doc("What was done to a type."),
		Text("activityOperationType", "activity_operation_type", maxID).Doc("Create, Patch, Delete or Action."),
		Text("activityResult", "activity_result", maxID).Doc("Success."),
		{Name: "correlationId", Column: "correlation_id", Kind: GUIDKind, Description: "The id of the request."},
		Text("category", "category", maxID).Doc("The kind of the entity."),
		{Name: "actor", Column: "actor", Kind: ObjectKind, Object: auditActor, Nullable: true, Description: "Who did it, and with which application."},
		Objects("resources", "resources", auditResource).Doc("What was changed, with old and new values."),
	},
}

var auditActor = &Complex{Name: "auditActor", Properties: []Member{
	{Name: "type", Max: maxID, BetaOnly: true},
	{Name: "auditActorType", Max: maxID},
	{Name: "userPermissions", Max: maxID, Many: true},
	{Name: "applicationId", Max: maxID},
	{Name: "applicationDisplayName", Max: maxID},
	{Name: "userPrincipalName", Max: maxID},
	{Name: "servicePrincipalName", Max: maxID},
	{Name: "ipAddress", Max: maxID},
	{Name: "userId", Max: maxID},
	{Name: "remoteTenantId", Max: maxID, BetaOnly: true},
	{Name: "remoteUserId", Max: maxID, BetaOnly: true},
	{Name: "userRoleScopeTags", Object: roleScopeTagInfo, Many: true, BetaOnly: true},
}}

var roleScopeTagInfo = &Complex{Name: "roleScopeTagInfo", Properties: []Member{
	{Name: "displayName", Max: maxID}, {Name: "roleScopeTagId", Max: maxID},
}}

var auditResource = &Complex{Name: "auditResource", Properties: []Member{
	{Name: "displayName", Max: maxID},
	{Name: "type", Max: maxID, BetaOnly: true},
	{Name: "auditResourceType", Max: maxID},
	{Name: "resourceId", Max: maxID},
	{Name: "modifiedProperties", Many: true, Object: &Complex{Name: "auditProperty", Properties: []Member{
		{Name: "displayName", Max: maxID}, {Name: "oldValue", Max: maxID}, {Name: "newValue", Max: maxID},
	}}},
}}

// auditCategories are the known values of an event's category.
var auditCategories = []string{
	"Application", "AssignmentFilter", "Compliance", "Device", "DeviceConfiguration", "DeviceIntent", "Enrollment", "Other", "Role", "SoftwareUpdates",
}

// auditActivityTypes lists the activity types of a category that the entities can have.
func auditActivityTypes(category string) (all []string) {
	for _, t := range All {
		if !strings.EqualFold(t.AuditCategory, category) {
			continue
		}
		for _, change := range t.changes() {
			all = append(all, change+" "+Pascal(t.Name))
		}
	}
	slices.Sort(all)
	return all
}

// changes are the first words of the activity types that an entity can have.
func (t *Type) changes() []string {
	if t.Singleton {
		return []string{"Patch"}
	}
	all := []string{"Create", "Patch", "Delete"}
	for _, a := range t.Actions {
		if !a.ByPartner {
			all = append(all, a.Name)
		}
	}
	return all
}

// Pascal writes a name with a capital first letter, as audit events do.
func Pascal(name string) string {
	if name == "" {
		return ""
	}
	return strings.ToUpper(name[:1]) + name[1:]
}
