package graph

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxBody bounds a request's body, in bytes, packed and unpacked.
	maxBody = 1 << 20

	// maxDepth bounds how deep a body nests, as Microsoft's OData reader does.
	maxDepth = 100
)

// errNotJSON is what Graph's gateway says of a body that it can't read.
func errNotJSON(detail string, cause error) *graphError {
	return &graphError{
		status: http.StatusBadRequest, code: "BadRequest",
		message: "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
		detail:  detail, cause: cause,
	}
}

// readObject reads the body, which must be one JSON object, and calls member
// for each of its members, with the decoder before the value; member must read
// exactly that value. Duplicate names, invalid UTF-8, trailing content and
// nesting deeper than maxDepth are refused.
func readObject(r *http.Request, member func(name string, d *jsontext.Decoder) error) error {
	body, err := readJSON(r)
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return errBadRequest("Empty Payload. JSON content expected.")
	}
	return walkObject(body, member)
}

// readJSON reads a body that is marked as JSON, as readBody does.
func readJSON(r *http.Request) ([]byte, error) {
	charset, err := jsonCharset(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, err
	}
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	return body, checkCharset(charset, body)
}

// jsonCharset returns the charset that a Content-Type of JSON names, in lower
// case; "" is UTF-8.
func jsonCharset(contentType string) (string, error) {
	if contentType == "application/json" { // nearly all
		return "", nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || media != "application/json" {
		return "", errNotJSON("The Content-Type is not application/json.", err)
	}
	charset := strings.ToLower(strings.TrimSpace(params["charset"]))
	if isUTF8(charset) {
		return "", nil
	}
	return charset, nil
}

// isUTF8 tells whether a charset in lower case is UTF-8, by its own name or the
// one that .NET and Python write too.
func isUTF8(charset string) bool { return charset == "utf-8" || charset == "utf8" }

// asciiCharsets match the charsets, besides UTF-8, that clients name and whose
// bytes below 128 are those of ASCII.
// https://www.iana.org/assignments/character-sets
var asciiCharsets = regexp.MustCompile(`^(us-)?ascii$|^ansi_x3\.4-1968$|^iso[-_]?8859-([1-9]|1[0-6])$|^latin-?[1-9]$|^(windows|cp)-?(125[0-8]|874)$|^koi8-[ru]$|^gb(k|2312|18030)$|^big5$|^euc-(jp|kr)$|^macintosh$`)

// checkCharset refuses bytes that aren't UTF-8 by what their sender says of them.
// Where all are ASCII, the name makes no difference.
func checkCharset(charset string, body []byte) error {
	switch {
	case charset == "":
		return nil
	case !asciiCharsets.MatchString(charset):
		return errNotJSON(fmt.Sprintf("The charset '%s' is not supported. Send the payload as utf-8.", abbreviate(charset)), nil)
	case slices.ContainsFunc(body, func(b byte) bool { return b >= utf8.RuneSelf }):
		return errNotJSON(fmt.Sprintf("The payload is not ASCII, and its charset '%s' is not supported beyond ASCII. Send it as utf-8.", charset), nil)
	}
	return nil
}

// readNoParameters reads the body of an action, none of which takes a
// parameter: nothing, null and {} are the same, whatever they are marked as.
func readNoParameters(r *http.Request) error {
	body, err := readBody(r)
	if err != nil || len(body) == 0 || string(body) == "null" {
		return err
	}
	return walkObject(body, func(name string, d *jsontext.Decoder) error {
		if strings.Contains(name, "@") {
			return d.SkipValue()
		}
		return errModelValidation(name, "The parameter '%s' in the request payload is not a valid parameter for the operation: it takes none.", name)
	})
}

func walkObject(body []byte, member func(name string, d *jsontext.Decoder) error) error {
	if err := checkJSON(body); err != nil {
		return err
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) // checkJSON has seen to both
	if d.PeekKind() != '{' {
		return errNotJSON("The payload is not a JSON object.", nil)
	}
	_, _ = d.ReadToken() // no read fails from here on
	for d.PeekKind() != '}' {
		name, _ := d.ReadToken()
		if err := member(name.String(), d); err != nil {
			return err
		}
	}
	return nil
}

// checkJSON reads the body once to its end, so that nothing of it is acted on
// unless all of it is JSON.
func checkJSON(body []byte) error {
	if bytes.Count(body, []byte("{"))+bytes.Count(body, []byte("[")) <= maxDepth && jsontext.Value(body).IsValid() {
		return nil // nearly all
	}
	d := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		_, err := d.ReadToken()
		if errors.Is(err, io.EOF) && d.InputOffset() > 0 && d.StackDepth() == 0 {
			return nil
		}
		if err != nil {
			return errNotJSON(strings.TrimPrefix(err.Error(), "jsontext: "), err)
		}
		if d.StackDepth() > maxDepth {
			return errNotJSON(fmt.Sprintf("The payload nests deeper than %d levels.", maxDepth), nil)
		}
		if d.StackDepth() == 0 && d.PeekKind() != 0 {
			return errNotJSON(fmt.Sprintf("There is content behind the JSON value, at byte %d.", d.InputOffset()), nil)
		}
	}
}

// readBody reads the whole body, unpacked, without a byte order mark and the
// white space (RFC 8259) around it. A body that is marked gzip and isn't
// is taken as it stands: the Graph SDK for Go sends such after a retry.
func readBody(r *http.Request) ([]byte, error) {
	body, err := readAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return nil, err
	}
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		if bytes.HasPrefix(body, []byte{0x1f, 0x8b}) {
			if body, err = gunzip(body); err != nil {
				return nil, err
			}
		}
	default:
		return nil, &graphError{
			status: http.StatusUnsupportedMediaType, code: "UnsupportedMediaType",
			message: fmt.Sprintf("The Content-Encoding '%s' is not supported. Send the body plain, or packed by gzip.", encoding),
		}
	}
	return bytes.Trim(bytes.TrimPrefix(body, []byte("\ufeff")), " \t\r\n"), nil
}

func gunzip(packed []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, errNotJSON("The payload is not valid gzip.", err)
	}
	return readAll(http.MaxBytesReader(nil, z, maxBody))
}

func readAll(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(r)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, &graphError{
			status: http.StatusRequestEntityTooLarge, code: "RequestEntityTooLarge",
			message: fmt.Sprintf("The request body is larger than %d bytes.", tooLarge.Limit),
		}
	}
	if err != nil {
		return nil, errNotJSON("The payload could not be read to its end.", err)
	}
	return body, nil
}
