package entity

// NdesConnector is a connector that gets certificates for devices.
// https://learn.microsoft.com/graph/api/resources/intune-deviceconfig-ndesconnector
var NdesConnector = Type{
	Name:           "ndesConnector",
	Set:            "deviceManagement/ndesConnectors",
	Table:          "ndes_connectors",
	Noun:           "NDES connector",
	Service:        "microsoft.management.services.api.ndesConnector",
	Gateway:        "StatelessDeviceConfigurationFEService",
	AuditComponent: "DeviceConfiguration",
	AuditCategory:  "DeviceConfiguration",
	Description:    "A connector that gets certificates for devices.",
	BetaOnly:       true,
	Read:           readers(configuration, serviceConfig),
	Write:          writers(configuration, serviceConfig),
	Properties: []Property{
		Date("lastConnectionDateTime", "last_connection").Doc("When the connector last connected."),
		Enum("state", "state", "ndesConnectorState", "ndes_connector_state", "none", "active", "inactive").Doc("Whether the connector is active."),
		Text("displayName", "display_name", 1024).Doc("The name that is shown."),
		Text("machineName", "machine_name", 1024).Doc("The name of its machine."),
		Date("enrolledDateTime", "enrolled").Doc("When the connector was enrolled."),
		scopeTags("roleScopeTagIds"),
		Text("connectorVersion", "connector_version", maxID).Doc("The version of the connector."),
	},
	State: "state",
	Actions: []Action{
		{Name: "heartbeat", Change: "heartbeat", ByPartner: true, To: map[string]Setting{"state": member("active"), "lastConnectionDateTime": in(0)}},
	},
}
