package db

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/entity"
)

// auditEvent is a row of auditSQL.
type auditEvent struct {
	tenantID, id, correlation uuid.UUID
	ticks                     int64
	offset                    int16
	texts                     [6]string
	activity                  *string
	actor, resources          []byte
}

// Head is part of Row.
func (e *auditEvent) Key() Key   { return Key{e.tenantID, e.id} }
func (e *auditEvent) Head() Head { return Head{Version: 1} }

func (e *auditEvent) targets() []any {
	return []any{
		&e.tenantID, &e.id, &e.texts[0], &e.texts[1], &e.activity, &e.ticks, &e.offset, &e.texts[2], &e.texts[3], &e.texts[4],
		&e.correlation, &e.texts[5], &e.actor, &e.resources,
	}
}

// Value is part of Row.
func (e *auditEvent) Value(property int) entity.Value {
	p := &entity.AuditEvent.Properties[property]
	texts := []string{"displayName", "componentName", "activityType", "activityOperationType", "activityResult", "category"}
	if i := slices.Index(texts, p.Name); i >= 0 {
		return entity.Value{Text: e.texts[i]}
	}
	switch p.Name {
	case "activity":
		return textValue(e.activity)
	case "activityDateTime":
		return entity.Value{Number: e.ticks, Offset: e.offset}
	case "correlationId":
		return entity.Value{Text: e.correlation.String()}
	case "actor":
		return entity.Value{Text: auditActor(e.actor)}
	}
	return entity.Value{Text: auditResources(e.resources)}
}

// auditActor writes who made a change, from what the SQL found, in the form of beta.
func auditActor(raw []byte) string {
	actor := map[string]any{
		"userPermissions": []string{"*"}, "userRoleScopeTags": []string{},
		"servicePrincipalName": nil, "ipAddress": nil, "remoteTenantId": nil, "remoteUserId": nil,
	}
	mustRead(raw, &actor)
	if actor["auditActorType"] == "Application" {
		actor["userPermissions"] = []string{}
	}
	return mustWrite(actor)
}

// auditProperty is a value before and after a change, as audit events write it.
type auditProperty struct {
	Name string  `json:"displayName"`
	Old  *string `json:"oldValue"`
	New  *string `json:"newValue"`
}

// auditResources writes what a change changed.
func auditResources(raw []byte) string {
	var changes []struct {
		Entity, Operation, DisplayName, AuditResourceType, ResourceID string
		Before, After                                                 map[string]json.RawMessage
	}
	mustRead(raw, &changes)
	c := changes[0]
	t := typeNamed(c.Entity)
	before, after := valuesOf(t, c.Before), valuesOf(t, c.After)
	if t.Singleton && before == nil {
		before = t.Defaults()
	}
	return mustWrite([]any{map[string]any{
		"displayName": c.DisplayName, "type": c.AuditResourceType, "auditResourceType": c.AuditResourceType, "resourceId": c.ResourceID,
		"modifiedProperties": auditProperties(t, c.Operation, c.ResourceID, before, after),
	}})
}

// auditProperties lists what a change of an entity modified: of a create and a delete all
// properties as new values, of an action only the id.
func auditProperties(t *entity.Type, operation, key string, before, after []entity.Value) []auditProperty {
	id := []auditProperty{{Name: "Id", New: &key}}
	switch operation {
	case "Action":
		return id
	case "Create":
		return append(id, modified(t, nil, after)...)
	case "Delete":
		return append(id, modified(t, nil, before)...)
	}
	return modified(t, before, after)
}

// modified lists the values that differ; before is nil for a create.
func modified(t *entity.Type, before, after []entity.Value) []auditProperty {
	all := []auditProperty{}
	for i := range t.Properties {
		p := &t.Properties[i]
		switch {
		case p.Hidden:
		case before == nil:
			all = append(all, paired(nil, p.AuditTexts(after[i]))...)
		case before[i] != after[i]:
			all = append(all, paired(p.AuditTexts(before[i]), p.AuditTexts(after[i]))...)
		}
	}
	return all
}

// paired lists the parts of a value that differ, those after the change first.
func paired(before, after []entity.AuditText) (all []auditProperty) {
	old := make(map[string]*string, len(before))
	for _, o := range before {
		old[o.Name] = o.Text
	}
	for _, n := range after {
		text, was := old[n.Name]
		delete(old, n.Name)
		if !was || !equalText(text, n.Text) || len(after) == 1 {
			all = append(all, auditProperty{n.Name, text, n.Text})
		}
	}
	for _, o := range before {
		if _, gone := old[o.Name]; gone {
			all = append(all, auditProperty{o.Name, o.Text, nil})
		}
	}
	return all
}

func equalText(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

func typeNamed(name string) *entity.Type {
	for _, t := range entity.All {
		if t.Name == name {
			return t
		}
	}
	panic("the history has a " + name)
}

// valuesOf reads the values of a row in the history, or nil for no row. A column that it lacks
// has its default.
func valuesOf(t *entity.Type, row map[string]json.RawMessage) []entity.Value {
	if row == nil {
		return nil
	}
	values := t.Defaults()
	for i := range t.Properties {
		p := &t.Properties[i]
		if raw, ok := row[p.Columns()[0]]; ok {
			values[i] = readColumn(p, raw, row)
		}
	}
	return values
}

func readColumn(p *entity.Property, raw json.RawMessage, row map[string]json.RawMessage) (v entity.Value) {
	if string(raw) == "null" {
		return entity.Value{Null: true}
	}
	switch p.Kind {
	case entity.DateKind:
		mustRead(raw, &v.Number)
		mustRead(row[p.Columns()[1]], &v.Offset)
	case entity.BooleanKind:
		v = entity.BoolValue(string(raw) == "true")
	case entity.IntegerKind, entity.FlagsKind:
		mustRead(raw, &v.Number)
	case entity.StringsKind, entity.ObjectsKind:
		v.Text = string(raw)
	default:
		mustRead(raw, &v.Text)
	}
	return v
}

// mustRead reads JSON that Postgres wrote in a known form.
func mustRead(raw []byte, into any) {
	if err := json.Unmarshal(raw, into); err != nil {
		panic(fmt.Sprintf("%s: %v", raw, err))
	}
}

func mustWrite(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // only texts
	}
	return string(text)
}
