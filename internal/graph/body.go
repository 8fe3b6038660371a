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
	// maxBody bounds a request's body, in bytes, both compressed and uncompressed.
	maxBody = 1 << 20

	// maxDepth bounds the nesting of a body, as Microsoft's OData reader does.
	maxDepth = 100
)

// errNotJSON refuses a body that isn't JSON, in the words of Graph's gateway.
func errNotJSON(detail string, cause error) *graphError {
	return &graphError{
		status: http.StatusBadRequest, code: "BadRequest",
		message: "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
		detail:  detail, cause: cause,
	}
}

// readObject reads the body, which must be one JSON object, and calls member for each
// member. The decoder is then in front of the value, and member must read exactly that
// value. Duplicate names, invalid UTF-8, trailing content and nesting deeper than maxDepth
// are refused.
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

// readJSON works like readBody, and also refuses a body that isn't declared as JSON.
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

// jsonCharset returns the charset parameter of a Content-Type of JSON, in lower case. ""
// means UTF-8.
func jsonCharset(contentType string) (string, error) {
	if contentType == "application/json" { // the usual case
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

// isUTF8 reports whether a lower-case charset means UTF-8, either by its standard name or
// by the one that some .NET and Python clients send.
func isUTF8(charset string) bool { return charset == "utf-8" || charset == "utf8" }

// asciiCharsets matches charsets other than UTF-8 that clients send and that encode ASCII
// as such. https://www.iana.org/assignments/character-sets
var asciiCharsets = regexp.MustCompile(`^(us-)?ascii$|^ansi_x3\.4-1968$|^iso[-_]?8859-([1-9]|1[0-6])$|^latin-?[1-9]$|^(windows|cp)-?(125[0-8]|874)$|^koi8-[ru]$|^gb(k|2312|18030)$|^big5$|^euc-(jp|kr)$|^macintosh$`)

// checkCharset refuses bytes in an encoding other than UTF-8, with an error that depends on
// the declared charset. The charset doesn't matter if all bytes are ASCII.
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

// readNoParameters reads the body of an action. No action has parameters: an empty body,
// null and {} are the same, whatever their Content-Type.
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
	d := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) // checkJSON has checked both
	if d.PeekKind() != '{' {
		return errNotJSON("The payload is not a JSON object.", nil)
	}
	_, _ = d.ReadToken() // no read can fail from here on
	for d.PeekKind() != '}' {
		name, _ := d.ReadToken()
		if err := member(name.String(), d); err != nil {
			return err
		}
	}
	return nil
}

// checkJSON checks the whole body, so that no part of invalid JSON takes effect.
func checkJSON(body []byte) error {
	if bytes.Count(body, []byte("{"))+bytes.Count(body, []byte("[")) <= maxDepth && jsontext.Value(body).IsValid() {
		return nil // the usual case
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
			return errNotJSON(fmt.Sprintf("There is content after the JSON value, at byte %d.", d.InputOffset()), nil)
		}
	}
}

// readBody reads and decompresses the whole body. It removes a byte order mark and
// surrounding white space (RFC 8259). A body that is declared as gzip but isn't is taken as
// it is, because the Graph SDK for Go sends such bodies when it retries.
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
			message: fmt.Sprintf("The Content-Encoding '%s' is not supported. Send the body uncompressed, or compressed with gzip.", encoding),
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
		return nil, errNotJSON("The payload could not be read completely.", err)
	}
	return body, nil
}
