//go:build linux

package main

import "testing"

// The check of what was created finds a lost and a doubled entity.
func TestStoredOnce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name            string
		created, stored []string
		want            string
	}{
		{name: "all stored", created: []string{"a", "b"}, stored: []string{"b", "a"}},
		{name: "one without an answer is stored", created: []string{"a"}, stored: []string{"a", "b"}},
		{name: "one is lost", created: []string{"a", "b"}, stored: []string{"a"}, want: `"b" was answered with 201, but isn't stored`},
		{name: "one is doubled", created: []string{"a"}, stored: []string{"a", "a"}, want: `"a" is stored twice`},
		{name: "one without an answer is doubled", stored: []string{"b", "b"}, want: `"b" is stored twice`},
	} {
		got := ""
		if err := storedOnce(tt.created, tt.stored); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
