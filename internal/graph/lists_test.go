package graph_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// query returns the path of a list with these options, given in pairs.
func query(options ...string) string {
	v := url.Values{}
	for i := 0; i < len(options); i += 2 {
		v.Set(options[i], options[i+1])
	}
	return "/v1.0" + partners + "?" + v.Encode()
}

// names returns the display names in a query's answer.
func (c *client) names(path string) []string {
	c.Helper()
	var all []string
	for _, p := range decode[list](c, c.want(200, c.do("GET", path, ""))).Value {
		name := "null"
		if p.DisplayName != nil {
			name = *p.DisplayName
		}
		all = append(all, name)
	}
	return all
}

// These filters cover each section of the standard (URL Conventions 5.1.1), over partners
// named for their part in them.
func TestFilter(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for _, body := range []string{
		`{"displayName":"a","onboardingStatus":"onboarded","lastConnectionDateTime":"2016-12-31T23:58:36.6670033-08:00"}`,
		`{"displayName":"B","onboardingStatus":"onboarding","onboardingUrl":"https://example.com/b","lastConnectionDateTime":"2020-02-29T12:00:00Z"}`,
		`{"displayName":"stra\u00dfe O'Neil 100%"}`,
		`{}`,
	} {
		c.create(body)
	}
	const a, b, street, null = "a", "B", "straße O'Neil 100%", "null"
	for _, tt := range []struct {
		section, filter string
		want            []string
	}{
		{"5.1.1.1.1 eq", "displayName eq 'a'", []string{a}},
		{"5.1.1.1.1 eq", "displayName eq 'A'", nil},
		{"5.1.1.1.1 eq null", "displayName eq null", []string{null}},
		{"5.1.1.1.1 eq", "null eq onboardingUrl", []string{a, street, null}},
		{"5.1.1.1.1 eq enum", "onboardingStatus eq 'onboarded'", []string{a}},
		{"5.1.1.1.1 eq enum", "onboardingStatus eq microsoft.graph.remoteAssistanceOnboardingStatus'onboarding'", []string{b}},
		{"5.1.1.1.1 eq enum", "onboardingStatus eq graph.remoteAssistanceOnboardingStatus'1'", []string{b}},
		{"5.1.1.1.1 eq date", "lastConnectionDateTime eq 2017-01-01T07:58:36.6670033Z", []string{a}},
		{"5.1.1.1.1 eq date", "lastConnectionDateTime eq 2017-01-01T07:58:36.6670034Z", nil},
		{"5.1.1.1.2 ne", "displayName ne 'a'", []string{b, street, null}},
		{"5.1.1.1.3 gt", "displayName gt 'B'", []string{a, street}},
		{"5.1.1.1.3 gt date", "lastConnectionDateTime gt 2017-01-01T07:58:36.6670032Z", []string{a, b}},
		{"5.1.1.1.4 ge enum", "onboardingStatus ge 'onboarding'", []string{a, b}},
		{"5.1.1.1.5 lt null", "displayName lt null", nil},
		{"5.1.1.1.6 le", "lastConnectionDateTime le 0001-01-01T00:00:00Z", []string{street, null}},
		{"5.1.1.1.7 and", "displayName eq 'a' and onboardingStatus eq 'onboarded'", []string{a}},
		{"5.1.1.1.8 or", "displayName eq 'a' or displayName eq 'B'", []string{a, b}},
		{"5.1.1.1.9 not", "not (displayName gt 'B')", []string{b, null}},
		{"5.1.1.1.9 not", "NOT contains(displayName,'a')", []string{b}},
		{"5.1.1.1.12 in", "displayName in ('a', null)", []string{a, null}},
		{"5.1.1.1.12 in", "onboardingStatus in ('onboarded','onboarding')", []string{a, b}},
		{"5.1.1.2 arithmetic", "length(displayName) add 1 eq 2", []string{a, b}},
		{"5.1.1.2 arithmetic", "length(displayName) mul 2 div 2 mod 5 divby 2 eq 0.5", []string{a, b}},
		{"5.1.1.2 arithmetic", "lastConnectionDateTime add duration'P1D' gt 2020-03-01T00:00:00Z", []string{b}},
		{"5.1.1.2 arithmetic", "-(length(displayName)) lt -1", []string{street}},
		{"5.1.1.3 grouping", "displayName eq 'B' and (onboardingStatus eq 'onboarded' or onboardingStatus eq 'onboarding')", []string{b}},
		{"5.1.1.5.1 concat", "concat(displayName,'x') eq 'ax'", []string{a}},
		{"5.1.1.5.2 contains", "contains(displayName,'100%')", []string{street}},
		{"5.1.1.5.2 contains", "contains(displayName,'_')", nil},
		{"5.1.1.5.2 contains", "contains(displayName,'')", []string{a, b, street}},
		{"5.1.1.5.3 endswith", "endswith(onboardingUrl,'/b')", []string{b}},
		{"5.1.1.5.4 indexof", "indexof(displayName,'O''Neil') eq 7", []string{street}},
		{"5.1.1.5.5 length", "length(displayName) eq 18", []string{street}},
		{"5.1.1.5.6 startswith", "startswith(displayName,'stra')", []string{street}},
		{"5.1.1.5.7 substring", "substring(displayName,4,1) eq 'ß'", []string{street}},
		{"5.1.1.5.7 substring", "substring(displayName,-4) eq '100%'", []string{street}},
		{"5.1.1.7.2 tolower", "tolower(displayName) eq 'b'", []string{b}},
		{"5.1.1.7.3 toupper", "startswith(toupper(displayName),'STRASSE')", []string{street}},
		{"5.1.1.7.4 trim", "trim(' a\u00a0') eq displayName", []string{a}},
		{"5.1.1.8 date", "date(lastConnectionDateTime) eq 2017-01-01", []string{a}},
		{"5.1.1.8 year", "year(lastConnectionDateTime) eq 2020 and month(lastConnectionDateTime) eq 2 and day(lastConnectionDateTime) eq 29", []string{b}},
		{"5.1.1.8 hour", "hour(lastConnectionDateTime) eq 7 and minute(lastConnectionDateTime) eq 58 and second(lastConnectionDateTime) eq 36", []string{a}},
		{"5.1.1.8 fractionalseconds", "fractionalseconds(lastConnectionDateTime) eq 0.6670033", []string{a}},
		{"5.1.1.8 time", "time(lastConnectionDateTime) eq 12:00:00", []string{b}},
		{"5.1.1.8 totaloffsetminutes", "totaloffsetminutes(lastConnectionDateTime) eq -480", []string{a}},
		{"5.1.1.8 totalseconds", "totalseconds(lastConnectionDateTime sub 2020-02-29T11:59:00Z) eq 60", []string{b}},
		{"5.1.1.8 now", "lastConnectionDateTime lt now()", []string{a, b, street, null}},
		{"5.1.1.8 mindatetime", "lastConnectionDateTime eq mindatetime()", []string{street, null}},
		{"5.1.1.8 maxdatetime", "lastConnectionDateTime gt maxdatetime()", nil},
		{"5.1.1.9 round", "round(length(displayName) divby 4) eq 5", []string{street}},
		{"5.1.1.9 floor", "floor(length(displayName) divby 4) eq 4 and ceiling(length(displayName) divby 4) eq 5", []string{street}},
		{"5.1.1.10 cast", "cast(onboardingStatus,Edm.String) eq 'onboarded'", []string{a}},
		{"5.1.1.10 isof", "isof(displayName,Edm.String)", []string{a, b, street}},
		{"5.1.1.14 it", "$it/displayName eq 'a'", []string{a}},
		{"5.1.1.1.12 in nothing", "displayName in ()", nil},
		{"5.1.1.1.12 in nothing", "not (displayName in ( ))", []string{a, b, street, null}},
		{"a bare date", "lastConnectionDateTime gt 2017-01-01", []string{a, b}},
		{"a bare date", "2020-02-29 lt lastConnectionDateTime", []string{b}},
		{"a bare date", "lastConnectionDateTime in (0001-01-01)", []string{street, null}},
		{"letter case", "DisplayName eq 'a' or ONBOARDINGSTATUS eq 'onboarding'", []string{a, b}},
		{"white space", "displayName\r\neq\u00a0'a'\r\n", []string{a}},
		{"22 levels", nested(22), []string{a}},
		{"true", "true", []string{a, b, street, null}},
		{"null", "null", nil},
	} {
		filter := strings.ReplaceAll(tt.filter, `\u00a0`, "\u00a0")
		want := slices.Clone(tt.want)
		if got := c.names(query("$filter", filter)); !slices.Equal(got, want) {
			t.Errorf("%s: %s: %q, want %q", tt.section, filter, got, want)
		}
		if got := c.do("GET", "/beta"+partners+"/$count?"+url.Values{"filter": {filter}}.Encode(), ""); got.body != fmt.Sprint(len(want)) {
			t.Errorf("%s: count of %s: %s", tt.section, filter, got.body)
		}
	}
	// Aliases (5.1.1.15), "+" as a space, an encoded $, and other letter cases are
	// accepted.
	for _, path := range []string{
		"?$filter=displayName%20eq%20@p&@p='a'", "?%24filter=displayName+eq+%27a%27", "?FILTER=displayName EQ 'a'", "?$filter=displayName eq 'a;b' or displayName eq 'a'",
	} {
		if got := c.names("/v1.0" + partners + strings.ReplaceAll(path, " ", "%20")); !slices.Equal(got, []string{a}) {
			t.Errorf("%s: %q", path, got)
		}
	}
	if got := c.names(query("$filter", "displayName eq @unset")); !slices.Equal(got, []string{null}) {
		t.Errorf("an alias without a value: %q", got)
	}
}

