package graph

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/mocktenant/mocktenant/internal/odata"
)

// format is the form of a JSON answer (JSON Format 3).
type format struct {
	metadata string // none, minimal or full
	ieee754  bool   // sends numbers that need more than a double as strings
}

var minimal = format{metadata: "minimal"}

func (f format) contentType() string {
	if f == minimal {
		return jsonType
	}
	return "application/json;odata.metadata=" + f.metadata + ";odata.streaming=true;IEEE754Compatible=" + strconv.FormatBool(f.ieee754) + ";charset=utf-8"
}

// negotiate determines the answer's format from $format or, without it, from Accept
// (Protocol 8.2.1, 11.2.12), and checks the OData versions that the client supports
// (Protocol 8.1.5, 8.2.7). It refuses with 406 if the client accepts no available format,
// before the request has any effect.
func (x *exchange) negotiate(option string) error {
	if err := x.checkVersions(); err != nil {
		return err
	}
	x.format = minimal
	if option != "" {
		f, ok := formatOption(option)
		if !ok {
			return &odata.Error{Option: odata.Format, Message: "The $format '" + option + "' is not supported. Use 'json', or 'application/json' with odata.metadata and IEEE754Compatible."}
		}
		x.format = f
		return nil
	}
	if x.text {
		return nil
	}
	accept := strings.Join(x.Request.Header.Values("Accept"), ",")
	if accept == "" || accept == "application/json" || accept == "*/*" { // the usual case
		return nil
	}
	for _, media := range acceptable(accept) {
		if f, ok := jsonFormat(media); ok {
			x.format = f
			return nil
		}
	}
	return errNotAcceptable(accept)
}

func errNotAcceptable(accept string) *graphError {
	return &graphError{
		status: http.StatusNotAcceptable, code: "NotAcceptable",
		message: "None of the media types that the request accepts ('" + abbreviate(accept) + "') is supported. Use 'application/json'.",
	}
}

// checkVersions refuses unsupported OData versions. Microsoft's .NET library appends the
// client's name to the version, as in "4.0;NetFx", which OData 3 allowed.
func (x *exchange) checkVersions() error { // names in net/http's spelling
	if v := x.Request.Header.Get("Odata-Version"); v != "" {
		if n := withoutSuffix(v); n != "4.0" && n != "4.01" {
			return errBadRequest("The OData-Version '%s' of the request is not supported. Use '4.0' or '4.01'.", abbreviate(v))
		}
	}
	if v := x.Request.Header.Get("Odata-Maxversion"); v != "" {
		major, minor, _ := strings.Cut(withoutSuffix(v), ".")
		n, err := strconv.ParseUint(major, 10, 16)
		if _, minorErr := strconv.ParseUint("0"+minor, 10, 16); err != nil || minorErr != nil || n < 4 {
			return errBadRequest("The OData-MaxVersion '%s' is not supported: answers are of version 4.0.", abbreviate(v))
		}
	}
	return nil
}

// withoutSuffix returns only the version from an OData version header.
func withoutSuffix(version string) string {
	version, _, _ = strings.Cut(version, ";")
	return strings.TrimSpace(version)
}

func formatOption(option string) (format, bool) {
	if strings.EqualFold(option, "json") {
		return minimal, true
	}
	return jsonFormat(option)
}

// acceptable lists the media ranges of an Accept header by descending preference (RFC 9110
// section 12.5.1).
func acceptable(accept string) []string {
	type ranged struct {
		media   string
		quality float64
	}
	var all []ranged
	for part := range strings.SplitSeq(accept, ",") {
		media, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		quality := 1.0
		if q, ok := params["q"]; ok {
			if quality, err = strconv.ParseFloat(q, 64); err != nil || quality <= 0 {
				continue
			}
			delete(params, "q")
		}
		all = append(all, ranged{mime.FormatMediaType(media, params), quality})
	}
	slices.SortStableFunc(all, func(a, b ranged) int {
		switch {
		case a.quality > b.quality:
			return -1
		case a.quality < b.quality:
			return 1
		}
		return 0
	})
	var media []string
	for _, r := range all {
		media = append(media, r.media)
	}
	return media
}

// jsonFormat reads a media range that includes JSON, with its format parameters (JSON
// Format 3.1, 3.2). They may have the prefix that OData 4.0 requires.
func jsonFormat(text string) (format, bool) {
	media, params, err := mime.ParseMediaType(text)
	if err != nil || media != "application/json" && media != "application/*" && media != "*/*" {
		return format{}, false
	}
	f := minimal
	for name, value := range params {
		value = strings.ToLower(value)
		switch strings.TrimPrefix(name, "odata.") {
		case "metadata":
			if value != "none" && value != "minimal" && value != "full" {
				return format{}, false
			}
			f.metadata = value
		case "ieee754compatible":
			if value != "true" && value != "false" {
				return format{}, false
			}
			f.ieee754 = value == "true"
		case "charset":
			if !isUTF8(value) {
				return format{}, false
			}
		case "streaming", "exponentialdecimals":
		default:
			return format{}, false
		}
	}
	return f, true
}

// negotiateText chooses plain text for the answer, or returns an error if the client
// doesn't accept it. A client that accepts JSON gets plain text too, because clients ask
// for JSON everywhere.
func (x *exchange) negotiateText() error {
	x.text = true
	accept := strings.Join(x.Request.Header.Values("Accept"), ",")
	if accept == "" {
		return nil
	}
	for _, media := range acceptable(accept) {
		media, _, _ = strings.Cut(media, ";")
		if slices.Contains([]string{"text/plain", "text/*", "*/*", "application/json", "application/*"}, media) {
			return nil
		}
	}
	return errNotAcceptable(accept)
}
