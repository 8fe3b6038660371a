package entity

// RemoteAssistanceSettings say whether Remote Help is on.
// https://learn.microsoft.com/graph/api/resources/intune-remoteassistance-remoteassistancesettings
var RemoteAssistanceSettings = Type{
	Name:           "remoteAssistanceSettings",
	Set:            "deviceManagement/remoteAssistanceSettings",
	Table:          "remote_assistance_settings",
	Noun:           "set of remote assistance settings",
	Service:        "microsoft.management.services.api.remoteAssistanceSettings",
	Gateway:        "RemoteAssistance",
	AuditComponent: "ManagedDevices",
	AuditCategory:  "Device",
	Description:    "Whether Remote Help is on, and for which devices.",
	BetaOnly:       true,
	Singleton:      true,
	Read:           readers(serviceConfig, configuration),
	Write:          writers(serviceConfig, configuration),
	Properties: []Property{
		Enum("remoteAssistanceState", "remote_assistance_state", "remoteAssistanceState", "remote_assistance_state", "disabled", "enabled").Numbered(1, 2).
			Doc("Whether Remote Help is on."),
		Boolean("allowSessionsToUnenrolledDevices", "allow_unenrolled").Doc("Whether sessions to devices that aren't enrolled are allowed."),
		Boolean("blockChat", "block_chat").Doc("Whether chat is blocked in sessions."),
	},
}
