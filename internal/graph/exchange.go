package graph

import (
	"strconv"
	"sync"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/bearer"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/front"
)

const (
	jsonType     = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
	bareJSONType = "application/json"
	diagnostic   = `{"ServerInfo":{"DataCenter":"Mock","Slice":"E","Ring":"5","ScaleUnit":"000","RoleInstance":"mocktenant"}}`

	// maxClientRequestID bounds how much of a client's own id is returned and logged, in
	// bytes.
	maxClientRequestID = 128
)

// exchange is a request and its answer.
type exchange struct {
	*front.Exchange
	queries *db.Store // in a transaction if the change is repeatable
	version version
	caller  *bearer.Claims
	format  format // of a JSON answer
	text    bool   // the answer is plain text
	applied string // the preferences that the answer names

	values [12]string // of the answer's headers; see setHeader
	taken  int
}

// open records the client's own id of the request, and sets the headers of every answer.
func (s *server) open(e *front.Exchange) *exchange {
	x := &exchange{Exchange: e, queries: s.queries, version: versionOf(e.Request), format: minimal}
	x.ClientID = x.ID
	if id := x.Request.Header.Get("Client-Request-Id"); id != "" && len(id) <= maxClientRequestID {
		x.ClientID = id
	}
	x.setHeader("Cache-Control", "no-cache")
	x.setHeader("Vary", "Accept-Encoding")
	x.setHeader("request-id", x.ID)
	x.setHeader("client-request-id", x.ClientID)
	x.setHeader("x-ms-ags-diagnostic", diagnostic)
	return x
}

// application returns the client id of the caller's application, or zero if the token has no
// GUID for it.
func (x *exchange) application() uuid.UUID { return orZero(x.caller.AppID) }

// requestID returns the client's own id of the request, or ours if that isn't a GUID.
func (x *exchange) requestID() uuid.UUID {
	if id := orZero(x.ClientID); id != uuid.Nil {
		return id
	}
	return orZero(x.ID)
}

// orZero reads a GUID; any other text is zero.
func orZero(text string) uuid.UUID {
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.Nil
	}
	return id
}

// writeJSON answers with JSON, given in parts.
func (x *exchange) writeJSON(status int, body ...[]byte) {
	x.setHeader("OData-Version", "4.0")
	x.write(status, x.format.contentType(), body...)
}

// write answers with a body, given in parts.
func (x *exchange) write(status int, contentType string, body ...[]byte) {
	length := 0
	for _, part := range body {
		length += len(part)
	}
	x.setHeader("Content-Length", strconv.Itoa(length))
	x.setHeader("Content-Type", contentType)
	x.Status(status)
	for _, part := range body {
		if _, err := x.Writer.Write(part); err != nil {
			_ = x.Error(err) // the client is gone; this is for the log
			return
		}
	}
}

// setHeader sets a header of the answer in exactly this letter case, as Graph sends it. The
// exchange stores the few values in an array, because http.Header would allocate a slice
// for each.
func (x *exchange) setHeader(name, value string) {
	if x.taken == len(x.values) {
		x.Writer.Header()[name] = []string{value}
		return
	}
	x.values[x.taken] = value
	x.taken++
	x.Writer.Header()[name] = x.values[x.taken-1 : x.taken : x.taken]
}

// maxKept bounds the buffers that are kept for later answers, in bytes. A page of a
// thousand partners fits, and so does any page in a batch.
const maxKept = 1 << 20

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// buffered calls write with an empty buffer, which write must not keep.
func buffered(write func(b *[]byte) error) error {
	b := buffers.Get().(*[]byte)
	defer func() {
		if cap(*b) <= maxKept {
			*b = (*b)[:0]
			buffers.Put(b)
		}
	}()
	return write(b)
}
