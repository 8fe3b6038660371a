package graph

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/odata"
)

const (
	schemaName   = "microsoft.graph"
	container    = "GraphService"
	singleton    = "deviceManagement"
	capabilities = "Org.OData.Capabilities.V1"

	capabilitiesURL = "https://oasis-tcs.github.io/odata-vocabularies/vocabularies/Org.OData.Capabilities.V1"
)

// annotation is a term of the Capabilities vocabulary with its value: a bool, a string, a
// list of strings, or a record of annotations.
// https://github.com/oasis-tcs/odata-vocabularies/blob/main/vocabularies/Org.OData.Capabilities.V1.md
type annotation struct {
	term  string
	value any
}

type record []annotation

// setCapabilities says what a set supports, from the lists that its handlers use.
func setCapabilities(t *entity.Type) []annotation {
	takes := func(option string) bool { return slices.Contains(listOptions, option) }
	return []annotation{
		{"CountRestrictions", record{{"Countable", takes(odata.Count)}}},
		{"DeleteRestrictions", record{{"Deletable", !t.ReadOnly}}},
		{"ExpandRestrictions", record{{"Expandable", takes(odata.Expand) && len(t.Children()) > 0}}},
		{"FilterFunctions", odata.Functions()},
		{"FilterRestrictions", record{{"Filterable", takes(odata.Filter)}}},
		{"IndexableByKey", true},
		{"InsertRestrictions", record{{"Insertable", !t.ReadOnly}}},
		{"SearchRestrictions", record{{"Searchable", takes("$search")}}},
		{"SelectSupport", record{{"Supported", takes(odata.Select)}}},
		{"SkipSupported", takes(odata.Skip)},
		{"SortRestrictions", record{{"Sortable", takes(odata.OrderBy)}}},
		{"TopSupported", takes(odata.Top)},
		{"UpdateRestrictions", record{{"Updatable", !t.ReadOnly}, {"Upsertable", false}}},
	}
}

// containerCapabilities says what the service supports.
func containerCapabilities() []annotation {
	return []annotation{
		{"AsynchronousRequestsSupported", false},
		{"BatchSupport", record{{"Supported", true}, {"SupportedFormats", []string{"application/json"}}}},
		{"CrossJoinSupported", false},
		{"KeyAsSegmentSupported", true},
		{"SupportedFormats", []string{
			"application/json;odata.metadata=minimal;IEEE754Compatible=false", "application/json;odata.metadata=none;IEEE754Compatible=false",
			"application/json;odata.metadata=full;IEEE754Compatible=false",
		}},
	}
}

// sorted returns the properties of an entity in metadata, by name. The key is absent,
// because it belongs to the base type.
func (v version) sorted(t *entity.Type) []entity.Property {
	properties := slices.DeleteFunc(slices.Clone(t.Properties), func(p entity.Property) bool { return !p.In(v.beta) })
	slices.SortFunc(properties, func(a, b entity.Property) int { return strings.Compare(a.Name, b.Name) })
	return properties
}

// types returns the entities, enumerations and complex types in metadata, each once.
type types struct {
	entities []*entity.Type
	enums    []*odata.EnumType
	complex  []*entity.Complex
}

func (v version) types() types {
	t := types{entities: v.entities()}
	for _, e := range t.entities {
		for _, p := range v.sorted(e) {
			if p.Enum != nil {
				t.addEnum(p.EnumIn(v.beta))
			}
			if p.Object != nil {
				t.addComplex(p.Object, v)
			}
		}
	}
	return t
}

func (t *types) addEnum(enum *odata.EnumType) {
	if !slices.ContainsFunc(t.enums, func(e *odata.EnumType) bool { return e.Name == enum.Name }) {
		t.enums = append(t.enums, enum)
	}
}

// addComplex adds a complex type, the types of its members, and its derived types.
func (t *types) addComplex(c *entity.Complex, v version) {
	if slices.Contains(t.complex, c) {
		return
	}
	t.complex = append(t.complex, c)
	for _, m := range v.members(c) {
		if m.Enum != nil {
			t.addEnum(m.EnumType())
		}
		if m.Object != nil {
			t.addComplex(m.Object, v)
		}
	}
	for _, d := range c.Derived {
		t.addComplex(d, v)
	}
}

// members returns the members that a complex type doesn't inherit.
func (v version) members(c *entity.Complex) []entity.Member {
	return slices.DeleteFunc(slices.Clone(c.Properties), func(m entity.Member) bool { return m.BetaOnly && !v.beta })
}

