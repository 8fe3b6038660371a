package entity_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// assignment has a member with an abstract type, as the assignments of partners do.
var assignment = &entity.Complex{Name: "assignment", Properties: []entity.Member{
	{Name: "target", Object: entity.AssignmentTarget},
	{Name: "note", Max: 3},
	{Name: "mode", EnumName: "mode", Enum: []string{"none", "some"}, BetaOnly: true},
}}

const all, group, include = `"@odata.type":"#microsoft.graph.allDevicesAssignmentTarget"`, `"@odata.type":"#microsoft.graph.groupAssignmentTarget"`, `"deviceAndAppManagementAssignmentFilterType":"include"`

// A collection of complex values is kept with the type and every member of each. A version
// reads and writes only its own members.
func TestObjects(t *testing.T) {
	t.Parallel()
	const unset = `"deviceAndAppManagementAssignmentFilterId":null,"deviceAndAppManagementAssignmentFilterType":"none"`
	for _, tt := range []struct {
		raw  string
		beta bool
		kept string // or the refusal
	}{
		{raw: `[]`, beta: true, kept: `[]`},
		{raw: `[{}]`, beta: true, kept: `[{"target":null,"note":null,"mode":"none"}]`},
		{raw: `[{"note":"äöü","@odata.type":"#microsoft.graph.assignment","a@b":1},{"target":null}]`, beta: false, kept: `[{"target":null,"note":"äöü","mode":"none"},{"target":null,"note":null,"mode":"none"}]`},
		{raw: `[{"mode":"some"}]`, beta: true, kept: `[{"target":null,"note":null,"mode":"some"}]`},
		{raw: `[{"target":{` + all + `}}]`, beta: false, kept: `[{"target":{` + all + `,` + unset + `},"note":null,"mode":"none"}]`},
		{raw: `[{"target":{"@odata.type":"microsoft.graph.groupAssignmentTarget","groupId":"g",` + include + `}}]`, beta: true, kept: `[{"target":{` + group + `,"deviceAndAppManagementAssignmentFilterId":null,` + include + `,"groupId":"g"},"note":null,"mode":"none"}]`},
		{raw: `[` + strings.Repeat(`{},`, 999) + `{}]`, beta: true, kept: `[` + strings.Repeat(`{"target":null,"note":null,"mode":"none"},`, 999) + `{"target":null,"note":null,"mode":"none"}]`},
		{raw: `[` + strings.Repeat(`{},`, 1000) + `{}]`, beta: true, kept: `: The collection has 1001 items; at most 1000 are allowed.`},
		{raw: `{}`, beta: true, kept: `: A value that is not a collection was found. A 'StartArray' node was expected.`},
		{raw: `[1]`, beta: true, kept: `: An unexpected value was found for a 'microsoft.graph.assignment'. A 'StartObject' node was expected.`},
		{raw: `[{"mode":"some"}]`, beta: false, kept: `mode: The property 'mode' does not exist on type 'microsoft.graph.assignment'. Make sure to only use property names that are defined by the type.`},
		{raw: `[{"z":1,"b":1,"y":1}]`, beta: true, kept: `b: The property 'b' does not exist on type 'microsoft.graph.assignment'. Make sure to only use property names that are defined by the type.`},
		{raw: `[{"mode":"other"}]`, beta: true, kept: `mode: Requested value 'other' was not found.`},
		{raw: `[{"mode":null}]`, beta: true, kept: `mode: Cannot convert the literal 'null' to the expected type 'graph.mode'.`},
		{raw: `[{"note":1}]`, beta: true, kept: `note: Cannot convert the literal '1' to the expected type 'Edm.String'.`},
		{raw: `[{"note":"äöüß"}]`, beta: true, kept: `note: The value of the property 'note' has 4 characters; at most 3 are allowed.`},
		{raw: `[{"note":"\u0000"}]`, beta: true, kept: `note: The value of the property 'note' holds the character U+0000, which is not supported.`},
		{raw: `[{"target":{}}]`, beta: true, kept: `@odata.type: A value of the abstract type 'microsoft.graph.deviceAndAppManagementAssignmentTarget' was found. Name the type derived from it in '@odata.type'.`},
		{raw: `[{"target":{"@odata.type":1}}]`, beta: true, kept: `@odata.type: The value 1 is not the name of a type.`},
		{raw: `[{"target":{"@odata.type":"#microsoft.graph.deviceAndAppManagementAssignmentTarget"}}]`, beta: true, kept: `@odata.type: A type named 'microsoft.graph.deviceAndAppManagementAssignmentTarget' could not be resolved by the model. When a model is available, each type name must resolve to a valid type.`},
	} {
		got, err := entity.ReadObjects(assignment, jsontext.Value(tt.raw), tt.beta)
		var fault *entity.Fault
		if errors.As(err, &fault) {
			got = fault.Member + ": " + fault.Message
		}
		if got != tt.kept {
			t.Errorf("%.100s, beta %t:\n got %.300s\nwant %.300s", tt.raw, tt.beta, got, tt.kept)
		}
	}
}