// nested is a filter that once exhausted the memory, with two copies per level.
func nested(levels int) string {
	return strings.Repeat("length(cast(", levels) + "displayName eq 'a'" + strings.Repeat(",Edm.String)) gt 4.5e0", levels)
}

// Names may be in any letter case in query options, but not in bodies.
func TestLetterCase(t *testing.T) {
	t.Parallel()
	c := setup(t)
	c.create(`{"displayName":"a","onboardingStatus":"onboarded"}`)
	c.create(`{"displayName":"b"}`)
	if got := c.names(query("$filter", "OnboardingStatus ne null", "$orderby", "DISPLAYNAME desc", "$select", "DisplayName,id")); !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("got %q", got)
	}
	a := c.want(200, c.do("GET", query("$select", "DisplayName"), ""))
	if got := decode[list](c, a); !strings.HasSuffix(got.Context, "(displayName)") || !strings.Contains(a.body, `"displayName":"a"`) {
		t.Errorf("the names in an answer differ from the metadata: %s", a.body)
	}
	c.want(400, c.do("POST", "/v1.0"+partners, `{"DisplayName":"a"}`))
}

// Unsupported options are refused with their position, before the database is queried.
func TestBadFilter(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for _, tt := range []struct{ filter, message string }{
		{"", "Invalid filter clause: Expression expected at position 0, the end."},
		{"displayName", "The $filter expression must evaluate to a Boolean value; 'displayName' is of type Edm.String."},
		{"nonsense eq 1", "Invalid filter clause: Could not find a property named 'nonsense' on type 'microsoft.graph.remoteAssistancePartner' at position 0, before 'nonsense eq 1'."},
		{"display_name eq 'a'", "Invalid filter clause: Could not find a property named 'display_name' on type 'microsoft.graph.remoteAssistancePartner' at position 0, before 'display_name eq 'a''."},
		{"lastConnectionDateTime gt 2020-02-30", "Invalid filter clause: The literal '2020-02-30' is not valid at position 26, before '2020-02-30'."},
		{"displayName in (", "Invalid filter clause: Expression expected at position 16, the end."},
		{"onboardingRequestExpiryDateTime eq null", "Invalid filter clause: Could not find a property named 'onboardingRequestExpiryDateTime' on type 'microsoft.graph.remoteAssistancePartner' at position 0, before 'onboardingRequestExp…'."},
		{"displayName eq 1", "Invalid filter clause: A binary operator with incompatible types was detected. Found operand types 'Edm.String' and 'Edm.Int64' for operator 'eq' at position 12, before 'eq 1'."},
		{"onboardingStatus eq 'gone'", "Invalid filter clause: The string 'gone' is not a valid enumeration type constant of 'microsoft.graph.remoteAssistanceOnboardingStatus' at position 17, before 'eq 'gone''."},
		{"onboardingStatus has 'onboarded'", "Invalid filter clause: The operator 'has' takes an enumeration with flags, and its left operand has the type 'microsoft.graph.remoteAssistanceOnboardingStatus' at position 17, before 'has 'onboarded''."},
		{"displayName eq 'a", "Invalid filter clause: There is an unterminated string literal at position 15, before ''a'."},
		{"displayName eq 'a' and", "Invalid filter clause: Expected white space around the operator 'and' at position 19, before 'and'."},
		{"displayName eq 'a' xor true", "Invalid filter clause: Syntax error at position 19, before 'xor true'."},
		{"(displayName eq 'a'", "Invalid filter clause: Expected ')' at position 19, the end."},
		{"matchesPattern(displayName,'a')", "Invalid filter clause: The function 'matchesPattern' is not supported: regular expressions are not run here at position 0, before 'matchesPattern(displ…'."},
		{"nonsense(displayName)", "Invalid filter clause: An unknown function with name 'nonsense' was found at position 0, before 'nonsense(displayName…'."},
		{"contains(displayName)", "Invalid filter clause: No function signature for the function with name 'contains' matches the specified arguments (Edm.String) at position 0, before 'contains(displayName…'."},
		{"any(d:d eq 'a')", "Invalid filter clause: The function 'any' is not supported: it follows a collection and a slash at position 0, before 'any(d:d eq 'a')'."},
		{"displayName/any(d:d eq 'a')", "Invalid filter clause: The property 'displayName' is not a collection and has no properties of its own at position 11, before '/any(d:d eq 'a')'."},
		{"not displayName eq 'a'", "Invalid filter clause: A unary operator with an incompatible type was detected. Found operand type 'Edm.String' for operator 'not'; parentheses may be missing at position 0, before 'not displayName eq '…'."},
		{"lastConnectionDateTime gt 2020-13-01T00:00:00Z", "Invalid filter clause: The literal '2020-13-01T00:00:00Z' is not valid at position 26, before '2020-13-01T00:00:00Z'."},
		{"hour(2020-01-01T10:00:00+05:00) eq 5", "Invalid filter clause: The function 'hour' is answered in UTC, and its argument is in another zone at position 0, before 'hour(2020-01-01T10:0…'."},
		{"length(displayName) div 0 eq 1", "Invalid filter clause: The right operand of 'div' is zero at position 20, before 'div 0 eq 1'."},
		{"1 div length('') eq 1", "The expression can't be evaluated: division by zero."},
		{"9223372036854775807 add length('a') gt 0", "The expression can't be evaluated: bigint out of range."},
		{"displayName eq 'a\x00'", "The value of $filter is not valid UTF-8 text."},
		{"displayName eq '\xff'", "The value of $filter is not valid UTF-8 text."},
		{strings.Repeat("(", 101) + "true" + strings.Repeat(")", 101), "Invalid filter clause: The expression nests deeper than 100 levels at position 100, before '(true)))))))))))))))…'."},
		{"true" + strings.Repeat(" or true", 600), "Invalid filter clause: The expression has more than 1000 operators and operands at position 4004, before ' or true or true or …'."},
		{strings.Repeat("x", 8193), "The value of $filter has 8193 bytes; at most 8192 are allowed."},
		{"99999999999999999999999999999999999999999 gt 1", "Invalid filter clause: The literal '99999999999999999999999999999999999999999' is not valid at position 0, before '99999999999999999999…'."},
	} {
		if strings.HasPrefix(tt.filter, "1 div") || strings.HasPrefix(tt.filter, "922") {
			c.create(`{}`)
		}
		got := decode[errorDocument](c, c.want(400, c.do("GET", query("$filter", tt.filter), "")))
		if got.Error.Code != "BadRequest" || got.Error.Message != tt.message || got.Error.Target != "$filter" {
			t.Errorf("%.80s:\n got %s (%s)\nwant %s", tt.filter, got.Error.Message, got.Error.Target, tt.message)
		}
	}
	for _, orderBy := range []string{"", "nonsense", "displayName up", "displayName,", "displayName desc asc", strings.Repeat("id,", 8) + "id"} {
		if got := decode[errorDocument](c, c.want(400, c.do("GET", query("$orderby", orderBy), ""))); got.Error.Target != "$orderby" {
			t.Errorf("$orderby=%s: %s", orderBy, got.Error.Message)
		}
	}
}

