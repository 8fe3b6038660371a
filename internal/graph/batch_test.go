package graph_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// batchAnswers is the answer to a batch.
type batchAnswers struct {
	Responses []struct {
		ID      string            `json:"id"`
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Body    json.RawMessage   `json:"body"`
	} `json:"responses"`
}

func (c *client) batch(requests ...string) batchAnswers {
	c.Helper()
	return c.batchIn("v1.0", requests...)
}

// batchIn sends requests in a batch to one version.
func (c *client) batchIn(version string, requests ...string) batchAnswers {
	c.Helper()
	return decode[batchAnswers](c, c.want(200, c.do("POST", "/"+version+"/$batch", `{"requests":[`+strings.Join(requests, ",")+`]}`)))
}

// A batch in the form of the Graph SDK for Go: null bodies, empty dependencies, header
// names in lower case.
func TestBatch(t *testing.T) {
	t.Parallel()
	c := setup(t)
	id := c.create(seedExample)
	const set = "/deviceManagement/remoteAssistancePartners"
	got := c.batch(
		`{"id":"8c03","method":"GET","url":"`+set+"/"+id+`","headers":{"accept":"application/json"},"body":null,"dependsOn":[]}`,
		`{"id":"post","method":"POST","url":"`+strings.TrimPrefix(set, "/")+`","headers":{"content-type":"application/json"},"body":{"displayName":"new"}}`,
		`{"id":"gone","method":"DELETE","url":"`+set+"/"+uuid.NewString()+`"}`,
		`{"id":"after","method":"GET","url":"`+set+`","dependsOn":["post","gone"]}`,
		`{"id":"further","method":"GET","url":"`+set+`","dependsOn":["after"]}`,
		`{"id":"list","method":"get","url":"`+set+`?$filter=displayName%20eq%20'new'&$select=displayName","dependsOn":["post"]}`,
		`{"id":"count","method":"GET","url":"`+set+`/$count"}`,
		`{"id":"version","method":"GET","url":"/v1.0`+set+`"}`,
		`{"id":"absolute","method":"GET","url":"https://graph.microsoft.com/v1.0`+set+`"}`,
		`{"id":"nested","method":"POST","url":"/$batch","headers":{"Content-Type":"application/json"},"body":{"requests":[]}}`,
		`{"id":"untyped","method":"POST","url":"`+set+`","body":{}}`,
		`{"id":"action","method":"POST","url":"`+set+"/"+id+`/disconnect"}`,
		`{"id":"bad","method":"GET","url":"%zz"}`,
		`{"id":"named","method":"GET","url":"`+set+"(id='"+id+`')/displayName/$value"}`,
		`{"id":"misnamed","method":"DELETE","url":"`+set+"(key='"+id+`')"}`,
	)
	byID := map[string]int{}
	for i, r := range got.Responses {
		byID[r.ID] = i
		if _, ok := r.Headers["request-id"]; ok {
			t.Errorf("%s shows a request-id", r.ID)
		}
		if (len(r.Body) > 0) != (r.Headers["Content-Type"] != "") {
			t.Errorf("%s: body %q under Content-Type %q", r.ID, r.Body, r.Headers["Content-Type"])
		}
	}
	for _, tt := range []struct {
		id     string
		status int
		body   string
	}{
		{"8c03", 200, `"id":"` + id + `"`},
		{"post", 201, `"displayName":"new"`},
		{"gone", 404, `"ResourceNotFound"`},
		{"after", 424, `"FailedDependency"`},
		{"further", 424, "'after'"},
		{"list", 200, `"displayName":"new"`},
		{"count", 200, `"M`},
		{"version", 400, "Resource not found for the segment 'v1.0'."},
		{"absolute", 400, "Resource not found for the segment 'https:'."},
		{"nested", 400, "can't hold another"},
		{"untyped", 400, "Content-Type"},
		{"action", 204, ""},
		{"bad", 400, "no valid 'url'"},
		{"named", 200, `"RGlzcGxheSBOYW1lIHZhbHVl"`},
		{"misnamed", 400, "Bad Request - Error in query syntax."},
	} {
		r := got.Responses[byID[tt.id]]
		if r.Status != tt.status || !strings.Contains(string(r.Body), tt.body) || tt.body == "" && len(r.Body) != 0 {
			t.Errorf("%s: %d %s, want %d with %s", tt.id, r.Status, r.Body, tt.status, tt.body)
		}
	}
	if got := got.Responses[byID["post"]].Headers; !strings.Contains(got["Location"], "/v1.0"+set+"('") || got["OData-Version"] != "4.0" {
		t.Errorf("headers of the create: %v", got)
	}
	if n := len(decode[list](c, c.do("GET", "/v1.0"+partners, "")).Value); n != 2 {
		t.Errorf("%d partners", n)
	}
}