// Of several members that don't exist, the first in the alphabet is refused, whatever else there is.
func TestUnknownMembers(t *testing.T) {
	t.Parallel()
	for range 64 { // members are looked at in random order
		_, err := entity.ReadObjects(assignment, jsontext.Value(`[{"target":null,"b":1,"note":null,"a":1}]`), true)
		var fault *entity.Fault
		if !errors.As(err, &fault) || fault.Member != "a" {
			t.Fatal(err)
		}
	}
}

// Kept values are written in the order of the description, with the members of the version, and
// with the names of types if the client asks for these.
func TestKeptObjects(t *testing.T) {
	t.Parallel()
	// As jsonb orders it.
	const kept = `[{"mode": "some", "note": "n", "target": {"groupId": "g", "@odata.type": "#microsoft.graph.groupAssignmentTarget", "deviceAndAppManagementAssignmentFilterId": null, "deviceAndAppManagementAssignmentFilterType": "include"}}, {"mode": "none", "note": null, "target": null}]`
	for form, want := range map[entity.Form]string{
		{}:                        `[{"target":{"groupId":"g"},"note":"n"},{"target":null,"note":null}]`,
		{Typed: true}:             `[{"target":{` + group + `,"groupId":"g"},"note":"n"},{"target":null,"note":null}]`,
		{Beta: true}:              `[{"target":{"deviceAndAppManagementAssignmentFilterId":null,` + include + `,"groupId":"g"},"note":"n","mode":"some"},{"target":null,"note":null,"mode":"none"}]`,
		{Beta: true, Typed: true}: `[{"target":{` + group + `,"deviceAndAppManagementAssignmentFilterId":null,` + include + `,"groupId":"g"},"note":"n","mode":"some"},{"target":null,"note":null,"mode":"none"}]`,
	} {
		p := entity.Objects("assignments", "assignments", assignment)
		if got := string(p.AppendJSON([]byte("x"), entity.Value{Text: kept}, form)); got != "x"+want {
			t.Errorf("%+v:\n got %s\nwant %s", form, got, want)
		}
		one := entity.Property{Name: "assignment", Kind: entity.ObjectKind, Object: assignment}
		first, _, _ := strings.Cut(kept[1:], `}, {"mode"`)
		want, _, _ = strings.Cut(want[1:], `},{"target":null`)
		if got := string(one.AppendJSON(nil, entity.Value{Text: first + "}"}, form)); got != want+"}" {
			t.Errorf("%+v:\n got %s\nwant %s", form, got, want+"}")
		}
	}
}