// actions returns the actions of an entity that are part of Graph.
func actions(t *entity.Type) []entity.Action {
	return slices.DeleteFunc(slices.Clone(t.Actions), func(a entity.Action) bool { return a.ByPartner })
}

// metadata answers with the description of the service (Protocol 11.1.2), as XML or, if the
// client prefers it, as JSON. As in Microsoft Graph, it needs no token.
func (s *server) metadata(x *exchange) error {
	q, err := odata.ParseQuery(x.Request.URL.RawQuery, odata.Resource{Options: []string{odata.Format}})
	if err != nil {
		return err
	}
	if err := x.checkVersions(); err != nil {
		return err
	}
	if err := x.checkPreconditions(); err != nil {
		return err
	}
	wanted := []string{q.Format}
	if q.Format == "" {
		wanted = append(acceptable(strings.Join(x.Request.Header.Values("Accept"), ",")), "")
		if len(wanted) > 1 {
			wanted = wanted[:len(wanted)-1]
		}
	}
	x.setHeader("OData-Version", "4.0")
	for _, w := range wanted {
		media, _, _ := strings.Cut(strings.ToLower(w), ";")
		switch media {
		case "", "xml", "application/xml", "text/xml", "*/*", "application/*", "text/*":
			x.Data(http.StatusOK, "application/xml", x.version.metadataXML())
			return nil
		case "json", "application/json":
			x.Data(http.StatusOK, "application/json", x.version.metadataJSON())
			return nil
		}
	}
	return errNotAcceptable(strings.Join(wanted, ", "))
}

// serviceDocument answers with the list of sets and singletons (Protocol 11.1.1).
func (s *server) serviceDocument(x *exchange) error {
	q, err := odata.ParseQuery(x.Request.URL.RawQuery, odata.Resource{Options: []string{odata.Format}})
	if err != nil {
		return err
	}
	if err := x.negotiate(q.Format); err != nil {
		return err
	}
	if err := x.checkPreconditions(); err != nil {
		return err
	}
	b := []byte{'{'}
	if x.format.metadata != "none" {
		b = append(entity.AppendString(append(b, `"@odata.context":`...), x.versionURL()+"$metadata"), ',')
	}
	b = append(b, `"value":[{"name":"`+singleton+`","kind":"Singleton","url":"`+singleton+`"}]}`...)
	x.writeJSON(http.StatusOK, b)
	return nil
}

// element is an element in the XML form.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []element
}

func node(name string, attrs ...string) element {
	e := element{XMLName: xml.Name{Local: name}}
	for i := 0; i < len(attrs); i += 2 {
		e.Attrs = append(e.Attrs, attr(attrs[i], attrs[i+1]))
	}
	return e
}

func (e element) with(children ...element) element {
	e.Children = append(e.Children, children...)
	return e
}

// metadataXML returns the CSDL XML 4.0 of a version.
func (v version) metadataXML() []byte {
	t := v.types()
	schema := node("Schema", "Namespace", schemaName, "Alias", "graph", "xmlns", "http://docs.oasis-open.org/odata/ns/edm")
	for _, enum := range t.enums {
		schema = schema.with(enumXML(enum))
	}
	for _, c := range t.complex {
		schema = schema.with(v.complexXML(c))
	}
	root := node("EntityType", "Name", singleton, "BaseType", "graph.entity")
	for _, e := range t.entities {
		if e.Parent == nil {
			root = root.with(navigationXML(e))
		}
	}
	schema = schema.with(
		node("EntityType", "Name", "entity", "Abstract", "true").with(
			node("Key").with(node("PropertyRef", "Name", "id")),
			node("Property", "Name", "id", "Type", "Edm.String", "Nullable", "false"),
		),
		root,
	)
	for _, e := range t.entities {
		schema = schema.with(v.entityXML(e))
	}
	for _, e := range t.entities {
		for _, action := range actions(e) {
			schema = schema.with(node("Action", "Name", action.Name, "IsBound", "true").with(
				node("Parameter", "Name", "bindingParameter", "Type", "graph."+e.Name)))
		}
	}
	for _, e := range t.entities {
		for _, f := range e.Functions {
			schema = schema.with(functionXML(e, f))
		}
	}
	schema = schema.with(node("EntityContainer", "Name", container).with(node("Singleton", "Name", singleton, "Type", schemaName+"."+singleton)))
	for _, e := range t.entities {
		if e.Singleton {
			continue
		}
		schema = schema.with(annotations(setTarget(e), setCapabilities(e)))
	}
	schema = schema.with(annotations(schemaName+"."+container, containerCapabilities()))
	document := node("edmx:Edmx", "Version", "4.0", "xmlns:edmx", "http://docs.oasis-open.org/odata/ns/edmx").with(
		node("edmx:Reference", "Uri", capabilitiesURL+".xml").with(node("edmx:Include", "Namespace", capabilities, "Alias", "Capabilities")),
		node("edmx:DataServices").with(schema),
	)
	text, err := xml.MarshalIndent(document, "", "  ")
	if err != nil {
		panic(err) // only elements and texts, which can't fail
	}
	return append([]byte(xml.Header), text...)
}

