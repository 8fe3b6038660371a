// Package glob matches texts with patterns in which each * matches any text.
package glob

import "strings"

// Pattern is a pattern, cut at its stars.
type Pattern []string

// New returns the pattern that a text describes. Every text describes one.
func New(text string) Pattern { return strings.Split(text, "*") }

// Matches reports whether the pattern matches all of a text. It takes time linear in the text's
// length: it searches for each part once, after the previous one.
func (p Pattern) Matches(text string) bool {
	if len(p) == 1 {
		return text == p[0]
	}
	text, ok := strings.CutPrefix(text, p[0])
	if !ok {
		return false
	}
	for _, part := range p[1 : len(p)-1] {
		_, after, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = after
	}
	return strings.HasSuffix(text, p[len(p)-1])
}