// A collection of texts takes null for an empty collection, and no null in one.
func TestStrings(t *testing.T) {
	t.Parallel()
	p := entity.Strings("tags", "tags", 3, "0")
	if got := string(p.AppendJSON(nil, p.Default(), entity.Form{})); got != `["0"]` {
		t.Errorf("by default %s", got)
	}
	for raw, want := range map[string]string{
		`null`:             `[]`,
		`[]`:               `[]`,
		`["äöü", "b", ""]`: `["äöü","b",""]`,
		`[` + strings.Repeat(`"a",`, 999) + `"a"]`:  `[` + strings.Repeat(`"a",`, 999) + `"a"]`,
		`[` + strings.Repeat(`"a",`, 1000) + `"a"]`: `The collection has 1001 items; at most 1000 are allowed.`,
		`"a"`:         `A value that is not a collection was found. A 'StartArray' node was expected.`,
		`["a",null]`:  `A null value was found in a collection of 'Edm.String[Nullable=False]', which does not allow null values.`,
		`[1]`:         `Cannot convert the literal '1' to the expected type 'Edm.String'.`,
		`["\u0000x"]`: `An item holds the character U+0000, which is not supported.`,
		`["äöüß"]`:    `An item has 4 characters; at most 3 are allowed.`,
	} {
		got, err := entity.ReadStrings(3, jsontext.Value(raw))
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%.40s: %.100s, want %.100s", raw, got, want)
		}
	}
}

