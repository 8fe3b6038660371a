package entity

// NotificationMessageTemplate is a message to the users of devices that break a rule, in
// several languages.
// https://learn.microsoft.com/graph/api/resources/intune-notification-notificationmessagetemplate
var NotificationMessageTemplate = Type{
	Name:           "notificationMessageTemplate",
	Set:            "deviceManagement/notificationMessageTemplates",
	Table:          "notification_message_templates",
	Noun:           "notification message template",
	Service:        "microsoft.management.services.api.notificationMessageTemplate",
	Gateway:        "StatelessNotificationService",
	AuditComponent: "NotificationMessageTemplate",
	AuditCategory:  "Other",
	Description:    "A message to users whose devices break a rule.",
	Observed:       Observed{Create: 200, Delete: 200},
	Read:           readers(serviceConfig),
	Write:          writers(serviceConfig),
	Properties: []Property{
		Date("lastModifiedDateTime", "last_modified").Stamp(true).Doc("When the template last changed."),
		Text("displayName", "display_name", 50).NotNull().Doc("The name that is shown."),
		Text("description", "description", 4096).Beta().Doc("What the template is for."),
		Text("defaultLocale", "default_locale", maxLocale).Computed().Doc("The locale of the default message."),
		Flags("brandingOptions", "branding_options", "notificationTemplateBrandingOptions",
			"none", "includeCompanyLogo", "includeCompanyName", "includeContactInformation", "includeCompanyPortalLink", "includeDeviceDetails", "unknownFutureValue",
		).Doc("The parts of the company's branding that the message includes."),
		scopeTags("roleScopeTagIds"),
	},
	Actions: []Action{
		{Name: "sendTestMessage", Change: "sendTestMessage"}, // sends nothing, because users have no addresses here
	},
}

// maxLocale is the maximum length of a locale, in characters. The limit is ours: no source
// names one.
const maxLocale = 128

// LocalizedNotificationMessage is a template's message in one language.
// https://learn.microsoft.com/graph/api/resources/intune-notification-localizednotificationmessage
var LocalizedNotificationMessage = Type{
	Name:           "localizedNotificationMessage",
	Set:            "localizedNotificationMessages",
	Table:          "localized_notification_messages",
	Noun:           "localized notification message",
	Service:        "microsoft.management.services.api.localizedNotificationMessage",
	Gateway:        "StatelessNotificationService",
	AuditComponent: "NotificationMessageTemplate",
	AuditCategory:  "Other",
	Description:    "A template's message in one language.",
	Keys:           ComposedKeys,
	Parent:         &NotificationMessageTemplate,
	ParentID:       "notificationMessageTemplateId",
	KeyPart:        "locale",
	Chosen:         "isDefault",
	Shown:          "defaultLocale",
	Observed:       Observed{Create: 200, Delete: 200},
	Read:           readers(serviceConfig),
	Write:          writers(serviceConfig),
	Properties: []Property{
		HiddenID("notificationMessageTemplateId", "template_id").Doc("The template of the message."),
		Date("lastModifiedDateTime", "last_modified").Stamp(true).Doc("When the message last changed."),
		Text("locale", "locale", maxLocale).NotNull().Doc("The language and, perhaps, the country."),
		Text("subject", "subject", 1024).NotNull().Doc("The subject."),
		Text("messageTemplate", "message_template", 4096).NotNull().Doc("The text."),
		Boolean("isDefault", "is_default").Doc("Whether users get it whose language has none."),
	},
}
