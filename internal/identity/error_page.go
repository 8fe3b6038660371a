package identity

import (
	"fmt"
	"net/http"
	"strconv"

	g "maragu.dev/gomponents"
	"maragu.dev/gomponents/html"
)

// errorPath is where the error_uri of a refusal leads.
const errorPath = "/error"

// allErrors is Microsoft's list.
const allErrors = "https://learn.microsoft.com/entra/identity-platform/reference-error-codes#aadsts-error-codes"

// explanations say of each number by which this service refuses what is wrong and what
// to do about it.
var explanations = map[int]string{
	28000:   "The scopes name more than one resource. Ask for the scopes of one resource at a time.",
	50000:   "The service failed. Its log says why, under the trace id of the error.",
	50011:   "The redirect URI isn't one of those that the application registered, or it can't be used. Register the one of the request, to the letter; on localhost the port is free.",
	50013:   "The assertion isn't a user's token of this service. Send the access token that your API was called with.",
	50027:   "The client assertion isn't a signed JWT. Make it anew.",
	50034:   "The tenant has no user of that name. Check the name and the tenant of the authority.",
	50049:   "The authorization_endpoint isn't a URL of http or https. Send that of your authority.",
	50053:   "Too many sign-ins failed. Wait a moment.",
	50055:   "The user must change the password first. An administrator can lift that.",
	50057:   "The user is disabled. An administrator can enable it.",
	50058:   "Nobody is signed in in this browser, and the application asked that nobody be asked. Sign in interactively.",
	50059:   "The request says no tenant. Use the authority of a tenant, by its id or domain.",
	50126:   "The user name or the password is wrong.",
	50148:   "The authorization request had a code_challenge. Send its code_verifier with the code.",
	50161:   "The endpoint wants an access token for Microsoft Graph with the scope openid.",
	50166:   "The issuer of a federated credential doesn't answer with its keys. Check its URL, or give the keys.",
	50173:   "The sign-in was revoked. Sign in again.",
	54005:   "The code was redeemed already. Each code is good once: begin a new sign-in.",
	65001:   "Nobody consented to the permissions that are asked for. An administrator can grant them.",
	65004:   "The user declined or cancelled.",
	70000:   "The code or token was never issued, or was revoked. Sign in again.",
	70003:   "The grant_type isn't supported. Check its spelling.",
	70007:   "The response_mode isn't supported, or can't carry what is asked for. Leave it out for the default.",
	70008:   "The code expired. Redeem a code within ten minutes.",
	70011:   "The scope isn't valid. Name a resource's scopes, or its .default alone.",
	70016:   "The user hasn't entered the device's code yet. Keep polling.",
	70018:   "The code isn't known, or was used or expired. Begin the device's sign-in again.",
	70020:   "The device code expired. Begin the device's sign-in again.",
	70025:   "The application trusts no other issuer. Give it a federated credential.",
	90002:   "There is no such tenant. Check the id or the domain in the authority.",
	90014:   "The request is malformed, or a form was sent by another site's page.",
	90015:   "The request is too large.",
	90023:   "The value of a parameter isn't supported. Prompt takes one of login, none, consent and select_account.",
	90033:   "The service can't reach its database. Try again.",
	90055:   "Too much came at once from this address or application. Wait a moment.",
	90094:   "An administrator must consent to the permissions that are asked for.",
	90100:   "A parameter came more than once. Send each once.",
	500011:  "The tenant has no such resource. Check its identifier: Microsoft Graph, or the id of an application of the tenant.",
	500131:  "The token is for another audience than the application that shows it. Send the one that your API was called with.",
	500133:  "The token expired, or isn't valid yet. Get a new one.",
	500341:  "The user was deleted.",
	501481:  "The code_verifier isn't the one of the code_challenge. Keep it with the request that it was made for.",
	501491:  "Only S256 is supported as code_challenge_method.",
	650053:  "The resource has no scope of that name. Check its spelling.",
	700003:  "The code or token was issued to another application. Redeem it by the one that asked for it.",
	700005:  "The code or token is another tenant's. Redeem it at the tenant that issued it.",
	700016:  "The tenant has no application of that id. Check the id and the tenant of the authority.",
	700021:  "The client assertion names another application than client_id does.",
	700023:  "The client assertion is for another audience. Make it for the token endpoint of the request.",
	700024:  "The client assertion expired, or isn't valid yet. Make it anew.",
	700025:  "The application is a public client, or the redirect URI one of a public client's. Send neither a secret nor an assertion.",
	700027:  "The client assertion isn't signed by a certificate of the application. Register the certificate.",
	700051:  "Access tokens aren't handed out by the authorize endpoint. Ask for a code.",
	700054:  "The response_type isn't supported. Ask for code, id_token or both.",
	700084:  "A single-page application's refresh tokens end a day after the sign-in. Sign in again.",
	700082:  "The refresh token wasn't used for too long. Sign in again.",
	900144:  "A parameter is missing; the error names it.",
	900561:  "The endpoint takes other methods; the error names them.",
	900901:  "There is no such endpoint. The authority's openid-configuration names those that there are.",
	900971:  "The request has no redirect_uri.",
	1002012: "An application that signs in by itself must ask for its resource's .default.",
	7000215: "The secret is wrong. Send its value, not its id.",
	7000218: "The application must prove itself. Send a secret or an assertion, or make it a public client.",
	7000222: "The secret expired. Make a new one.",
	9001023: "Users can't sign in by password at common and consumers. Use the authority of a tenant, or organizations.",
	9002325: "A page redeems a code with PKCE alone. Send a code_challenge with the authorization request.",
	9002326: "A page sent what wasn't issued to a single-page application. Register the redirect URI with the type spa.",
	9002327: "What was issued to a single-page application is redeemed by its page alone. Register the redirect URI with the type web or public client for other clients.",
	9002313: "What was sent isn't a code or a token of this service.",
}

// explainError shows what the number of a refusal means.
func (p *Provider) explainError(x *exchange) error {
	number, err := strconv.Atoi(x.Query("code"))
	text, known := explanations[number]
	title, status := fmt.Sprintf("AADSTS%d", number), http.StatusOK
	if err != nil || !known {
		title, status = "Error codes", http.StatusNotFound
		text = "This service refuses nothing by that number. Take it from the error_codes of an error."
	}
	return x.show(status, page{title: title, main: g.Group{
		html.H1(g.Text(title)), html.P(g.Text(text)),
		html.P(html.A(html.Href(allErrors), g.Text("Microsoft's list of error codes"))),
	}})
}
