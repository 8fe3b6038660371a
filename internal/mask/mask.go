// Package mask replaces secrets in records and logs of requests. It recognizes them by the
// names of headers, parameters and JSON members, and by the form of tokens, in any encoding.
package mask

import (
	"bytes"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-json-experiment/json/jsontext"
)

// masked replaces a secret.
const masked = "***"

// secretWords are words in the names of secrets: of headers, parameters, and JSON members.
// A word in allowed makes a name harmless.
var (
	secretWords = []string{"password", "passwd", "passphrase", "secret", "token", "assertion", "authorization", "cookie", "credential", "api-key", "apikey", "api_key", "verifier", "otp", "signature", "x-auth"}
	secretNames = map[string]bool{"code": true, "user_code": true, "device_code": true, "otc": true, "pwd": true, "pass": true, "ctx": true, "ticket": true, "sid": true, "sig": true}
	allowed     = map[string]bool{
		"token_type": true, "$skiptoken": true, "token_endpoint": true, "requested_token_use": true, "subject_token_type": true,
		"token_endpoint_auth_methods_supported": true, "refresh_token_expires_in": true, "client_assertion_type": true, "id_token_signing_alg_values_supported": true,
		"readwriteconsistencytoken": true, "authorization_uri": true, "authorization_endpoint": true,
	}
)

// InRequests reports whether a value that a client sends with a name must not be stored.
func InRequests(name string) bool {
	name = strings.ToLower(name)
	return secretNames[name] || InAnswers(name)
}

// verdicts caches the results of InAnswers, because most requests have the same names.
var verdicts struct {
	sync.Map
	known atomic.Int32
}

// The maximum number of cached names and their maximum length, because clients may send any.
const (
	maxVerdicts = 4096
	maxVerdict  = 64
)

// InAnswers reports whether a value with a name must not be stored. Unlike InRequests, it
// doesn't count code as a secret's name, because Graph's errors have a member of that name.
func InAnswers(name string) bool {
	if known, ok := verdicts.Load(name); ok {
		return known.(bool)
	}
	secret := namesSecret(strings.ToLower(name))
	if len(name) <= maxVerdict && verdicts.known.Load() < maxVerdicts {
		verdicts.known.Add(1)
		verdicts.Store(strings.Clone(name), secret)
	}
	return secret
}

func namesSecret(name string) bool {
	return !allowed[name] && slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) })
}

// Header masks a header's value. It keeps the scheme of Authorization.
func Header(name, value string) string {
	lower := strings.ToLower(name)
	if lower == "authorization" || lower == "proxy-authorization" {
		scheme, _, found := strings.Cut(value, " ")
		if !found || len(scheme) > 20 {
			return masked
		}
		return scheme + " " + masked
	}
	if InAnswers(lower) || strings.HasSuffix(lower, "key") && lower != "idempotency-key" {
		return masked
	}
	if lower == "location" || lower == "referer" {
		return URL(value)
	}
	return Text(value)
}

// public lists the authority's parameters whose values may be stored. All others are
// masked, because a client may send anything.
var public = map[string]bool{
	"client_id": true, "scope": true, "grant_type": true, "redirect_uri": true, "response_type": true, "response_mode": true, "prompt": true,
	"login_hint": true, "domain_hint": true, "username": true, "resource": true, "code_challenge_method": true, "requested_token_use": true,
	"client_info": true, "claims": true, "client_assertion_type": true, "api-version": true, "error": true, "error_description": true,
	"error_codes": true, "error_subcode": true, "client-request-id": true, "client_request_id": true, "admin_consent": true, "tenant": true, "x-client-sku": true, "x-client-ver": true,
	"x-client-os": true, "x-client-cpu": true, "post_logout_redirect_uri": true, "return-client-request-id": true, "haschrome": true,
	"x-ms-lib-capability": true, "x-client-current-telemetry": true, "x-client-last-telemetry": true, "authorization_endpoint": true,
}

// Form masks the values of a query or form, except those of public parameters.
func Form(form string) string {
	pairs := strings.Split(form, "&")
	for i, pair := range pairs {
		name, value, found := strings.Cut(pair, "=")
		known, err := url.QueryUnescape(name)
		if err != nil || len(name) > 100 {
			name = masked
		}
		switch {
		case pair == "":
		case !found && public[strings.ToLower(known)], value == "" && found:
			pairs[i] = name + strings.Repeat("=", min(1, len(pair)-len(name)))
		case public[strings.ToLower(known)]:
			pairs[i] = name + "=" + Text(value)
		case found:
			pairs[i] = name + "=" + masked
		default:
			pairs[i] = masked
		}
	}
	return strings.Join(pairs, "&")
}