// Null comes first ascending and last descending (Protocol 11.2.6.2). Text sorts by code
// points, an enumeration by its values.
func TestOrderBy(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for _, body := range []string{
		`{"displayName":"b","onboardingStatus":"notOnboarded"}`, `{"displayName":"a","onboardingStatus":"onboarded"}`, `{"onboardingStatus":"onboarding"}`,
		`{"displayName":"B","onboardingStatus":"onboarding","lastConnectionDateTime":"2020-01-01T00:00:00.0000001Z"}`,
	} {
		c.create(body)
	}
	for orderBy, want := range map[string][]string{
		"displayName":                                      {"null", "B", "a", "b"},
		"displayName desc":                                 {"b", "a", "B", "null"},
		"onboardingStatus desc, displayName asc":           {"a", "null", "B", "b"},
		"lastConnectionDateTime desc,tolower(displayName)": {"B", "null", "a", "b"},
		"length(displayName) desc, id desc":                {"B", "a", "b", "null"},
		"displayName eq 'a' desc":                          {"a", "B", "null", "b"},
	} {
		if got := c.names(query("$orderby", orderBy)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", orderBy, got, want)
		}
		// Paging returns the same order.
		var paged []string
		for link := query("$orderby", orderBy, "$top", "1"); link != ""; {
			got := decode[list](c, c.want(200, c.do("GET", strings.TrimPrefix(link, c.server.URL()), "")))
			for _, p := range got.Value {
				name := "null"
				if p.DisplayName != nil {
					name = *p.DisplayName
				}
				paged = append(paged, name)
			}
			link = got.NextLink
		}
		if !slices.Equal(paged, want) {
			t.Errorf("%s by pages: %q, want %q", orderBy, paged, want)
		}
	}
}

