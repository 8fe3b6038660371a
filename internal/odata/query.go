package odata

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The supported system query options (URL Conventions 5.1).
const (
	Count     = "$count"
	Expand    = "$expand"
	Filter    = "$filter"
	Format    = "$format"
	OrderBy   = "$orderby"
	Select    = "$select"
	Skip      = "$skip"
	SkipToken = "$skiptoken"
	Top       = "$top"
)

// systemOptions are all names that the standard gives a meaning, without their $. The $ is
// optional (Protocol 11.2.1), so a name in this list is never a custom option.
var systemOptions = []string{
	"apply", "compute", "count", "deltatoken", "expand", "filter", "format", "id", "index",
	"levels", "orderby", "schemaversion", "search", "select", "skip", "skiptoken", "top",
}

// Resource describes what a query applies to.
type Resource struct {
	Type       string     // its qualified entity type
	Options    []string   // the options that it supports
	Properties []Property // the properties that options may name
	Navigation []string   // the navigation properties that $expand may name
	Now        time.Time  // what now() means
}

// property finds a property by its name, ignoring letter case, as 4.01 allows (Protocol
// 11.2.1) and Graph's gateways do. No two names differ only by case.
func (r *Resource) property(name string) (Property, bool) {
	for _, p := range r.Properties {
		if strings.EqualFold(p.Name, name) {
			return p, true
		}
	}
	return Property{}, false
}

// Query holds the options of one request. The zero value asks for everything.
type Query struct {
	Count     bool     // whether the total is requested
	Expand    []string // the navigation properties to include, in order
	Filter    *Expr    // the items to return; nil means all
	Format    string   // the requested format; "" means the default
	OrderBy   []Key    // the order; ties, or an empty list, are ordered by key
	Select    []string // the requested properties, in order; nil means all
	Skip      int64    // how many items to skip
	SkipToken string   // where the page starts, from a next link; "" is the start
	Top       int64    // the requested page size; -1 if unset
}

// ParseQuery reads the query part of a URL, still encoded and without its "?". It ignores
// nothing: it refuses unknown, repeated and malformed options, and those that the resource
// doesn't support, with an *Error that names the option.
func ParseQuery(raw string, r Resource) (Query, error) {
	options, err := splitOptions(raw, r)
	if err != nil {
		return Query{}, err
	}
	aliases := map[string]string{}
	for _, o := range options {
		if strings.HasPrefix(o.name, "@") {
			aliases[o.name] = o.value
		}
	}
	linked := slices.ContainsFunc(options, func(o option) bool { return o.name == SkipToken })
	q := Query{Top: -1}
	for _, o := range options {
		if err := q.set(o.name, o.value, &parser{resource: r, aliases: aliases, linked: linked}); err != nil {
			return Query{}, err
		}
	}
	return q, nil
}

type option struct{ name, value string }

// splitOptions splits a query and decodes both sides of each option. url.ParseQuery won't
// do, because it skips an option that contains a bare ";".
func splitOptions(raw string, r Resource) ([]option, error) {
	var options []option
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, err := decodeOption(pair)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(options, func(o option) bool { return o.name == name }) {
			return nil, refuse(name, "Query option '%s' was specified more than once, but it must be specified at most once.", name)
		}
		if !slices.Contains(r.Options, name) && (!strings.HasPrefix(name, "@") || !slices.Contains(r.Options, Filter)) {
			return nil, refuse(name, "The query option '%s' is not supported.", name)
		}
		if options = append(options, option{name, value}); len(options) > maxOptions {
			return nil, refuse(name, "A query takes at most %d options.", maxOptions)
		}
	}
	return options, nil
}

const maxOptions = 50

// Encode returns the options as the query part of a URL, without "?". It contains only
// characters that are literals in URI templates, because clients expand links as templates.
func (q Query) Encode() string {
	var options []string
	add := func(name, value string) { options = append(options, name+"="+value) }
	if q.Count {
		add(Count, "true")
	}
	if q.Expand != nil {
		add(Expand, strings.Join(q.Expand, ","))
	}
	if q.Filter != nil {
		add(Filter, escape(q.Filter.String()))
	}
	if len(q.OrderBy) > 0 {
		add(OrderBy, escape(orderBy(q.OrderBy)))
	}
	if q.Format != "" {
		add(Format, escape(q.Format))
	}
	if q.Select != nil {
		add(Select, strings.Join(q.Select, ","))
	}
	if q.Skip > 0 {
		add(Skip, strconv.FormatInt(q.Skip, 10))
	}
	if q.Top >= 0 {
		add(Top, strconv.FormatInt(q.Top, 10))
	}
	if q.SkipToken != "" {
		add(SkipToken, url.QueryEscape(q.SkipToken))
	}
	return strings.Join(options, "&")
}

