package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/entity"
)

// shownVersions is how many versions a page shows.
const shownVersions = 50

// history shows the versions of an entity, the newest first, and what each changed. It is nil
// if the entity never existed.
func (v *visit) history(t *entity.Type, id string) (g.Node, error) {
	p := v.ofEntity(t, id, "after", v.Query("after"), "top", strconv.Itoa(shownVersions+1)) // one more to compare with
	var list api.EntityVersionList
	var gone *api.Problem
	err := v.call("listEntityVersions", p, &list)
	if asProblem(err, &gone) && gone.Status == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rows := make([]g.Group, min(len(list.Value), shownVersions))
	for i := range rows {
		var before *api.EntityVersion
		if i+1 < len(list.Value) && list.Value[i+1].Version == list.Value[i].Version-1 {
			before = &list.Value[i+1]
		}
		rows[i] = v.versionRow(t, id, list.Value[i], before)
	}
	var next *string
	if len(list.Value) > shownVersions {
		next = ptr("?after=" + strconv.FormatInt(list.Value[shownVersions-1].Version, 10))
	}
	return html.Section(html.H2(html.Text("History")), table("versions", []string{"Version", "Made by", "When", "Who", "What changed", ""}, rows), v.pager(next)), nil
}

// versionRow shows one version, the change that made it, and the change that deleted it. before
// is the version before, or nil if this one was created.
func (v *visit) versionRow(t *entity.Type, id string, one api.EntityVersion, before *api.EntityVersion) g.Group {
	change, at, by := "create", one.CreatedDateTime, one.CreatedBy
	if before != nil && before.Replaced != nil {
		change, at, by = before.Replaced.Change, before.Replaced.DateTime, before.Replaced.By
	}
	made := g.Group{badge(change)}
	if one.Replaced != nil && one.Replaced.Change == "delete" {
		made = append(made, html.Text(", then "), badge("delete"), html.Text(" "), v.when(&one.Replaced.DateTime))
	}
	var restore g.Node
	if one.Replaced != nil {
		restore = v.buttonTo("restoreEntityVersion", "Restore", v.at("entities", t.SetName(), id), v.ofEntity(t, id, "version", strconv.FormatInt(one.Version, 10)))
	}
	return g.Group{html.Text(strconv.FormatInt(one.Version, 10)), made, v.when(&at), author(by), changes(t, one, before), restore}
}

func badge(text string) g.Node {
	return html.Span(html.Class("badge"), html.Data("value", text), html.Text(text))
}

// author shows who made a change; nobody did if time did it.
func author(id uuid.UUID) g.Node {
	if id == entity.PartnerID {
		return html.Text("the partner, at its link")
	}
	if id == uuid.Nil {
		return html.Span(html.Class("note"), html.Text("the service, or an administrator without a key"))
	}
	return code(id.String())
}

// changes lists the properties in which a version differs from the one before or, of a created
// one, from the defaults.
func changes(t *entity.Type, one api.EntityVersion, before *api.EntityVersion) g.Node {
	all := g.Group{}
	for i := range t.Properties {
		p := &t.Properties[i]
		if p.Hidden {
			continue
		}
		now, was := shownJSON(one.Properties[p.Name]), defaultJSON(p)
		if before != nil {
			was = shownJSON(before.Properties[p.Name])
		}
		if now != was {
			all = append(all, html.Li(html.Text(words(p.Name)+" "), g.If(before != nil, g.Group{html.Del(html.Dir("auto"), html.Text(plain(was))), html.Text(" → ")}), html.Ins(html.Dir("auto"), html.Text(plain(now)))))
		}
	}
	if len(all) == 0 {
		return html.Span(html.Class("note"), html.Text("nothing"))
	}
	return html.Ul(html.Class("plain changes"), all)
}

// shownJSON returns a value as JSON.
func shownJSON(value any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(value) != nil {
		return ""
	}
	return strings.TrimSpace(b.String())
}

// defaultJSON returns the default of a property as JSON.
func defaultJSON(p *entity.Property) string {
	var value any
	if json.Unmarshal(p.AppendJSON(nil, p.Default(), entity.Form{Beta: true, Typed: true}), &value) != nil {
		return ""
	}
	return shownJSON(value)
}

// plain returns a JSON value as a person reads it: a text without quotes, the year 1 as never.
func plain(value string) string {
	var text string
	if value == "null" || json.Unmarshal([]byte(value), &text) != nil {
		return value
	}
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil && at.IsZero() {
		return "never"
	}
	if text == "" {
		return `""`
	}
	return text
}

// undo says which entity was just deleted, and restores it with one click.
func (v *visit) undo(t *entity.Type) (g.Node, error) {
	id := v.Query("deleted")
	if id == "" {
		return nil, nil
	}
	var list api.EntityVersionList
	var unknown *api.Problem
	err := v.call("listEntityVersions", v.ofEntity(t, id, "top", "1"), &list)
	if asProblem(err, &unknown) && unknown.Status == http.StatusNotFound {
		return nil, nil
	}
	if err != nil || len(list.Value) == 0 || list.Value[0].Replaced == nil {
		return nil, err // it exists again
	}
	last := list.Value[0]
	name := nameOf(api.Entity{Id: id, Properties: last.Properties})
	at := v.at("entities", t.SetName(), id)
	return html.Div(html.Class("notice"), html.Role("status"), testID("deleted"),
		html.Span(html.Text("Deleted "), html.A(html.Href(at), html.Dir("auto"), html.Text(name)), html.Text(".")),
		v.buttonTo("restoreEntityVersion", "Undo", at, v.ofEntity(t, id, "version", strconv.FormatInt(last.Version, 10)))), nil
}
