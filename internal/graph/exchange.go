package graph

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/bearer"
	"github.com/mocktenant/mocktenant/internal/db"
)

const (
	jsonType      = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
	errorJSONType = "application/json"
	diagnostic    = `{"ServerInfo":{"DataCenter":"Mock","Slice":"E","Ring":"5","ScaleUnit":"000","RoleInstance":"mocktenant"}}`

	// maxClientRequestID bounds what is echoed and logged of a client's own id.
	maxClientRequestID = 128
)

// exchange is one request and the answer to it.
type exchange struct {
	*gin.Context
	queries         *db.Store // of a transaction, where the change is repeatable
	version         version
	caller          *bearer.Claims
	base            string // scheme and host that links start with
	now             time.Time
	format          format // of a JSON answer
	requestID       string
	clientRequestID string

	values [12]string // of the answer's headers, see setHeader
	taken  int
}

const exchangeKey = "exchange"

func exchangeOf(c *gin.Context) *exchange { return c.MustGet(exchangeKey).(*exchange) }

// begin is the first middleware: it names the request, bounds its time, sets
// the headers that every answer carries, and logs the outcome.
func (s *server) begin(c *gin.Context) {
	x := &exchange{Context: c, queries: s.queries, requestID: uuid.NewString(), base: s.base(c.Request), now: s.now(), format: minimal}
	x.clientRequestID = x.requestID
	if id := c.Request.Header.Get("Client-Request-Id"); id != "" && len(id) <= maxClientRequestID {
		x.clientRequestID = id
	}
	c.Set(exchangeKey, x)
	ctx, cancel := context.WithTimeout(c.Request.Context(), s.timeout)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)

	x.setHeader("Cache-Control", "no-cache")
	x.setHeader("Vary", "Accept-Encoding")
	x.setHeader("request-id", x.requestID)
	x.setHeader("client-request-id", x.clientRequestID)
	x.setHeader("x-ms-ags-diagnostic", diagnostic)

	start := time.Now()
	c.Next()
	s.logExchange(x, time.Since(start))
}

func (s *server) logExchange(x *exchange, took time.Duration) {
	level := slog.LevelInfo
	if x.Writer.Status() >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	if !s.log.Enabled(x.Request.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", x.Request.Method),
		slog.String("route", x.FullPath()),
		slog.Int("status", x.Writer.Status()),
		slog.Duration("took", took),
		slog.String("request-id", x.requestID),
		slog.String("client-request-id", x.clientRequestID),
	}
	if x.caller != nil {
		attrs = append(attrs, slog.String("tenant", x.caller.TenantID.String()))
	}
	if err := x.Errors.Last(); err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	s.log.LogAttrs(x.Request.Context(), level, "request", attrs...)
}

// answerPanic answers a panic as Graph does a failure, and logs where it was.
func (s *server) answerPanic(c *gin.Context) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			panic(v)
		default:
			x := exchangeOf(c)
			s.log.Error("panic", "request-id", x.requestID, "value", v, "stack", string(debug.Stack()))
			s.writeError(x, fmt.Errorf("panic: %v", v))
			c.Abort() // or Gin goes on with the handlers behind the one that panicked
		}
	}()
	c.Next()
}

// base is the public URL, or the scheme and host by which the client called.
func (s *server) base(r *http.Request) string {
	if s.publicURL != "" {
		return s.publicURL
	}
	return cmp.Or(r.URL.Scheme, "http") + "://" + r.Host
}

// writeJSON answers with a body, in parts, that is JSON already.
func (x *exchange) writeJSON(status int, body ...[]byte) {
	x.setHeader("OData-Version", "4.0")
	x.write(status, x.format.contentType(), body...)
}

// write answers with a body, in parts.
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
			_ = x.Error(err) // the client is gone; for the log
			return
		}
	}
}

// setHeader sets a header of the answer in exactly this letter case, which Graph's
// names have. An answer has few headers: their values lie in the exchange, where
// http.Header would make each a slice of its own.
func (x *exchange) setHeader(name, value string) {
	if x.taken == len(x.values) {
		x.Writer.Header()[name] = []string{value}
		return
	}
	x.values[x.taken] = value
	x.taken++
	x.Writer.Header()[name] = x.values[x.taken-1 : x.taken : x.taken]
}

// maxKept is how large a buffer is kept for the next answer, in bytes: a page of a
// thousand partners fits, and any of a batch.
const maxKept = 1 << 20

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// buffered writes with an empty buffer, which write must not keep.
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
