// Package entity describes the entities of Graph, each in one place: its names, its
// properties and their limits, who may call it, and its actions. The queries and their
// Go come from here (package gen), and so do the routes, bodies, query options,
// metadata, documents and reports, which loop over All.
package entity

import (
	"slices"
	"strings"

	"github.com/mocktenant/mocktenant/internal/odata"
)

// Namespace qualifies the names of Graph's types.
const Namespace = "microsoft.graph"

// Type describes an entity type and the one set that holds it.
type Type struct {
	Name        string // of the type, without its namespace
	Set         string // the path of the set below the version
	Table       string // in Postgres
	Noun        string // what error texts call one of them
	Service     string // the namespace by which Intune's error texts name it
	Gateway     string // the part of Intune behind it, as error texts show it
	Description string // one sentence, for readers of the schema

	// Parent is the entity that contains the set, whose path is then its name below one of
	// the parent's. ParentID is the property that keeps the parent's key, and KeyPart the one
	// that completes it to a ComposedKeys key.
	Parent            *Type
	ParentID, KeyPart string

	// Chosen is the property that is true for at most one entity of a parent, and Shown the
	// parent's property that shows the KeyPart of that one; "" without any.
	Chosen, Shown string

	// BetaOnly takes the set out of v1.0.
	BetaOnly bool

	// Gathered lets concurrent calls share statements, because very many come at once.
	// Other sets have a statement for each call, and a third of the generated code.
	Gathered bool

	Keys Keys

	// Singleton says that the set is one entity, which always exists.
	Singleton bool

	// BuiltIn is the property that marks entities which nobody may change or delete; ""
	// without any.
	BuiltIn string

	// Typed says that an answer shows the type though it follows from the context.
	Typed bool

	Read, Write []string // permissions, the least privileged first

	Properties []Property // in the order of an answer; the key isn't among them
	State      string     // the property that actions move; "" without any
	Actions    []Action
}

// Property is a property of an entity.
type Property struct {
	Name, Column string
	Kind         Kind
	Max          int             // characters of a Text, a URL or each of Strings
	Enum         *odata.EnumType // of an Enum
	EnumV1       *odata.EnumType // in v1.0, if that has fewer members
	EnumSQL      string          // its type in Postgres
	Object       *Complex        // of Objects
	Initial      Value           // the default of Strings, an Integer, and an Enum that doesn't begin with it
	Nullable     bool
	BetaOnly     bool
	Hidden       bool   // Graph doesn't have it
	ReadOnly     bool   // bodies may name it, to no effect
	Stamped      bool   // a creation sets it to its time
	Restamped    bool   // a change, too
	Description  string // one sentence, for readers of the schema
}

// Action is an action that is bound to one entity and takes no parameter.
type Action struct {
	Name   string
	Change string   // what the history calls it
	From   []string // the states in which it has an effect; nil: all

	// To holds what it sets, by the names of properties.
	To map[string]Setting

	// Refused are the states in which it is an error, and Refusal is its text.
	Refused []string
	Refusal string

	// ByPartner says that the other side does it: the administration has it, Graph
	// doesn't.
	ByPartner bool
}

// Setting is a value that an action sets: a constant, or an instant relative to the
// time of the call.
type Setting struct {
	Value Value
	Now   bool  // the time of the call, plus
	After int64 // so many ticks of 100 ns
}

// All lists every entity, in the order in which they were added.
var All = []*Type{
	&RemoteAssistancePartner, &DeviceManagementPartner, &DeviceCategory, &ComplianceManagementPartner, &MobileThreatDefenseConnector, &NdesConnector,
	&TermsAndConditions, &DeviceAndAppManagementAssignmentFilter, &RoleScopeTag, &RemoteAssistanceSettings,
	&NotificationMessageTemplate, &LocalizedNotificationMessage, // a parent comes before what it contains
}

// Children are the entities whose sets an entity contains.
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
	i := slices.IndexFunc(All, func(t *Type) bool { return t.SetName() == setName })
	if i < 0 {
		return nil, false
	}
	return All[i], true
}

// QualifiedName is the name of the type with its namespace.
func (t *Type) QualifiedName() string { return Namespace + "." + t.Name }

// SetName is the last segment of the set's path.
func (t *Type) SetName() string { return t.Set[strings.LastIndexByte(t.Set, '/')+1:] }

// In reports whether a version of Graph has a property.
func (p *Property) In(beta bool) bool { return !p.Hidden && (beta || !p.BetaOnly) }

// Index is the place of a property in Properties, or -1.
func (t *Type) Index(name string) int {
	return slices.IndexFunc(t.Properties, func(p Property) bool { return p.Name == name })
}

// Defaults are the values of an entity that a client creates without naming any.
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
		if slices.ContainsFunc(t.Actions, func(a Action) bool { _, sets := a.To[p.Name]; return sets }) {
			moved = append(moved, i)
		}
	}
	return moved
}