// While others create and delete, a walk through the pages sees each lasting partner
// exactly once, in every order.
func TestWalkUnderWriters(t *testing.T) {
	t.Parallel()
	for _, orderBy := range []string{"", "displayName", "displayName desc", "onboardingStatus,lastConnectionDateTime desc", "length(displayName) desc"} {
		t.Run(orderBy, func(t *testing.T) {
			t.Parallel()
			c := setup(t)
			stay := map[string]int{}
			for range 60 {
				stay[c.create(randomPartner())] = 0
			}
			stop := make(chan struct{})
			var wg sync.WaitGroup
			defer wg.Wait()
			defer close(stop)
			for range 2 {
				wg.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							if a := c.do("POST", "/v1.0"+partners, randomPartner()); a.status == http.StatusCreated {
								c.do("DELETE", "/v1.0"+partners+"/"+decode[partner](c, a).ID, "")
							}
						}
					}
				})
			}
			options := []string{"$top", "7", "$filter", "onboardingStatus ne 'onboarded' or true"}
			if orderBy != "" {
				options = append(options, "$orderby", orderBy)
			}
			for link := query(options...); link != ""; {
				got := decode[list](c, c.want(200, c.do("GET", strings.TrimPrefix(link, c.server.URL()), "")))
				for _, p := range got.Value {
					if _, ok := stay[p.ID]; ok {
						stay[p.ID]++
					}
				}
				if strings.ContainsAny(got.NextLink, "{}") {
					t.Errorf("a template expands %s", got.NextLink)
				}
				link = got.NextLink
			}
			for id, times := range stay {
				if times != 1 {
					t.Errorf("%s was seen %d times", id, times)
				}
			}
		})
	}
}

