package entity

import "github.com/mocktenant/mocktenant/internal/odata"

// Complex describes a complex type, whose values are parts of an entity.
type Complex struct {
	Name       string // without its namespace
	Base       *Complex
	Abstract   bool
	Properties []Member   // in the order of an answer, without those of Base
	Derived    []*Complex // the types directly derived from it
}

// Member is a property of a complex type: a text, an enumeration if Enum is set, another
// complex value if Object is set, or, with Many, a collection of these, which no body has.
// Texts, complex values and collections may be null.
type Member struct {
	Name     string
	Max      int // characters of a text
	Object   *Complex
	Many     bool
	Enum     []string // the enumeration's members, the default first
	EnumName string   // without its namespace
	Values   []int    // the values of the enumeration's members; nil means 0, 1, …
	BetaOnly bool
}

// EnumType returns the enumeration of a member.
func (m Member) EnumType() *odata.EnumType {
	return &odata.EnumType{Name: Namespace + "." + m.EnumName, Members: m.Enum, Values: m.Values}
}

// TypeName returns the type of a member as metadata names it, with the alias graph.
func (m Member) TypeName() string {
	name := odata.String.String()
	switch {
	case m.Enum != nil:
		name = "graph." + m.EnumName
	case m.Object != nil:
		name = "graph." + m.Object.Name
	}
	if m.Many {
		return "Collection(" + name + ")"
	}
	return name
}

// Members returns the properties of a type, with those of its base types first.
func (c *Complex) Members() []Member {
	if c.Base == nil {
		return c.Properties
	}
	return append(append([]Member(nil), c.Base.Members()...), c.Properties...)
}

// Resolve finds a type by its name without namespace: c itself or one derived from it. ok is
// false for an unknown and for an abstract type.
func (c *Complex) Resolve(name string) (found *Complex, ok bool) {
	if name == c.Name {
		return c, !c.Abstract
	}
	for _, d := range c.Derived {
		if found, ok := d.Resolve(name); ok {
			return found, true
		}
	}
	return nil, false
}

// AssignmentTarget describes the groups, users or devices of an assignment.
var AssignmentTarget = derive(&Complex{
	Name: "deviceAndAppManagementAssignmentTarget", Abstract: true,
	Properties: []Member{
		{Name: "deviceAndAppManagementAssignmentFilterId", Max: maxID, BetaOnly: true},
		{Name: "deviceAndAppManagementAssignmentFilterType", EnumName: "deviceAndAppManagementAssignmentFilterType", Enum: []string{"none", "include", "exclude"}, BetaOnly: true},
	},
},
	&Complex{Name: "allDevicesAssignmentTarget"},
	&Complex{Name: "allLicensedUsersAssignmentTarget"},
	&Complex{Name: "configurationManagerCollectionAssignmentTarget", Properties: []Member{{Name: "collectionId", Max: maxID}}},
	derive(&Complex{Name: "groupAssignmentTarget", Properties: []Member{{Name: "groupId", Max: maxID}}},
		&Complex{Name: "exclusionGroupAssignmentTarget"}),
)

// maxID is the maximum length of an id that is a text, in characters. The limit is ours: no
// source names one.
const maxID = 256

// derive makes types derived from a base and returns the base.
func derive(base *Complex, derived ...*Complex) *Complex {
	for _, d := range derived {
		d.Base = base
	}
	base.Derived = derived
	return base
}
