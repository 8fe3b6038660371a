//go:build linux

package main

// light lists the routes whose worst request isn't measured, by reason.
var light = map[string][]string{
	"answers a constant of a few kilobytes": {
		"GET /v1.0", "GET /:tenant/.well-known/openid-configuration", "GET /:tenant/v2.0/.well-known/openid-configuration",
		"GET /:tenant/discovery/instance", "GET /:tenant/discovery/keys", "GET /:tenant/discovery/v2.0/keys", "GET /error",
		"GET /openapi.yaml", "GET /schemas/state-v1.json", "GET /debug/pprof/", "GET /metrics", "GET /v1/reports", "GET /v1/whoami",
	},
	"has the same handler as the path with v2.0, or without it": {
		"GET /:tenant/oauth2/authorize", "POST /:tenant/oauth2/authorize", "GET /:tenant/oauth2/logout", "POST /:tenant/oauth2/logout",
		"POST /:tenant/oauth2/token", "POST /:tenant/oauth2/devicecode", "GET /:tenant/v2.0/adminconsent", "POST /:tenant/v2.0/adminconsent",
	},
	"takes a form like authorize's, and shows a page as small": {"GET /:tenant/oauth2/deviceauth", "POST /:tenant/oauth2/deviceauth"},
	"reads one row, or finds none": {
		"GET /:tenant/userrealm/:upn", "GET /oidc/userinfo", "POST /oidc/userinfo",
		"GET /v1.0/deviceManagement/remoteAssistancePartners/:id/:property/$value", "GET /v1/seeds/:name", "GET /v1/tenants/:tenantId",
		"GET /v1/tenants/:tenantId/entities/:entitySet/:entityId", "GET /v1/tenants/:tenantId/clock",
		"GET /v1/tenants/:tenantId/snapshots/:name", "GET /v1/tenants/:tenantId/users/:userId", "GET /v1/tenants/:tenantId/applications/:clientId",
	},
	"lists rows smaller than a partner, up to as many":                  {"GET /v1/console-sessions", "GET /v1/keys", "GET /v1/report-logins", "GET /v1/seeds", "GET /v1/tenants/:tenantId/users", "GET /v1/tenants/:tenantId/faults", "GET /v1/scenarios"},
	"reads versions as large as partners, up to as many, from an index": {"GET /v1/tenants/:tenantId/entities/:entitySet/:entityId/versions"},
	"reads pages of 200 requests, and keeps as many as a page shows":    {"GET /v1/tenants/:tenantId/requests", "GET /v1/requests", "POST /v1/tenants/:tenantId/requests/verify"},
	"acts as disconnect does":                                           {"POST /v1.0/deviceManagement/remoteAssistancePartners/:id/beginOnboarding", "POST /v1/tenants/:tenantId/entities/:entitySet/:entityId/:action", "POST /v1/tenants/:tenantId/entities/:entitySet/:entityId/versions/:version/restore"},
	"takes no body, and removes rows within Postgres": {
		"DELETE /v1.0/deviceManagement/remoteAssistancePartners/:id", "DELETE /v1/console-sessions/:sessionId", "DELETE /v1/keys/:keyId", "DELETE /v1/report-logins/:login", "DELETE /v1/seeds/:name",
		"DELETE /v1/tenants/:tenantId", "DELETE /v1/tenants/:tenantId/applications/:clientId",
		"DELETE /v1/tenants/:tenantId/applications/:clientId/certificates/:credentialId", "DELETE /v1/tenants/:tenantId/applications/:clientId/consents",
		"DELETE /v1/tenants/:tenantId/applications/:clientId/federatedCredentials/:credentialId", "DELETE /v1/tenants/:tenantId/applications/:clientId/secrets/:secretId",
		"DELETE /v1/requests", "DELETE /v1/tenants/:tenantId/requests", "DELETE /v1/tenants/:tenantId/clock", "DELETE /v1/tenants/:tenantId/faults/:faultId", "DELETE /v1/tenants/:tenantId/scenarios/:scenario",
		"DELETE /v1/tenants/:tenantId/entities/:entitySet/:entityId", "DELETE /v1/tenants/:tenantId/snapshots/:name", "DELETE /v1/tenants/:tenantId/users/:userId",
		"POST /v1/tenants/:tenantId/users/:userId/revokeSignIns", "POST /v1/report-logins/:login/rotate",
	},
	"takes a body as PATCH /v1/tenants/:tenantId does, and changes one row": {
		"PATCH /v1/tenants/:tenantId/users/:userId", "POST /v1/keys", "POST /v1/report-logins", "POST /v1/tenants/:tenantId/applications/:clientId/certificates",
		"POST /v1/tenants/:tenantId/applications/:clientId/consents", "POST /v1/tenants/:tenantId/applications/:clientId/federatedCredentials",
		"POST /v1/tenants/:tenantId/applications/:clientId/secrets", "POST /v1/tenants/:tenantId/tokens", "POST /v1/tenants/:tenantId/entities/:entitySet", "PATCH /v1/tenants/:tenantId/entities/:entitySet/:entityId",
		"POST /v1/tenants/:tenantId/faults", "POST /v1/tenants/:tenantId/scenarios", "PATCH /v1/tenants/:tenantId/faults/:faultId", "PUT /v1/tenants/:tenantId/clock", "POST /v1/tenants/:tenantId/tokens/check",
	},
}
