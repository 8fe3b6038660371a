package fault

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/front"
)

// altering buffers an answer, so that it can be sent changed, slowly or in part.
type altering struct {
	gin.ResponseWriter
	effect api.FaultEffect
	random *rand.Rand
	status int
	body   bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (w *altering) WriteHeader(status int) { w.status = status }

// Write implements http.ResponseWriter.
func (w *altering) Write(b []byte) (int, error) { return w.body.Write(b) }

// WriteString implements gin.ResponseWriter.
func (w *altering) WriteString(s string) (int, error) { return w.body.WriteString(s) }

// WriteHeaderNow implements gin.ResponseWriter.
func (*altering) WriteHeaderNow() {}

// Flush implements http.Flusher.
func (*altering) Flush() {}

// Status implements gin.ResponseWriter.
func (w *altering) Status() int { return w.status }

// Size implements gin.ResponseWriter.
func (w *altering) Size() int { return w.body.Len() }

// Written implements gin.ResponseWriter.
func (*altering) Written() bool { return false }

// after sends the buffered answer with the rule's changes.
func after(x *front.Exchange, _ front.Answer) {
	w, ok := x.Writer.(*altering)
	if !ok {
		return
	}
	x.Writer = w.ResponseWriter
	body := w.body.Bytes()
	if w.effect.Change != nil {
		body = change(body, *w.effect.Change, x.Base+x.Request.URL.RequestURI(), w.random)
	}
	h := x.Writer.Header()
	if w.effect.ContentType != nil && w.effect.Body == nil {
		h["Content-Type"] = []string{*w.effect.ContentType}
	}
	if len(body) > 0 || h.Get("Content-Length") != "" {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	if len(body) == 0 {
		h.Del("Content-Type")
	}
	w.send(x.Request.Context(), body)
}

// noGzip keeps gzhttp from compressing an answer, for which it would delay the answer's
// parts.
const noGzip = "No-Gzip-Compression"

func (w *altering) send(ctx context.Context, body []byte) {
	out := w.ResponseWriter
	cut := w.effect.CutAfterBytes != nil && int(*w.effect.CutAfterBytes) < len(body)
	if cut || w.effect.BytesPerSecond != nil {
		out.Header().Set(noGzip, "1")
	}
	out.WriteHeader(w.status)
	out.WriteHeaderNow()
	if cut {
		body = body[:*w.effect.CutAfterBytes]
	}
	w.pace(ctx, body)
	if cut {
		out.Flush()
		panic(http.ErrAbortHandler)
	}
}

// pause is how long a slow answer waits between its parts, unless a byte takes longer.
const pause = 100 * time.Millisecond

func (w *altering) pace(ctx context.Context, body []byte) {
	if w.effect.BytesPerSecond == nil {
		_, _ = w.ResponseWriter.Write(body)
		return
	}
	rate := int(*w.effect.BytesPerSecond)
	size := max(1, rate/int(time.Second/pause))
	for part := range slices.Chunk(body, size) {
		if _, err := w.ResponseWriter.Write(part); err != nil || ctx.Err() != nil {
			return
		}
		w.ResponseWriter.Flush()
		wait(ctx, time.Duration(len(part))*time.Second/time.Duration(rate))
	}
}