// setTarget names a set for annotations: by the type that it is a property of.
func setTarget(t *entity.Type) string {
	if t.Parent != nil {
		return schemaName + "." + t.Parent.Name + "/" + t.Set
	}
	return schemaName + "." + t.Set
}

func navigationXML(t *entity.Type) element {
	return node("NavigationProperty", "Name", t.SetName(), "Type", navigationType(t), "ContainsTarget", "true")
}

func navigationJSON(t *entity.Type) object {
	return object{"$Kind": "NavigationProperty", "$Collection": !t.Singleton, "$Type": "graph." + t.Name, "$ContainsTarget": true}
}

// navigationType returns the type of the property that leads to an entity.
func navigationType(t *entity.Type) string {
	if t.Singleton {
		return "graph." + t.Name
	}
	return "Collection(graph." + t.Name + ")"
}

func enumXML(enum *odata.EnumType) element {
	e := node("EnumType", "Name", strings.TrimPrefix(enum.Name, schemaName+"."))
	if enum.Flags {
		e.Attrs = append(e.Attrs, attr("IsFlags", "true"))
	}
	for i, member := range enum.Members {
		e = e.with(node("Member", "Name", member, "Value", strconv.Itoa(enum.Value(i))))
	}
	return e
}

func (v version) complexXML(c *entity.Complex) element {
	e := node("ComplexType", "Name", c.Name)
	if c.Base != nil {
		e.Attrs = append(e.Attrs, attr("BaseType", "graph."+c.Base.Name))
	}
	if c.Abstract {
		e.Attrs = append(e.Attrs, attr("Abstract", "true"))
	}
	for _, m := range v.members(c) {
		e = e.with(propertyXML(m.Name, m.TypeName(), m.Enum == nil))
	}
	return e
}

func (v version) entityXML(t *entity.Type) element {
	e := node("EntityType", "Name", t.Name, "BaseType", "graph.entity")
	for _, p := range v.sorted(t) {
		e = e.with(propertyXML(p.Name, p.TypeName(), p.MayBeNull()))
	}
	for _, c := range t.Children() {
		e = e.with(navigationXML(c))
	}
	return e
}

// functionXML describes a function as Graph's metadata does.
func functionXML(t *entity.Type, f entity.Function) element {
	e := node("Function", "Name", f.Name, "IsBound", "true").with(node("Parameter", "Name", "bindingParameter", "Type", navigationType(t)))
	if f.Parameter != "" {
		e = e.with(node("Parameter", "Name", f.Parameter, "Type", odata.String.String(), "Unicode", "false"))
	}
	return e.with(node("ReturnType", "Type", "Collection("+odata.String.String()+")", "Unicode", "false"))
}

func functionJSON(t *entity.Type, f entity.Function) object {
	parameters := []object{{"$Name": "bindingParameter", "$Type": "graph." + t.Name, "$Collection": true}}
	if f.Parameter != "" {
		parameters = append(parameters, object{"$Name": f.Parameter, "$Nullable": true, "$Unicode": false})
	}
	return object{"$Kind": "Function", "$IsBound": true, "$Parameter": parameters, "$ReturnType": object{"$Collection": true, "$Nullable": true, "$Unicode": false}}
}

func propertyXML(name, typeName string, nullable bool) element {
	e := node("Property", "Name", name, "Type", typeName)
	if !nullable {
		e.Attrs = append(e.Attrs, attr("Nullable", "false"))
	}
	return e
}

func attr(name, value string) xml.Attr { return xml.Attr{Name: xml.Name{Local: name}, Value: value} }

func annotations(target string, all []annotation) element {
	e := node("Annotations", "Target", target)
	for _, a := range all {
		e = e.with(annotated(node("Annotation", "Term", capabilities+"."+a.term), a.value))
	}
	return e
}