// Values are written as Graph's JSON and as .NET's texts in audit events.
func TestValues(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 17, 6, 7, 890_000_000, time.FixedZone("", -90*60))
	status := entity.Enum("s", "s", "status", "status", "unset", "set", "new").BetaMembers("new")
	flags := entity.Flags("f", "f", "parts", "none", "logo", "name", "link")
	for _, tt := range []struct {
		p                 entity.Property
		v                 entity.Value
		json, beta, audit string
	}{
		{p: entity.Text("t", "t", 9), v: entity.Value{Text: "a\"\\\x1f \x7fé"}, json: `"a\"\\\u001f ` + "\x7f" + `é"`, beta: "", audit: `[T=a"\` + "\x1f \x7f" + `é]`},
		{p: entity.Text("t", "t", 9), v: entity.Value{Null: true}, json: `null`, beta: "", audit: `[T]`},
		{p: entity.Boolean("b", "b"), v: entity.BoolValue(true), json: `true`, beta: "", audit: `[B=True]`},
		{p: entity.Integer("i", "i", 5), v: entity.Value{Number: -10}, json: `-10`, beta: "", audit: `[I=-10]`},
		{p: entity.Date("d", "d"), v: entity.DateValue(at), json: `"2026-03-04T17:06:07.89-01:30"`, beta: "", audit: `[D=3/4/2026 6:36:07 PM]`},
		{p: status, v: entity.Value{Text: "set"}, json: `"set"`, beta: "", audit: `[S=Set]`},
		{p: status, v: entity.Value{Text: "new"}, json: `"unknownFutureValue"`, beta: `"new"`, audit: `[S=New]`},
		{p: flags, v: entity.Value{Number: 5}, json: `"logo,link"`, beta: "", audit: `[F=Logo, Link]`},
		{p: flags, v: entity.Value{}, json: `"none"`, beta: "", audit: `[F=None]`},
		{p: entity.HiddenID("g", "g"), v: entity.Value{Text: guid}, json: `"` + guid + `"`, beta: "", audit: `[G=` + guid + `]`},
		{p: entity.Strings("l", "l", 9), v: entity.Value{Text: `["a", "b"]`}, json: `["a","b"]`, beta: "", audit: `[$Collection.L[0]=a $Collection.L[1]=b]`},
		{p: entity.Objects("o", "o", assignment), v: entity.Value{Null: true}, json: `null`, beta: "", audit: `[]`},
		{
			p:     entity.Objects("o", "o", assignment),
			v:     entity.Value{Text: `[{"target":{` + group + `,` + include + `,"groupId":"g"},"note":null,"mode":"some"}]`},
			json:  `[{"target":{"groupId":"g"},"note":null}]`,
			beta:  `[{"target":{"deviceAndAppManagementAssignmentFilterId":,` + include + `,"groupId":"g"},"note":null,"mode":"some"}]`,
			audit: `[$Collection.O[0].Target.Type=GroupAssignmentTarget $Collection.O[0].Target.DeviceAndAppManagementAssignmentFilterId $Collection.O[0].Target.DeviceAndAppManagementAssignmentFilterType=Include $Collection.O[0].Target.GroupId=g $Collection.O[0].Note $Collection.O[0].Mode=Some]`,
		},
	} {
		for beta, want := range map[bool]string{false: tt.json, true: tt.beta} {
			if beta && want == "" {
				want = tt.json
			}
			if got := string(tt.p.AppendJSON(nil, tt.v, entity.Form{Beta: beta})); got != want {
				t.Errorf("%s, beta %t: %s, want %s", tt.p.Name, beta, got, want)
			}
		}
		var audit []string
		for _, a := range tt.p.AuditTexts(tt.v) {
			if a.Text != nil {
				a.Name += "=" + *a.Text
			}
			audit = append(audit, a.Name)
		}
		if got := fmt.Sprint(audit); got != tt.audit {
			t.Errorf("%s: %q, want %q", tt.p.Name, got, tt.audit)
		}
	}
}

// A date has two columns, and collections and complex values aren't primitive.
func TestColumns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		p         entity.Property
		primitive bool
		columns   []string
	}{
		{p: entity.Text("t", "a", 9), primitive: true, columns: []string{"a"}},
		{p: entity.Date("d", "a"), primitive: true, columns: []string{"a_ticks", "a_offset"}},
		{p: entity.Strings("s", "a", 9), primitive: false, columns: []string{"a"}},
		{p: entity.Objects("o", "a", assignment), primitive: false, columns: []string{"a"}},
		{p: entity.Property{Kind: entity.ObjectKind, Column: "a"}, primitive: false, columns: []string{"a"}},
	} {
		if got := tt.p.IsPrimitive(); got != tt.primitive {
			t.Errorf("%s is primitive: %t", tt.p.Name, got)
		}
		if diff := cmp.Diff(tt.columns, tt.p.Columns()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.p.Name, diff)
		}
	}
}

// A property that a new entity's body leaves out is null if it may be, or else has its default.
func TestDefaults(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]entity.Property{
		`null`:                   entity.Text("t", "t", 9),
		`""`:                     entity.Text("t", "t", 9).NotNull(),
		`"first"`:                entity.Enum("e", "e", "e", "e", "first", "second"),
		`"second"`:               entity.Enum("e", "e", "e", "e", "first", "second").Starting("second"),
		`"0001-01-01T00:00:00Z"`: entity.Date("d", "d"),
		`5`:                      entity.Integer("i", "i", 5),
		`false`:                  entity.Boolean("b", "b"),
		`"none"`:                 entity.Flags("f", "f", "f", "none", "all"),
		`["0"]`:                  entity.Strings("s", "s", 9, "0"),
	} {
		if got := string(p.AppendJSON(nil, p.Default(), entity.Form{})); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// A text is written as package jsontext would, even one that isn't valid UTF-8.
func TestTextsAreQuoted(t *testing.T) {
	t.Parallel()
	for c := range 0x100 {
		for _, text := range []string{string(rune(c)), string([]byte{byte(c)})} {
			want, _ := jsontext.AppendQuote(nil, text) // says that it isn't valid, but writes it
			if got := string(entity.AppendString(nil, text)); got != string(want) {
				t.Errorf("%q: %s, want %s", text, got, want)
			}
		}
	}
}

// Expressions take the members of complex values that are texts, in the versions that have them.
func TestQueryable(t *testing.T) {
	t.Parallel()
	for beta, want := range map[bool]string{
		false: "id displayName componentName activity activityDateTime activityType activityOperationType activityResult correlationId category " +
			"actor{auditActorType -userPermissions applicationId applicationDisplayName userPrincipalName servicePrincipalName ipAddress userId} " +
			"resources*{displayName auditResourceType resourceId -modifiedProperties}",
		true: "id displayName componentName activity activityDateTime activityType activityOperationType activityResult correlationId category " +
			"actor{type auditActorType -userPermissions applicationId applicationDisplayName userPrincipalName servicePrincipalName ipAddress userId remoteTenantId remoteUserId -userRoleScopeTags} " +
			"resources*{displayName type auditResourceType resourceId -modifiedProperties}",
	} {
		if got := describe(entity.AuditEvent.Queryable(beta)); got != want {
			t.Errorf("beta %t:\n got %s\nwant %s", beta, got, want)
		}
	}
	nested := entity.Objects("o", "o", assignment)
	empty := entity.Objects("e", "e", &entity.Complex{Name: "empty"})
	got := describe([]odata.Property{nested.Queried(true), nested.Queried(false), empty.Queried(true)})
	if want := "o*{target{deviceAndAppManagementAssignmentFilterId -deviceAndAppManagementAssignmentFilterType} note -mode} o*{-target note} -e*"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// describe lists properties with their members; - marks those that expressions don't take, and * collections.
func describe(all []odata.Property) string {
	var names []string
	for _, p := range all {
		name := p.Name
		if p.SelectOnly {
			name = "-" + name
		}
		if p.Collection {
			name += "*"
		}
		if p.Members != nil {
			name += "{" + describe(p.Members) + "}"
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// An action sets its values, relative to the time of the call.
func TestActionValues(t *testing.T) {
	t.Parallel()
	e := &entity.RemoteAssistancePartner
	now := time.Date(2026, 3, 4, 5, 6, 7, 891_234_500, time.FixedZone("", 3600))
	for name, want := range map[string]map[string]string{
		"beginOnboarding": {"onboardingStatus": `"onboarding"`, "onboardingRequestExpiryDateTime": `"2026-03-11T04:06:07.8912345Z"`},
		"disconnect":      {"onboardingStatus": `"notOnboarded"`, "onboardingRequestExpiryDateTime": `"0001-01-01T00:00:00Z"`},
		"heartbeat":       {"onboardingStatus": `"onboarded"`, "lastConnectionDateTime": `"2026-03-04T04:06:07.8912345Z"`},
	} {
		action, ok := e.FindAction(name)
		if !ok {
			t.Fatalf("there is no action %s", name)
		}
		values, named := action.Values(e, now)
		got := map[string]string{}
		for i, p := range e.Properties {
			if named[i] {
				got[p.Name] = string(p.AppendJSON(nil, values[i], entity.Form{}))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if _, ok := e.FindAction("terminate"); ok {
		t.Error("a partner has another's action")
	}
	var moved []string
	for _, i := range e.Moved() {
		moved = append(moved, e.Properties[i].Name)
	}
	if diff := cmp.Diff([]string{"onboardingUrl", "onboardingStatus", "lastConnectionDateTime", "onboardingRequestExpiryDateTime"}, moved); diff != "" {
		t.Errorf("moved by actions (-want +got):\n%s", diff)
	}
	terminate, _ := entity.DeviceManagementPartner.FindAction("terminate")
	if got := terminate.States(&entity.DeviceManagementPartner); len(got) != 6 {
		t.Errorf("terminate has an effect in %q", got)
	}
	begin, _ := e.FindAction("beginOnboarding")
	test, _ := entity.NotificationMessageTemplate.FindAction("sendTestMessage")
	if diff := cmp.Diff([][]string{{"notOnboarded"}, nil}, [][]string{begin.States(e), test.States(&entity.NotificationMessageTemplate)}); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

func TestAbsoluteURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"https://example.com": true, "http://x/y?z": true, "HTTP://x": true,
		"": false, "x": false, "//x/y": false, "ftp://x": false, "https:///x": false, "https:x": false, "http://[": false,
	} {
		if got := entity.AbsoluteURL(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