// publicMembers lists the members of the token endpoint's answers that may be stored.
var publicMembers = map[string]bool{
	"token_type": true, "scope": true, "expires_in": true, "ext_expires_in": true, "expires_on": true, "not_before": true, "resource": true,
	"refresh_token_expires_in": true, "error": true, "error_description": true, "error_codes": true, "error_uri": true, "suberror": true, "timestamp": true,
	"trace_id": true, "correlation_id": true, "claims": true, "verification_uri": true, "verification_url": true, "interval": true,
}

// InGrants reports whether the value of a member of a token endpoint's answer must not be
// stored.
func InGrants(name string) bool { return !publicMembers[name] }

// Query masks a query of Graph, whose options are known to hold no secrets.
func Query(query string) string {
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, _, _ := strings.Cut(pair, "=")
		if known, err := url.QueryUnescape(name); err != nil || InRequests(known) {
			pairs[i] = name + "=" + masked
		} else {
			pairs[i] = Text(pair)
		}
	}
	return strings.Join(pairs, "&")
}

// URL masks a URL's user and password, and its query and fragment like those of the authority.
func URL(text string) string {
	rest, fragment, hasFragment := strings.Cut(text, "#")
	rest, query, hasQuery := strings.Cut(rest, "?")
	if scheme, after, found := strings.Cut(rest, "://"); found {
		host, path, _ := strings.Cut(after, "/")
		if at := strings.LastIndexByte(host, '@'); at >= 0 {
			rest = scheme + "://" + masked + host[at:] + "/" + path
		}
	}
	if hasQuery {
		rest += "?" + Form(query)
	}
	if hasFragment {
		rest += "#" + Form(fragment)
	}
	return rest
}

// JSON masks the values of members with a secret's name and, like Text, the secrets in all
// strings. It also masks JSON documents within strings. It accepts text that ends early or
// isn't JSON: after a secret's name it masks everything up to the next comma or end of an
// object outside strings.
func JSON(text []byte, secret func(name string) bool) string {
	return maskDocument(text, secret, maxNesting)
}

func maskDocument(text []byte, secret func(name string) bool, depth int) string {
	var out bytes.Buffer
	out.Grow(len(text))
	for i := 0; i < len(text); {
		quote := bytes.IndexByte(text[i:], '"')
		if quote < 0 {
			quote = len(text) - i
		}
		if between := text[i : i+quote]; look(string(between)) == harmless {
			out.Write(between)
		} else {
			out.WriteString(maskNested(string(between), depth))
		}
		if i += quote; i < len(text) {
			i = maskMember(&out, text, i, secret, depth)
		}
	}
	return out.String()
}

// maskMember writes the string that begins at i. If it is a secret's name, it also writes the
// masked value. It returns the end of what it has read.
func maskMember(out *bytes.Buffer, text []byte, i int, secret func(name string) bool, depth int) int {
	end := stringEnd(text, i)
	quoted := text[i:end]
	if colon := skipSpace(text, end); colon < len(text) && text[colon] == ':' && secret(unquote(quoted)) {
		out.Write(text[i : colon+1])
		out.WriteString(`"` + masked + `"`)
		return skipValue(text, colon+1)
	}
	out.Write(maskString(quoted, secret, depth))
	return end
}

func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}

// maskString masks a JSON string, in which escapes may hide a secret.
func maskString(quoted []byte, secret func(name string) bool, depth int) []byte {
	escaped := bytes.IndexByte(quoted, '\\') >= 0
	if !escaped && look(string(quoted)) == harmless {
		return quoted // nearly always
	}
	text := unquote(quoted)
	shown := masked
	switch {
	case depth == 0:
	case escaped && strings.Contains(text, `"`):
		shown = maskDocument([]byte(text), secret, depth-1)
	default:
		shown = maskNested(text, depth)
	}
	if shown == text {
		return quoted
	}
	again, _ := jsontext.AppendQuote(nil, shown)
	return again
}

// unquote returns the text of a JSON string, even of a malformed one.
func unquote(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return strings.Trim(string(quoted), `"`)
	}
	text, err := jsontext.AppendUnquote(nil, quoted)
	if err != nil { // its end is missing, or an escape is unknown
		return escapes.ReplaceAllStringFunc(strings.Trim(string(quoted), `"`), func(escape string) string {
			if n, err := strconv.ParseUint(escape[2:], 16, 16); err == nil {
				return string(rune(n))
			}
			return escape[1:]
		})
	}
	return string(text)
}

var escapes = regexp.MustCompile(`\\u[0-9A-Fa-f]{4}|\\[^u]`)

// stringEnd returns the end of the string that begins at i.
func stringEnd(text []byte, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// skipValue returns the end of the value that begins at i.
func skipValue(text []byte, i int) int {
	depth := 0
	for i < len(text) {
		switch c := text[i]; {
		case c == '"':
			i = stringEnd(text, i)
			continue
		case c == '{' || c == '[':
			depth++
		case (c == '}' || c == ']') && depth == 0, c == ',' && depth == 0:
			return i
		case c == '}' || c == ']':
			depth--
		}
		i++
	}
	return i
}
