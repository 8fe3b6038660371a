package identity

import (
	"fmt"
	"net/http"
	"strconv"

	g "maragu.dev/gomponents"
	"maragu.dev/gomponents/html"
)

// errorPath is the path in an error's error_uri.
const errorPath = "/error"

// allErrors is Microsoft's list.
const allErrors = "https://learn.microsoft.com/entra/identity-platform/reference-error-codes#aadsts-error-codes"

// explanations say, for each AADSTS number that this service uses, what is wrong and how to
// correct it.
var explanations = map[int]string{
	28000:   "The scopes name more than one resource. Ask for the scopes of one resource at a time.",
	50000:   "The service failed. Its log has the reason under the error's trace id.",
	50011:   "The redirect URI isn't registered for the application, or it can't be used. Register exactly the one in the request; on localhost the port may differ.",
	50013:   "The assertion isn't a user's token from this service. Send the access token with which your API was called.",
	50027:   "The client assertion isn't a signed JWT, or the access token isn't one for Microsoft Graph with the scope openid.",
	50034:   "The tenant has no user with that name. Check the name and the authority's tenant.",
	50049:   "The authorization_endpoint isn't an http or https URL. Send your authority's.",
	50053:   "Too many sign-ins failed. Wait a moment.",
	50055:   "The user must change the password first. The sign-in page lets the user do that, and an administrator can remove the requirement.",
	50057:   "The user is disabled. An administrator can enable it.",
	50058:   "No user is signed in in this browser, and the application asked for a sign-in without a prompt. Sign in interactively.",
	50059:   "The request doesn't name a tenant. Use a tenant's authority, by its id or domain.",
	50076:   "The sign-in needs a second factor. Only a rule of the tenant asks for it here: remove the rule, or handle the error as your program must.",
	50079:   "The user must set up a second factor. Only a rule of the tenant asks for it here: remove the rule, or handle the error as your program must.",
	50126:   "The user name or the password is wrong.",
	50148:   "The authorization request had a code_challenge. Send the matching code_verifier with the code.",
	50166:   "The issuer of a federated credential doesn't answer with its keys. Check its URL, or configure the keys.",
	50173:   "The sign-in was revoked. Sign in again.",
	50196:   "The program repeats a request without an end. Only a rule of the tenant asks for it here: remove the rule, or handle the error as your program must.",
	53000:   "The device isn't compliant. Only a rule of the tenant asks for it here: remove the rule, or handle the error as your program must.",
	53003:   "A policy of Conditional Access blocks the sign-in. Only a rule of the tenant asks for it here: remove the rule, or handle the error as your program must.",
	54005:   "The code was already redeemed. A code can be used once: start a new sign-in.",
	65001:   "Nobody has consented to the requested permissions. An administrator can grant them.",
	65004:   "The user declined or cancelled.",
	70000:   "The code or token was never issued, or was revoked. Sign in again.",
	70003:   "The grant_type isn't supported. Check its spelling.",
	70005:   "The response_type isn't supported. Ask for code, id_token or both.",
	70007:   "The response_mode isn't supported, or can't carry the requested answer. Omit it for the default.",
	70008:   "The code expired. Redeem a code within ten minutes.",
	70011:   "The scope isn't valid. Name a resource's scopes, or only its .default.",
	70016:   "The user hasn't entered the device's code yet. Keep polling.",
	70018:   "The code is unknown, was used, or has expired. Start the device's sign-in again.",
	70020:   "The device code has expired. Start the device's sign-in again.",
	70025:   "The application trusts no other issuer. Add a federated credential to it.",
	70043:   "A policy ended the sign-in after some time. Only a rule of the tenant asks for it here: remove the rule, or handle the error as your program must.",
	90002:   "The tenant doesn't exist. Check the id or the domain in the authority.",
	90015:   "The request is too large.",
	90023:   "A parameter's value isn't supported. prompt must be one of login, none, consent and select_account.",
	90033:   "The service can't reach its database. Try again.",
	90055:   "Too many requests came from this address or application. Wait a moment.",
	90056:   "The endpoint doesn't exist. The authority's openid-configuration lists the endpoints.",
	90094:   "An administrator must consent to the requested permissions.",
	90100:   "A parameter was sent more than once. Send each once.",
	165000:  "Another site's page sent the form, or the browser sent no cookie. Start the sign-in again.",
	120002:  "The new password can't be used: it is empty, too long, the current one, or differs from its confirmation.",
	500011:  "The tenant has no such resource. Check its identifier: Microsoft Graph, or the id of one of the tenant's applications.",
	500131:  "The token's audience isn't the application that sent it. Send the token with which your API was called.",
	500133:  "The token has expired, or isn't valid yet. Get a new one.",
	500341:  "The user was deleted.",
	501481:  "The code_verifier doesn't match the code_challenge. Keep each verifier together with its request.",
	501491:  "Only S256 is supported as code_challenge_method.",
	650053:  "The resource has no scope of that name. Check its spelling.",
	700005:  "The code or token belongs to another tenant. Redeem it at the tenant that issued it.",
	700007:  "The code or token was issued to another application. Redeem it with the application that requested it.",
	700016:  "The tenant has no application with that id. Check the id and the authority's tenant.",
	700021:  "The client assertion names another application than client_id does.",
	700023:  "The client assertion is for another audience. Create it for the token endpoint of the request.",
	700024:  "The client assertion has expired, or isn't valid yet. Create a new one.",
	700025:  "The application is a public client, or the redirect URI belongs to a public client. Send neither a secret nor an assertion.",
	700027:  "The client assertion isn't signed with one of the application's certificates. Register the certificate.",
	700051:  "The authorize endpoint doesn't issue access tokens. Ask for a code.",
	700211:  "The application has no federated credential with the assertion's issuer. Compare them.",
	700212:  "The application has no federated credential with the assertion's audience. Compare them.",
	700213:  "The application has no federated credential with the assertion's subject. Compare them.",
	7002138: "The federated credential's subject has other letter case than the assertion's. Use the same.",
	700084:  "A single-page application's refresh tokens end a day after the sign-in. Sign in again.",
	700082:  "The refresh token was unused for too long. Sign in again.",
	900144:  "A parameter is missing; the error names it.",
	900561:  "The endpoint takes other methods; the error names them.",
	900971:  "The request has no redirect_uri.",
	1002012: "An application that signs in without a user must request its resource's .default scope.",
	7000215: "The secret is wrong. Send its value, not its id.",
	7000218: "The application must prove its identity. Send a secret or an assertion, or make it a public client.",
	7000222: "The secret has expired. Create a new one.",
	9001023: "Users can't sign in with a password at common and consumers. Use a tenant's authority, or organizations.",
	9002325: "A page can redeem a code only with PKCE. Send a code_challenge with the authorization request.",
	9002326: "A page sent a code or token that wasn't issued to a single-page application. Register the redirect URI with the type spa.",
	9002327: "Only its page can redeem what was issued to a single-page application. Register the redirect URI with the type web or public client for other clients.",
	9002313: "The request is malformed, or the value isn't a code or token from this service.",
}

// explainError shows the meaning of an AADSTS number.
func (p *Provider) explainError(x *exchange) error {
	number, err := strconv.Atoi(x.Query("code"))
	text, known := explanations[number]
	title, status := fmt.Sprintf("AADSTS%d", number), http.StatusOK
	if err != nil || !known {
		title, status = "Error codes", http.StatusNotFound
		text = "This service doesn't use that number. Take the number from an error's error_codes."
	}
	return x.show(status, page{title: title, main: g.Group{
		html.H1(g.Text(title)), html.P(g.Text(text)),
		html.P(html.A(html.Href(allErrors), g.Text("Microsoft's list of error codes"))),
	}})
}