// annotated sets the value of an annotation or of a part of one.
func annotated(e element, value any) element {
	switch v := value.(type) {
	case bool:
		e.Attrs = append(e.Attrs, attr("Bool", strconv.FormatBool(v)))
		return e
	case []string:
		list := node("Collection")
		for _, s := range v {
			text := node("String")
			text.Text = s
			list = list.with(text)
		}
		return e.with(list)
	case record:
		r := node("Record")
		for _, part := range v {
			r = r.with(annotated(node("PropertyValue", "Property", part.term), part.value))
		}
		return e.with(r)
	}
	panic("an annotation of no known kind")
}

// object is an object in the JSON form.
type object = map[string]any

// metadataJSON returns the CSDL JSON 4.01 of a version.
func (v version) metadataJSON() []byte {
	t := v.types()
	schema := object{
		"$Alias":  "graph",
		"entity":  object{"$Kind": "EntityType", "$Abstract": true, "$Key": []string{"id"}, "id": object{}},
		container: object{"$Kind": "EntityContainer", singleton: object{"$Type": schemaName + "." + singleton}},
	}
	root := object{"$Kind": "EntityType", "$BaseType": "graph.entity"}
	sets := object{schemaName + "." + container: annotationsJSON(containerCapabilities(), capabilities)}
	for _, enum := range t.enums {
		e := object{"$Kind": "EnumType"}
		if enum.Flags {
			e["$IsFlags"] = true
		}
		for i, member := range enum.Members {
			e[member] = enum.Value(i)
		}
		schema[strings.TrimPrefix(enum.Name, schemaName+".")] = e
	}
	for _, c := range t.complex {
		schema[c.Name] = v.complexJSON(c)
	}
	for _, e := range t.entities {
		if e.Parent == nil {
			root[e.SetName()] = navigationJSON(e)
		}
		if !e.Singleton {
			sets[setTarget(e)] = annotationsJSON(setCapabilities(e), capabilities)
		}
		schema[e.Name] = v.entityJSON(e)
		for _, action := range actions(e) {
			overloads, _ := schema[action.Name].([]object)
			schema[action.Name] = append(overloads, object{"$Kind": "Action", "$IsBound": true, "$Parameter": []object{{"$Name": "bindingParameter", "$Type": "graph." + e.Name}}})
		}
	}
	for _, e := range t.entities {
		for _, f := range e.Functions {
			schema[f.Name] = []object{functionJSON(e, f)}
		}
	}
	schema[singleton], schema["$Annotations"] = root, sets
	text, err := json.Marshal(object{
		"$Version": "4.01", "$EntityContainer": schemaName + "." + container,
		"$Reference": object{capabilitiesURL + ".json": object{"$Include": []object{{"$Namespace": capabilities, "$Alias": "Capabilities"}}}},
		schemaName:   schema,
	}, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		panic(err) // can't fail, like the XML
	}
	return text
}

func (v version) complexJSON(c *entity.Complex) object {
	o := object{"$Kind": "ComplexType"}
	if c.Base != nil {
		o["$BaseType"] = "graph." + c.Base.Name
	}
	if c.Abstract {
		o["$Abstract"] = true
	}
	for _, m := range v.members(c) {
		o[m.Name] = propertyJSON(m.TypeName(), m.Enum == nil)
	}
	return o
}

func (v version) entityJSON(t *entity.Type) object {
	o := object{"$Kind": "EntityType", "$BaseType": "graph.entity"}
	for _, p := range v.sorted(t) {
		o[p.Name] = propertyJSON(p.TypeName(), p.MayBeNull())
	}
	for _, c := range t.Children() {
		o[c.SetName()] = navigationJSON(c)
	}
	return o
}

func propertyJSON(typeName string, nullable bool) object {
	o := object{}
	if of, ok := strings.CutPrefix(typeName, "Collection("); ok {
		o["$Collection"] = true
		typeName = strings.TrimSuffix(of, ")")
	}
	if typeName != odata.String.String() {
		o["$Type"] = typeName
	}
	if nullable {
		o["$Nullable"] = true
	}
	return o
}

func annotationsJSON(all []annotation, namespace string) map[string]any {
	object := map[string]any{}
	for _, a := range all {
		name := a.term
		if namespace != "" {
			name = "@" + namespace + "." + name
		}
		object[name] = a.value
		if r, ok := a.value.(record); ok {
			object[name] = annotationsJSON(r, "")
		}
	}
	return object
}