// escape encodes a value as clients do, with spaces as %20.
func escape(value string) string { return strings.ReplaceAll(url.QueryEscape(value), "+", "%20") }

func orderBy(keys []Key) string {
	var texts []string
	for _, k := range keys {
		text := k.Expr.String()
		if k.Descending {
			text += " desc"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ",")
}

// set reads an option, with p if its value is an expression.
func (q *Query) set(name, value string, p *parser) (err error) {
	switch name {
	case Expand:
		q.Expand, err = parseExpand(value, p.resource)
	case Filter:
		q.Filter, err = p.parseFilter(value)
	case OrderBy:
		q.OrderBy, err = p.parseOrderBy(value)
	case Count:
		q.Count, err = parseBool(name, value)
	case Format:
		q.Format = value
	case Select:
		q.Select, err = parseSelect(value, p.resource)
	case Skip:
		q.Skip, err = parseCardinal(name, value)
	case SkipToken:
		q.SkipToken = value
	case Top:
		q.Top, err = parseCardinal(name, value)
	}
	return err
}

// decodeOption splits "name=value" and puts the name into its canonical form: lower case,
// with $ if the standard defines it.
func decodeOption(pair string) (name, value string, err error) {
	rawName, rawValue, _ := strings.Cut(pair, "=")
	if name, err = url.QueryUnescape(rawName); err != nil {
		return "", "", refuse(rawName, "The query option '%s' is not well encoded: %v.", rawName, err)
	}
	if value, err = url.QueryUnescape(rawValue); err != nil {
		return "", "", refuse(name, "The value of the query option '%s' is not well encoded: %v.", name, err)
	}
	lower := strings.ToLower(name)
	if bare := strings.TrimPrefix(lower, "$"); slices.Contains(systemOptions, bare) {
		return "$" + bare, value, nil
	}
	return name, value, nil
}

func parseBool(name, value string) (bool, error) {
	switch strings.ToLower(value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, refuse(name, "Invalid value '%s' for %s query option found. Valid values are 'true' and 'false'.", value, name)
}

func parseCardinal(name, value string) (int64, error) {
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return 0, refuse(name, "Invalid value '%s' for %s query option found. The %s query option requires a non-negative integer value.", value, name, name)
	}
	return int64(n), nil
}

// parseExpand reads the names of navigation properties. Options in parentheses, paths and
// $ref are refused.
func parseExpand(value string, r Resource) (expanded []string, err error) {
	for name := range strings.SplitSeq(value, ",") {
		name = strings.TrimSpace(name)
		bare, more, nested := strings.Cut(name, "(")
		if i := strings.IndexByte(bare, '/'); i >= 0 {
			bare, more, nested = bare[:i], bare[i+1:], true
		}
		known := slices.IndexFunc(r.Navigation, func(n string) bool { return strings.EqualFold(n, bare) })
		_, isProperty := r.property(bare)
		switch {
		case bare == "*" && !nested:
			expanded = append(expanded, r.Navigation...)
		case known < 0 && isProperty:
			return nil, refuse(Expand, "Property '%s' on type '%s' is not a navigation property or complex property. Only navigation properties can be expanded.", bare, r.Type)
		case known < 0:
			return nil, refuse(Expand, "Parsing OData Select and Expand failed: Could not find a property named '%s' on type '%s'.", bare, r.Type)
		case nested:
			return nil, refuse(Expand, "The $expand of '%s' has '%s', which is not supported. Name the property alone.", bare, strings.TrimSuffix(more, ")"))
		default:
			expanded = append(expanded, r.Navigation[known])
		}
	}
	slices.Sort(expanded)
	return slices.Compact(expanded), nil
}

func parseSelect(value string, r Resource) ([]string, error) {
	var selected []string
	all := false
	for name := range strings.SplitSeq(value, ",") {
		name = strings.TrimSpace(name)
		p, ok := r.property(name)
		switch {
		case name == "*":
			all = true
		case !ok:
			return nil, refuse(Select, "Parsing OData Select and Expand failed: Could not find a property named '%s' on type '%s'.", name, r.Type)
		case !slices.Contains(selected, p.Name):
			selected = append(selected, p.Name)
		}
	}
	if all {
		return nil, nil
	}
	return selected, nil
}
