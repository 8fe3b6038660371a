package identity_test

import (
	"html"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/identity"
)

// onMicrosoftsPage are the numbers in use that
// https://learn.microsoft.com/entra/identity-platform/reference-error-codes lists.
var onMicrosoftsPage = []int{
	50000, 50011, 50013, 50027, 50034, 50049, 50053, 50055, 50057, 50058, 50059, 50076, 50079, 50126, 50166, 50173, 50196, 53000, 53003, 54005,
	65001, 65004, 70000, 70003, 70005, 70007, 70008, 70011, 70016, 70018, 70043, 90002, 90015, 90023, 90033, 90055, 90056, 90094, 90100, 120002,
	500011, 500133, 501481, 501491, 700005, 700016, 700025, 700027, 700082, 700084, 900144, 900561, 900971, 7000215, 7000218, 7000222, 9001023, 9002313,
}

// elsewhere are the others, with where Microsoft, or an answer that somebody received, shows
// them with the meaning that they have here.
var elsewhere = map[int]string{
	28000:   "answers to scopes of two APIs",
	50148:   "answers in reports about PKCE: the code_verifier does not match the code_challenge",
	70020:   "answers to device codes that expired",
	70025:   "answers to azure/login",
	165000:  "Microsoft's description of InvalidRequestCanary",
	500131:  "answers to on-behalf-of",
	500341:  "answers to refresh tokens of deleted users",
	650053:  "answers to scopes that an API lacks, with error=invalid_client",
	700007:  "https://github.com/microsoft/Partner-Center-PowerShell/issues/419",
	700021:  "troubleshooting of azure-identity",
	700023:  "troubleshooting of azure-identity; Microsoft's page gives the number another meaning",
	700024:  "troubleshooting of azure-identity",
	700051:  "answers to implicit sign-ins",
	700211:  "troubleshooting of azure-identity",
	700212:  "troubleshooting of azure-identity",
	700213:  "answers to azure/login",
	1002012: "tests of microsoft-authentication-library-for-dotnet",
	7002138: "answers to azure/login since August 2024",
	9002325: "answers to pages without PKCE",
	9002326: "answers to pages",
	9002327: "answers to servers",
}

var numbers = regexp.MustCompile(`\b(?:refuse|refuseClient|errNoFederatedCredential)\((\d+)|number: (\d+)|(?:return|passwordExpired =) (\d{5,})\b`)

// Each number in use is one of Entra's, and the error page explains it.
func TestNumbersAreEntras(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := map[int]bool{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, found := range numbers.FindAllStringSubmatch(string(text), -1) {
			number, _ := strconv.Atoi(found[1] + found[2] + found[3])
			used[number] = true
		}
	}
	if len(used) < 60 {
		t.Fatalf("found only %d", len(used))
	}
	for number := range used {
		if identity.Explanations[number] == "" {
			t.Errorf("%d isn't explained", number)
		}
	}
	for number := range identity.Explanations {
		if elsewhere[number] == "" && !slices.Contains(onMicrosoftsPage, number) {
			t.Errorf("%d has no source", number)
		}
	}
}

// The messages are Entra's own.
func TestMessages(t *testing.T) {
	t.Parallel()
	c := setup(t)
	c.addUser("disabled", func(u *db.CreateUserParams) { u.Enabled = false })
	c.addUser("expired", func(u *db.CreateUserParams) { u.MustChangePassword = true })
	c.addSecret("an-old-secret", time.Now().Add(-time.Minute))
	p, s := c.passwordForm(), c.secretForm()
	code := fields("grant_type", "authorization_code", "client_id", c.public.String(), "redirect_uri", redirectURI)
	redirect := html.UnescapeString(c.get(c.authorizePath(with(c.authorizeForm(), "redirect_uri", "https://x.example"))).body)
	if want := "AADSTS50011: The redirect URI 'https://x.example' specified in the request does not match the redirect URIs configured for the application '" + c.public.String() + "'. Make sure the redirect URI sent in the request matches one added to your application in the Azure portal. Navigate to https://aka.ms/redirectUriMismatchError to learn more about how to fix this."; !strings.Contains(redirect, want) {
		t.Errorf("%s isn't on %s", want, redirect)
	}
	for _, tt := range []struct {
		name, message, suberror string
		got                     answer
	}{
		{
			name: "unknown user", got: c.token(with(p, "username", "x@"+c.domain)), suberror: "bad_token",
			message: "AADSTS50034: The user account {EUII Hidden} does not exist in the " + c.id.String() + " directory. To sign into this application, the account must be added to the directory.",
		},
		{name: "wrong password", got: c.token(with(p, "password", "x")), message: "AADSTS50126: Error validating credentials due to invalid username or password."},
		{name: "disabled user", got: c.token(with(p, "username", "disabled@"+c.domain)), message: "AADSTS50057: The user account is disabled."},
		{name: "expired password", got: c.token(with(p, "username", "expired@"+c.domain)), suberror: "user_password_expired", message: "AADSTS50055: The password is expired."},
		{
			name: "expired secret", got: c.token(with(s, "client_secret", "an-old-secret")),
			message: "AADSTS7000222: The provided client secret keys for app '" + c.app.String() + "' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.",
		},
		{
			name: "wrong secret", got: c.token(with(s, "client_secret", "x")),
			message: "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '" + c.app.String() + "'.",
		},
		{name: "junk code", got: c.token(with(code, "code", "junk")), message: "AADSTS9002313: Invalid request. Request is malformed or invalid."},
		{name: "no code", got: c.token(code), message: "AADSTS900144: The request body must contain the following parameter: 'code'."},
		{
			name: "scope of an application", got: c.token(with(s, "scope", "https://graph.microsoft.com/User.Read")),
			message: "AADSTS1002012: The provided value for scope https://graph.microsoft.com/User.Read is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).",
		},
	} {
		answered := decode[struct {
			Description string `json:"error_description"`
			Suberror    string
		}](c, tt.got)
		if message, _, _ := strings.Cut(answered.Description, " Trace ID: "); message != tt.message || answered.Suberror != tt.suberror {
			t.Errorf("%s: %s %q, want %s %q", tt.name, message, answered.Suberror, tt.message, tt.suberror)
		}
	}
}
