package graph_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/entity/sample"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// entityClient calls one set in one version.
type entityClient struct {
	*client
	entity *entity.Type
	beta   bool
	within string // the path of the parent of what another entity contains
}

// everyEntity runs a test for each entity in each version.
func everyEntity(t *testing.T, test func(entityClient)) {
	t.Helper()
	for _, e := range entity.All {
		for _, beta := range []bool{false, true} {
			if e.BetaOnly && !beta || e.Singleton {
				continue
			}
			t.Run(fmt.Sprintf("%s beta=%t", e.Name, beta), func(t *testing.T) {
				t.Parallel()
				c := entityClient{client: setup(t), entity: e, beta: beta}
				c.enterParent()
				test(c)
			})
		}
	}
}

// everyEntityOnce calls bench for each entity, in beta.
func everyEntityOnce(b *testing.B, bench func(*testing.B, entityClient)) {
	for _, e := range entity.All {
		if e.Singleton {
			continue
		}
		b.Run(e.Name, func(b *testing.B) {
			c := entityClient{client: setup(b), entity: e, beta: true}
			c.enterParent()
			bench(b, c)
		})
	}
}

// enterParent makes the entity that contains these, if one does.
func (c *entityClient) enterParent() {
	if c.entity.Parent != nil {
		c.within = c.entity.Parent.Set + "/" + decode[partner](c.client, c.want(201, c.do("POST", "/beta/"+c.entity.Parent.Set, `{}`))).ID + "/"
	}
}

func (c entityClient) path() string {
	if c.beta {
		return "/beta/" + c.within + c.entity.Set
	}
	return "/v1.0/" + c.within + c.entity.Set
}

// properties returns the properties of the version.
func (c entityClient) properties() (all []entity.Property) {
	for _, p := range c.entity.Properties {
		if p.In(c.beta) {
			all = append(all, p)
		}
	}
	return all
}

// body returns a body with the nth sample of every property that a client may set.
func (c entityClient) body(n int) map[string]any { return sample.Body(c.entity, c.beta, n) }

// least is the least body that a create takes.
func (c entityClient) least() string {
	if c.entity.KeyPart != "" {
		return fmt.Sprintf(`{%q:"en-us"}`, c.entity.KeyPart)
	}
	return `{}`
}

