package entity

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// Keys says where the keys of a set come from and how they are written.
type Keys int

// The kinds of keys. The database stores all of them as UUIDs.
const (
	ServerKeys   Keys = iota // GUIDs that the service makes
	ClientKeys               // GUIDs from clients; the service makes one if the client doesn't
	CounterKeys              // numbers that count up within a tenant, from 1
	ComposedKeys             // the parent's key, _ and a text; stored as a hash of both
)

// SingletonID is the key of a singleton's entity in every tenant, from Graph's documented
// example.
var SingletonID = uuid.MustParse("cfef360e-360e-cfef-0e36-efcf0e36efcf")

// CounterID returns the UUID that stores a number of CounterKeys. Greater numbers have
// greater UUIDs.
func CounterID(n uint64) uuid.UUID {
	id := uuid.UUID{6: 0x80, 8: 0x80}
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], n)
	copy(id[10:], number[2:])
	return id
}

// counted is the inverse of CounterID.
func counted(id uuid.UUID) uint64 {
	var number [8]byte
	copy(number[2:], id[10:])
	return binary.BigEndian.Uint64(number[:])
}

// NextID returns the UUID of the number that follows id's number.
func NextID(id uuid.UUID) uuid.UUID { return CounterID(counted(id) + 1) }

// ComposedID returns the UUID that stores a key of ComposedKeys. Letter case doesn't matter.
func ComposedID(parent uuid.UUID, part string) uuid.UUID {
	return uuid.NewSHA1(parent, []byte(strings.ToLower(part)))
}

// SplitKey splits a key of ComposedKeys into the parent's key and the text.
func SplitKey(text string) (parent uuid.UUID, part string, ok bool) {
	first, part, _ := strings.Cut(text, "_")
	parent, err := uuid.Parse(first)
	return parent, part, err == nil && len(first) == guidLength && part != ""
}

// guidLength is the length of a GUID's text.
const guidLength = 36

// Key returns the key of an entity, which has these values, as Graph shows it.
func (t *Type) Key(id uuid.UUID, value func(property int) Value) string {
	if t.Keys == ComposedKeys {
		return value(t.Index(t.ParentID)).Text + "_" + value(t.Index(t.KeyPart)).Text
	}
	return t.KeyText(id)
}

// KeyText returns a key as Graph shows it, except for ComposedKeys.
func (t *Type) KeyText(id uuid.UUID) string {
	if t.Keys == CounterKeys {
		return strconv.FormatUint(counted(id), 10)
	}
	return id.String()
}

// ParseKey reads a key as clients write it. ok is false if no entity can have the key.
func (t *Type) ParseKey(text string) (id uuid.UUID, ok bool) {
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
