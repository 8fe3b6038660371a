package graph_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/graph"
)

func TestBodies(t *testing.T) {
	t.Parallel()
	// What a body that names nothing gives.
	defaults := entity{
		Type: "#microsoft.graph.remoteAssistancePartner", OnboardingStatus: "notOnboarded",
		LastConnectionDateTime: "0001-01-01T00:00:00Z", OnboardingRequestExpiryDateTime: "0001-01-01T00:00:00Z",
	}
	name := func(s string) entity { e := defaults; e.DisplayName = &s; return e }
	for _, tt := range []struct {
		name, body string
		want       entity
	}{
		{"empty object", `{}`, defaults},
		{"white space and byte order mark", "\ufeff \r\n\t{} \n", defaults},
		{"nulls", `{"displayName":null,"onboardingUrl":null}`, defaults},
		{"read-only and control members", `{"id":"nonsense","@odata.context":"x","@odata.etag":{"a":[1,{"b":2}]},"displayName@odata.type":"#String","displayName":"n"}`, name("n")},
		{"null id", `{"id":null}`, defaults},
		{"type without #", `{"@odata.type":"microsoft.graph.remoteAssistancePartner"}`, defaults},
		{"text as sent", `{"displayName":" \t\u00e9e\u0301\ud83d\ude00<&>\"\\ "}`, name(" \t\u00e9e\u0301\U0001f600<&>\"\\ ")},
		{"longest name", `{"displayName":"` + strings.Repeat("é", 1024) + `"}`, name(strings.Repeat("é", 1024))},
		{"whole seconds, as the SDK for Go sends", `{"lastConnectionDateTime":"2016-12-31T23:58:36-08:00"}`, func() entity {
			e := defaults
			e.LastConnectionDateTime = "2016-12-31T23:58:36-08:00"
			return e
		}()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := setup(t)
			got := decode[entity](c, c.want(http.StatusCreated, c.do("POST", "/beta"+partners, tt.body)))
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
		code, target, reason string // reason: the message, or behind notJSON's the detail
	}{
		{"not JSON", `hello`, 400, "BadRequest", "", ""},
		{"cut off", `{"displayName":"a`, 400, "BadRequest", "", ""},
		{"trailing comma", `{"displayName":"a",}`, 400, "BadRequest", "", ""},
		{"white space only", " \n ", 400, "BadRequest", "", "Empty Payload. JSON content expected."},
		{"array", `[]`, 400, "BadRequest", "", ""},
		{"null", `null`, 400, "BadRequest", "", ""},
		{"number", `5`, 400, "BadRequest", "", ""},
		{"two values", `{} {}`, 400, "BadRequest", "", ""},
		{"trailing content", `{}x`, 400, "BadRequest", "", ""},
		{"duplicate member", `{"displayName":"a","displayName":"b"}`, 400, "BadRequest", "", ""},
		{"duplicate member, escaped", `{"displayName":"a","display\u004eame":"b"}`, 400, "BadRequest", "", ""},
		{"duplicate in what is ignored", `{"@odata.x":{"a":1,"a":2}}`, 400, "BadRequest", "", ""},
		{"invalid UTF-8", "{\"displayName\":\"a\xff\"}", 400, "BadRequest", "", ""},
		{"lone surrogate", `{"displayName":"\ud800"}`, 400, "BadRequest", "", ""},
		{"too deep", `{"@odata.x":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, 400, "BadRequest", "", ""},
		{"depth bomb", `{"@odata.x":` + strings.Repeat("[", 500_000), 400, "BadRequest", "", ""},
		{"unknown property", `{"nickName":"x"}`, 400, validation, "nickName", "The property 'nickName' does not exist on type 'microsoft.management.services.api.remoteAssistancePartner'. Make sure to only use property names that are defined by the type."},
		{"letter case", `{"DisplayName":"x"}`, 400, validation, "DisplayName", "The property 'DisplayName' does not exist on type 'microsoft.management.services.api.remoteAssistancePartner'. Make sure to only use property names that are defined by the type."},
		{"beta's property", `{"onboardingRequestExpiryDateTime":"2020-01-01T00:00:00Z"}`, 400, validation, "onboardingRequestExpiryDateTime", "The property 'onboardingRequestExpiryDateTime' does not exist on type 'microsoft.management.services.api.remoteAssistancePartner'. Make sure to only use property names that are defined by the type."},
		{"number for text", `{"displayName":5}`, 400, validation, "displayName", "Cannot convert the literal '5' to the expected type 'Edm.String'."},
		{"boolean for text", `{"onboardingUrl":true}`, 400, validation, "onboardingUrl", "Cannot convert the literal 'true' to the expected type 'Edm.String'."},
		{"array for text", `{"displayName":["a"]}`, 400, validation, "displayName", "An unexpected 'StartArray' node was found when reading from the JSON reader. A 'PrimitiveValue' node was expected."},
		{"object for text", `{"displayName":{}}`, 400, validation, "displayName", "An unexpected 'StartObject' node was found when reading from the JSON reader. A 'PrimitiveValue' node was expected."},
		{"U+0000", `{"displayName":"a\u0000b"}`, 400, validation, "displayName", "The value of the property 'displayName' holds the character U+0000, which is not supported."},
		{"name too long", `{"displayName":"` + strings.Repeat("é", 1025) + `"}`, 400, validation, "displayName", "The value of the property 'displayName' has 1025 characters; at most 1024 are allowed."},
		{"URL too long", `{"onboardingUrl":"https://example.com/` + strings.Repeat("a", 2029) + `"}`, 400, validation, "onboardingUrl", "The value of the property 'onboardingUrl' has 2049 characters; at most 2048 are allowed."},
		{"relative URL", `{"onboardingUrl":"/a"}`, 400, validation, "onboardingUrl", "The value '/a' of the property 'onboardingUrl' is not an absolute http or https URL."},
		{"URL of another scheme", `{"onboardingUrl":"javascript:alert(1)"}`, 400, validation, "onboardingUrl", "The value 'javascript:alert(1)' of the property 'onboardingUrl' is not an absolute http or https URL."},
		{"empty URL", `{"onboardingUrl":""}`, 400, validation, "onboardingUrl", "The value '' of the property 'onboardingUrl' is not an absolute http or https URL."},
		{"empty enum", `{"onboardingStatus":""}`, 400, validation, "onboardingStatus", "Must specify valid information for parsing in the string."},
		{"unknown enum", `{"onboardingStatus":"done"}`, 400, validation, "onboardingStatus", "Requested value 'done' was not found."},
		{"enum in another letter case", `{"onboardingStatus":"Onboarded"}`, 400, validation, "onboardingStatus", "Requested value 'Onboarded' was not found."},
		{"enum by number", `{"onboardingStatus":1}`, 400, validation, "onboardingStatus", "Cannot convert the literal '1' to the expected type 'microsoft.graph.remoteAssistanceOnboardingStatus'."},
		{"null enum", `{"onboardingStatus":null}`, 400, validation, "onboardingStatus", fmt.Sprintf(null, "onboardingStatus", "microsoft.graph.remoteAssistanceOnboardingStatus")},
		{"null date", `{"lastConnectionDateTime":null}`, 400, validation, "lastConnectionDateTime", fmt.Sprintf(null, "lastConnectionDateTime", "Edm.DateTimeOffset")},
		{"date without offset", `{"lastConnectionDateTime":"2016-12-31T23:58:36"}`, 400, validation, "lastConnectionDateTime", "Cannot convert the literal '2016-12-31T23:58:36' to the expected type 'Edm.DateTimeOffset'."},
		{"date out of range", `{"lastConnectionDateTime":"0000-01-01T00:00:00Z"}`, 400, validation, "lastConnectionDateTime", "Cannot convert the literal '0000-01-01T00:00:00Z' to the expected type 'Edm.DateTimeOffset'."},
		{"date by number", `{"lastConnectionDateTime":1483257516}`, 400, validation, "lastConnectionDateTime", "Cannot convert the literal '1483257516' to the expected type 'Edm.DateTimeOffset'."},
		{"id by number", `{"id":7}`, 400, validation, "id", "Cannot convert the literal '7' to the expected type 'Edm.String'."},
		{"unknown type", `{"@odata.type":"#microsoft.graph.banana"}`, 400, validation, "@odata.type", "A type named 'microsoft.graph.banana' could not be resolved by the model. When a model is available, each type name must resolve to a valid type."},
		{"another type", `{"@odata.type":"#microsoft.graph.entity"}`, 400, validation, "@odata.type", "An entry with type 'microsoft.graph.entity' was found, but it is not assignable to the expected type 'microsoft.graph.remoteAssistancePartner'."},
		{"too large", `{"displayName":"` + strings.Repeat("a", 1<<20) + `"}`, 413, "RequestEntityTooLarge", "", "The request body is larger than 1048576 bytes."},
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
				t.Errorf("%s partners are there", count.body)
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
		{"charset", plain, []string{"Content-Type", "application/json; charset=UTF-8"}, 201, ""},
		{"OData parameters", plain, []string{"Content-Type", "application/json;odata.metadata=minimal"}, 201, ""},
		{"no type", plain, []string{"Content-Type", ""}, 400, "BadRequest"},
		{"form, as curl -d sends", plain, []string{"Content-Type", "application/x-www-form-urlencoded"}, 400, "BadRequest"},
		{"text", plain, []string{"Content-Type", "text/plain"}, 400, "BadRequest"},
		{"nonsense", plain, []string{"Content-Type", ";;"}, 400, "BadRequest"},
		{"charset of .NET", plain, []string{"Content-Type", "application/json; charset=utf8"}, 201, ""},
		{"charset in quotes", plain, []string{"Content-Type", `application/json; charset="utf-8"`}, 201, ""},
		{"us-ascii", plain, []string{"Content-Type", "application/json; charset=us-ascii"}, 201, ""},
		{"ISO-8859-1 of ASCII", plain, []string{"Content-Type", "application/json; charset=ISO-8859-1"}, 201, ""},
		{"windows-1252 of ASCII", plain, []string{"Content-Type", "application/json; charset=Windows-1252"}, 201, ""},
		{"ISO-8859-1 beyond ASCII", "{\"displayName\":\"\xe9\"}", []string{"Content-Type", "application/json; charset=ISO-8859-1"}, 400, "BadRequest"},
		{"UTF-8 as ISO-8859-1", `{"displayName":"é"}`, []string{"Content-Type", "application/json; charset=ISO-8859-1"}, 400, "BadRequest"},
		{"packed and ISO-8859-1", gzipped(t, plain), []string{"Content-Type", "application/json; charset=ISO-8859-1", "Content-Encoding", "gzip"}, 201, ""},
		{"another charset", plain, []string{"Content-Type", "application/json; charset=utf-16"}, 400, "BadRequest"},
		{"a charset that nobody knows", plain, []string{"Content-Type", "application/json; charset=x-klingon"}, 400, "BadRequest"},
		{"gzip, as the SDK for Go sends", packed, []string{"Content-Encoding", "gzip"}, 201, ""},
		{"marked gzip and plain, as the SDK for Go sends after a retry", plain, []string{"Content-Encoding", "gzip"}, 201, ""},
		{"packed and not marked", packed, nil, 400, "BadRequest"},
		{"gzip cut off", packed[:len(packed)-5], []string{"Content-Encoding", "gzip"}, 400, "BadRequest"},
		{"gzip head only", "\x1f\x8b", []string{"Content-Encoding", "gzip"}, 400, "BadRequest"},
		{"gzip bomb", bomb, []string{"Content-Encoding", "gzip"}, 413, "RequestEntityTooLarge"},
		{"brotli", plain, []string{"Content-Encoding", "br"}, 415, "UnsupportedMediaType"},
		{"any Accept", plain, []string{"Accept", "text/html, */*;q=0.1"}, 201, ""},
		{"no JSON accepted", plain, []string{"Accept", "text/html"}, 406, "NotAcceptable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := setup(t)
			a := c.want(tt.status, c.do("POST", "/v1.0"+partners, tt.body, tt.header...))
			if tt.code == "" {
				if got := decode[entity](c, a); got.DisplayName == nil || *got.DisplayName != "n" {
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
		{"nothing but control information, as the SDK for Go sends", `{"@odata.context":"` + c.server.URL() + `"}`, 200, ""},
		{"empty", `{}`, 200, ""},
		{"its own id", `{"id":"` + id + `"}`, 200, ""},
		{"its own id in capitals", `{"id":"` + strings.ToUpper(id) + `"}`, 200, ""},
		{"the whole entity, as read", before, 200, ""},
		{"another id", `{"id":"00000000-0000-0000-0000-000000000001"}`, 400, "ModelValidationFailure"},
		{"one good, one bad", `{"displayName":"changed","onboardingStatus":"done"}`, 400, "ModelValidationFailure"},
		{"no body", ``, 400, "BadRequest"},
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
	got := decode[entity](c, c.want(200, c.do("PATCH", path, `{"onboardingStatus":"onboarded","onboardingUrl":null}`)))
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
		{"notOnboarded", begin, 204, "onboarding", true},
		{"onboarding", begin, 204, "onboarding", false},
		{"onboarded", begin, 400, "onboarded", false},
		{"notOnboarded", disconnect, 204, "notOnboarded", false},
		{"onboarding", disconnect, 204, "notOnboarded", true},
		{"onboarded", disconnect, 204, "notOnboarded", true},
	} {
		id := c.create(`{"onboardingStatus":"` + tt.before + `"}`)
		item := "/beta" + partners + "/" + id
		a := c.do("POST", item+"/"+tt.action, "")
		if a.status != tt.status || a.status == 204 && (a.body != "" || a.header.Get("Content-Type") != "") {
			t.Errorf("%s of %s: %d %q", tt.action, tt.before, a.status, a.body)
		}
		got := decode[entity](c, c.do("GET", item, ""))
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

// Clients send every kind of empty body with an action; none takes parameters.
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
		{"PUT", "/v1.0" + partners, 400, route, "No OData route exists that match template ~/singleton/navigation with http verb PUT for request /RemoteAssistance/deviceManagement/remoteAssistancePartners."},
		{"DELETE", "/beta" + partners, 400, route, "No OData route exists that match template ~/singleton/navigation with http verb DELETE for request /RemoteAssistance/deviceManagement/remoteAssistancePartners."},
		{"PUT", "/v1.0" + partners + "/" + id, 400, route, "No OData route exists that match template ~/singleton/navigation/key with http verb PUT for request /RemoteAssistance/deviceManagement/remoteAssistancePartners/" + id + "."},
		{"GET", "/v1.0" + partners + "/" + id + "/disconnect", 400, route, "No OData route exists that match template ~/singleton/navigation/key/action with http verb GET for request /RemoteAssistance/deviceManagement/remoteAssistancePartners/" + id + "/disconnect."},
		{"POST", "/v1.0" + partners + "/$count", 400, route, "No OData route exists that match template ~/singleton/navigation/$count with http verb POST for request /RemoteAssistance/deviceManagement/remoteAssistancePartners/$count."},
		{"GET", "/v1.0/deviceManagement", 400, route, "No OData route exists that match template ~/singleton with http verb GET for request /RemoteAssistance/deviceManagement."},
		{"GET", "/v1.0/users", 400, "BadRequest", "Resource not found for the segment 'users'."},
		{"GET", "/v1.0/deviceManagement/managedDevices", 400, "BadRequest", "Resource not found for the segment 'managedDevices'."},
		{"GET", "/v1.0" + partners + "/" + id + "/nonsense", 400, "BadRequest", "Resource not found for the segment 'nonsense'."},
		{"PUT", "/v1.0" + partners + "/" + id + "/displayName", 400, route, "No OData route exists that match template ~/singleton/navigation/key/action with http verb PUT for request /RemoteAssistance/deviceManagement/remoteAssistancePartners/" + id + "/displayName."},
		{"PATCH", "/v1.0" + partners, 400, route, ""},
		{"DELETE", "/v1.0" + partners + "/" + id + "/displayName", 400, route, ""},
		{"GET", "/v1.0/$crossjoin(a,b)", 400, "BadRequest", "Resource not found for the segment '$crossjoin(a,b)'."},
		{"GET", "/v1.0" + partners + "/$filter(true)", 404, "ResourceNotFound", ""},
		{"GET", "/v1.0/v1.0" + partners, 400, "BadRequest", "Resource not found for the segment 'v1.0'."},
		{"GET", "/v2.0" + partners, 404, "ResourceNotFound", "Invalid version: v2.0"},
		{"GET", partners, 404, "ResourceNotFound", "Invalid version: devicemanagement"},
		{"GET", "/", 404, "ResourceNotFound", "Invalid version: "},
	} {
		a := c.do(tt.method, tt.path, "")
		got := decode[errorDocument](c, a)
		if a.status != tt.status || got.Error.Code != tt.code || tt.message != "" && got.Error.Message != tt.message {
			t.Errorf("%s %s:\ngot  %d %s: %s\nwant %d %s: %s", tt.method, tt.path, a.status, got.Error.Code, got.Error.Message, tt.status, tt.code, tt.message)
		}
	}
}

// An option that a route doesn't take is refused by its name, on every route.
func TestUnsupportedOptions(t *testing.T) {
	t.Parallel()
	c := setup(t)
	item := partners + "/" + c.create(`{}`)
	for _, tt := range []struct {
		method, path string
		options      []string
	}{
		{"GET", partners, []string{"$search", "$expand", "$apply", "$compute", "$deltatoken", "$schemaversion", "custom"}},
		{"GET", partners + "/$count", []string{"$orderby", "$search", "$top", "$select"}},
		{"POST", partners, []string{"$select", "$expand"}},
		{"GET", item, []string{"$expand", "$filter", "$top", "$count", "$skiptoken"}},
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

// Links follow the scheme and host by which the client called.
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
	if got := decode[entity](c, a).Context; !strings.HasPrefix(got, "http://graph.example.test:1234/v1.0/$metadata#") {
		t.Errorf("context %s", got)
	}
	if got := a.header.Get("Location"); !strings.HasPrefix(got, "http://graph.example.test:1234/v1.0/deviceManagement/") {
		t.Errorf("location %s", got)
	}
}

// history is what was kept of a partner, as SQL shows it.
func (c *client) history(id string) []string {
	c.Helper()
	rows, err := dbtest.Pool(c).Query(c.Context(), `
		SELECT version || ' ' || coalesce(display_name, 'null') || ' ' || onboarding_status || ' ' || replaced_by_change ||
			CASE WHEN replaced_by = $3 AND replaced_at > created_at THEN '' ELSE ' by somebody else' END
		FROM remote_assistance_partner_versions WHERE tenant_id = $1 AND id = $2 ORDER BY version`,
		c.tenant.ID, id, c.tenant.UserID)
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
	c.want(200, c.do("PATCH", item, `{}`)) // changes nothing, keeps nothing
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

// Of changes at the same time none is lost: each keeps the version before it.
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
	last := *decode[entity](c, c.do("GET", item, "")).DisplayName
	seen[last] = true
	for i, k := range kept {
		f := strings.Fields(k)
		if f[0] != fmt.Sprint(i+1) || seen[f[1]] {
			t.Errorf("version %d is %q", i+1, k)
		}
		seen[f[1]] = true
	}
}

// isolation says of each route, by its method and its path below the version,
// what a tenant gets that asks for what is another's. A route that isn't here
// fails the test.
var isolation = map[string]struct {
	body   string
	status int
	want   string // the whole answer's body, or a part of it
}{
	"GET ":           {"", 200, `"name":"deviceManagement"`}, // of no tenant
	"GET /$metadata": {"", 200, "<edmx:Edmx"},                // of no tenant
	"POST /$batch": {
		`{"requests":[{"id":"1","method":"GET","url":"` + partners + `/{id}"},{"id":"2","method":"GET","url":"` + partners + `"},{"id":"3","method":"DELETE","url":"` + partners + `/{id}"}]}`,
		200, `"status":404,`,
	},
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
}

// No route shows or changes what is another tenant's.
func TestTenantsAreApart(t *testing.T) {
	t.Parallel()
	for _, route := range graph.Routes() {
		t.Run(route, func(t *testing.T) {
			t.Parallel()
			method, path, _ := strings.Cut(route, " ")
			version := "/" + strings.Split(path, "/")[1]
			below := strings.TrimPrefix(path, version)
			tt, ok := isolation[strings.Replace(method, "HEAD", "GET", 1)+" "+below]
			if !ok {
				t.Fatal("nothing says how this route keeps tenants apart")
			}
			a, b := setup(t), setup(t)
			id := a.create(seedExample)
			at := version + strings.NewReplacer(":id", id, ":property", "displayName").Replace(below)
			got := b.want(tt.status, b.do(method, at, strings.ReplaceAll(tt.body, "{id}", id)))
			if method != "HEAD" && !strings.Contains(got.body, tt.want) || strings.Contains(got.body, "Display Name value") || method == "POST" && tt.status == 201 && strings.Contains(got.body, id) {
				t.Errorf("got %s", got.body)
			}
			a.unchanged(id)
		})
	}
}

// Neither a filter nor a link of another tenant's shows more.
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

// A tenant that is deleted takes its partners along, and its tokens' worth.
func TestDeletedTenant(t *testing.T) {
	t.Parallel()
	c := setup(t)
	id := c.create(seedExample)
	if _, err := dbtest.Pool(t).Exec(t.Context(), "DELETE FROM tenants WHERE id = $1", c.tenant.ID); err != nil {
		t.Fatal(err)
	}
	// A write is refused at once, a read shows nothing; soon both are 401.
	got := decode[errorDocument](c, c.want(401, c.do("POST", "/v1.0"+partners, seedExample)))
	if got.Error.Code != "InvalidAuthenticationToken" {
		t.Errorf("code %s", got.Error.Code)
	}
	if a := c.do("GET", "/v1.0"+partners+"/"+id, ""); a.status != 404 && a.status != 401 {
		t.Errorf("status %d: %s", a.status, a.body)
	}
	if _, err := db.New(dbtest.Pool(t)).CountPartners(t.Context(), c.tenant.ID, nil); err != nil {
		t.Error(err)
	}
}
