// Package archive writes requests of the journal in forms that other programs read: HTTP
// Archive 1.2, and commands for curl.
package archive

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mocktenant/mocktenant/api"
)

// notSent lists headers that curl adds itself, or that don't fit a body as the journal has it.
var notSent = map[string]bool{"Host": true, "Content-Length": true, "Accept-Encoding": true, "Content-Encoding": true, "Connection": true}

// Curl returns a command that repeats a request, with the token in $ACCESS_TOKEN. Other secrets
// are masked.
func Curl(r api.Request) string {
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

// HAR is an HTTP Archive 1.2 (http://www.softwareishard.com/blog/har-12-spec/).
type HAR struct {
	Log Log `json:"log"`
}

// Log is an archive's only member.
type Log struct {
	Version string  `json:"version"`
	Creator Creator `json:"creator"`
	Entries []Entry `json:"entries"`
}

// Creator names the program that made an archive.
type Creator struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Entry is a request and its answer.
type Entry struct {
	Started  string             `json:"startedDateTime"`
	Time     float64            `json:"time"`
	Request  Request            `json:"request"`
	Response Response           `json:"response"`
	Cache    struct{}           `json:"cache"`
	Timings  map[string]float64 `json:"timings"`
}

// Pair is a header, a cookie or a parameter.
type Pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Request is the request of an entry.
type Request struct {
	Method      string `json:"method"`
	URL         string `json:"url"`
	HTTPVersion string `json:"httpVersion"`
	Cookies     []Pair `json:"cookies"`
	Headers     []Pair `json:"headers"`
	Query       []Pair `json:"queryString"`
	PostData    *Post  `json:"postData,omitempty"`
	HeadersSize int    `json:"headersSize"`
	BodySize    int64  `json:"bodySize"`
}

// Response is the answer of an entry.
type Response struct {
	Status      int32  `json:"status"`
	StatusText  string `json:"statusText"`
	HTTPVersion string `json:"httpVersion"`
	Cookies     []Pair `json:"cookies"`
	Headers     []Pair `json:"headers"`
	Content     Body   `json:"content"`
	RedirectURL string `json:"redirectURL"`
	HeadersSize int    `json:"headersSize"`
	BodySize    int64  `json:"bodySize"`
}

// Post is a body.
type Post struct {
	Type    string `json:"mimeType"`
	Text    string `json:"text"`
	Comment string `json:"comment,omitempty"`
}

// Body is an answer's body.
type Body struct {
	Size int64 `json:"size"`
	Post
}

// newPost returns a body, with a comment if the journal doesn't have all of it. A body that
// was sent packed is longer than what was packed.
func newPost(m api.RequestMessage) Post {
	p := Post{Type: m.Headers["Content-Type"], Text: m.Body}
	if int64(len(m.Body)) < m.Size && !strings.Contains(m.Body, "***") {
		p.Comment = fmt.Sprintf("%d of %d bytes", len(m.Body), m.Size)
	}
	return p
}

// NewHAR returns requests as an archive of a version of this program.
func NewHAR(requests []api.Request, version string) HAR {
	h := HAR{Log{"1.2", newCreator(version), []Entry{}}}
	for _, r := range requests {
		h.Log.Entries = append(h.Log.Entries, newEntry(r))
	}
	return h
}

func newCreator(version string) Creator { return Creator{"mocktenant", cmp.Or(version, "unknown")} }

// Writer writes an archive piece by piece.
type Writer struct {
	to    io.Writer
	comma string
}

// NewWriter begins an archive.
func NewWriter(to io.Writer, version string) (*Writer, error) {
	creator, err := json.Marshal(newCreator(version))
	if err == nil {
		_, err = fmt.Fprintf(to, `{"log":{"version":"1.2","creator":%s,"entries":[`, creator)
	}
	return &Writer{to: to}, err
}

// Write adds requests to the archive.
func (w *Writer) Write(requests []api.Request) error {
	for _, r := range requests {
		text, err := json.Marshal(newEntry(r))
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w.to, "%s\n%s", w.comma, text); err != nil {
			return err
		}
		w.comma = ","
	}
	return nil
}

// Close ends the archive.
func (w *Writer) Close() error {
	_, err := io.WriteString(w.to, "\n]}}\n")
	return err
}

func newEntry(r api.Request) Entry {
	e := Entry{
		Started: r.DateTime.Format(time.RFC3339Nano), Time: r.TookMilliseconds, Timings: map[string]float64{"send": 0, "wait": r.TookMilliseconds, "receive": 0},
		Request:  Request{Method: r.Method, URL: r.Url, HTTPVersion: "unknown", Cookies: []Pair{}, Headers: pairs(r.Request.Headers), Query: query(r.Url), HeadersSize: -1, BodySize: r.Request.Size},
		Response: Response{Status: r.Status, StatusText: http.StatusText(int(r.Status)), HTTPVersion: "unknown", Cookies: []Pair{}, Headers: pairs(r.Response.Headers), RedirectURL: r.Response.Headers["Location"], HeadersSize: -1, BodySize: r.Response.Size},
	}
	e.Response.Content = Body{r.Response.Size, newPost(r.Response)}
	if r.Request.Body != "" {
		post := newPost(r.Request)
		e.Request.PostData = &post
	}
	return e
}

func pairs(headers map[string]string) []Pair {
	all := []Pair{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		all = append(all, Pair{name, headers[name]})
	}
	return all
}

func query(at string) []Pair {
	all := []Pair{}
	if u, err := url.Parse(at); err == nil {
		values := u.Query()
		for _, name := range slices.Sorted(maps.Keys(values)) {
			for _, value := range values[name] {
				all = append(all, Pair{name, value})
			}
		}
	}
	return all
}
