package journal

import (
	"bytes"
	"io"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/front"
)

// Hook records the requests to a front that tenants' clients call.
func (j *Journal) Hook() front.Hook {
	if j.config.Rate == 0 {
		return front.Hook{}
	}
	return front.Hook{Begin: j.begin, After: j.after}
}

// capture records the beginnings of a request's body and of its answer as they pass.
type capture struct {
	gin.ResponseWriter

	journal  *Journal
	exchange *front.Exchange
	request  content
	body     io.ReadCloser
	response content
	sending  bool // whether the answer has begun
	period   int  // of answers, if the answer has begun
	drop     bool // the journal was full when the answer began
}

// content is the beginning of a body, and the body's size.
type content struct {
	kept []byte
	size int64
}

func (c *content) add(b []byte, most int) {
	c.size += int64(len(b))
	if room := most - len(c.kept); room > 0 {
		c.kept = append(c.kept, b[:min(room, len(b))]...)
	}
}

// captureKey is the key of the capture in Gin's context.
type captureKey struct{}

func (j *Journal) begin(x *front.Exchange) {
	x.Entry = uuid.Must(uuid.NewV7())
	c := &capture{ResponseWriter: x.Writer, journal: j, exchange: x, body: x.Request.Body}
	if c.body != nil && c.body != http.NoBody {
		x.Request.Body = reading{c}
	}
	x.Writer = c
	x.Set(captureKey{}, c)
}

// reading is a request's body.
type reading struct{ *capture }

// Read implements io.Reader.
func (r reading) Read(b []byte) (int, error) {
	n, err := r.body.Read(b)
	r.request.add(b[:n], r.journal.config.MaxBody)
	return n, err
}

// Close implements io.Closer.
func (r reading) Close() error { return r.body.Close() }

// Write implements http.ResponseWriter.
func (c *capture) Write(b []byte) (int, error) {
	c.send()
	if !c.drop {
		c.response.add(b, c.journal.config.MaxBody)
	}
	return c.ResponseWriter.Write(b)
}

// WriteString implements gin.ResponseWriter.
func (c *capture) WriteString(s string) (int, error) {
	c.send()
	if !c.drop {
		c.response.add([]byte(s), c.journal.config.MaxBody)
	}
	return c.ResponseWriter.WriteString(s)
}

// WriteHeaderNow implements gin.ResponseWriter.
func (c *capture) WriteHeaderNow() {
	c.send()
	c.ResponseWriter.WriteHeaderNow()
}

// send records that the client may receive the answer from now on. If the journal is full, it
// drops the entry now, so that the answer needn't be copied.
func (c *capture) send() {
	if !c.sending {
		c.sending, c.period = true, c.journal.open.begin()
		c.drop = c.journal.full(ownerOf(c.exchange), c.size(c.exchange.Request))
	}
}

func (j *Journal) after(x *front.Exchange, a front.Answer) {
	value, ok := x.Get(captureKey{})
	if !ok {
		return
	}
	c := value.(*capture)
	if x.Fault != "" {
		c.drain(x.Request)
	}
	if x.Request.Method == http.MethodHead {
		c.response = content{} // net/http doesn't send it
	}
	switch o := ownerOf(x); {
	case o.limit == 0:
	case c.drop || !j.admit(o, c.size(x.Request)):
		j.miss(o, x)
	default:
		j.add(newEntry(x, a, c, o))
	}
	if c.sending {
		j.open.end(c.period)
	}
}

// size returns how much memory the entry takes, in bytes.
func (c *capture) size(r *http.Request) int64 {
	const head = 3 << 10 // of the entry, its request and both headers
	return int64(cap(c.request.kept)+cap(c.response.kept)+len(r.RequestURI)) + head
}

// drain reads a short body that was not read because a rule answered first.
func (c *capture) drain(r *http.Request) {
	if c.request.size == 0 && r.ContentLength > 0 && r.ContentLength <= int64(c.journal.config.MaxBody) {
		_, _ = io.Copy(io.Discard, r.Body)
	}
}

// unpack returns a reader that decompresses the beginning of a body, or nil for an unknown
// encoding.
func unpack(kept []byte, packing string) io.Reader {
	switch packing {
	case "gzip", "x-gzip":
		return gzipReader(bytes.NewReader(kept))
	case "deflate":
		return deflateReader(kept)
	}
	return nil
}
