package graph

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mocktenant/mocktenant/internal/odata"
)

const (
	schemaName   = "microsoft.graph"
	container    = "GraphService"
	singleton    = "deviceManagement"
	partnersName = "remoteAssistancePartners"
	capabilities = "Org.OData.Capabilities.V1"

	capabilitiesURL = "https://oasis-tcs.github.io/odata-vocabularies/vocabularies/Org.OData.Capabilities.V1"
)

// annotation is a term of the Capabilities vocabulary and its value: a bool, a
// string, a list of strings, or a record of such.
// https://github.com/oasis-tcs/odata-vocabularies/blob/main/vocabularies/Org.OData.Capabilities.V1.md
type annotation struct {
	term  string
	value any
}

type record []annotation

// partnerCapabilities tell what the set takes, from the very lists that its
// handlers go by.
func partnerCapabilities() []annotation {
	takes := func(option string) bool { return slices.Contains(listOptions, option) }
	return []annotation{
		{"CountRestrictions", record{{"Countable", takes(odata.Count)}}},
		{"DeleteRestrictions", record{{"Deletable", true}}},
		{"ExpandRestrictions", record{{"Expandable", takes("$expand")}}},
		{"FilterFunctions", odata.Functions()},
		{"FilterRestrictions", record{{"Filterable", takes(odata.Filter)}}},
		{"IndexableByKey", true},
		{"InsertRestrictions", record{{"Insertable", true}}},
		{"SearchRestrictions", record{{"Searchable", takes("$search")}}},
		{"SelectSupport", record{{"Supported", takes(odata.Select)}}},
		{"SkipSupported", takes(odata.Skip)},
		{"SortRestrictions", record{{"Sortable", takes(odata.OrderBy)}}},
		{"TopSupported", takes(odata.Top)},
		{"UpdateRestrictions", record{{"Updatable", true}, {"Upsertable", false}}},
	}
}

// containerCapabilities tell what the service does.
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

// edmName is a property's type as the metadata names it.
func (p partnerProperty) edmName() string {
	if p.enum != nil {
		return "graph." + strings.TrimPrefix(p.enum.Name, schemaName+".")
	}
	return p.edm.String()
}

// entityProperties are the properties that metadata lists: all but the key, which
// is the base type's, by name.
func (v version) entityProperties() []partnerProperty {
	properties := slices.DeleteFunc(slices.Clone(partnerProperties), func(p partnerProperty) bool {
		return p.name == "id" || p.betaOnly && !v.beta
	})
	slices.SortFunc(properties, func(a, b partnerProperty) int { return strings.Compare(a.name, b.name) })
	return properties
}

// metadata describes the service (Protocol 11.1.2), as XML or, if the client
// wants it, as JSON. Like Microsoft Graph's, it needs no token.
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

// serviceDocument lists what is at the root (Protocol 11.1.1).
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
		b = append(appendString(append(b, `"@odata.context":`...), x.versionURL()+"$metadata"), ',')
	}
	b = append(b, `"value":[{"name":"`+singleton+`","kind":"Singleton","url":"`+singleton+`"}]}`...)
	x.writeJSON(http.StatusOK, b)
	return nil
}

// element is an element of the XML form.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []element
}

func node(name string, attrs ...string) element {
	e := element{XMLName: xml.Name{Local: name}}
	for i := 0; i < len(attrs); i += 2 {
		e.Attrs = append(e.Attrs, xml.Attr{Name: xml.Name{Local: attrs[i]}, Value: attrs[i+1]})
	}
	return e
}

func (e element) with(children ...element) element {
	e.Children = append(e.Children, children...)
	return e
}