func randomPartner() string {
	statuses := []string{"notOnboarded", "onboarding", "onboarded"}
	name := fmt.Sprintf("%q", strings.Repeat(string(rune('a'+rand.IntN(3))), rand.IntN(3)))
	if rand.IntN(4) == 0 {
		name = "null"
	}
	return fmt.Sprintf(`{"displayName":%s,"onboardingStatus":%q,"lastConnectionDateTime":"2020-01-0%dT00:00:00.000000%dZ"}`, name, statuses[rand.IntN(3)], 1+rand.IntN(3), rand.IntN(3))
}

// A token is valid only for its tenant and query; options that don't affect the order may
// change.
func TestSkipToken(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for range 4 {
		c.create(seedExample)
	}
	link := decode[list](c, c.do("GET", query("$filter", "displayName ne null", "$orderby", "displayName", "$top", "1"), "")).NextLink
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	token := u.Query().Get("$skiptoken")
	with := func(options ...string) string { return query(append(options, "$skiptoken", token)...) }
	c.want(200, c.do("GET", with("$filter", "displayName ne null", "$orderby", "displayName", "$top", "2", "$select", "id", "$count", "true"), ""))
	flipped := []byte(token)
	flipped[30] ^= 1
	for _, path := range []string{
		with("$filter", "displayName ne null"), with("$filter", "displayName eq null", "$orderby", "displayName"), with("$orderby", "displayName"), with(),
		with("$filter", "displayName ne null", "$orderby", "displayName desc"),
		query("$filter", "displayName ne null", "$orderby", "displayName", "$skiptoken", string(flipped)),
		query("$skiptoken", "x"), query("$skiptoken", strings.Repeat("A", 5000)), query("$skiptoken", "é"),
	} {
		if got := decode[errorDocument](c, c.want(400, c.do("GET", path, ""))); got.Error.Target != "$skiptoken" {
			t.Errorf("%s: %s", path, got.Error.Message)
		}
	}
	for length, quoted := range map[int]string{40: "'" + strings.Repeat("A", 40) + "'", 41: "'" + strings.Repeat("A", 40) + "…'"} {
		if got := decode[errorDocument](c, c.want(400, c.do("GET", query("$skiptoken", strings.Repeat("A", length)), ""))); !strings.Contains(got.Error.Message, quoted) {
			t.Errorf("%d characters: %s", length, got.Error.Message)
		}
	}
}

