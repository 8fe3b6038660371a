package entity

// TermsAndConditions are terms that users accept before their devices enroll.
// https://learn.microsoft.com/graph/api/resources/intune-companyterms-termsandconditions
var TermsAndConditions = Type{
	Name:           "termsAndConditions",
	Set:            "deviceManagement/termsAndConditions",
	Table:          "terms_and_conditions",
	Noun:           "set of terms",
	Service:        "microsoft.management.services.api.termsAndConditions",
	Gateway:        "StatelessOnboardingService",
	AuditComponent: "Enrollment",
	AuditCategory:  "Enrollment",
	Description:    "Terms that users accept before their devices enroll.",
	Read:           readers(serviceConfig),
	Write:          writers(serviceConfig),
	Properties: []Property{
		Date("createdDateTime", "graph_created").Stamp(false).Doc("When the terms were created."),
		Date("modifiedDateTime", "modified").Beta().Stamp(true).Doc("When the terms last changed."),
		Date("lastModifiedDateTime", "last_modified").Stamp(true).Doc("When the terms last changed."),
		Text("displayName", "display_name", 1024).NotNull().Doc("The name that is shown."),
		Text("description", "description", 4096).Doc("What the terms are for."),
		Text("title", "title", 1024).Doc("The title that users see."),
		Text("bodyText", "body_text", 60_000).Doc("The terms."),
		Text("acceptanceStatement", "acceptance_statement", 500).Doc("The statement that users agree to."),
		Integer("version", "terms_version", 1).Doc("The version. Users must accept a greater one again."),
		scopeTags("roleScopeTagIds").Beta(),
	},
}
