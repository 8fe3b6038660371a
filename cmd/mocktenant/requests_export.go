package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mocktenant/mocktenant/api"
)

// requestPrinter prints requests. first means that they are the first ones.
type requestPrinter func(con console, requests []api.Request, first bool) error

var requestPrinters = map[string]requestPrinter{
	"table": func(con console, requests []api.Request, first bool) error {
		rows := requestTable.all(requests)
		if !first {
			rows = rows[1:]
		}
		return printTable(con.out, rows)
	},
	"json": func(con console, requests []api.Request, _ bool) error { return printJSON(con.out, requests) },
	"har":  func(con console, requests []api.Request, _ bool) error { return printJSON(con.out, newHAR(requests)) },
	"curl": func(con console, requests []api.Request, _ bool) error {
		for _, r := range requests {
			if _, err := fmt.Fprintln(con.out, curl(r)); err != nil {
				return err
			}
		}
		return nil
	},
}

// readBody reads JSON from a flag or a file.
func readBody(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("the JSON %.100q: %w", text, err)
	}
	return nil
}

// notSent lists headers that curl adds itself, or that don't fit a body as the journal has it.
var notSent = map[string]bool{"Host": true, "Content-Length": true, "Accept-Encoding": true, "Content-Encoding": true, "Connection": true}

// curl returns a command that repeats a request, with the token in $ACCESS_TOKEN. Other secrets
// are masked.
func curl(r api.Request) string {
	words := []string{"curl", "--globoff", "--path-as-is", "--request", r.Method, quote(r.Url)}
	if r.Method == http.MethodHead {
		words[3], words = "--head", slices.Delete(words, 4, 5) // or it waits for a body
	}
	for _, name := range []string{"Accept", "User-Agent", "Content-Type"} { // which curl would add
		if _, sent := r.Request.Headers[name]; !sent {
			words = append(words, "--header", quote(name+":"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Request.Headers)) {
		switch value := r.Request.Headers[name]; {
		case notSent[name]:
		case name == "Authorization" && r.Front == api.RequestFrontGraph:
			words = append(words, "--header", `"Authorization: Bearer $ACCESS_TOKEN"`)
		case value == "":
			words = append(words, "--header", quote(name+";"))
		default:
			words = append(words, "--header", quote(name+": "+value))
		}
	}
	if r.Request.Body != "" {
		words = append(words, "--data-raw", quote(r.Request.Body))
	}
	return strings.Join(words, " ")
}

// quote quotes a word for a POSIX shell.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// har is an HTTP Archive 1.2 (http://www.softwareishard.com/blog/har-12-spec/).
type har struct {
	Log harLog `json:"log"`
}

type harLog struct {
	Version string     `json:"version"`
	Creator harCreator `json:"creator"`
	Entries []harEntry `json:"entries"`
}

type harCreator struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type harEntry struct {
	Started  string             `json:"startedDateTime"`
	Time     float64            `json:"time"`
	Request  harRequest         `json:"request"`
	Response harResponse        `json:"response"`
	Cache    struct{}           `json:"cache"`
	Timings  map[string]float64 `json:"timings"`
}

type harPair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type harRequest struct {
	Method      string    `json:"method"`
	URL         string    `json:"url"`
	HTTPVersion string    `json:"httpVersion"`
	Cookies     []harPair `json:"cookies"`
	Headers     []harPair `json:"headers"`
	Query       []harPair `json:"queryString"`
	PostData    *harPost  `json:"postData,omitempty"`
	HeadersSize int       `json:"headersSize"`
	BodySize    int64     `json:"bodySize"`
}

type harResponse struct {
	Status      int32     `json:"status"`
	StatusText  string    `json:"statusText"`
	HTTPVersion string    `json:"httpVersion"`
	Cookies     []harPair `json:"cookies"`
	Headers     []harPair `json:"headers"`
	Content     harBody   `json:"content"`
	RedirectURL string    `json:"redirectURL"`
	HeadersSize int       `json:"headersSize"`
	BodySize    int64     `json:"bodySize"`
}

type harPost struct {
	Type    string `json:"mimeType"`
	Text    string `json:"text"`
	Comment string `json:"comment,omitempty"`
}

type harBody struct {
	Size int64 `json:"size"`
	harPost
}

// newHARPost returns a body, with a comment if the journal doesn't have all of it. A body that
// was sent packed is longer than what was packed.
func newHARPost(m api.RequestMessage) harPost {
	p := harPost{Type: m.Headers["Content-Type"], Text: m.Body}
	if int64(len(m.Body)) < m.Size && !strings.Contains(m.Body, "***") {
		p.Comment = fmt.Sprintf("%d of %d bytes", len(m.Body), m.Size)
	}
	return p
}

func newHAR(requests []api.Request) har {
	h := har{harLog{"1.2", harCreator{"mocktenant", cmp.Or(version, "unknown")}, []harEntry{}}}
	for _, r := range requests {
		h.Log.Entries = append(h.Log.Entries, newHAREntry(r))
	}
	return h
}

func newHAREntry(r api.Request) harEntry {
	e := harEntry{
		Started: r.DateTime.Format(time.RFC3339Nano), Time: r.TookMilliseconds, Timings: map[string]float64{"send": 0, "wait": r.TookMilliseconds, "receive": 0},
		Request:  harRequest{Method: r.Method, URL: r.Url, HTTPVersion: "unknown", Cookies: []harPair{}, Headers: pairs(r.Request.Headers), Query: query(r.Url), HeadersSize: -1, BodySize: r.Request.Size},
		Response: harResponse{Status: r.Status, StatusText: http.StatusText(int(r.Status)), HTTPVersion: "unknown", Cookies: []harPair{}, Headers: pairs(r.Response.Headers), RedirectURL: r.Response.Headers["Location"], HeadersSize: -1, BodySize: r.Response.Size},
	}
	e.Response.Content = harBody{r.Response.Size, newHARPost(r.Response)}
	if r.Request.Body != "" {
		post := newHARPost(r.Request)
		e.Request.PostData = &post
	}
	return e
}

func pairs(headers map[string]string) []harPair {
	all := []harPair{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		all = append(all, harPair{name, headers[name]})
	}
	return all
}

func query(at string) []harPair {
	all := []harPair{}
	if u, err := url.Parse(at); err == nil {
		values := u.Query()
		for _, name := range slices.Sorted(maps.Keys(values)) {
			for _, value := range values[name] {
				all = append(all, harPair{name, value})
			}
		}
	}
	return all
}