func text(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wantValues fails the test unless an answer has exactly the values of a body.
func (c entityClient) wantValues(a answer, body map[string]any) {
	c.Helper()
	got := decode[map[string]any](c.client, a)
	delete(got, "@odata.context")
	delete(got, "@odata.type")
	delete(got, "id")
	for _, p := range c.properties() {
		if _, named := body[p.Name]; p.ReadOnly && !named {
			delete(got, p.Name)
		}
	}
	if len(got) != len(body) {
		c.Errorf("the answer has %q, want %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(body)))
	}
	for name, want := range body {
		if text := comparable(c, got[name]); text != comparable(c, want) {
			c.Errorf("%s is %s, want %s", name, text, comparable(c, want))
		}
	}
}

// comparable returns a value without the members of complex values that only beta has.
func comparable(t testing.TB, v any) string {
	t.Helper()
	if list, ok := v.([]any); ok {
		for _, item := range list {
			object, _ := item.(map[string]any)
			if target, ok := object["target"].(map[string]any); ok {
				delete(target, "deviceAndAppManagementAssignmentFilterId")
				delete(target, "deviceAndAppManagementAssignmentFilterType")
			}
		}
	}
	return text(t, v)
}

// Every entity has the life cycle of Graph's pages: it is created, read, listed, counted,
// filtered and ordered by each of its properties, updated, acted on and deleted.
func TestLifeCycle(t *testing.T) {
	t.Parallel()
	everyEntity(t, func(c entityClient) {
		first := c.want(201, c.do("POST", c.path(), text(c, c.body(1))))
		c.wantValues(first, c.body(1))
		id := decode[struct{ ID string }](c.client, first).ID
		defaults := c.want(201, c.do("POST", c.path(), c.least()))
		item := c.path() + "/" + id
		c.wantValues(c.want(200, c.do("GET", item, "")), c.body(1))
		if n := c.do("GET", c.path()+"/$count", "").body; n != "2" {
			c.Errorf("count %s", n)
		}
		for _, p := range c.properties() {
			c.checkProperty(p, id)
		}
		c.wantValues(c.want(200, c.do("PATCH", item, text(c, c.body(2)))), c.body(2))
		c.checkDefaults(defaults)
		c.checkActions(item)
		c.want(204, c.do("DELETE", item, ""))
		c.want(404, c.do("GET", item, ""))
		c.want(404, c.do("PATCH", item, `{}`))
		c.want(404, c.do("DELETE", item, ""))
	})
}

// checkProperty reads a property alone, selects it, filters and orders by it.
func (c entityClient) checkProperty(p entity.Property, id string) {
	c.Helper()
	if !p.ReadOnly {
		got := decode[struct{ Value any }](c.client, c.want(200, c.do("GET", c.path()+"/"+id+"/"+p.Name, "")))
		if want := comparable(c, c.body(1)[p.Name]); comparable(c, got.Value) != want {
			c.Errorf("%s is %v, want %s", p.Name, got.Value, want)
		}
	}
	selected := decode[map[string]any](c.client, c.want(200, c.do("GET", c.path()+"/"+id+"?$select="+p.Name, "")))
	if _, ok := selected[p.Name]; !ok || selected["id"] != nil {
		c.Errorf("selected: %v", selected)
	}
	if q := p.Queried(c.beta); q.SelectOnly || q.Collection {
		c.want(400, c.do("GET", c.path()+"?$orderby="+p.Name, ""))
		if !q.SelectOnly {
			c.checkItems(p, id)
		}
		return
	}
	if p.ReadOnly {
		c.want(200, c.do("GET", c.path()+"?$orderby="+p.Name+"%20desc", ""))
		return
	}
	c.checkOrder(p, id)
	literal := strings.ReplaceAll(fmt.Sprint(c.body(1)[p.Name]), "'", "''")
	if t, _ := p.EDM(); t == odata.String || t == odata.Enum {
		literal = "'" + literal + "'"
	}
	found := decode[struct{ Value []struct{ ID string } }](c.client, c.want(200, c.do("GET", c.path()+"?$filter="+url.QueryEscape(p.Name+" eq "+literal), "")))
	if len(found.Value) != 1 || found.Value[0].ID != id {
		c.Errorf("%s eq %s finds %v, want %s", p.Name, literal, found.Value, id)
	}
}

// checkItems asks for items of a collection, of which the entity of samples alone has some.
func (c entityClient) checkItems(p entity.Property, id string) {
	c.Helper()
	if p.Kind == entity.ObjectsKind {
		c.want(200, c.do("GET", c.path()+"?$filter="+p.Name+"/any()", ""))
		c.want(400, c.do("GET", c.path()+"?$filter="+p.Name+"/any(o:o%20eq%20null)", ""))
		return
	}
	for filter, want := range map[string]bool{
		"/any(t:t eq 'text 1')": true, "/any(t:t eq 'text')": false, "/all(t:t eq 'text 1' or startswith(t,'O''N'))": true, "/all(t:t eq 'text 1')": false,
		"/any()": true, "/any(t:" + p.Name + "/all(u:t le u) and id eq '" + id + "')": true,
	} {
		list := c.want(200, c.do("GET", c.path()+"?$filter="+url.QueryEscape(p.Name+filter), ""))
		if strings.Contains(list.body, `"id":"`+id+`"`) != want {
			c.Errorf("%s%s finds %s: %v, want %v", p.Name, filter, id, !want, want)
		}
	}
}

// checkOrder orders by a property the entity of samples and one of defaults, which are less,
// except an enumeration's that begins with another member.
func (c entityClient) checkOrder(p entity.Property, id string) {
	c.Helper()
	ids := func(direction string) (all []string) {
		list := c.want(200, c.do("GET", c.path()+"?$orderby="+p.Name+"%20"+direction, ""))
		for _, item := range decode[struct{ Value []struct{ ID string } }](c.client, list).Value {
			all = append(all, item.ID)
		}
		return all
	}
	ascending, descending := ids("asc"), ids("desc")
	if slices.Reverse(ascending); !slices.Equal(ascending, descending) || len(descending) == 0 {
		c.Errorf("%s: descending %q, ascending backwards %q", p.Name, descending, ascending)
	} else if p.Initial.Text == "" && descending[0] != id {
		c.Errorf("%s: the greatest is %s, want %s", p.Name, descending[0], id)
	}
}

// checkDefaults checks an entity whose body named nothing.
func (c entityClient) checkDefaults(a answer) {
	c.Helper()
	got := decode[map[string]any](c.client, a)
	for _, p := range c.properties() {
		var want any
		switch {
		case p.Nullable:
		case p.Name == c.entity.KeyPart:
			want = "en-us"
		case p.Kind == entity.EnumKind:
			want = p.Default().Text
		case p.Kind == entity.FlagsKind:
			want = p.Enum.Members[0]
		case p.Kind == entity.DateKind:
			want = "0001-01-01T00:00:00Z"
		case p.Kind == entity.BooleanKind:
			want = false
		case p.Kind == entity.TextKind:
			want = ""
		case p.Kind == entity.IntegerKind:
			want = float64(p.Initial.Number)
		case p.Kind == entity.StringsKind:
			_ = json.Unmarshal([]byte(p.Initial.Text), &want)
		}
		if p.Stamped {
			if stamp, _ := got[p.Name].(string); !strings.HasSuffix(stamp, "Z") || strings.HasPrefix(stamp, "0001") {
				c.Errorf("%s is stamped with %v", p.Name, got[p.Name])
			}
			continue
		}
		if text(c, got[p.Name]) != text(c, want) {
			c.Errorf("%s is %v by default, want %v", p.Name, got[p.Name], want)
		}
	}
}

// checkActions runs each action that is part of Graph, from a state in which it has an
// effect. It checks that the other actions are refused.
func (c entityClient) checkActions(item string) {
	c.Helper()
	for _, a := range c.entity.Actions {
		path := item + "/" + a.Name
		if a.ByPartner {
			c.want(400, c.do("POST", path, ""))
			continue
		}
		if c.entity.State == "" { // it changes nothing that can be read
			c.want(204, c.do("POST", path, ""))
			continue
		}
		c.want(200, c.do("PATCH", item, fmt.Sprintf(`{%q:%q}`, c.entity.State, a.States(c.entity)[0])))
		c.want(204, c.do("POST", path, ""))
		state := decode[map[string]any](c.client, c.do("GET", item, ""))[c.entity.State]
		if want := a.To[c.entity.State].Value.Text; state != want {
			c.Errorf("after %s it is %v, want %s", a.Name, state, want)
		}
		c.want(404, c.do("POST", c.path()+"/00000000-0000-0000-0000-000000000001/"+a.Name, ""))
	}
}

// Every invalid value of every property is refused by name, in a create and in an update,
// and changes nothing.
func TestBadValues(t *testing.T) {
	t.Parallel()
	everyEntity(t, func(c entityClient) {
		made := c.want(201, c.do("POST", c.path(), text(c, c.body(1))))
		item := c.path() + "/" + decode[struct{ ID string }](c.client, made).ID
		refused := func(name, value, message string) {
			body := fmt.Sprintf(`{%q:%s}`, name, value)
			for method, path := range map[string]string{"POST": c.path(), "PATCH": item} {
				got := decode[errorDocument](c.client, c.want(http.StatusBadRequest, c.do(method, path, body))).Error
				if got.Code != "ModelValidationFailure" || got.Target == "" || got.Message != message {
					c.Errorf("%s %.80s: %+v, want %s", method, body, got, message)
				}
			}
		}
		unknown := func(name string) string {
			return fmt.Sprintf("The property '%s' does not exist on type '%s'. Make sure to only use property names that are defined by the type.", name, c.entity.Service)
		}
		for _, p := range c.entity.Properties {
			if !p.In(c.beta) {
				refused(p.Name, text(c, sample.Value(p, 1)), unknown(p.Name))
				continue
			}
			for bad, message := range badValues(p) {
				refused(p.Name, bad, message)
			}
		}
		refused("unknown", "1", unknown("unknown"))
		refused("@odata.type", `"#microsoft.graph.user"`, notResolved("microsoft.graph.user"))
		c.wantValues(c.want(200, c.do("GET", item, "")), c.body(1))
	})
}

func notResolved(name string) string {
	return fmt.Sprintf("A type named '%s' could not be resolved by the model. When a model is available, each type name must resolve to a valid type.", name)
}

// badValues returns values that a property can't have, each with the message of its refusal.
func badValues(p entity.Property) map[string]string {
	const (
		object = "An unexpected 'StartObject' node was found when reading from the JSON reader. A 'PrimitiveValue' node was expected."
		array  = "An unexpected 'StartArray' node was found when reading from the JSON reader. A 'PrimitiveValue' node was expected."
		single = "A value that is not a collection was found. A 'StartArray' node was expected."
	)
	edm := strings.Replace(p.TypeName(), "graph.", "microsoft.graph.", 1)
	bad := map[string]string{`{"a":1}`: object, `[]`: array}
	convert := func(literals ...string) {
		for _, l := range literals {
			bad[l] = fmt.Sprintf("Cannot convert the literal '%s' to the expected type '%s'.", strings.Trim(l, `"`), edm)
		}
	}
	notFound := func(lists map[string]string) {
		for list, member := range lists {
			bad[list] = fmt.Sprintf("Requested value '%s' was not found.", member)
		}
	}
	tooLong := fmt.Sprintf(" has %d characters; at most %d are allowed.", p.Max+1, p.Max)
	if convert("7.5"); p.IsCollection() {
		bad = map[string]string{`{"a":1}`: single, `7.5`: single, `"x"`: single}
	}
	if !p.Nullable && p.Kind != entity.StringsKind {
		bad["null"] = fmt.Sprintf("A null value was found for the property named '%s', which has the expected type '%s[Nullable=False]'. The expected type '%[2]s[Nullable=False]' does not allow null values.", p.Name, edm)
	}
	switch p.Kind {
	case entity.TextKind:
		convert("true")
		bad[`"\u0000"`] = fmt.Sprintf("The value of the property '%s' holds the character U+0000, which is not supported.", p.Name)
		bad[`"`+strings.Repeat("x", p.Max+1)+`"`] = "The value of the property '" + p.Name + "'" + tooLong
	case entity.URLKind:
		for _, text := range []string{"no url", "ftp://example.com"} {
			bad[`"`+text+`"`] = fmt.Sprintf("The value '%s' of the property '%s' is not an absolute http or https URL.", text, p.Name)
		}
		const start = "https://example.com/"
		bad[`"`+start+strings.Repeat("x", p.Max+1-len(start))+`"`] = "The value of the property '" + p.Name + "'" + tooLong
	case entity.EnumKind:
		bad[`""`] = "Must specify valid information for parsing in the string."
		notFound(map[string]string{`"nothing"`: "nothing"})
	case entity.FlagsKind:
		convert("1")
		notFound(map[string]string{`""`: "", `"nothing"`: "nothing", `"` + p.Enum.Members[1] + `,nothing"`: "nothing", `"` + p.Enum.Members[1] + `,"`: ""})
	case entity.DateKind:
		convert(`""`, `"yesterday"`, `"2016-13-01T00:00:00Z"`, `"10000-01-01T00:00:00Z"`)
	case entity.BooleanKind:
		convert(`"true"`, `1`)
	case entity.IntegerKind:
		convert(`1.5`, `1e1`, `2147483648`, `-2147483649`, `true`)
		bad[`"1"`] = "Cannot convert a string to the expected type 'Edm.Int32'."
	case entity.StringsKind:
		badTexts(bad, tooLong)
	case entity.ObjectsKind:
		badObjects(bad, p.Object)
	}
	return bad
}

// badTexts adds collections of texts with an item that can't be.
func badTexts(bad map[string]string, tooLong string) {
	for _, item := range []string{"1", "[]", "{}"} {
		bad["["+item+"]"] = "Cannot convert the literal '" + item + "' to the expected type 'Edm.String'."
	}
	bad["[null]"] = "A null value was found in a collection of 'Edm.String[Nullable=False]', which does not allow null values."
	bad[`["\u0000"]`] = "An item holds the character U+0000, which is not supported."
	bad[`["`+strings.Repeat("x", 257)+`"]`] = "An item" + tooLong
	bad["["+strings.Repeat(`"x",`, 10_000)+`"x"]`] = "The collection has 10001 items; at most 1000 are allowed."
}

// badObjects adds collections of complex values with an item that can't be.
func badObjects(bad map[string]string, c *entity.Complex) {
	undefined := func(name, of string) string {
		return fmt.Sprintf("The property '%s' does not exist on type 'microsoft.graph.%s'. Make sure to only use property names that are defined by the type.", name, of)
	}
	bad["[1]"] = "An unexpected value was found for a 'microsoft.graph." + c.Name + "'. A 'StartObject' node was expected."
	bad[`[{"unknown":1}]`] = undefined("unknown", c.Name)
	bad["["+strings.Repeat("{},", 1000)+"{}]"] = "The collection has 1001 items; at most 1000 are allowed."
	if c.Properties[0].Object != entity.AssignmentTarget {
		return
	}
	for target, message := range map[string]string{
		`{}`: "A value of the abstract type 'microsoft.graph.deviceAndAppManagementAssignmentTarget' was found. Name the type derived from it in '@odata.type'.",
		`{"@odata.type":"#microsoft.graph.user"}`:                                     notResolved("microsoft.graph.user"),
		`{"@odata.type":"#microsoft.graph.scopeTagGroupAssignmentTarget"}`:            notResolved("microsoft.graph.scopeTagGroupAssignmentTarget"),
		`{"@odata.type":"#microsoft.graph.groupAssignmentTarget","groupId":7}`:        "Cannot convert the literal '7' to the expected type 'Edm.String'.",
		`{"@odata.type":"#microsoft.graph.groupAssignmentTarget","collectionId":"x"}`: undefined("collectionId", "groupAssignmentTarget"),
	} {
		bad[`[{"target":`+target+`}]`] = message
	}
}

// The request on Graph's page for device management partners gets the page's answer, except
// for types that follow from the context (docs/divergences.md).
func TestDeviceManagementPartnerExample(t *testing.T) {
	t.Parallel()
	c := setup(t)
	shown := map[string]string{
		"lastHeartbeatDateTime": `"2016-12-31T23:59:37.9174975-08:00"`,
		"partnerState":          `"unavailable"`,
		"partnerAppType":        `"singleTenantApp"`,
		"singleTenantAppId":     `"Single Tenant App Id value"`,
		"displayName":           `"Display Name value"`,
		"isConfigured":          `true`,
		"whenPartnerDevicesWillBeRemovedDateTime":              `"2016-12-31T23:56:38.2655023-08:00"`,
		"whenPartnerDevicesWillBeMarkedAsNonCompliantDateTime": `"2016-12-31T23:58:42.2131231-08:00"`,
		"groupsRequiringPartnerEnrollment":                     `[{"@odata.type":"microsoft.graph.deviceManagementPartnerAssignment","target":{"@odata.type":"microsoft.graph.configurationManagerCollectionAssignmentTarget","collectionId":"Collection Id value"}}]`,
	}
	a := c.want(201, c.do("POST", "/v1.0/deviceManagement/deviceManagementPartners", `{"@odata.type":"#microsoft.graph.deviceManagementPartner",`+documented(&entity.DeviceManagementPartner, shown)+`}`))
	shown["groupsRequiringPartnerEnrollment"] = `[{"target":{"@odata.type":"#microsoft.graph.configurationManagerCollectionAssignmentTarget","collectionId":"Collection Id value"}}]`
	want := `{"@odata.context":"` + c.server.URL() + `/v1.0/$metadata#deviceManagement/deviceManagementPartners/$entity","id":"` + decode[struct{ ID string }](c, a).ID + `",` + documented(&entity.DeviceManagementPartner, shown) + `}`
	if a.body != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	beta := c.do("GET", "/beta/deviceManagement/deviceManagementPartners/"+decode[struct{ ID string }](c, a).ID+"/groupsRequiringPartnerEnrollment", "", "Accept", "application/json;odata.metadata=none")
	if want := `{"value":[{"target":{"deviceAndAppManagementAssignmentFilterId":null,"deviceAndAppManagementAssignmentFilterType":"none","collectionId":"Collection Id value"}}]}`; beta.body != want {
		t.Errorf("in beta %s\nwant %s", beta.body, want)
	}
}

// Each set has its own permissions: a token with a read permission reads, one with a write
// permission writes, and any other does neither.
func TestPermissionsOfSets(t *testing.T) {
	t.Parallel()
	everyEntity(t, func(c entityClient) {
		families := []string{"DeviceManagementServiceConfig", "DeviceManagementConfiguration", "DeviceManagementApps", "DeviceManagementRBAC", "DeviceManagementManagedDevices"}
		for _, family := range families {
			for _, scope := range []string{family + ".Read.All", family + ".ReadWrite.All"} {
				as := "Bearer " + c.issue(c.userToken(scope))
				status := map[bool]int{true: 200, false: 403}[slices.Contains(c.entity.Read, scope)]
				c.want(status, c.do("GET", c.path(), "", "Authorization", as))
				status = map[bool]int{true: 201, false: 403}[slices.Contains(c.entity.Write, scope)]
				c.want(status, c.do("POST", c.path(), fmt.Sprintf(`{%q:"%s"}`, cmp.Or(c.entity.KeyPart, "@odata.id"), scope), "Authorization", as))
			}
		}
	})
}
