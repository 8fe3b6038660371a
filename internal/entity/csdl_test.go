package entity_test

import (
	"cmp"
	"encoding/xml"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// csdl holds the part of a file of Graph's metadata that descriptions repeat.
type csdl struct {
	Schema struct {
		EnumTypes []struct {
			Name    string `xml:",attr"`
			Members []struct {
				Name  string `xml:",attr"`
				Value string `xml:",attr"`
			} `xml:"Member"`
		} `xml:"EnumType"`
		ComplexTypes []structured `xml:"ComplexType"`
		EntityTypes  []structured `xml:"EntityType"`
		Actions      []struct {
			Name       string `xml:",attr"`
			Parameters []struct {
				Name string `xml:",attr"`
				Type string `xml:",attr"`
			} `xml:"Parameter"`
		} `xml:"Action"`
	} `xml:"DataServices>Schema"`
}

type structured struct {
	Name       string        `xml:",attr"`
	BaseType   string        `xml:",attr"`
	Abstract   bool          `xml:",attr"`
	Properties []propertyXML `xml:"Property"`
	Navigation []struct {
		Name string `xml:",attr"`
		Type string `xml:",attr"`
	} `xml:"NavigationProperty"`
}

// propertyXML is a property in metadata; one that doesn't say so may be null.
type propertyXML struct {
	Name     string `xml:",attr"`
	Type     string `xml:",attr"`
	Nullable string `xml:",attr"`
}

func read(t *testing.T, typeName, version string) (c csdl, ok bool) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "csdl", typeName+"-"+version+".xml"))
	if os.IsNotExist(err) {
		return c, false
	}
	if err == nil {
		err = xml.Unmarshal(text, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c, true
}

func find(types []structured, name string) (structured, bool) {
	i := slices.IndexFunc(types, func(s structured) bool { return s.Name == name })
	if i < 0 {
		return structured{}, false
	}
	return types[i], true
}

// Every description says what Graph's metadata says: the set, the properties with their
// types and whether they may be null, the members of enumerations, complex types and
// what is derived from them, and the actions.
func TestCSDL(t *testing.T) {
	t.Parallel()
	for _, e := range entity.All {
		for _, version := range []string{"v1.0", "beta"} {
			if e.BetaOnly && version != "beta" {
				continue
			}
			t.Run(e.Name+" "+version, func(t *testing.T) {
				t.Parallel()
				name := e.Name
				if e.Parent != nil {
					name = e.Parent.Name
				}
				c, ok := read(t, name, version)
				if !ok {
					t.Fatalf("no metadata of %s in %s", e.Name, version)
				}
				checkEntity(t, c, e, version == "beta")
			})
		}
	}
}

func checkEntity(t *testing.T, c csdl, e *entity.Type, beta bool) {
	t.Helper()
	var want []propertyXML
	for i := range e.Properties {
		p := &e.Properties[i]
		if !p.In(beta) {
			continue
		}
		want = append(want, propertyXML{p.Name, p.TypeName(), nullable(p.MayBeNull())})
		if p.Enum != nil {
			checkEnum(t, c, p.EnumIn(beta))
		}
		if p.Object != nil {
			checkComplex(t, c, p.Object, beta)
		}
	}
	found, _ := find(c.Schema.EntityTypes, e.Name)
	checkProperties(t, e.Name, want, found.Properties)
	of, path := "deviceManagement", e.Set
	if e.Parent != nil {
		of, path = e.Parent.Name, e.Parent.Name+"/"+e.Set
	}
	root, _ := find(c.Schema.EntityTypes, of)
	leadsTo := "Collection(graph." + e.Name + ")"
	if e.Singleton {
		leadsTo = "graph." + e.Name
	}
	if len(found.Navigation) != len(e.Children()) {
		t.Errorf("the metadata has the contained sets %+v", found.Navigation)
	}
	if len(root.Navigation) != 1 || of+"/"+root.Navigation[0].Name != path || root.Navigation[0].Type != leadsTo {
		t.Errorf("the metadata has the set %+v", root.Navigation)
	}
	checkActions(t, c, e)
}

func checkProperties(t *testing.T, of string, described, metadata []propertyXML) {
	t.Helper()
	byName := func(a, b propertyXML) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(described, byName)
	slices.SortFunc(metadata, byName)
	if !slices.Equal(described, metadata) {
		t.Errorf("%s is described with\n%+v\nthe metadata has\n%+v", of, described, metadata)
	}
}

func nullable(yes bool) string {
	if yes {
		return ""
	}
	return "false"
}

func checkEnum(t *testing.T, c csdl, enum *odata.EnumType) {
	t.Helper()
	name, members := strings.TrimPrefix(enum.Name, entity.Namespace+"."), enum.Members
	for _, e := range c.Schema.EnumTypes {
		if e.Name != name {
			continue
		}
		var got []string
		for i, m := range e.Members {
			if got = append(got, m.Name); i < len(members) && m.Value != strconv.Itoa(enum.Value(i)) {
				t.Errorf("%s: the member %s has the value %s in place %d", name, m.Name, m.Value, i)
			}
		}
		if !slices.Equal(got, members) {
			t.Errorf("%s has %q, the metadata %q", name, members, got)
		}
		return
	}
	t.Errorf("the metadata has no enumeration %s", name)
}

func checkComplex(t *testing.T, c csdl, o *entity.Complex, beta bool) {
	t.Helper()
	found, ok := find(c.Schema.ComplexTypes, o.Name)
	base := ""
	if o.Base != nil {
		base = "graph." + o.Base.Name
	}
	if !ok || found.BaseType != base || found.Abstract != o.Abstract {
		t.Errorf("%s: the metadata has %+v", o.Name, found)
	}
	var want []propertyXML
	for _, m := range o.Properties {
		if m.BetaOnly && !beta {
			continue
		}
		want = append(want, propertyXML{m.Name, m.TypeName(), nullable(m.Enum == nil)})
		if m.Enum != nil {
			checkEnum(t, c, m.EnumType())
		}
		if m.Object != nil {
			checkComplex(t, c, m.Object, beta)
		}
	}
	checkProperties(t, o.Name, want, found.Properties)
	for _, d := range o.Derived {
		checkComplex(t, c, d, beta)
	}
}

func checkActions(t *testing.T, c csdl, e *entity.Type) {
	t.Helper()
	var want, got []string
	for _, a := range e.Actions {
		if !a.ByPartner {
			want = append(want, a.Name)
		}
	}
	for _, a := range c.Schema.Actions {
		if e.Parent != nil {
			continue // of the parent, whose metadata it is
		}
		if got = append(got, a.Name); len(a.Parameters) != 1 || a.Parameters[0].Type != "graph."+e.Name {
			t.Errorf("the metadata has %s with %+v", a.Name, a.Parameters)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("actions %q are described, the metadata has %q", want, got)
	}
}
