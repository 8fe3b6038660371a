package graph

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// namespace may qualify the name of an action (URL Conventions 4.3).
const namespace = "microsoft.graph."

// canonical are the path segments that are routed, in the spelling of the
// routes: Graph's gateway takes any letter case.
var canonical = []string{
	"v1.0", "beta", "deviceManagement", "remoteAssistancePartners",
	"$batch", "$count", "$metadata", "$value", "beginOnboarding", "disconnect",
}

// tidyPath rewrites the path of a request to the one spelling that is routed: a
// key in parentheses becomes a segment of its own, a qualified name loses its
// namespace, known segments get their own letter case, and empty segments go.
func tidyPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		escaped := r.URL.EscapedPath()
		tidied := tidy(escaped)
		if tidied == escaped && tidied == r.URL.Path { // nearly all
			next.ServeHTTP(w, r)
			return
		}
		u := *r.URL
		u.RawPath = tidied
		u.Path, _ = url.PathUnescape(tidied) // it was escaped well: net/http parsed it
		r2 := *r
		r2.URL = &u
		next.ServeHTTP(w, &r2)
	})
}

func tidy(escaped string) string {
	if tidyAlready(escaped) {
		return escaped
	}
	var b strings.Builder
	for segment := range strings.SplitSeq(escaped, "/") {
		name, key, hasKey := cutKey(segment)
		if name != "" {
			b.WriteString("/" + tidySegment(name))
		}
		if hasKey {
			b.WriteString("/" + key)
		}
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

// idLength is that of a GUID's text.
const idLength = 36

// tidyAlready tells whether a path is certain to stay as it is: its segments are
// those of routes, to the letter, or ids.
func tidyAlready(path string) bool {
	if len(path) < 2 || path[0] != '/' {
		return false
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		if slices.Contains(canonical, segment) {
			continue
		}
		if len(segment) != idLength || strings.IndexFunc(segment, func(r rune) bool {
			return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'f')
		}) >= 0 {
			return false
		}
	}
	return true
}

// cutKey splits "name('key')" and "name(id='key')", whose name, as any in a path,
// is taken in any letter case. The key keeps its percent-encoding; a quote in
// it is doubled in the URL (URL Conventions 4.3.1).
// An empty key is none, and routed nowhere.
func cutKey(segment string) (name, key string, ok bool) {
	if !strings.HasSuffix(segment, ")") && !strings.HasSuffix(segment, "%29") {
		return segment, "", false // nearly all
	}
	name, predicate, _ := strings.Cut(unescapeDelimiters.Replace(segment), "(")
	predicate = strings.TrimSuffix(predicate, ")")
	if property, value, named := strings.Cut(predicate, "="); named && strings.EqualFold(property, "id") {
		predicate = value
	}
	if len(predicate) < len("'k'") || predicate[0] != '\'' || predicate[len(predicate)-1] != '\'' || name == "" {
		return segment, "", false
	}
	literal := predicate[1 : len(predicate)-1]
	if strings.Contains(strings.ReplaceAll(literal, "''", ""), "'") { // more than one
		return segment, "", false
	}
	return name, strings.ReplaceAll(literal, "''", "'"), true
}

// isBadKey tells whether a segment names the set with something in parentheses,
// of which cutKey made no key.
func isBadKey(segment string) bool {
	name, rest, ok := strings.Cut(unescapeDelimiters.Replace(segment), "(")
	return ok && strings.HasSuffix(rest, ")") && strings.EqualFold(name, partnersName)
}

// unescapeDelimiters undoes the percent-encoding of what delimits a key.
var unescapeDelimiters = strings.NewReplacer("%27", "'", "%28", "(", "%29", ")", "%3D", "=", "%3d", "=")

func tidySegment(segment string) string {
	name, err := url.PathUnescape(segment)
	if err != nil {
		return segment
	}
	if len(name) > len(namespace) && strings.EqualFold(name[:len(namespace)], namespace) {
		name = name[len(namespace):]
	}
	if i := slices.IndexFunc(canonical, func(c string) bool { return strings.EqualFold(c, name) }); i >= 0 {
		return canonical[i]
	}
	return segment
}
