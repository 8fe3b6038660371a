// Package entity describes the entities of Graph, each in one place: its names, its
// properties and their limits, its permissions and its actions. Package gen generates the
// queries and their Go code from these descriptions. Routes, bodies, query options, metadata,
// documents and reports loop over All.
package entity

import (
	"slices"
	"strings"

	"github.com/mocktenant/mocktenant/internal/odata"
)

// Namespace qualifies the names of Graph's types.
const Namespace = "microsoft.graph"

// Type describes an entity type and its only set.
type Type struct {
	Name        string // of the type, without its namespace
	Set         string // the path of the set below the version
	Table       string // in Postgres
	Noun        string // the name of one entity in error texts
	Service     string // its namespace in Intune's error texts
	Gateway     string // the part of Intune that serves it, in error texts
	Description string // one sentence, for readers of the schema

	// Parent is the entity that contains the set; the set's path then follows the path of one
	// such entity. ParentID is the property with the parent's key. KeyPart is the property
	// that a key has in addition to the parent's key, if Keys is ComposedKeys.
	Parent            *Type
	ParentID, KeyPart string

	// Chosen is the property that is true for at most one entity of a parent. Shown is the
	// parent's property with that entity's KeyPart. Both may be "".
	Chosen, Shown string

	// ReadOnly says that clients only read the set. Such a set has no table and is in Served,
	// but not in All.
	ReadOnly  bool
	Functions []Function

	// AuditComponent and AuditCategory are the componentName and category of audit events about
	// the entities.
	AuditComponent, AuditCategory string

	// BetaOnly takes the set out of v1.0.
	BetaOnly bool

	// Gathered lets concurrent calls share statements, for a set with very many calls. Other
	// sets run a statement for each call, with a third of the generated code.
	Gathered bool

	Keys Keys

	// Singleton says that the set is one entity, which always exists.
	Singleton bool

	// BuiltIn is the property that marks entities which clients can't change or delete. It
	// may be "".
	BuiltIn string

	// Typed says that an answer includes the type even though the context implies it.
	Typed bool

	// Observed are the statuses that clients of Graph met instead of the documented ones.
	Observed Observed

	Read, Write []string // permissions, least privileged first

	Properties []Property // in the order of an answer; the key isn't among them
	State      string     // the property that actions move, or ""
	Actions    []Action
}

// Observed are statuses that clients met; 0 if they met the documented one, or none is known.
type Observed struct {
	Create int // instead of 201
	Delete int // instead of 204
}

// Property is a property of an entity.
type Property struct {
	Name, Column string
	Kind         Kind
	Max          int             // characters of a Text, a URL or each of Strings
	Enum         *odata.EnumType // of an Enum
	EnumV1       *odata.EnumType // the same in v1.0, if that has fewer members
	EnumSQL      string          // its type in Postgres
	Object       *Complex        // of Objects
	Initial      Value           // the default of Strings, an Integer, and an Enum that doesn't begin with it
	Nullable     bool
	BetaOnly     bool
	Hidden       bool   // only the service has it, not Graph
	ReadOnly     bool   // bodies may contain it, without effect
	Stamped      bool   // the time of the creation
	Restamped    bool   // the time of the last change
	Description  string // one sentence, for readers of the schema
}

// Action is an action that is bound to one entity and has no parameters.
type Action struct {
	Name   string
	Change string   // its name in the history
	From   []string // the states in which it has an effect; nil means all

	// To has the values that the action sets, by property.
	To map[string]Setting

	// Refused are the states in which the action is an error, and Refusal is the error's text.
	Refused []string
	Refusal string

	// Link is the property that gets the link to the partner's page, if the tenant has such pages
	// and the entity has no link or one to such a page. It may be "".
	Link string

	// ByPartner marks an action of the partner, which only the administration offers.
	ByPartner bool
}

// Function is a function that is bound to a set and returns texts.
type Function struct {
	Name      string
	Parameter string // a text; "" without any
	Values    func(argument string) []string
}

// Setting is a value that an action sets: a constant, or an instant relative to the
// time of the call.
type Setting struct {
	Value Value
	Now   bool  // the instant is the time of the call plus After
	After int64 // in ticks of 100 ns
}

// All lists every entity in the order in which they were added. A parent comes before the
// entities that it contains.
var All = []*Type{
	&RemoteAssistancePartner, &DeviceManagementPartner, &DeviceCategory, &ComplianceManagementPartner, &MobileThreatDefenseConnector, &NdesConnector,
	&TermsAndConditions, &DeviceAndAppManagementAssignmentFilter, &RoleScopeTag, &RemoteAssistanceSettings,
	&NotificationMessageTemplate, &LocalizedNotificationMessage,
}

// Served lists every entity that Graph serves: All, and those that clients only read.
var Served = append(slices.Clip(All), &AuditEvent)

// Children returns the entities whose sets an entity contains.
func (t *Type) Children() (all []*Type) {
	for _, c := range All {
		if c.Parent == t {
			all = append(all, c)
		}
	}
	return all
}

// Find returns the entity whose set has a name, such as remoteAssistancePartners.
func Find(setName string) (*Type, bool) {
	return find(All, setName)
}

// FindServed returns the entity of Served whose set has a name.
func FindServed(setName string) (*Type, bool) { return find(Served, setName) }

func find(all []*Type, setName string) (*Type, bool) {
	i := slices.IndexFunc(all, func(t *Type) bool { return t.SetName() == setName })
	if i < 0 {
		return nil, false
	}
	return all[i], true
}

// QualifiedName returns the name of the type with its namespace.
func (t *Type) QualifiedName() string { return Namespace + "." + t.Name }

// SetName returns the last segment of the set's path.
func (t *Type) SetName() string { return t.Set[strings.LastIndexByte(t.Set, '/')+1:] }

// In reports whether a version of Graph has a property.
func (p *Property) In(beta bool) bool { return !p.Hidden && (beta || !p.BetaOnly) }

// Index returns the index of a property in Properties, or -1.
func (t *Type) Index(name string) int {
	return slices.IndexFunc(t.Properties, func(p Property) bool { return p.Name == name })
}

// Queryable lists what query options may name in a version: the key and the properties.
func (t *Type) Queryable(beta bool) []odata.Property {
	all := []odata.Property{{Name: "id", Type: odata.String}}
	for i := range t.Properties {
		if p := &t.Properties[i]; p.In(beta) {
			all = append(all, p.Queried(beta))
		}
	}
	return all
}

// Defaults returns the values of an entity that a client creates with an empty body.
func (t *Type) Defaults() []Value {
	values := make([]Value, len(t.Properties))
	for i := range t.Properties {
		values[i] = t.Properties[i].Default()
	}
	return values
}

// FindAction returns an action by its name.
func (t *Type) FindAction(name string) (*Action, bool) {
	i := slices.IndexFunc(t.Actions, func(a Action) bool { return a.Name == name })
	if i < 0 {
		return nil, false
	}
	return &t.Actions[i], true
}

// Moved lists the properties that actions set, in the order of Properties.
func (t *Type) Moved() (moved []int) {
	for i, p := range t.Properties {
		if slices.ContainsFunc(t.Actions, func(a Action) bool { _, sets := a.To[p.Name]; return sets || a.Link == p.Name }) {
			moved = append(moved, i)
		}
	}
	return moved
}
