package journal

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/front"
	"github.com/mocktenant/mocktenant/internal/mask"
	"github.com/mocktenant/mocktenant/internal/tenant"
)

// These limits bound the stored head of a request, in bytes.
const (
	maxURL     = 8 << 10
	maxHeaders = 16 << 10
	maxID      = 200
)

// owner is the tenant in whose journal an entry is.
type owner struct {
	tenant uuid.UUID
	limit  int32         // maximum number of entries in its journal
	keep   time.Duration // maximum age of entries
}

// service is the owner of requests that name no tenant.
var service = owner{Service, 10_000, 24 * time.Hour}

// ownerOf returns the owner of a request, as far as it is known while it is answered.
func ownerOf(x *front.Exchange) owner {
	switch {
	case x.Tenant != nil:
		return ownedBy(x.Tenant)
	case x.Named != nil:
		return ownedBy(x.Named)
	}
	return service
}

// ownedBy returns a tenant as an owner. The tenant of personal accounts, which nobody made, is
// the service's.
func ownedBy(t *tenant.Settings) owner {
	if t.CreatedAt.IsZero() {
		return service
	}
	return owner{t.ID, t.JournalLimit, t.JournalTime}
}

// entry is a recorded request before masking.
type entry struct {
	owner

	id        uuid.UUID
	at        time.Time
	authority string // the name in the path, if its tenant was not looked up
	front     string
	answer    front.Answer
	cut       bool
	request   *http.Request
	route     string
	requestID string
	clientID  string
	base      string
	batch     uuid.UUID
	item      string
	user      uuid.UUID
	app       string
	expires   time.Time
	fault     string
	address   string
	header    http.Header // of the answer
	sent, got content
	size      int64
}

func newEntry(x *front.Exchange, a front.Answer, c *capture, o owner) *entry {
	e := &entry{
		owner: o, id: x.Entry, at: x.Now, front: x.Front, answer: a, cut: x.Cut, request: x.Request, route: x.FullPath(),
		requestID: x.ID, clientID: x.ClientID, base: x.RequestBase(), batch: x.Batch, item: x.BatchItem, user: x.User, app: x.Application,
		expires: x.TokenExpires, fault: x.Fault, address: x.ClientIP(), header: headerOf(c.Header()), sent: c.request, got: c.response, size: c.size(x.Request),
	}
	if x.Tenant == nil && x.Named == nil && x.Front == "authority" {
		e.authority, _, _ = strings.Cut(strings.ToLower(strings.TrimPrefix(x.Request.URL.Path, "/")), "/")
	}
	return e
}

// headerOf copies headers, because the answer's writer may still change them.
func headerOf(h http.Header) http.Header {
	copied := make(http.Header, len(h))
	for name, values := range h {
		copied[name] = values[:len(values):len(values)]
	}
	return copied
}

// row returns the row for the entry, without secrets.
func (j *Journal) row(e *entry) db.CreateJournalEntriesParams {
	status := int32(e.answer.Status)
	if e.cut {
		status = 0
	}
	r := db.CreateJournalEntriesParams{
		TenantID: e.tenant, ID: e.id, At: e.at, TookMicroseconds: e.answer.Took.Microseconds(), Front: e.front, Method: text(e.request.Method, maxID),
		Url: e.url(), Path: text(mask.Text(e.request.URL.Path), maxURL), Route: e.route, Status: status,
		RequestID: e.requestID, ClientRequestID: text(mask.Text(e.clientID), maxID), Application: e.app, Fault: e.fault, Address: e.address,
		RequestHeaders: headers(e.request.Header, e.request.Host), RequestBody: j.requestBody(e), RequestSize: e.sent.size,
		ResponseHeaders: headers(e.header, ""), ResponseBody: e.responseBody(), ResponseSize: e.got.size,
	}
	if e.batch != uuid.Nil {
		item := text(mask.Text(e.item), maxID)
		r.BatchID, r.BatchItem = &e.batch, &item
	}
	if e.user != uuid.Nil {
		r.UserID = &e.user
	}
	if !e.expires.IsZero() {
		r.TokenExpiresAt = &e.expires
	}
	if r.Application == "" && e.front == "authority" {
		r.Application = e.clientOfForm()
	}
	return r
}

