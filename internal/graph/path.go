package graph

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mocktenant/mocktenant/internal/entity"
)

// namespace may qualify the name of an action (URL Conventions 4.3).
const namespace = "microsoft.graph."

// canonical maps path segments in lower case to the spelling in routes, because Graph's
// gateway accepts any letter case.
var canonical = func() []string {
	segments := []string{"v1.0", "beta", singleton, "$batch", "$count", "$metadata", "$value"}
	for _, t := range entity.Served {
		segments = append(segments, t.SetName())
		for _, f := range t.Functions {
			segments = append(segments, f.Name)
		}
		for _, a := range t.Actions {
			if !a.ByPartner {
				segments = append(segments, a.Name)
			}
		}
	}
	return segments
}()

// tidyPath rewrites the path of a request to the spelling in routes. A key in parentheses
// becomes a separate segment, a qualified name loses its namespace, known segments get
// their letter case, and empty segments are dropped.
func tidyPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		escaped := r.URL.EscapedPath()
		tidied := tidy(escaped)
		if tidied == escaped && tidied == r.URL.Path { // the usual case
			next.ServeHTTP(w, r)
			return
		}
		u := *r.URL
		u.RawPath = tidied
		u.Path, _ = url.PathUnescape(tidied) // valid, because net/http parsed it
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
		name, key, hasKey := cutFunction(segment)
		if name == "" {
			name, key, hasKey = cutKey(segment)
		}
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

// idLength is the length of a GUID's text.
const idLength = 36

// tidyAlready reports whether a path needs no tidying: every segment is an id or spelled as
// in routes.
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

// cutKey splits "name('key')" and "name(id='key')". Like every name in a path, id may be in
// any letter case. The key keeps its percent-encoding; a quote in it is doubled in the URL
// (URL Conventions 4.3.1). An empty key isn't a key and has no route.
func cutKey(segment string) (name, key string, ok bool) {
	if !strings.HasSuffix(segment, ")") && !strings.HasSuffix(segment, "%29") {
		return segment, "", false // the usual case
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
	if strings.Contains(strings.ReplaceAll(literal, "''", ""), "'") { // more than one key
		return segment, "", false
	}
	return name, strings.ReplaceAll(literal, "''", "'"), true
}

// cutFunction splits "function(parameter='argument')", and takes the parentheses from
// "function()". The name is "" if it isn't a call of a function.
func cutFunction(segment string) (name, argument string, ok bool) {
	called, rest, found := strings.Cut(unescapeDelimiters.Replace(segment), "(")
	if !found {
		return "", "", false
	}
	called = tidySegment(called)
	for _, t := range entity.Served {
		for _, f := range t.Functions {
			switch {
			case f.Name != called:
			case f.Parameter == "" && rest == ")":
				return called, "", false
			case f.Parameter != "":
				parameter, value, _ := strings.Cut(rest, "=")
				if _, argument, ok = cutKey("f(" + value); ok && strings.EqualFold(parameter, f.Parameter) {
					return called, argument, true
				}
			}
		}
	}
	return "", "", false
}

// isBadKey reports whether a segment is a set's name with parentheses in which cutKey
// didn't recognize a key.
func isBadKey(segment string) bool {
	name, rest, ok := strings.Cut(unescapeDelimiters.Replace(segment), "(")
	return ok && strings.HasSuffix(rest, ")") && slices.ContainsFunc(entity.Served, func(t *entity.Type) bool {
		return strings.EqualFold(name, t.SetName())
	})
}

// unescapeDelimiters decodes the percent-encoded delimiters of a key.
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
