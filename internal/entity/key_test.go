package entity_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/entity"
)

const guid = "0e5f2a6b-0000-1000-8000-00805f9b34fb"

// A key reads back as the entity that shows it, in the only spelling that a set takes; the letter
// case of a GUID doesn't matter.
func TestKeys(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		entity      *entity.Type
		text, shown string // shown is "" if no entity can have the key
	}{
		{&entity.RemoteAssistancePartner, guid, guid},
		{&entity.RemoteAssistancePartner, "0E5F2A6B-0000-1000-8000-00805F9B34FB", guid},
		{&entity.RemoteAssistancePartner, "{" + guid + "}", ""},
		{&entity.RemoteAssistancePartner, "0e5f2a6b0000100080000 0805f9b34fb", ""},
		{&entity.RemoteAssistancePartner, "0e5f2a6b00001000800000805f9b34fb", ""},
		{&entity.RemoteAssistancePartner, "0e5f2a6b-0000-1000-8000-00805f9b34fg", ""},
		{&entity.RemoteAssistancePartner, "", ""},
		{&entity.RoleScopeTag, "0", "0"},
		{&entity.RoleScopeTag, "281474976710655", "281474976710655"},
		{&entity.RoleScopeTag, "281474976710656", ""},
		{&entity.RoleScopeTag, "01", ""},
		{&entity.RoleScopeTag, "+1", ""},
		{&entity.RoleScopeTag, "-1", ""},
		{&entity.RoleScopeTag, "x", ""},
		{&entity.RoleScopeTag, guid, ""},
	} {
		id, ok := tt.entity.ParseKey(tt.text)
		if ok != (tt.shown != "") {
			t.Errorf("%s: %q is a key: %t", tt.entity.Name, tt.text, ok)
		}
		if got := tt.entity.Key(id, nil); ok && got != tt.shown {
			t.Errorf("%s: %q is shown as %q", tt.entity.Name, tt.text, got)
		}
	}
}

// The key of a contained entity is its parent's and a text.
func TestComposedKeys(t *testing.T) {
	t.Parallel()
	e := &entity.LocalizedNotificationMessage
	id, ok := e.ParseKey(guid + "_En_us")
	if want := entity.ComposedID(uuid.MustParse(guid), "en_US"); !ok || id != want {
		t.Errorf("%s, %t, want %s", id, ok, want)
	}
	values := e.Defaults()
	values[e.Index("notificationMessageTemplateId")].Text, values[e.Index("locale")].Text = guid, "En_us"
	if got := e.Key(id, func(at int) entity.Value { return values[at] }); got != guid+"_En_us" {
		t.Errorf("shown as %q", got)
	}
	if parent, part, ok := entity.SplitKey(guid + "_En_us"); parent.String() != guid || part != "En_us" || !ok {
		t.Errorf("%s, %q, %t", parent, part, ok)
	}
	for _, text := range []string{guid, guid + "_", "_en", "{" + guid + "}_en", "x_en", ""} {
		if _, ok := e.ParseKey(text); ok {
			t.Errorf("%q is a key", text)
		}
	}
}

// Counted keys are in the order of their numbers, and are valid UUIDs of version 8.
func TestCounterIDs(t *testing.T) {
	t.Parallel()
	last := entity.CounterID(0)
	for _, n := range []uint64{1, 2, 255, 256, 1 << 16, 1<<32 - 1, 1 << 40, 1<<48 - 1} {
		id := entity.CounterID(n)
		if bytes.Compare(last[:], id[:]) >= 0 || id.Version() != 8 || id.Variant() != uuid.RFC4122 {
			t.Errorf("%d: %s after %s", n, id, last)
		}
		if got := entity.NextID(entity.CounterID(n - 1)); got != id {
			t.Errorf("after %d: %s, want %s", n-1, got, id)
		}
		last = id
	}
}

// Sets are found by the last segment of their path.
func TestFind(t *testing.T) {
	t.Parallel()
	for _, e := range entity.All {
		if found, ok := entity.Find(e.SetName()); !ok || found != e {
			t.Errorf("%s: %v, %t", e.SetName(), found, ok)
		}
	}
	found, ok := entity.FindServed("auditEvents")
	if !ok || found != &entity.AuditEvent {
		t.Errorf("auditEvents: %v, %t", found, ok)
	}
	for _, name := range []string{"auditEvents", "deviceManagement/remoteAssistancePartners", "/remoteAssistancePartners", ""} {
		if found, ok := entity.Find(name); ok || found != nil {
			t.Errorf("%q: %v", name, found)
		}
	}
}

func TestAuditFunctions(t *testing.T) {
	t.Parallel()
	types := entity.AuditEvent.Functions[1].Values
	for category, want := range map[string]string{
		"device": "Create RemoteAssistancePartner, Delete RemoteAssistancePartner, Patch RemoteAssistancePartner, Patch RemoteAssistanceSettings, " +
			"beginOnboarding RemoteAssistancePartner, disconnect RemoteAssistancePartner",
		"Role": "Create RoleScopeTag, Delete RoleScopeTag, Patch RoleScopeTag",
		"None": "",
	} {
		if got := strings.Join(types(category), ", "); got != want {
			t.Errorf("%s: %s", category, got)
		}
	}
}