func TestPreferences(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for range 5 {
		c.create(`{"displayName":"x"}`)
	}
	a := c.want(200, c.do("GET", "/v1.0"+partners, "", "Prefer", "respond-async, odata.maxpagesize=2; x=y, omit-values=nulls"))
	if got := a.header.Get("Preference-Applied"); got != "odata.maxpagesize=2, omit-values=nulls" {
		t.Errorf("Preference-Applied: %s", got)
	}
	if strings.Contains(a.body, "onboardingUrl") || !strings.Contains(a.body, `"displayName":"x"`) {
		t.Errorf("nulls: %s", a.body)
	}
	first := decode[list](c, a)
	second := decode[list](c, c.do("GET", strings.TrimPrefix(first.NextLink, c.server.URL()), ""))
	if len(first.Value) != 2 || len(second.Value) != 2 || second.NextLink == "" {
		t.Errorf("pages of %d and %d", len(first.Value), len(second.Value))
	}
	if got := decode[list](c, c.do("GET", "/v1.0"+partners, "", "Prefer", "maxpagesize=0")); len(got.Value) != 5 {
		t.Errorf("a page of %d", len(got.Value))
	}
	a = c.want(204, c.do("POST", "/v1.0"+partners, `{}`, "Prefer", "return=minimal"))
	if a.body != "" || a.header.Get("Preference-Applied") != "return=minimal" || a.header.Get("OData-EntityId") != a.header.Get("Location") || a.header.Get("Location") == "" {
		t.Errorf("minimal create: %v %s", a.header, a.body)
	}
	item := strings.TrimPrefix(a.header.Get("Location"), c.server.URL())
	a = c.want(204, c.do("PATCH", item, `{"displayName":"y"}`, "Prefer", "return=minimal"))
	if a.header.Get("OData-EntityId") == "" {
		t.Errorf("minimal update: %v", a.header)
	}
	a = c.want(200, c.do("PATCH", item, `{"displayName":"z"}`, "Prefer", "return=representation"))
	if a.header.Get("Preference-Applied") != "return=representation" || *decode[partner](c, a).DisplayName != "z" {
		t.Errorf("update: %v %s", a.header, a.body)
	}
}

// A tenant may have small pages, so that clients must follow links.
func TestPageSize(t *testing.T) {
	t.Parallel()
	c := setup(t)
	if _, err := c.server.Pool().Exec(t.Context(), "UPDATE tenants SET page_size = 2 WHERE id = $1", c.tenant.ID); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c.create(`{}`)
	}
	for _, top := range []string{"", "1000"} {
		path := query()
		if top != "" {
			path = query("$top", top)
		}
		if got := decode[list](c, c.do("GET", path, "")); len(got.Value) != 2 || got.NextLink == "" {
			t.Errorf("$top=%s: %d of 3, next %q", top, len(got.Value), got.NextLink)
		}
	}
}
