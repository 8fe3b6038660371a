package entity

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// AuditText is a part of a value as audit events write it. Text is nil for null.
type AuditText struct {
	Name string
	Text *string
}

// AuditTexts writes a value as audit events do: in .NET's forms, and a collection item by item.
func (p *Property) AuditTexts(v Value) []AuditText {
	name := Pascal(p.Name)
	switch {
	case v.Null && p.IsCollection():
		return nil
	case v.Null:
		return []AuditText{{Name: name}}
	case p.Kind == StringsKind:
		return auditItems(name, v.Text, func(item string, raw json.RawMessage) []AuditText {
			var text string
			_ = json.Unmarshal(raw, &text) // it is one
			return []AuditText{{item, &text}}
		})
	case p.Kind == ObjectsKind:
		return auditItems(name, v.Text, func(item string, raw json.RawMessage) []AuditText { return auditMembers(p.Object, item, raw) })
	}
	text := p.auditText(v)
	return []AuditText{{name, &text}}
}

func (p *Property) auditText(v Value) string {
	switch p.Kind {
	case BooleanKind:
		return Pascal(strconv.FormatBool(v.Bool()))
	case IntegerKind:
		return strconv.FormatInt(v.Number, 10)
	case DateKind:
		return v.Time().UTC().Format("1/2/2006 3:04:05 PM")
	case EnumKind:
		return Pascal(v.Text)
	case FlagsKind:
		names := strings.Split(p.Enum.FlagNames(v.Number), ",")
		for i := range names {
			names[i] = Pascal(names[i])
		}
		return strings.Join(names, ", ")
	}
	return v.Text
}

// auditItems writes the items of a collection, each with its place.
func auditItems(name, kept string, write func(item string, raw json.RawMessage) []AuditText) (all []AuditText) {
	var items []json.RawMessage
	_ = json.Unmarshal([]byte(kept), &items) // it came out of Postgres
	for i, raw := range items {
		all = append(all, write(fmt.Sprintf("$Collection.%s[%d]", name, i), raw)...)
	}
	return all
}

// auditMembers writes the members of a complex value, and its type where that isn't the
// declared one.
func auditMembers(c *Complex, name string, raw json.RawMessage) (all []AuditText) {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(raw, &members)
	text := func(raw json.RawMessage) *string {
		var s *string
		_ = json.Unmarshal(raw, &s)
		return s
	}
	if kind := text(members["@odata.type"]); kind != nil {
		short := strings.TrimPrefix(*kind, "#"+Namespace+".")
		if actual, ok := c.Resolve(short); ok {
			c = actual
		}
		short = Pascal(short)
		all = append(all, AuditText{name + ".Type", &short})
	}
	for _, m := range c.Members() {
		member, raw := name+"."+Pascal(m.Name), members[m.Name]
		switch {
		case m.Object != nil:
			all = append(all, auditMembers(m.Object, member, raw)...)
		default:
			s := text(raw)
			if s != nil && m.Enum != nil {
				*s = Pascal(*s)
			}
			all = append(all, AuditText{member, s})
		}
	}
	return all
}
