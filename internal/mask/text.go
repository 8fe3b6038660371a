package mask

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxNesting is how many nested encodings are decoded in the search for secrets:
	// percent-encoding, base64, a document in a string, a value in a value. Text that is
	// nested deeper is masked.
	maxNesting = 6

	// ticketRun and secretRun are the shortest runs of characters in a code or refresh token,
	// and in a generated secret.
	ticketRun = 43
	secretRun = 52

	// minRun is the shortest run of characters that may be a token or base64.
	minRun = 16
)

// tokens matches tokens and keys by their form: JSON Web Tokens, keys of the administration,
// codes and refresh tokens, generated secrets and passwords, and credentials after a scheme of
// Authorization.
var tokens = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)*=*|mocktenant_[A-Z2-7]{20,}|\b[01]\.[A-Za-z0-9_-]{43,}|\b[A-Z2-7]{52}\b|\b(?i:bearer|basic)(?: |%20|\+)+[A-Za-z0-9._~+/=-]{16,}`)

// Text masks the tokens in a text and the values of parameters with a secret's name. It also
// finds those that are percent-encoded or in base64.
func Text(text string) string { return maskNested(text, maxNesting) }

func maskNested(text string, depth int) string {
	s := look(text)
	switch {
	case s == harmless:
		return text
	case depth == 0:
		return masked
	case s&mayBeToken != 0:
		text = tokens.ReplaceAllLiteralString(text, masked)
	}
	return maskWords(text, depth)
}

// sight says what a text may contain, after a quick look.
type sight int

const (
	mayBeToken   sight = 1 << iota
	mayBeEncoded       // in base64
	hasSigns           // characters of parameters or of percent-encoding
	harmless     sight = 0
)

func look(text string) (s sight) {
	run := 0
	for i := range len(text) {
		c := text[i]
		if inRun[c] {
			run++
			continue
		}
		switch {
		case c == '=' || c == '%':
			s |= hasSigns
		case (c == ' ' || c == '+') && isScheme(text[:i]):
			s |= mayBeToken
		}
		if run >= minRun {
			s |= lookAtRun(text, i-run, i)
		}
		run = 0
	}
	if run >= minRun {
		s |= lookAtRun(text, len(text)-run, len(text))
	}
	return s
}

// lookAtRun reports whether a long run of characters may be a token, or base64 of one.
func lookAtRun(text string, i, end int) sight {
	run := text[i:end]
	switch {
	case isGUID(run):
		return harmless
	case strings.Contains(run, "eyJ"), strings.Contains(run, "mocktenant_"), len(run) >= ticketRun && i > 0 && text[i-1] == '.' && !strings.Contains(run[:ticketRun], "/"), len(run) >= secretRun:
		return mayBeToken
	}
	return mayBeEncoded
}

// isScheme reports whether a text ends with a scheme of Authorization.
func isScheme(text string) bool {
	for _, scheme := range []string{"bearer", "basic"} {
		if n := len(text) - len(scheme); n >= 0 && strings.EqualFold(text[n:], scheme) {
			return true
		}
	}
	return false
}

func isGUID(text string) bool {
	return len(text) == 36 && text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-'
}

// inRun are the characters of tokens and of base64, and inWord those of a value.
var inRun, inWord = func() (run, word [256]bool) {
	for c := range 256 {
		run[c] = strings.IndexByte("-_+/", byte(c)) >= 0 || c < utf8.RuneSelf && (unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c)))
		word[c] = c > ' ' && strings.IndexByte("&;\"'<>\\#(){}[],?", byte(c)) < 0
	}
	return run, word
}()

// maskWords masks the words of a text that are secrets: values of parameters with a secret's
// name, and words with a secret in percent-encoding or base64.
func maskWords(text string, depth int) string {
	var out strings.Builder
	kept := 0 // out has the text up to here
	for i := 0; i < len(text); {
		if !inWord[text[i]] {
			i++
			continue
		}
		end := i + 1
		for end < len(text) && inWord[text[end]] {
			end++
		}
		word, end := maskWordAt(text, i, end, depth)
		if word != text[i:end] {
			out.WriteString(text[kept:i])
			out.WriteString(word)
			kept = end
		}
		i = end
	}
	if kept == 0 {
		return text
	}
	out.WriteString(text[kept:])
	return out.String()
}

// maskWordAt masks a word, including a quoted value that follows a secret's name. It returns
// the end of what it has masked.
func maskWordAt(text string, i, end, depth int) (string, int) {
	word := maskWord(text[i:end], depth)
	if name, found := strings.CutSuffix(word, "="); found && InRequests(lastName(plain(name))) {
		if quoted := quotedEnd(text, end); quoted > end {
			return word + masked, quoted
		}
	}
	return word, end
}

// quotedEnd returns the end of the quoted value that begins at i, or i if none does.
func quotedEnd(text string, i int) int {
	if i == len(text) || text[i] != '"' && text[i] != '\'' {
		return i
	}
	if length := strings.IndexByte(text[i+1:], text[i]); length >= 0 {
		return i + length + 2
	}
	return len(text)
}

func maskWord(word string, depth int) string {
	if name, value, found := strings.Cut(word, "="); found && name != "" && strings.Trim(value, "=") != "" {
		if InRequests(lastName(plain(name))) {
			return name + "=" + masked
		}
		return maskNested(name, depth-1) + "=" + maskNested(value, depth-1)
	}
	if decoded := plain(word); decoded != word {
		if shown := maskNested(decoded, depth-1); shown != decoded {
			return url.QueryEscape(shown)
		}
		return word
	}
	return maskBase64(word, depth)
}

// lastName returns the name at the end of a text such as path?name.
func lastName(text string) string {
	return text[strings.LastIndexAny(text, "/?&;:,!@ ")+1:]
}

// plain decodes percent-encoding, and keeps percent signs that aren't part of one.
func plain(text string) string {
	if strings.IndexByte(text, '%') < 0 {
		return text
	}
	if decoded, err := url.PathUnescape(text); err == nil {
		return decoded
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if i+2 < len(text) && text[i] == '%' {
			if decoded, err := url.PathUnescape(text[i : i+3]); err == nil {
				out = append(out, decoded...)
				i += 2
				continue
			}
		}
		out = append(out, text[i])
	}
	return string(out)
}

// maskBase64 masks a word that is base64 of a text with a secret.
func maskBase64(word string, depth int) string {
	digits := strings.TrimRight(word, "=")
	if len(digits) < minRun || isGUID(digits) {
		return word
	}
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(digits, "-_") {
		encoding = base64.RawURLEncoding
	}
	decoded, err := encoding.DecodeString(digits)
	if err != nil && len(digits)%4 == 1 { // the end is missing
		decoded, err = encoding.DecodeString(digits[:len(digits)-1])
	}
	if err != nil || !isText(decoded) {
		return word
	}
	text := string(decoded)
	if maskNested(text, depth-1) != text || strings.ContainsAny(text, "{:") && JSON(decoded, InRequests) != text {
		return masked
	}
	return word
}

// isText reports whether bytes can be text, which random bytes almost never can.
func isText(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}
