package graph_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/graph"
)

func TestBodies(t *testing.T) {
	t.Parallel()
	// Bodies without properties make a partner with its defaults.
	defaults := partner{
		Type: "#microsoft.graph.remoteAssistancePartner", OnboardingStatus: "notOnboarded",
		LastConnectionDateTime: "0001-01-01T00:00:00Z", OnboardingRequestExpiryDateTime: "0001-01-01T00:00:00Z",
	}
	name := func(s string) partner { e := defaults; e.DisplayName = &s; return e }
	for _, tt := range []struct {
		name, body string
		want       partner
	}{
		{"empty object", `{}`, defaults},
		{"white space and byte order mark", "\ufeff \r\n\t{} \n", defaults},
		{"nulls", `{"displayName":null,"onboardingUrl":null}`, defaults},
		{"read-only and control members", `{"id":"nonsense","@odata.context":"x","@odata.etag":{"a":[1,{"b":2}]},"displayName@odata.type":"#String","displayName":"n"}`, name("n")},
		{"null id", `{"id":null}`, defaults},
		{"type without #", `{"@odata.type":"microsoft.graph.remoteAssistancePartner"}`, defaults},
		{"text as sent", `{"displayName":" \t\u00e9e\u0301\ud83d\ude00<&>\"\\ "}`, name(" \t\u00e9e\u0301\U0001f600<&>\"\\ ")},
		{"longest name", `{"displayName":"` + strings.Repeat("é", 1024) + `"}`, name(strings.Repeat("é", 1024))},
		{"whole seconds, as the SDK for Go sends", `{"lastConnectionDateTime":"2016-12-31T23:58:36-08:00"}`, func() partner {
			e := defaults
			e.LastConnectionDateTime = "2016-12-31T23:58:36-08:00"
			return e
		}()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := setup(t)
			got := decode[partner](c, c.want(http.StatusCreated, c.do("POST", "/beta"+partners, tt.body)))
			tt.want.ID, tt.want.Context = got.ID, got.Context
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBadBodies(t *testing.T) {
	t.Parallel()
	const (
		notJSON    = "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format."
		validation = "ModelValidationFailure"
		null       = "A null value was found for the property named '%[1]s', which has the expected type '%[2]s[Nullable=False]'. The expected type '%[2]s[Nullable=False]' does not allow null values."
	)
	for _, tt := range []struct {
		name, body           string
		status               int
		code, target, reason string // reason: the message, or the detail after notJSON
	}{
		{name: "not JSON", body: `hello`, status: 400, code: "BadRequest"},
		{name: "cut off", body: `{"displayName":"a`, status: 400, code: "BadRequest"},
		{name: "trailing comma", body: `{"displayName":"a",}`, status: 400, code: "BadRequest"},
		{name: "white space only", body: " \n ", status: 400, code: "BadRequest", reason: "Empty Payload. JSON content expected."},
		{name: "array", body: `[]`, status: 400, code: "BadRequest"},
		{name: "null", body: `null`, status: 400, code: "BadRequest"},
		{name: "number", body: `5`, status: 400, code: "BadRequest"},
		{name: "two values", body: `{} {}`, status: 400, code: "BadRequest"},
		{name: "trailing content", body: `{}x`, status: 400, code: "BadRequest"},
		{name: "duplicate member", body: `{"displayName":"a","displayName":"b"}`, status: 400, code: "BadRequest"},
		{name: "duplicate member, escaped", body: `{"displayName":"a","display\u004eame":"b"}`, status: 400, code: "BadRequest"},
		{name: "duplicate in what is ignored", body: `{"@odata.x":{"a":1,"a":2}}`, status: 400, code: "BadRequest"},
		{name: "invalid UTF-8", body: "{\"displayName\":\"a\xff\"}", status: 400, code: "BadRequest"},
		{name: "lone surrogate", body: `{"displayName":"\ud800"}`, status: 400, code: "BadRequest"},
		{name: "too deep", body: `{"@odata.x":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, status: 400, code: "BadRequest"},
		{name: "depth bomb", body: `{"@odata.x":` + strings.Repeat("[", 500_000), status: 400, code: "BadRequest"},
		{name: "unknown property", body: `{"nickName":"x"}`, status: 400, code: validation, target: "nickName", reason: "The property 'nickName' does not exist on type 'microsoft.management.services.api.remoteAssistancePartner'. Make sure to only use property names that are defined by the type."},
		{name: "letter case", body: `{"DisplayName":"x"}`, status: 400, code: validation, target: "DisplayName", reason: "The property 'DisplayName' does not exist on type 'microsoft.management.services.api.remoteAssistancePartner'. Make sure to only use property names that are defined by the type."},
		{name: "beta's property", body: `{"onboardingRequestExpiryDateTime":"2020-01-01T00:00:00Z"}`, status: 400, code: validation, target: "onboardingRequestExpiryDateTime", reason: "The property 'onboardingRequestExpiryDateTime' does not exist on type 'microsoft.management.services.api.remoteAssistancePartner'. Make sure to only use property names that are defined by the type."},
		{name: "number for text", body: `{"displayName":5}`, status: 400, code: validation, target: "displayName", reason: "Cannot convert the literal '5' to the expected type 'Edm.String'."},
		{name: "boolean for text", body: `{"onboardingUrl":true}`, status: 400, code: validation, target: "onboardingUrl", reason: "Cannot convert the literal 'true' to the expected type 'Edm.String'."},
		{name: "array for text", body: `{"displayName":["a"]}`, status: 400, code: validation, target: "displayName", reason: "An unexpected 'StartArray' node was found when reading from the JSON reader. A 'PrimitiveValue' node was expected."},
		{name: "object for text", body: `{"displayName":{}}`, status: 400, code: validation, target: "displayName", reason: "An unexpected 'StartObject' node was found when reading from the JSON reader. A 'PrimitiveValue' node was expected."},
		{name: "U+0000", body: `{"displayName":"a\u0000b"}`, status: 400, code: validation, target: "displayName", reason: "The value of the property 'displayName' holds the character U+0000, which is not supported."},
		{name: "name too long", body: `{"displayName":"` + strings.Repeat("é", 1025) + `"}`, status: 400, code: validation, target: "displayName", reason: "The value of the property 'displayName' has 1025 characters; at most 1024 are allowed."},
		{name: "URL too long", body: `{"onboardingUrl":"https://example.com/` + strings.Repeat("a", 2029) + `"}`, status: 400, code: validation, target: "onboardingUrl", reason: "The value of the property 'onboardingUrl' has 2049 characters; at most 2048 are allowed."},
		{name: "relative URL", body: `{"onboardingUrl":"/a"}`, status: 400, code: validation, target: "onboardingUrl", reason: "The value '/a' of the property 'onboardingUrl' is not an absolute http or https URL."},
		{name: "URL of another scheme", body: `{"onboardingUrl":"javascript:alert(1)"}`, status: 400, code: validation, target: "onboardingUrl", reason: "The value 'javascript:alert(1)' of the property 'onboardingUrl' is not an absolute http or https URL."},
		{name: "empty URL", body: `{"onboardingUrl":""}`, status: 400, code: validation, target: "onboardingUrl", reason: "The value '' of the property 'onboardingUrl' is not an absolute http or https URL."},
		{name: "empty enum", body: `{"onboardingStatus":""}`, status: 400, code: validation, target: "onboardingStatus", reason: "Must specify valid information for parsing in the string."},
		{name: "unknown enum", body: `{"onboardingStatus":"done"}`, status: 400, code: validation, target: "onboardingStatus", reason: "Requested value 'done' was not found."},
		{name: "enum in another letter case", body: `{"onboardingStatus":"Onboarded"}`, status: 400, code: validation, target: "onboardingStatus", reason: "Requested value 'Onboarded' was not found."},
		{name: "enum by number", body: `{"onboardingStatus":1}`, status: 400, code: validation, target: "onboardingStatus", reason: "Cannot convert the literal '1' to the expected type 'microsoft.graph.remoteAssistanceOnboardingStatus'."},
		{name: "null enum", body: `{"onboardingStatus":null}`, status: 400, code: validation, target: "onboardingStatus", reason: fmt.Sprintf(null, "onboardingStatus", "microsoft.graph.remoteAssistanceOnboardingStatus")},
		{name: "null date", body: `{"lastConnectionDateTime":null}`, status: 400, code: validation, target: "lastConnectionDateTime", reason: fmt.Sprintf(null, "lastConnectionDateTime", "Edm.DateTimeOffset")},
		{name: "date without offset", body: `{"lastConnectionDateTime":"2016-12-31T23:58:36"}`, status: 400, code: validation, target: "lastConnectionDateTime", reason: "Cannot convert the literal '2016-12-31T23:58:36' to the expected type 'Edm.DateTimeOffset'."},
		{name: "date out of range", body: `{"lastConnectionDateTime":"0000-01-01T00:00:00Z"}`, status: 400, code: validation, target: "lastConnectionDateTime", reason: "Cannot convert the literal '0000-01-01T00:00:00Z' to the expected type 'Edm.DateTimeOffset'."},
		{name: "date by number", body: `{"lastConnectionDateTime":1483257516}`, status: 400, code: validation, target: "lastConnectionDateTime", reason: "Cannot convert the literal '1483257516' to the expected type 'Edm.DateTimeOffset'."},
		{name: "id by number", body: `{"id":7}`, status: 400, code: validation, target: "id", reason: "Cannot convert the literal '7' to the expected type 'Edm.String'."},
		{name: "unknown type", body: `{"@odata.type":"#microsoft.graph.banana"}`, status: 400, code: validation, target: "@odata.type", reason: "A type named 'microsoft.graph.banana' could not be resolved by the model. When a model is available, each type name must resolve to a valid type."},
		{name: "another type", body: `{"@odata.type":"#microsoft.graph.entity"}`, status: 400, code: validation, target: "@odata.type", reason: "An entry with type 'microsoft.graph.entity' was found, but it is not assignable to the expected type 'microsoft.graph.remoteAssistancePartner'."},
		{name: "too large", body: `{"displayName":"` + strings.Repeat("a", 1<<20) + `"}`, status: 413, code: "RequestEntityTooLarge", reason: "The request body is larger than 1048576 bytes."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := setup(t)
			got := decode[errorDocument](c, c.want(tt.status, c.do("POST", "/v1.0"+partners, tt.body)))
			if tt.reason == "" {
				tt.reason = notJSON
				if got.Error.InnerError.Message == "" {
					t.Error("innerError.message does not say what is wrong")
				}
			}
			if got.Error.Code != tt.code || got.Error.Target != tt.target || got.Error.Message != tt.reason {
				t.Errorf("got  %s %q: %s\nwant %s %q: %s", got.Error.Code, got.Error.Target, got.Error.Message, tt.code, tt.target, tt.reason)
			}
			if tt.code == validation && got.Error.InnerError.Message != got.Error.Message {
				t.Errorf("innerError.message is %q", got.Error.InnerError.Message)
			}
			if count := c.want(200, c.do("GET", "/v1.0"+partners+"/$count", "")); count.body != "0" {
				t.Errorf("%s partners exist", count.body)
			}
		})
	}
}

func TestContentHeaders(t *testing.T) {
	t.Parallel()
	const plain = `{"displayName":"n"}`
	packed := gzipped(t, plain)
	bomb := gzipped(t, `{"displayName":"`+strings.Repeat("a", 20<<20)+`"}`)
	for _, tt := range []struct {
		name, body string
		header     []string
		status     int
		code       string
	}{
		{name: "charset", body: plain, header: []string{"Content-Type", "application/json; charset=UTF-8"}, status: 201},
		{name: "OData parameters", body: plain, header: []string{"Content-Type", "application/json;odata.metadata=minimal"}, status: 201},
		{name: "no type", body: plain, header: []string{"Content-Type", ""}, status: 400, code: "BadRequest"},
		{name: "form, as curl -d sends", body: plain, header: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 400, code: "BadRequest"},
		{name: "text", body: plain, header: []string{"Content-Type", "text/plain"}, status: 400, code: "BadRequest"},
		{name: "nonsense", body: plain, header: []string{"Content-Type", ";;"}, status: 400, code: "BadRequest"},
		{name: "charset of .NET", body: plain, header: []string{"Content-Type", "application/json; charset=utf8"}, status: 201},
		{name: "charset in quotes", body: plain, header: []string{"Content-Type", `application/json; charset="utf-8"`}, status: 201},
		{name: "us-ascii", body: plain, header: []string{"Content-Type", "application/json; charset=us-ascii"}, status: 201},
		{name: "ISO-8859-1 of ASCII", body: plain, header: []string{"Content-Type", "application/json; charset=ISO-8859-1"}, status: 201},
		{name: "windows-1252 of ASCII", body: plain, header: []string{"Content-Type", "application/json; charset=Windows-1252"}, status: 201},
		{name: "ISO-8859-1 beyond ASCII", body: "{\"displayName\":\"\xe9\"}", header: []string{"Content-Type", "application/json; charset=ISO-8859-1"}, status: 400, code: "BadRequest"},
		{name: "UTF-8 declared as ISO-8859-1", body: `{"displayName":"é"}`, header: []string{"Content-Type", "application/json; charset=ISO-8859-1"}, status: 400, code: "BadRequest"},
		{name: "compressed and ISO-8859-1", body: gzipped(t, plain), header: []string{"Content-Type", "application/json; charset=ISO-8859-1", "Content-Encoding", "gzip"}, status: 201},
		{name: "another charset", body: plain, header: []string{"Content-Type", "application/json; charset=utf-16"}, status: 400, code: "BadRequest"},
		{name: "an unknown charset", body: plain, header: []string{"Content-Type", "application/json; charset=x-klingon"}, status: 400, code: "BadRequest"},
		{name: "gzip, as the SDK for Go sends", body: packed, header: []string{"Content-Encoding", "gzip"}, status: 201},
		{name: "declared as gzip and plain, as the SDK for Go sends after a retry", body: plain, header: []string{"Content-Encoding", "gzip"}, status: 201},
		{name: "compressed and not declared", body: packed, status: 400, code: "BadRequest"},
		{name: "gzip cut off", body: packed[:len(packed)-5], header: []string{"Content-Encoding", "gzip"}, status: 400, code: "BadRequest"},
		{name: "gzip head only", body: "\x1f\x8b", header: []string{"Content-Encoding", "gzip"}, status: 400, code: "BadRequest"},
		{name: "gzip bomb", body: bomb, header: []string{"Content-Encoding", "gzip"}, status: 413, code: "RequestEntityTooLarge"},
		{name: "brotli", body: plain, header: []string{"Content-Encoding", "br"}, status: 415, code: "UnsupportedMediaType"},
		{name: "any Accept", body: plain, header: []string{"Accept", "text/html, */*;q=0.1"}, status: 201},
		{name: "no JSON accepted", body: plain, header: []string{"Accept", "text/html"}, status: 406, code: "NotAcceptable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := setup(t)
			a := c.want(tt.status, c.do("POST", "/v1.0"+partners, tt.body, tt.header...))
			if tt.code == "" {
				if got := decode[partner](c, a); got.DisplayName == nil || *got.DisplayName != "n" {
					t.Errorf("got %s", a.body)
				}
			} else if got := decode[errorDocument](c, a); got.Error.Code != tt.code {
				t.Errorf("code %s, want %s", got.Error.Code, tt.code)
			}
		})
	}
}

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	c := setup(t)
	id := c.create(seedExample)
	path := "/v1.0" + partners + "/" + id
	before := c.do("GET", path, "").body
	for _, tt := range []struct {
		name, body string
		status     int
		code       string
	}{
		{name: "nothing but control information, as the SDK for Go sends", body: `{"@odata.context":"` + c.server.URL() + `"}`, status: 200},
		{name: "empty", body: `{}`, status: 200},
		{name: "its own id", body: `{"id":"` + id + `"}`, status: 200},
		{name: "its own id in capitals", body: `{"id":"` + strings.ToUpper(id) + `"}`, status: 200},
		{name: "the whole entity, as read", body: before, status: 200},
		{name: "another id", body: `{"id":"00000000-0000-0000-0000-000000000001"}`, status: 400, code: "ModelValidationFailure"},
		{name: "one good, one bad", body: `{"displayName":"changed","onboardingStatus":"done"}`, status: 400, code: "ModelValidationFailure"},
		{name: "no body", body: ``, status: 400, code: "BadRequest"},
	} {
		a := c.do("PATCH", path, tt.body, "Content-Type", "application/json")
		if a.status != tt.status {
			t.Errorf("%s: status %d, want %d: %s", tt.name, a.status, tt.status, a.body)
		}
		if tt.code == "" && a.body != before {
			t.Errorf("%s: got %s\nwant %s", tt.name, a.body, before)
		}
		if tt.code != "" && decode[errorDocument](c, a).Error.Code != tt.code {
			t.Errorf("%s: got %s", tt.name, a.body)
		}
		if after := c.do("GET", path, "").body; after != before {
			t.Errorf("%s: changed to %s", tt.name, after)
		}
	}
	got := decode[partner](c, c.want(200, c.do("PATCH", path, `{"onboardingStatus":"onboarded","onboardingUrl":null}`)))
	if got.OnboardingStatus != "onboarded" || got.OnboardingURL != nil || got.DisplayName == nil || got.LastConnectionDateTime != "2016-12-31T23:58:36.6670033-08:00" {
		t.Errorf("after the merge: %+v", got)
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	c := setup(t)
	const begin, disconnect = "beginOnboarding", "disconnect"
	for _, tt := range []struct {
		before, action string
		status         int
		after          string
		changed        bool
	}{
		{before: "notOnboarded", action: begin, status: 204, after: "onboarding", changed: true},
		{before: "onboarding", action: begin, status: 204, after: "onboarding"},
		{before: "onboarded", action: begin, status: 400, after: "onboarded"},
		{before: "notOnboarded", action: disconnect, status: 204, after: "notOnboarded"},
		{before: "onboarding", action: disconnect, status: 204, after: "notOnboarded", changed: true},
		{before: "onboarded", action: disconnect, status: 204, after: "notOnboarded", changed: true},
	} {
		id := c.create(`{"onboardingStatus":"` + tt.before + `"}`)
		item := "/beta" + partners + "/" + id
		a := c.do("POST", item+"/"+tt.action, "")
		if a.status != tt.status || a.status == 204 && (a.body != "" || a.header.Get("Content-Type") != "") {
			t.Errorf("%s of %s: %d %q", tt.action, tt.before, a.status, a.body)
		}
		got := decode[partner](c, c.do("GET", item, ""))
		if got.OnboardingStatus != tt.after {
			t.Errorf("%s of %s: is %s, want %s", tt.action, tt.before, got.OnboardingStatus, tt.after)
		}
		if expires := got.OnboardingRequestExpiryDateTime != "0001-01-01T00:00:00Z"; expires != (tt.changed && tt.action == begin) {
			t.Errorf("%s of %s: the request expires at %s", tt.action, tt.before, got.OnboardingRequestExpiryDateTime)
		}
		if n := len(c.history(id)); n != map[bool]int{true: 1}[tt.changed] {
			t.Errorf("%s of %s: %d versions kept", tt.action, tt.before, n)
		}
	}
}

// Clients send every kind of empty body with an action; no action takes parameters.
func TestActionBodies(t *testing.T) {
	t.Parallel()
	c := setup(t)
	path := "/v1.0" + partners + "/" + c.create(`{}`) + "/disconnect"
	for _, tt := range []struct {
		contentType, body string
		status            int
	}{
		{"", "", 204},
		{"application/json", "", 204},
		{"application/json", "{}", 204},
		{"application/json", "null", 204},
		{"application/x-www-form-urlencoded", "", 204},
		{"application/json", `{"reason":"x"}`, 400},
		{"application/json", `[`, 400},
	} {
		a := c.do("POST", path, tt.body, "Content-Type", tt.contentType)
		if a.status != tt.status {
			t.Errorf("%q as %q: %d %s", tt.body, tt.contentType, a.status, a.body)
		}
	}
}

func TestSpellings(t *testing.T) {
	t.Parallel()
	c := setup(t)
	id := c.create(`{}`)
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/v1.0" + partners + "/" + id, 200},
		{"GET", "/v1.0" + partners + "('" + id + "')", 200},
		{"GET", "/v1.0" + partners + "(%27" + id + "%27)", 200},
		{"GET", "/v1.0" + partners + "%28%27" + id + "%27%29", 200},
		{"GET", "/v1.0" + partners + "(id='" + id + "')", 200},
		{"GET", "/v1.0" + partners + "(Id='" + id + "')", 200},
		{"GET", "/v1.0" + partners + "%28id%3D%27" + id + "%27%29", 200},
		{"GET", "/beta" + partners + "(id='" + id + "')/onboardingStatus", 200},
		{"GET", "/v1.0" + partners + "(id='" + id + "')/onboardingStatus/$value", 200},
		{"HEAD", "/v1.0" + partners + "(id='" + id + "')", 200},
		{"PATCH", "/v1.0" + partners + "(id='" + id + "')", 200},
		{"POST", "/v1.0" + partners + "(id='" + id + "')/disconnect", 204},
		{"POST", "/v1.0" + partners + "(id='" + id + "')/microsoft.graph.disconnect", 204},
		{"GET", "/v1.0" + partners + "(id='" + id + "')/$count", 400},
		{"GET", "/v1.0" + partners + "(id='x')", 404},
		{"GET", "/v1.0" + partners + "(id='it''s')", 404},
		{"DELETE", "/v1.0" + partners + "(id='00000000-0000-0000-0000-000000000000')", 404},
		{"DELETE", "/v1.0" + partners + "(key='" + id + "')", 400},
		{"DELETE", "/v1.0" + partners + "(id='" + id + "',id='" + id + "')", 400},
		{"DELETE", "/v1.0" + partners + "(id=" + id + ")", 400},
		{"DELETE", "/v1.0" + partners + "(" + id + ")", 400},
		{"DELETE", "/v1.0" + partners + "('" + id + "','x')", 400},
		{"DELETE", "/v1.0" + partners + "(id='" + id + "'", 400},
		{"DELETE", "/v1.0" + partners + "(id='')", 400},
		{"DELETE", "/v1.0" + partners + "(=" + "'" + id + "')", 400},
		{"POST", "/v1.0" + partners + "(key='" + id + "')/disconnect", 400},
		{"GET", "/v1.0" + partners + "/" + strings.ToUpper(id), 200},
		{"GET", "/v1.0" + partners + "/" + id + "/", 200},
		{"GET", "/v1.0//deviceManagement/remoteAssistancePartners/" + id, 200},
		{"GET", "/V1.0/devicemanagement/REMOTEASSISTANCEPARTNERS/" + id, 200},
		{"GET", "/v1.0" + partners + "/%24count", 200},
		{"POST", "/v1.0" + partners + "('" + id + "')/disconnect", 204},
		{"POST", "/v1.0" + partners + "('" + id + "')/microsoft.graph.disconnect", 204},
		{"POST", "/v1.0" + partners + "/" + id + "/microsoft.graph.beginOnboarding", 204},
		{"GET", "/v1.0" + partners + "/" + id[:35], 404},
		{"GET", "/v1.0" + partners + "/{" + id + "}", 404},
		{"GET", "/v1.0" + partners + "/a%2Fb", 404},
		{"GET", "/v1.0" + partners + "/..", 404},
		{"GET", "/v1.0" + partners + "('')", 400},
		{"GET", "/v1.0" + partners + "/00000000-0000-0000-0000-000000000000", 404},
		{"PATCH", "/v1.0" + partners + "/00000000-0000-0000-0000-000000000000", 404},
		{"DELETE", "/v1.0" + partners + "/00000000-0000-0000-0000-000000000000", 404},
		{"POST", "/v1.0" + partners + "/00000000-0000-0000-0000-000000000000/disconnect", 404},
		{"POST", "/v1.0" + partners + "/00000000-0000-0000-0000-000000000000/beginOnboarding", 404},
	} {
		body := ""
		if tt.method == "PATCH" {
			body = `{"displayName":"x"}`
		}
		if a := c.do(tt.method, tt.path, body); a.status != tt.status {
			t.Errorf("%s %s: %d, want %d: %s", tt.method, tt.path, a.status, tt.status, a.body)
		}
	}
}

func TestNotRouted(t *testing.T) {
	t.Parallel()
	c := setup(t)
	id := c.create(`{}`)
	const route = "No method match route template"
	for _, tt := range []struct {
		method, path string
		status       int
		code         string
		message      string
	}{
		{method: "PUT", path: "/v1.0" + partners, status: 400, code: route, message: "No OData route exists that match template ~/singleton/navigation with http verb PUT for request /RemoteAssistance/deviceManagement/remoteAssistancePartners."},
		{method: "DELETE", path: "/beta" + partners, status: 400, code: route, message: "No OData route exists that match template ~/singleton/navigation with http verb DELETE for request /RemoteAssistance/deviceManagement/remoteAssistancePartners."},
		{method: "PUT", path: "/v1.0" + partners + "/" + id, status: 400, code: route, message: "No OData route exists that match template ~/singleton/navigation/key with http verb PUT for request /RemoteAssistance/deviceManagement/remoteAssistancePartners/" + id + "."},
		{method: "GET", path: "/v1.0" + partners + "/" + id + "/disconnect", status: 400, code: route, message: "No OData route exists that match template ~/singleton/navigation/key/action with http verb GET for request /RemoteAssistance/deviceManagement/remoteAssistancePartners/" + id + "/disconnect."},
		{method: "POST", path: "/v1.0" + partners + "/$count", status: 400, code: route, message: "No OData route exists that match template ~/singleton/navigation/$count with http verb POST for request /RemoteAssistance/deviceManagement/remoteAssistancePartners/$count."},
		{method: "GET", path: "/v1.0/deviceManagement", status: 400, code: route, message: "No OData route exists that match template ~/singleton with http verb GET for request /RemoteAssistance/deviceManagement."},
		{method: "GET", path: "/v1.0/users", status: 400, code: "BadRequest", message: "Resource not found for the segment 'users'."},
		{method: "GET", path: "/v1.0/deviceManagement/managedDevices", status: 400, code: "BadRequest", message: "Resource not found for the segment 'managedDevices'."},
		{method: "GET", path: "/v1.0" + partners + "/" + id + "/nonsense", status: 400, code: "BadRequest", message: "Resource not found for the segment 'nonsense'."},
		{method: "PUT", path: "/v1.0" + partners + "/" + id + "/displayName", status: 400, code: route, message: "No OData route exists that match template ~/singleton/navigation/key/action with http verb PUT for request /RemoteAssistance/deviceManagement/remoteAssistancePartners/" + id + "/displayName."},
		{method: "PATCH", path: "/v1.0" + partners, status: 400, code: route},
		{method: "DELETE", path: "/v1.0" + partners + "/" + id + "/displayName", status: 400, code: route},
		{method: "GET", path: "/v1.0/$crossjoin(a,b)", status: 400, code: "BadRequest", message: "Resource not found for the segment '$crossjoin(a,b)'."},
		{method: "GET", path: "/v1.0" + partners + "/$filter(true)", status: 404, code: "ResourceNotFound"},
		{method: "GET", path: "/v1.0/v1.0" + partners, status: 400, code: "BadRequest", message: "Resource not found for the segment 'v1.0'."},
		{method: "GET", path: "/v2.0" + partners, status: 404, code: "ResourceNotFound", message: "Invalid version: v2.0"},
		{method: "GET", path: partners, status: 404, code: "ResourceNotFound", message: "Invalid version: devicemanagement"},
		{method: "GET", path: "/", status: 404, code: "ResourceNotFound", message: "Invalid version: "},
	} {
		a := c.do(tt.method, tt.path, "")
		got := decode[errorDocument](c, a)
		if a.status != tt.status || got.Error.Code != tt.code || tt.message != "" && got.Error.Message != tt.message {
			t.Errorf("%s %s:\ngot  %d %s: %s\nwant %d %s: %s", tt.method, tt.path, a.status, got.Error.Code, got.Error.Message, tt.status, tt.code, tt.message)
		}
	}
}

// An unsupported query option is refused by name, on every route.
func TestUnsupportedOptions(t *testing.T) {
	t.Parallel()
	c := setup(t)
	item := partners + "/" + c.create(`{}`)
	for _, tt := range []struct {
		method, path string
		options      []string
	}{
		{"GET", partners, []string{"$search", "$apply", "$compute", "$deltatoken", "$schemaversion", "custom"}},
		{"GET", partners + "/$count", []string{"$orderby", "$search", "$top", "$select"}},
		{"POST", partners, []string{"$select", "$expand"}},
		{"GET", item, []string{"$filter", "$top", "$count", "$skiptoken"}},
		{"PATCH", item, []string{"$select"}},
		{"DELETE", item, []string{"$filter"}},
		{"POST", item + "/disconnect", []string{"$filter"}},
		{"POST", item + "/beginOnboarding", []string{"$top"}},
	} {
		for _, option := range tt.options {
			for _, v := range []string{"/v1.0", "/beta"} {
				got := decode[errorDocument](c, c.want(400, c.do(tt.method, v+tt.path+"?"+option+"=1", "")))
				if want := "The query option '" + option + "' is not supported."; got.Error.Message != want || got.Error.Target != option {
					t.Errorf("%s %s: %s (target %s)", tt.method, tt.path, got.Error.Message, got.Error.Target)
				}
			}
		}
	}
	c.want(200, c.do("GET", "/v1.0"+item, ""))
}

func TestPaging(t *testing.T) {
	t.Parallel()
	c := setup(t)
	var want []string
	for range 25 {
		want = append(want, c.create(`{}`))
	}
	for _, tt := range []struct {
		query string
		pages []int
		from  int
	}{
		{"", []int{25}, 0},
		{"?$top=10", []int{10, 10, 5}, 0},
		{"?$top=25", []int{25}, 0},
		{"?$top=5", []int{5, 5, 5, 5, 5}, 0},
		{"?$top=10&$skip=10", []int{10, 5}, 10},
		{"?$skip=25", []int{0}, 25},
		{"?$skip=2147483647", []int{0}, 25},
		{"?$top=0&$count=true", []int{0}, 25},
		{"?$top=20&$select=id&$count=true", []int{20, 5}, 0},
	} {
		var got []string
		var pages []int
		for path := "/v1.0" + partners + tt.query; path != ""; {
			l := decode[list](c, c.want(200, c.do("GET", path, "")))
			if l.Value == nil {
				t.Fatalf("%s: no value", path)
			}
			if strings.Contains(tt.query, "$count") && (l.Count == nil || *l.Count != 25) {
				t.Errorf("%s: @odata.count is not 25", path)
			}
			if l.NextLink != "" && !strings.HasPrefix(l.NextLink, c.server.URL()+"/v1.0"+partners+"?") {
				t.Errorf("%s: next is %s", path, l.NextLink)
			}
			for _, e := range l.Value {
				got = append(got, e.ID)
			}
			pages = append(pages, len(l.Value))
			path = strings.TrimPrefix(l.NextLink, c.server.URL())
		}
		if diff := cmp.Diff(tt.pages, pages); diff != "" {
			t.Errorf("%s: pages (-want +got):\n%s", tt.query, diff)
		}
		if diff := cmp.Diff(want[tt.from:], append([]string{}, got...)); diff != "" && len(want[tt.from:]) != 0 && !strings.Contains(tt.query, "$top=0") {
			t.Errorf("%s: ids (-want +got):\n%s", tt.query, diff)
		}
	}
	for _, token := range []string{"x", "AAAA", "%7B%7D", "0"} {
		got := decode[errorDocument](c, c.want(400, c.do("GET", "/v1.0"+partners+"?$skiptoken="+token, "")))
		if got.Error.Code != "BadRequest" || got.Error.Target != "$skiptoken" {
			t.Errorf("token %s: %+v", token, got.Error)
		}
	}
}

// Links have the scheme and host of the request.
func TestLinksFollowTheHost(t *testing.T) {
	t.Parallel()
	c := setup(t)
	r, err := http.NewRequestWithContext(t.Context(), "POST", c.server.URL()+"/v1.0"+partners, strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "graph.example.test:1234"
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Content-Type", "application/json")
	a := c.want(201, c.send(r))
	if got := decode[partner](c, a).Context; !strings.HasPrefix(got, "http://graph.example.test:1234/v1.0/$metadata#") {
		t.Errorf("context %s", got)
	}
	if got := a.header.Get("Location"); !strings.HasPrefix(got, "http://graph.example.test:1234/v1.0/deviceManagement/") {
		t.Errorf("location %s", got)
	}
}

// history returns a partner's stored versions, as SQL shows them.
func (c *client) history(id string) []string {
	c.Helper()
	rows, err := dbtest.Pool(c).Query(c.Context(), `
		SELECT version || ' ' || coalesce(row ->> 'display_name', 'null') || ' ' || (row ->> 'onboarding_status') || ' ' || change ||
			CASE WHEN changed_by = $3 AND changed_with = $4 AND changed_at > created_at THEN '' ELSE ' by somebody else' END
		FROM entity_versions WHERE tenant_id = $1 AND id = $2 ORDER BY version`,
		c.tenant.ID, id, c.tenant.UserID, c.tenant.ClientID)
	if err != nil {
		c.Fatal(err)
	}
	defer rows.Close()
	var kept []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			c.Fatal(err)
		}
		kept = append(kept, s)
	}
	return kept
}

func TestHistory(t *testing.T) {
	t.Parallel()
	c := setup(t)
	id := c.create(`{"displayName":"a"}`)
	item := "/v1.0" + partners + "/" + id
	c.want(200, c.do("PATCH", item, `{"displayName":"b"}`))
	c.want(200, c.do("PATCH", item, `{}`)) // makes no version
	c.want(204, c.do("POST", item+"/beginOnboarding", ""))
	c.want(200, c.do("PATCH", item, `{"onboardingStatus":"onboarded"}`))
	c.want(204, c.do("POST", item+"/disconnect", ""))
	c.want(204, c.do("DELETE", item, ""))
	c.want(404, c.do("DELETE", item, ""))
	want := []string{
		"1 a notOnboarded update",
		"2 b notOnboarded beginOnboarding",
		"3 b onboarding update",
		"4 b onboarded disconnect",
		"5 b notOnboarded delete",
	}
	if diff := cmp.Diff(want, c.history(id)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Concurrent updates are all kept: each stores the version before it.
func TestConcurrentChanges(t *testing.T) {
	t.Parallel()
	c := setup(t)
	const clients, each = 8, 10
	id := c.create(`{"displayName":"start"}`)
	item := "/v1.0" + partners + "/" + id
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for j := range each {
				if a := c.do("PATCH", item, fmt.Sprintf(`{"displayName":"%d-%d"}`, i, j)); a.status != 200 {
					t.Errorf("status %d: %s", a.status, a.body)
				}
			}
		})
	}
	wg.Wait()
	kept := c.history(id)
	if len(kept) != clients*each {
		t.Fatalf("%d versions kept, want %d", len(kept), clients*each)
	}
	seen := map[string]bool{}
	last := *decode[partner](c, c.do("GET", item, "")).DisplayName
	seen[last] = true
	for i, k := range kept {
		f := strings.Fields(k)
		if f[0] != fmt.Sprint(i+1) || seen[f[1]] {
			t.Errorf("version %d is %q", i+1, k)
		}
		seen[f[1]] = true
	}
}

// isolation says for each route, by its method and its path below the version, what a
// tenant gets when it asks for another tenant's entities. A route that isn't listed fails
// the test.
var isolation = map[string]struct {
	body   string
	status int
	want   string // the whole body or a part of it
}{
	"GET ":           {"", 200, `"name":"deviceManagement"`}, // without a tenant
	"GET /$metadata": {"", 200, "<edmx:Edmx"},                // without a tenant
	"POST /$batch": {
		`{"requests":[{"id":"1","method":"GET","url":"` + partners + `/{id}"},{"id":"2","method":"GET","url":"` + partners + `"},{"id":"3","method":"DELETE","url":"` + partners + `/{id}"}]}`,
		200, `"status":404,`,
	},
	"PATCH " + partners:                         {`{"blockChat":true}`, 200, `"blockChat":true`}, // in the caller's tenant
	"GET " + partners:                           {"", 200, `"value":[]}`},
	"POST " + partners:                          {`{"id":"{id}","displayName":"stolen"}`, 201, `"displayName":"stolen"`},
	"GET " + partners + "/$count":               {"", 200, "0"},
	"GET " + partners + "/:id":                  {"", 404, "ResourceNotFound"},
	"PATCH " + partners + "/:id":                {`{"displayName":"stolen"}`, 404, "ResourceNotFound"},
	"DELETE " + partners + "/:id":               {"", 404, "ResourceNotFound"},
	"GET " + partners + "/:id/:property":        {"", 404, "ResourceNotFound"},
	"GET " + partners + "/:id/:property/$value": {"", 404, "ResourceNotFound"},
	"POST " + partners + "/:id/beginOnboarding": {"", 404, "ResourceNotFound"},
	"POST " + partners + "/:id/disconnect":      {"", 404, "ResourceNotFound"},

	"GET " + partners + "/getAuditCategories":              {"", 200, `"Enrollment"`}, // the same in every tenant
	"GET " + partners + "/getAuditActivityTypes/:argument": {"", 200, `"value":[]}`},

	"GET " + contained:                                {"", 404, "ResourceNotFound"},
	"POST " + contained:                               {`{"locale":"de","subject":"stolen"}`, 404, "ResourceNotFound"},
	"GET " + contained + "/$count":                    {"", 404, "ResourceNotFound"},
	"GET " + contained + "/:childId":                  {"", 404, "ResourceNotFound"},
	"PATCH " + contained + "/:childId":                {`{"subject":"stolen"}`, 404, "ResourceNotFound"},
	"DELETE " + contained + "/:childId":               {"", 404, "ResourceNotFound"},
	"GET " + contained + "/:childId/:property":        {"", 404, "ResourceNotFound"},
	"GET " + contained + "/:childId/:property/$value": {"", 404, "ResourceNotFound"},
}

// contained is the contained set in the table of isolation.
const contained = partners + "/:id/localizedNotificationMessages"

// No route shows or changes what is another tenant's.
func TestTenantsAreApart(t *testing.T) {
	t.Parallel()
	for _, route := range graph.Routes() {
		t.Run(route, func(t *testing.T) {
			t.Parallel()
			method, path, _ := strings.Cut(route, " ")
			version := "/" + strings.Split(path, "/")[1]
			below := strings.TrimPrefix(path, version)
			set := setOf(below)
			like := strings.NewReplacer(set, partners, "/terminate", "/disconnect", "/sendTestMessage", "/disconnect").Replace(below) // every set is served alike
			tt, ok := isolation[strings.Replace(method, "HEAD", "GET", 1)+" "+like]
			if !ok {
				t.Fatal("nothing says how this route keeps tenants apart")
			}
			a, b := setup(t), setup(t)
			id := a.create(seedExample)
			if set != partners {
				id = a.createIn(set)
			}
			shown := "/beta" + set
			if len(setType(set).Children()) > 0 {
				shown += "?$expand=*"
			}
			before := a.do("GET", shown, "").body
			if singletonOf(set) {
				tt.status, tt.want = 200, `"remoteAssistanceState":`
			}
			at := version + fillPath(set, id, below)
			got := b.want(tt.status, b.do(method, at, bodyFor(set, strings.ReplaceAll(tt.body, "{id}", id))))
			if want := bodyFor(set, tt.want); method != "HEAD" && !strings.Contains(got.body, want) {
				t.Errorf("got %s, want %s in it", got.body, want)
			}
			if strings.Contains(got.body, "Display Name value") {
				t.Errorf("it shows the other tenant's: %s", got.body)
			}
			if created := method == "POST" && tt.status == 201; created && setType(set).Keys == entity.ServerKeys && strings.Contains(got.body, id) {
				t.Errorf("it has the other tenant's id: %s", got.body)
			}
			if set == partners {
				a.unchanged(id)
			} else if kept := a.do("GET", shown, ""); kept.body != before {
				t.Errorf("%s became %s", before, kept.body)
			}
		})
	}
}

// setOf returns the set of a route, or the first set if a route has none.
func setOf(route string) string {
	for _, e := range entity.Served {
		if strings.Contains(route+"/", "/"+e.Set+"/") {
			return "/" + e.Set
		}
	}
	return partners
}

// fillPath puts the id of an entity of a set, and what createIn makes in it, into a route.
func fillPath(set, id, route string) string {
	return strings.NewReplacer(":id", id, ":childId/:property", id+"_de/subject", ":childId", id+"_de", ":property", exampleOf(set).property).Replace(route)
}

// createIn makes an entity of a set, and one in it if it contains others, and returns its id.
func (c *client) createIn(set string) string {
	c.Helper()
	if singletonOf(set) {
		return ""
	}
	if setType(set).ReadOnly {
		c.create(seedExample)
		return decode[struct{ Value []partner }](c, c.want(200, c.do("GET", "/beta"+set, ""))).Value[0].ID
	}
	id := decode[partner](c, c.want(http.StatusCreated, c.do("POST", "/beta"+set, exampleOf(set).before))).ID
	for _, child := range setType(set).Children() {
		c.want(http.StatusCreated, c.do("POST", "/beta"+set+"/"+id+"/"+child.Set, `{"locale":"de","subject":"before"}`))
	}
	return id
}

// setType returns the entity of a set.
func setType(set string) *entity.Type {
	i := slices.IndexFunc(entity.Served, func(e *entity.Type) bool { return "/"+e.Set == set })
	return entity.Served[i]
}

func singletonOf(set string) bool { return setType(set).Singleton }

// example is a property of a set, with bodies that name it.
type example struct{ property, before, after string }

// exampleOf returns the display name, or the state of an entity without one.
func exampleOf(set string) example {
	t := setType(set)
	if t.Index("displayName") >= 0 {
		return example{"displayName", `{"displayName":"before"}`, `{"displayName":"after"}`}
	}
	p := t.Properties[slices.IndexFunc(t.Properties, func(p entity.Property) bool { return p.Kind == entity.EnumKind })]
	return example{p.Name, fmt.Sprintf(`{%q:%q}`, p.Name, p.Enum.Members[0]), fmt.Sprintf(`{%q:%q}`, p.Name, p.Enum.Members[1])}
}

// bodyFor returns a body for the set that corresponds to one with displayName.
func bodyFor(set, body string) string {
	e := exampleOf(set)
	if e.property == "displayName" {
		return body
	}
	return strings.ReplaceAll(body, `"displayName":"stolen"`, strings.Trim(e.after, "{}"))
}

// Filters and another tenant's links don't show another tenant's entities.
func TestQueriesKeepTenantsApart(t *testing.T) {
	t.Parallel()
	a, b := setup(t), setup(t)
	id := a.create(seedExample)
	a.create(seedExample)
	for _, filter := range []string{"true", "id eq '" + id + "' or true", "not (id eq null)"} {
		if got := decode[list](b, b.want(200, b.do("GET", query("$filter", filter, "$orderby", "displayName", "$count", "true"), ""))); len(got.Value) != 0 || *got.Count != 0 {
			t.Errorf("%s shows %+v", filter, got)
		}
	}
	link := decode[list](a, a.do("GET", query("$top", "1"), "")).NextLink
	b.want(400, b.do("GET", strings.TrimPrefix(link, b.server.URL()), ""))
}

// The tokens of a tenant that has expired are refused as if it were deleted.
func TestExpiredTenant(t *testing.T) {
	t.Parallel()
	c := setup(t)
	if _, err := dbtest.Pool(t).Exec(t.Context(), "UPDATE tenants SET expires_at = now() WHERE id = $1", c.tenant.ID); err != nil {
		t.Fatal(err)
	}
	got := decode[errorDocument](c, c.want(401, c.do("GET", "/v1.0"+partners, "")))
	if !strings.HasPrefix(got.Error.Message, "Access token validation failure. The tenant does not exist.") {
		t.Error(got.Error.Message)
	}
}

// Deleting a tenant deletes its partners and invalidates its tokens.
func TestDeletedTenant(t *testing.T) {
	t.Parallel()
	c := setup(t)
	id := c.create(seedExample)
	if _, err := dbtest.Pool(t).Exec(t.Context(), "DELETE FROM tenants WHERE id = $1", c.tenant.ID); err != nil {
		t.Fatal(err)
	}
	// Writes are refused immediately and reads are empty; soon both get 401.
	got := decode[errorDocument](c, c.want(401, c.do("POST", "/v1.0"+partners, seedExample)))
	if got.Error.Code != "InvalidAuthenticationToken" {
		t.Errorf("code %s", got.Error.Code)
	}
	if a := c.do("GET", "/v1.0"+partners+"/"+id, ""); a.status != 404 && a.status != 401 {
		t.Errorf("status %d: %s", a.status, a.body)
	}
	if _, err := db.New(dbtest.Pool(t)).CountFiltered(t.Context(), db.SetOf(&entity.RemoteAssistancePartner), c.tenant.ID, nil, time.Time{}); err != nil {
		t.Error(err)
	}
}