// url returns the URL as the client sent it.
func (e *entry) url() string {
	target := e.request.RequestURI
	if target == "" {
		target = e.request.URL.RequestURI()
	}
	if _, rest, found := strings.Cut(target, "://"); found { // a proxy's form
		_, target, _ = strings.Cut(rest, "/")
		target = "/" + target
	}
	path, query, found := strings.Cut(target, "?")
	all := e.base + mask.Text(path)
	if found && e.front == "authority" {
		all += "?" + mask.Form(query)
	} else if found {
		all += "?" + mask.Query(query)
	}
	return text(all, maxURL)
}

// clientOfForm returns the client id in a form for the authority.
func (e *entry) clientOfForm() string {
	for _, values := range []string{string(e.sent.kept), e.request.URL.RawQuery} {
		if form, err := url.ParseQuery(values); err == nil && form.Get("client_id") != "" {
			return text(form.Get("client_id"), maxID)
		}
	}
	return ""
}

// text returns a text that Postgres can store, up to most bytes.
func text(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// headers returns headers as a JSON object sorted by name.
func headers(h http.Header, host string) []byte {
	out := []byte{'{'}
	if host != "" {
		out = appendMember(out, "Host", host)
	}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		shown := make([]string, len(h[name]))
		for i, value := range h[name] {
			shown[i] = mask.Header(name, value)
		}
		out = appendMember(out, name, strings.Join(shown, ", "))
	}
	return append(out, '}')
}

// appendMember adds a member to an object of JSON, unless that is too large.
func appendMember(out []byte, name, value string) []byte {
	if len(out) > maxHeaders {
		return out
	}
	if len(out) > 1 {
		out = append(out, ',')
	}
	out, _ = jsontext.AppendQuote(out, text(name, maxID))
	out = append(out, ':')
	out, _ = jsontext.AppendQuote(out, text(value, maxURL))
	return out
}

// requestBody returns the part of a request's body to store.
func (j *Journal) requestBody(e *entry) string {
	kept := e.sent.kept
	if packing := strings.ToLower(e.request.Header.Get("Content-Encoding")); packing != "" && len(kept) > 0 {
		unpacked := unpack(kept, packing)
		if unpacked == nil {
			return fmt.Sprintf("(%d bytes, packed as %s)", e.sent.size, text(packing, 50))
		}
		kept, _ = io.ReadAll(io.LimitReader(unpacked, int64(j.config.MaxBody))) // a truncated body gives only a beginning
	}
	return e.body(kept, e.request.Header.Get("Content-Type"), mask.InRequests)
}

func (e *entry) responseBody() string {
	secret := mask.InAnswers
	if strings.HasSuffix(e.route, "/token") || strings.HasSuffix(e.route, "/devicecode") {
		secret = mask.InGrants
	}
	contentType := ""
	if values := e.header["Content-Type"]; len(values) > 0 {
		contentType = values[0]
	}
	return e.body(e.got.kept, contentType, secret)
}

// body masks a body. Of the authority, which takes and shows nearly nothing but secrets,
// only forms and JSON are kept, and no multipart, whose parts' names nobody looks at.
func (e *entry) body(kept []byte, contentType string, secret func(string) bool) string {
	if len(kept) == 0 {
		return ""
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		media, _, _ = strings.Cut(contentType, ";")
	}
	switch media = strings.ToLower(strings.TrimSpace(media)); {
	case media == "application/x-www-form-urlencoded":
		return text(mask.Form(string(kept)), len(kept)*2)
	case strings.Contains(media, "json"):
	case e.front == "authority", strings.HasPrefix(media, "multipart/"):
		return fmt.Sprintf("(a body of type %s)", text(media, maxID))
	}
	return text(mask.JSON(kept, secret), len(kept)*2)
}

func gzipReader(packed io.Reader) io.Reader {
	r, err := gzip.NewReader(packed)
	if err != nil {
		return strings.NewReader("")
	}
	return r
}

// deflateReader reads both formats that are called deflate.
func deflateReader(packed []byte) io.Reader {
	if r, err := zlib.NewReader(bytes.NewReader(packed)); err == nil {
		return r
	}
	return flate.NewReader(bytes.NewReader(packed))
}
