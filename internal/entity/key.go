package entity

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// Keys says where the keys of a set come from, and how they are written.
type Keys int

// The kinds of keys. All are kept as UUIDs.
const (
	ServerKeys   Keys = iota // GUIDs that the service makes
	ClientKeys               // GUIDs that clients name; the service makes one where they don't
	CounterKeys              // numbers that count up within a tenant, from 1
	ComposedKeys             // the parent's key, _ and a text; kept as a UUID that follows from both
)

// SingletonID is the key of the only entity of a singleton, in every tenant: that of its
// documented example.
var SingletonID = uuid.MustParse("cfef360e-360e-cfef-0e36-efcf0e36efcf")

// CounterID is the UUID in which a number of CounterKeys is kept. Greater numbers have
// greater UUIDs.
func CounterID(n uint64) uuid.UUID {
	id := uuid.UUID{6: 0x80, 8: 0x80}
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], n)
	copy(id[10:], number[2:])
	return id
}

// counted is the number that CounterID keeps.
func counted(id uuid.UUID) uint64 {
	var number [8]byte
	copy(number[2:], id[10:])
	return binary.BigEndian.Uint64(number[:])
}

// NextID is the UUID of the number after that of a UUID.
func NextID(id uuid.UUID) uuid.UUID { return CounterID(counted(id) + 1) }

// ComposedID is the UUID in which a key of ComposedKeys is kept. Letter case makes no
// difference.
func ComposedID(parent uuid.UUID, part string) uuid.UUID {
	return uuid.NewSHA1(parent, []byte(strings.ToLower(part)))
}

// SplitKey is the parent's key and the text of which a key is composed.
func SplitKey(text string) (parent uuid.UUID, part string, ok bool) {
	first, part, _ := strings.Cut(text, "_")
	parent, err := uuid.Parse(first)
	return parent, part, err == nil && len(first) == guidLength && part != ""
}

// guidLength is that of a GUID's text.
const guidLength = 36

// Key is the key of an entity with some values as Graph shows it.
func (t *Type) Key(id uuid.UUID, value func(property int) Value) string {
	if t.Keys == ComposedKeys {
		return value(t.Index(t.ParentID)).Text + "_" + value(t.Index(t.KeyPart)).Text
	}
	return t.KeyText(id)
}

// KeyText is a key, which isn't composed, as Graph shows it.
func (t *Type) KeyText(id uuid.UUID) string {
	if t.Keys == CounterKeys {
		return strconv.FormatUint(counted(id), 10)
	}
	return id.String()
}

// ParseKey reads a key as clients write it; no other text is the key of any entity.
func (t *Type) ParseKey(text string) (uuid.UUID, bool) {
	if t.Keys == CounterKeys {
		n, err := strconv.ParseUint(text, 10, 48)
		return CounterID(n), err == nil && strconv.FormatUint(n, 10) == text
	}
	if t.Keys == ComposedKeys {
		parent, part, ok := SplitKey(text)
		return ComposedID(parent, part), ok
	}
	id, err := uuid.Parse(text)
	return id, err == nil && len(text) == guidLength
}