// metadataXML is the CSDL XML 4.0 of a version.
func (v version) metadataXML() []byte {
	status := node("EnumType", "Name", strings.TrimPrefix(onboardingStatus.Name, schemaName+"."))
	for i, member := range onboardingStatus.Members {
		status = status.with(node("Member", "Name", member, "Value", strconv.Itoa(i)))
	}
	partner := node("EntityType", "Name", "remoteAssistancePartner", "BaseType", "graph.entity")
	for _, p := range v.entityProperties() {
		property := node("Property", "Name", p.name, "Type", p.edmName())
		if !p.nullable {
			property.Attrs = append(property.Attrs, xml.Attr{Name: xml.Name{Local: "Nullable"}, Value: "false"})
		}
		partner = partner.with(property)
	}
	schema := node("Schema", "Namespace", schemaName, "Alias", "graph", "xmlns", "http://docs.oasis-open.org/odata/ns/edm").with(
		status,
		node("EntityType", "Name", "entity", "Abstract", "true").with(
			node("Key").with(node("PropertyRef", "Name", "id")),
			node("Property", "Name", "id", "Type", "Edm.String", "Nullable", "false"),
		),
		node("EntityType", "Name", singleton, "BaseType", "graph.entity").with(
			node("NavigationProperty", "Name", partnersName, "Type", "Collection(graph.remoteAssistancePartner)", "ContainsTarget", "true"),
		),
		partner,
	)
	for _, action := range []string{"beginOnboarding", "disconnect"} {
		schema = schema.with(node("Action", "Name", action, "IsBound", "true").with(
			node("Parameter", "Name", "bindingParameter", "Type", "graph.remoteAssistancePartner")))
	}
	schema = schema.with(
		node("EntityContainer", "Name", container).with(node("Singleton", "Name", singleton, "Type", schemaName+"."+singleton)),
		annotations(schemaName+"."+singleton+"/"+partnersName, partnerCapabilities()),
		annotations(schemaName+"."+container, containerCapabilities()),
	)
	document := node("edmx:Edmx", "Version", "4.0", "xmlns:edmx", "http://docs.oasis-open.org/odata/ns/edmx").with(
		node("edmx:Reference", "Uri", capabilitiesURL+".xml").with(node("edmx:Include", "Namespace", capabilities, "Alias", "Capabilities")),
		node("edmx:DataServices").with(schema),
	)
	text, err := xml.MarshalIndent(document, "", "  ")
	if err != nil {
		panic(err) // elements and texts: there is nothing that can't be written
	}
	return append([]byte(xml.Header), text...)
}

func annotations(target string, all []annotation) element {
	e := node("Annotations", "Target", target)
	for _, a := range all {
		e = e.with(annotated(node("Annotation", "Term", capabilities+"."+a.term), a.value))
	}
	return e
}

// annotated gives an annotation, or a part of one, its value.
func annotated(e element, value any) element {
	switch v := value.(type) {
	case bool:
		e.Attrs = append(e.Attrs, xml.Attr{Name: xml.Name{Local: "Bool"}, Value: strconv.FormatBool(v)})
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

// metadataJSON is the CSDL JSON 4.01 of a version.
func (v version) metadataJSON() []byte {
	type object = map[string]any
	status := object{"$Kind": "EnumType"}
	for i, member := range onboardingStatus.Members {
		status[member] = i
	}
	partner := object{"$Kind": "EntityType", "$BaseType": "graph.entity"}
	for _, p := range v.entityProperties() {
		property := object{}
		if name := p.edmName(); name != "Edm.String" {
			property["$Type"] = name
		}
		if p.nullable {
			property["$Nullable"] = true
		}
		partner[p.name] = property
	}
	action := []object{{"$Kind": "Action", "$IsBound": true, "$Parameter": []object{{"$Name": "bindingParameter", "$Type": "graph.remoteAssistancePartner"}}}}
	text, err := json.Marshal(object{
		"$Version": "4.01", "$EntityContainer": schemaName + "." + container,
		"$Reference": object{capabilitiesURL + ".json": object{"$Include": []object{{"$Namespace": capabilities, "$Alias": "Capabilities"}}}},
		schemaName: object{
			"$Alias":                           "graph",
			"remoteAssistanceOnboardingStatus": status,
			"entity":                           object{"$Kind": "EntityType", "$Abstract": true, "$Key": []string{"id"}, "id": object{}},
			singleton: object{"$Kind": "EntityType", "$BaseType": "graph.entity", partnersName: object{
				"$Kind": "NavigationProperty", "$Collection": true, "$Type": "graph.remoteAssistancePartner", "$ContainsTarget": true,
			}},
			"remoteAssistancePartner": partner,
			"beginOnboarding":         action,
			"disconnect":              action,
			container:                 object{"$Kind": "EntityContainer", singleton: object{"$Type": schemaName + "." + singleton}},
			"$Annotations": object{
				schemaName + "." + singleton + "/" + partnersName: annotationsJSON(partnerCapabilities(), capabilities),
				schemaName + "." + container:                      annotationsJSON(containerCapabilities(), capabilities),
			},
		},
	}, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		panic(err) // as above
	}
	return text
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
