package graph_test

import (
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// The answer's format follows from what the client accepts (Protocol 8.2.1; JSON Format 3).
func TestFormats(t *testing.T) {
	t.Parallel()
	c := setup(t)
	id := c.create(seedExample)
	item := "/v1.0" + partners + "/" + id
	const (
		form     = "application/json;odata.metadata=%s;odata.streaming=true;IEEE754Compatible=%s;charset=utf-8"
		values   = `"displayName":"Display Name value"`
		typeName = `"@odata.type":"#microsoft.graph.remoteAssistancePartner"`
	)
	for _, tt := range []struct {
		accept, option, contentType string
		with, without               []string
	}{
		{contentType: fmt.Sprintf(form, "minimal", "false"), with: []string{`"@odata.context"`, typeName, values}, without: []string{"@odata.id", "DateTime@odata.type"}},
		{accept: "application/json;odata.metadata=none", contentType: fmt.Sprintf(form, "none", "false"), with: []string{values}, without: []string{"@odata"}},
		{accept: "application/json;metadata=none", contentType: fmt.Sprintf(form, "none", "false"), with: []string{values}, without: []string{"@odata"}},
		{accept: "text/html;q=0.9, application/json;odata.metadata=full;q=0.8, application/xml", contentType: fmt.Sprintf(form, "full", "false"), with: []string{
			`"@odata.context"`, typeName, values, `"@odata.id":"` + c.server.URL() + "/v1.0/deviceManagement/remoteAssistancePartners('" + id + "')", `"@odata.editLink":"deviceManagement/remoteAssistancePartners('`,
			`"onboardingStatus@odata.type":"#microsoft.graph.remoteAssistanceOnboardingStatus","onboardingStatus"`, `"lastConnectionDateTime@odata.type":"#DateTimeOffset"`,
			`"#microsoft.graph.disconnect":{"title":"microsoft.graph.disconnect","target":"`,
		}, without: []string{`"displayName@`}},
		{accept: "*/*", contentType: fmt.Sprintf(form, "minimal", "false")},
		{accept: "application/*;q=0.5", contentType: fmt.Sprintf(form, "minimal", "false")},
		{accept: "application/json;IEEE754Compatible=true", contentType: fmt.Sprintf(form, "minimal", "true")},
		{accept: "text/html", option: "json", contentType: fmt.Sprintf(form, "minimal", "false")},
		{option: "application/json;odata.metadata=none", contentType: fmt.Sprintf(form, "none", "false"), without: []string{"@odata"}},
	} {
		path := item
		if tt.option != "" {
			path += "?$format=" + strings.ReplaceAll(tt.option, ";", "%3B")
		}
		a := c.want(200, c.do("GET", path, "", "Accept", tt.accept))
		if got := a.header.Get("Content-Type"); got != tt.contentType {
			t.Errorf("Accept %q, $format %q: %s", tt.accept, tt.option, got)
		}
		for _, want := range tt.with {
			if !strings.Contains(a.body, want) {
				t.Errorf("Accept %q: no %s in %s", tt.accept, want, a.body)
			}
		}
		for _, unwanted := range tt.without {
			if strings.Contains(a.body, unwanted) {
				t.Errorf("Accept %q: %s in %s", tt.accept, unwanted, a.body)
			}
		}
		if !json.Valid([]byte(a.body)) {
			t.Errorf("Accept %q: not JSON: %s", tt.accept, a.body)
		}
	}
	for _, accept := range []string{"text/html", "application/xml", "application/json;odata.metadata=some", "application/json;charset=utf-16", "application/json;q=0", ";"} {
		for _, path := range []string{item, "/v1.0" + partners, item + "/displayName"} {
			if got := decode[errorDocument](c, c.want(406, c.do("GET", path, "", "Accept", accept))); got.Error.Code != "NotAcceptable" {
				t.Errorf("Accept %q: %s", accept, got.Error.Code)
			}
		}
	}
	c.want(406, c.do("DELETE", item, "", "Accept", "text/html")) // refused before it has an effect
	c.want(400, c.do("GET", item+"?$format=xml", ""))
	list := c.do("GET", "/v1.0"+partners+"?$count=true", "", "Accept", "application/json;odata.metadata=none;IEEE754Compatible=true")
	if !strings.HasPrefix(list.body, `{"@odata.count":"1","value":[{"id":`) {
		t.Errorf("list: %s", list.body)
	}
	// An entity without its selected properties is an empty object.
	if a := c.do("GET", item+"?$select=onboardingUrl", "", "Accept", "application/json;odata.metadata=none", "Prefer", "omit-values=nulls"); !strings.Contains(a.body, `{"onboardingUrl":`) {
		t.Errorf("select: %s", a.body)
	}
}

func TestVersionHeaders(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for _, tt := range []struct {
		name, value string
		status      int
	}{
		{"OData-Version", "4.0", 200},
		{"OData-Version", "4.01", 200},
		{"OData-Version", "3.0", 400},
		{"OData-Version", "x", 400},
		{"OData-MaxVersion", "4.0", 200},
		{"OData-MaxVersion", "4.01", 200},
		{"OData-MaxVersion", "5.0", 200},
		{"OData-MaxVersion", "3.0", 400},
		{"OData-MaxVersion", "x", 400},
		{"OData-Version", "4.0;NetFx", 200},
		{"OData-Version", "4.0;", 200},
		{"OData-Version", "4.01 ; a b", 200},
		{"OData-Version", "3.0;NetFx", 400},
		{"OData-Version", "4.0NetFx", 400},
		{"OData-Version", ";4.0", 400},
		{"OData-MaxVersion", "4.0;NetFx", 200},
		{"OData-MaxVersion", "4.01;NetCore; x", 200},
		{"OData-MaxVersion", "4", 200},
		{"OData-MaxVersion", "3.0;NetFx", 400},
		{"OData-MaxVersion", ";NetFx", 400},
		{"OData-MaxVersion", "NaN", 400},
		{"OData-MaxVersion", "Inf", 400},
		{"OData-MaxVersion", "1e9", 400},
		{"OData-MaxVersion", "-4", 400},
	} {
		a := c.do("GET", "/v1.0"+partners, "", tt.name, tt.value)
		if a.status != tt.status || a.header.Get("OData-Version") != "4.0" {
			t.Errorf("%s: %s: %d", tt.name, tt.value, a.status)
		}
	}
}

// All errors have the version header too.
func TestVersionOfErrors(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for _, tt := range []struct {
		status             int
		method, path, body string
		header             []string
	}{
		{status: 400, method: "GET", path: partners + "?$expand=x"},
		{status: 401, method: "GET", path: partners, header: []string{"Authorization", "Bearer x"}},
		{status: 404, method: "DELETE", path: partners + "/x"},
		{status: 406, method: "GET", path: partners, header: []string{"Accept", "text/html"}},
		{status: 413, method: "POST", path: partners, body: strings.Repeat(" ", 2<<20)},
		{status: 415, method: "POST", path: partners, body: "{}", header: []string{"Content-Encoding", "br"}},
	} {
		a := c.want(tt.status, c.do(tt.method, "/v1.0"+tt.path, tt.body, tt.header...))
		if a.header.Get("OData-Version") != "4.0" {
			t.Errorf("%d has the OData-Version %q", tt.status, a.header.Get("OData-Version"))
		}
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	c := setup(t)
	item := partners + "/" + c.create(seedExample)
	for _, path := range []string{"", "/$metadata", partners, partners + "/$count", item, item + "/displayName", item + "/displayName/$value"} {
		get, head := c.want(200, c.do("GET", "/v1.0"+path, "", "Accept-Encoding", "identity")), c.want(200, c.do("HEAD", "/v1.0"+path, "", "Accept-Encoding", "identity"))
		if head.body != "" || head.header.Get("Content-Type") != get.header.Get("Content-Type") || head.header.Get("Content-Length") != get.header.Get("Content-Length") {
			t.Errorf("%s: HEAD %v, GET %v", path, head.header, get.header)
		}
	}
	c.want(404, c.do("HEAD", "/v1.0"+partners+"/00000000-0000-0000-0000-000000000000", ""))
}

// Long answers are compressed for clients that accept it, short ones aren't.
func TestPackedAnswers(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for range 20 {
		c.create(seedExample)
	}
	plain := c.do("GET", "/v1.0"+partners, "", "Accept-Encoding", "identity")
	packed := c.do("GET", "/v1.0"+partners, "", "Accept-Encoding", "gzip")
	if packed.header.Get("Content-Encoding") != "gzip" || packed.header.Get("Vary") != "Accept-Encoding" || plain.header.Get("Content-Encoding") != "" {
		t.Fatalf("compressed %v, plain %v", packed.header, plain.header)
	}
	z, err := gzip.NewReader(strings.NewReader(packed.body))
	if err != nil {
		t.Fatal(err)
	}
	if unpacked, err := io.ReadAll(z); err != nil || string(unpacked) != plain.body {
		t.Errorf("unpacks to something else: %v", err)
	}
	if a := c.do("GET", "/v1.0"+partners+"/$count", "", "Accept-Encoding", "gzip"); a.header.Get("Content-Encoding") != "" {
		t.Error("a short answer is compressed")
	}
}

func TestProperty(t *testing.T) {
	t.Parallel()
	c := setup(t)
	id := c.create(`{"displayName":"a\"ü","lastConnectionDateTime":"2016-12-31T23:58:36.6670033-08:00"}`)
	item := "/v1.0" + partners + "/" + id
	for path, want := range map[string]string{
		"/displayName":        `{"@odata.context":"` + c.server.URL() + `/v1.0/$metadata#deviceManagement/remoteAssistancePartners('` + id + `')/displayName","value":"a\"ü"}`,
		"/displayName/$value": `a"ü`, "/id/$value": id, "/onboardingStatus/$value": "notOnboarded", "/lastConnectionDateTime/$value": "2016-12-31T23:58:36.6670033-08:00",
	} {
		if a := c.want(200, c.do("GET", item+path, "")); a.body != want || a.header.Get("OData-Version") != "4.0" {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	c.want(204, c.do("GET", item+"/onboardingUrl", ""))
	c.want(204, c.do("GET", item+"/onboardingUrl/$value", ""))
	c.want(400, c.do("GET", item+"/onboardingRequestExpiryDateTime", ""))
	c.want(200, c.do("GET", "/beta"+partners+"('"+id+"')/onboardingRequestExpiryDateTime", ""))
	c.want(400, c.do("GET", item+"/displayname", ""))
	c.want(400, c.do("GET", item+"/displayName?$top=1", ""))
	c.want(404, c.do("GET", "/v1.0"+partners+"/00000000-0000-0000-0000-000000000000/displayName", ""))
	c.want(406, c.do("GET", item+"/displayName/$value", "", "Accept", "image/png"))
}

// elements returns the elements of a schema, except annotations, as text.
func elements(t *testing.T, text string) []string {
	t.Helper()
	var all []string
	depth, keep := 0, false
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			if depth++; depth == 4 { // below Schema
				keep = e.Name.Local != "Annotations"
			}
			if keep {
				var attrs []string
				for _, a := range e.Attr {
					attrs = append(attrs, a.Name.Local+"="+a.Value)
				}
				slices.Sort(attrs)
				all = append(all, fmt.Sprintf("%d %s %s", depth, e.Name.Local, strings.Join(attrs, " ")))
			}
		case xml.EndElement:
			if depth--; depth == 3 {
				keep = false
			}
		}
	}
}

// distinct sorts texts and removes duplicates.
func distinct(all []string) []string {
	slices.Sort(all)
	return slices.Compact(all)
}

// The metadata needs no token and describes the entities as Microsoft's does.
func TestMetadata(t *testing.T) {
	t.Parallel()
	c := setup(t)
	c.token = ""
	for _, version := range []string{"v1.0", "beta"} {
		a := c.want(200, c.do("GET", "/"+version+"/$metadata", ""))
		if a.header.Get("Content-Type") != "application/xml" || a.header.Get("OData-Version") != "4.0" {
			t.Errorf("%s: %v", version, a.header)
		}
		var want []string
		for _, e := range entity.Served {
			if e.BetaOnly && version != "beta" {
				continue
			}
			if e.Parent != nil { // in the file of that
				continue
			}
			reference, err := os.ReadFile("../entity/testdata/csdl/" + e.Name + "-" + version + ".xml")
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, elements(t, string(reference))...)
		}
		if d := cmp.Diff(distinct(want), distinct(elements(t, a.body))); d != "" {
			t.Errorf("%s (-Microsoft's +ours):\n%s", version, d)
		}
		for _, path := range []string{"/$metadata?$format=json", "/$metadata?$format=application/json"} {
			var got map[string]any
			a := c.want(200, c.do("GET", "/"+version+path, ""))
			if err := json.Unmarshal([]byte(a.body), &got); err != nil || got["$Version"] != "4.01" || got["$EntityContainer"] != "microsoft.graph.GraphService" {
				t.Errorf("%s: %v %s", path, err, a.body)
			}
			partner := got["microsoft.graph"].(map[string]any)["remoteAssistancePartner"].(map[string]any)
			if _, ok := partner["onboardingRequestExpiryDateTime"]; ok != (version == "beta") {
				t.Errorf("%s: %v", version, partner)
			}
		}
		if a := c.want(200, c.do("GET", "/"+version, "")); a.body != `{"@odata.context":"`+c.server.URL()+"/"+version+`/$metadata","value":[{"name":"deviceManagement","kind":"Singleton","url":"deviceManagement"}]}` {
			t.Errorf("service document %s", a.body)
		}
		c.want(200, c.do("GET", "/"+version+"/", ""))
	}
	c.want(406, c.do("GET", "/v1.0/$metadata", "", "Accept", "image/png"))
	c.want(200, c.do("GET", "/v1.0/$metadata", "", "Accept", "application/json"))
	c.want(400, c.do("GET", "/v1.0/$metadata?$filter=true", ""))
	c.want(401, c.do("POST", "/v1.0/$metadata", ""))
}

// The service supports what the annotations announce and refuses what they deny.
func TestCapabilitiesTellTheTruth(t *testing.T) {
	t.Parallel()
	c := setup(t)
	metadata := c.do("GET", "/v1.0/$metadata", "").body
	says := func(term string) bool {
		t.Helper()
		_, rest, ok := strings.Cut(metadata, `Term="Org.OData.Capabilities.V1.`+term+`"`)
		_, rest, found := strings.Cut(rest, `Bool="`)
		if !ok || !found {
			t.Errorf("no annotation covers %s", term)
		}
		return strings.HasPrefix(rest, "true")
	}
	for term, option := range map[string]string{
		"CountRestrictions": "$count=true", "FilterRestrictions": "$filter=true", "SortRestrictions": "$orderby=id", "SelectSupport": "$select=id", "TopSupported": "$top=1",
		"SkipSupported": "$skip=1", "SearchRestrictions": "$search=x", "ExpandRestrictions": "$expand=x",
	} {
		if a := c.do("GET", "/v1.0"+partners+"?"+option, ""); says(term) != (a.status == http.StatusOK) {
			t.Errorf("%s: %t, but %d", option, says(term), a.status)
		}
	}
	for _, function := range odata.Functions() {
		if !strings.Contains(metadata, "<String>"+function+"</String>") {
			t.Errorf("the function %s is not named", function)
		}
	}
}