// Each request in a batch needs its own permission, and uses only the batch's token.
func TestBatchPermissions(t *testing.T) {
	t.Parallel()
	c := setup(t)
	other := setup(t)
	id := other.create(seedExample)
	c.token = c.issue(c.userToken(readOnly))
	got := c.batch(
		`{"id":"1","method":"GET","url":"`+partners+`"}`,
		`{"id":"2","method":"POST","url":"`+partners+`","headers":{"Content-Type":"application/json"},"body":{}}`,
		`{"id":"3","method":"GET","url":"`+partners+"/"+id+`","headers":{"Authorization":"Bearer `+other.token+`"}}`,
	)
	for i, want := range []int{200, 403, 404} {
		if got.Responses[i].Status != want {
			t.Errorf("%d: %d %s", i, got.Responses[i].Status, got.Responses[i].Body)
		}
	}
}

// Batches in the form of PowerShell modules: numbers as ids and header values, names of
// members in the letter case of hash tables, null for absent values.
func TestBatchOfPowerShell(t *testing.T) {
	t.Parallel()
	c := setup(t)
	id := c.create(seedExample)
	const set = "/deviceManagement/remoteAssistancePartners"
	for _, tt := range []struct {
		name, items string
		want        []string // id and status of each answer
	}{
		{"ids from 0", `{"id":0,"method":"GET","url":"` + set + `","headers":{},"body":null},{"id":1,"method":"GET","url":"` + set + `","dependsOn":[0]}`, []string{"0 200", "1 200"}},
		{"Get-Random", `{"method":"GET","URL":"` + set + `","id":1804289383}`, []string{"1804289383 200"}},
		{"negative and large", `{"id":-1,"method":"GET","url":"` + set + `"},{"id":18446744073709551616,"method":"GET","url":"` + set + `"}`, []string{"-1 200", "18446744073709551616 200"}},
		{"PascalCase", `{"Id":"a","Method":"POST","Url":"` + set + `","Headers":{"Content-Type":"application/json"},"Body":{"displayName":"p"},"DependsOn":[]}`, []string{"a 201"}},
		{"upper case", `{"ID":"a","METHOD":"PATCH","URL":"` + set + "/" + id + `","HEADERS":{"CONTENT-TYPE":"application/json"},"BODY":{"displayName":"q"},"DEPENDSON":null}`, []string{"a 200"}},
		{"numbers in headers", `{"id":1,"method":"GET","url":"` + set + `","headers":{"Prefer":"odata.maxpagesize=1","OData-MaxVersion":4.01}}`, []string{"1 200"}},
		{"a number that is refused", `{"id":1,"method":"GET","url":"` + set + `","headers":{"OData-MaxVersion":3}}`, []string{"1 400"}},
		{"all kinds of answers", `{"id":1,"method":"DELETE","url":"` + set + "/" + uuid.NewString() + `"},{"id":2,"method":"GET","url":"` + set + `","dependsOn":[1]},{"id":3,"method":"POST","url":"` + set + "/" + id + `/disconnect"},{"id":4,"method":"GET","url":"%zz"}`, []string{"1 404", "2 424", "3 204", "4 400"}},
	} {
		for _, requests := range []string{"requests", "Requests"} {
			a := c.want(200, c.do("POST", "/v1.0/$batch", `{"`+requests+`":[`+tt.items+`]}`))
			var got []string
			for _, r := range decode[batchAnswers](c, a).Responses {
				got = append(got, fmt.Sprintf("%s %d", r.ID, r.Status))
				if r.Headers == nil {
					t.Errorf("%s: item %s has no headers: %s", tt.name, r.ID, a.body)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s: %s, want %s: %s", tt.name, got, tt.want, a.body)
			}
		}
	}
	if got := decode[partner](c, c.do("GET", "/v1.0"+set+"/"+id, "")); got.DisplayName == nil || *got.DisplayName != "q" {
		t.Errorf("the body in upper case was dropped: %v", got)
	}
}

// The answer to HEAD has no body, in a batch as elsewhere.
func TestBatchHead(t *testing.T) {
	t.Parallel()
	c := setup(t)
	item := partners + "/" + c.create(seedExample)
	var requests []string
	for i, path := range []string{"/", "/$metadata", partners, partners + "/$count", item, item + "/displayName", item + "/displayName/$value", item + "/x", partners + "/" + uuid.NewString()} {
		requests = append(requests, fmt.Sprintf(`{"id":%d,"method":"head","url":%q}`, i, path))
	}
	for _, r := range c.batch(requests...).Responses {
		if len(r.Body) != 0 || r.Headers["Content-Type"] != "" || r.Headers == nil {
			t.Errorf("%s: %d with body %s and headers %v", r.ID, r.Status, r.Body, r.Headers)
		}
	}
}

// An invalid batch is refused as a whole, and no part of it is run.
func TestBadBatch(t *testing.T) {
	t.Parallel()
	c := setup(t)
	create := func(id string, more string) string {
		return fmt.Sprintf(`{"id":%q,"method":"POST","url":"%s","headers":{"Content-Type":"application/json"},"body":{}%s}`, id, partners, more)
	}
	many := make([]string, 21)
	for i := range many {
		many[i] = create(fmt.Sprint(i), "")
	}
	for _, tt := range []struct{ body, message string }{
		{``, "Unable to read JSON"},
		{`[]`, "Unable to read JSON"},
		{`{"requests":1}`, "Unable to read JSON"},
		{`{}`, "it holds no requests"},
		{`{"requests":[]}`, "it holds no requests"},
		{`{"requests":[` + strings.Join(many, ",") + `]}`, "Number of batch request steps exceeds the maximum value of 20."},
		{`{"requests":[` + create("", "") + `]}`, "a request has no 'id'"},
		{`{"requests":[` + create("a", "") + "," + create("A", "") + `]}`, "the request Id 'A' is not unique"},
		{`{"requests":[{"id":true,"method":"GET","url":"x"}]}`, "Unable to read JSON"},
		{`{"requests":[{"id":[1],"method":"GET","url":"x"}]}`, "Unable to read JSON"},
		{`{"requests":[{"id":null,"method":"GET","url":"x"}]}`, "a request has no 'id'"},
		{`{"requests":[` + create("1", "") + `,{"id":1,"method":"GET","url":"x"}]}`, "the request Id '1' is not unique"},
		{`{"requests":[{"id":"1","url":"x"}]}`, "has no 'method'"},
		{`{"requests":[{"id":"1","method":"GET"}]}`, "has no 'url'"},
		{`{"requests":[` + create("1", `,"dependsOn":["1"]`) + `]}`, "Invalid dependency for request Id '1'"},
		{`{"requests":[` + create("1", `,"dependsOn":["2"]`) + "," + create("2", "") + `]}`, "Invalid dependency for request Id '1'"},
		{`{"requests":[` + create("1", `,"dependsOn":["x"]`) + `]}`, "Invalid dependency for request Id '1'"},
		{`{"requests":[` + create("1", `,"headers":{"a":1}`) + `]}`, "Unable to read JSON"}, // headers is repeated
		{`{"requests":[{"id":"1","method":"GET","url":"` + partners + `","headers":{"a":true}}]}`, "Unable to read JSON"},
		{`{"requests":[{"id":"1","method":"GET","url":"` + partners + `","headers":{"Accept":"a","accept":"b"}}]}`, "has the header 'Accept' twice"},
		{`{"requests":[` + create("1", `,"ID":"2"`) + `]}`, "Unable to read JSON"},
		{`{"requests":[` + create("1", `,"URL":"x"`) + `]}`, "Unable to read JSON"},
		{`{"requests":[` + create("1", `,"Body":{}`) + `]}`, "Unable to read JSON"},
		{`{"requests":[` + create("1", "") + `],"Requests":[]}`, "Unable to read JSON"},
		{`{"requests":[{"id":"1","method":"GET","u_rl":"` + partners + `"}]}`, "has no 'url'"},
		{`{"requests":[` + create("1", `,"id":"2"`) + `]}`, "Unable to read JSON"},
		{strings.Repeat(`{"requests":[`, 60), "Unable to read JSON"},
	} {
		a := c.do("POST", "/v1.0/$batch", tt.body, "Content-Type", "application/json")
		if got := decode[errorDocument](c, a); a.status != http.StatusBadRequest || !strings.Contains(got.Error.Message, tt.message) {
			t.Errorf("%.80s: %d %s", tt.body, a.status, got.Error.Message)
		}
	}
	c.want(400, c.do("POST", "/v1.0/$batch", "--x", "Content-Type", "multipart/mixed; boundary=x"))
	c.want(400, c.do("POST", "/v1.0/$batch?$top=1", `{"requests":[`+create("1", "")+`]}`))
	c.want(413, c.do("POST", "/v1.0/$batch", strings.Repeat(" ", 1<<20)+`{}`))
	if got := c.do("GET", "/v1.0"+partners+"/$count", ""); got.body != "0" {
		t.Errorf("%s partners were made", got.body)
	}
}
