package graph

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/mocktenant/mocktenant/internal/db"
)

// repeatable lets f make a change once: where the tenant wants it, the same request
// by the same caller with the same client-request-id is answered as before, for a
// while. A client that got no answer, or 503, may so send its request again. The
// idea is that of OASIS Repeatable Requests; Graph doesn't have it.
// https://docs.oasis-open.org/odata/repeatable-requests/v1.0/repeatable-requests-v1.0.html
func (s *server) repeatable(f handler) handler {
	return func(x *exchange) error {
		id := x.repeatID()
		if x.caller.Repeatability == 0 || id == "" { // nearly all
			return f(x)
		}
		hash, err := x.repeatableHash(id)
		if err != nil {
			return err
		}
		answer, err := s.queries.Once(x.Request.Context(), db.BeginRepeatableRequestParams{
			TenantID: x.caller.TenantID, Hash: hash, CreatedAt: x.now, ExpiredBefore: x.now.Add(-x.caller.Repeatability),
		}, func(inside *db.Store) (db.AnswerRepeatableRequestParams, error) { return x.withhold(f, inside) })
		if err != nil {
			return err
		}
		h := x.Writer.Header()
		for i := 0; i < len(answer.Headers); i += 2 {
			h[answer.Headers[i]] = []string{answer.Headers[i+1]}
		}
		x.Writer.WriteHeader(int(answer.Status))
		x.Writer.WriteHeaderNow()
		_, err = x.Writer.Write(answer.Body)
		return err
	}
}

// repeatID is the id by which the client would repeat the request: its
// client-request-id or, for a request of a batch that has none, that of the batch
// with the request's own. "" if there is none.
func (x *exchange) repeatID() string {
	if id := x.Request.Header.Get("Client-Request-Id"); id != "" && len(id) <= maxClientRequestID {
		return id
	}
	id, _ := x.Request.Context().Value(inBatchKey{}).(string)
	return id
}

// itemRepeatID is the id by which a request of this batch may be repeated.
func (x *exchange) itemRepeatID(item string) string {
	if id := x.repeatID(); id != "" {
		return id + "\n" + item // no header has a line end
	}
	return ""
}

// repeatableHash is the same for two requests of a tenant if they say the same. The
// body counts unpacked: the Graph SDK for Go packs only the first attempt.
func (x *exchange) repeatableHash(id string) ([]byte, error) {
	r := x.Request
	var body []byte
	if r.ContentLength != 0 {
		var err error
		if body, err = readBody(r); err != nil {
			return nil, err
		}
		r.Header.Del("Content-Encoding")
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	h := sha256.New()
	for _, part := range []string{x.caller.ObjectID.String(), x.caller.AppID, id, r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Get("Content-Type")} {
		_, _ = io.WriteString(h, strconv.Itoa(len(part))+":"+part)
	}
	_, _ = h.Write(body)
	return h.Sum(nil), nil
}

// withhold runs f on the queries of a transaction and returns its answer, of which
// nothing is sent.
func (x *exchange) withhold(f handler, inside *db.Store) (db.AnswerRepeatableRequestParams, error) {
	w := &withheld{ResponseWriter: x.Writer, recorder: recorder{header: http.Header{}, status: http.StatusOK}}
	defer func(writer gin.ResponseWriter, queries *db.Store) { x.Writer, x.queries = writer, queries }(x.Writer, x.queries)
	x.Writer, x.queries = w, inside
	if err := f(x); err != nil {
		return db.AnswerRepeatableRequestParams{}, err
	}
	answer := db.AnswerRepeatableRequestParams{Status: int16(w.status), Headers: []string{}, Body: w.body.Bytes()}
	for name, values := range w.header {
		answer.Headers = append(answer.Headers, name, values[0])
	}
	if answer.Body == nil {
		answer.Body = []byte{}
	}
	return answer, nil
}

// withheld keeps an answer from Gin's writer.
type withheld struct {
	gin.ResponseWriter
	recorder
}

// Header is part of http.ResponseWriter.
func (w *withheld) Header() http.Header { return w.header }

// WriteHeader is part of http.ResponseWriter.
func (w *withheld) WriteHeader(status int) { w.recorder.WriteHeader(status) }

// Write is part of http.ResponseWriter.
func (w *withheld) Write(b []byte) (int, error) { return w.body.Write(b) }

// WriteString is part of gin.ResponseWriter.
func (w *withheld) WriteString(s string) (int, error) { return w.body.WriteString(s) }

// WriteHeaderNow is part of gin.ResponseWriter.
func (w *withheld) WriteHeaderNow() {}

// Status is part of gin.ResponseWriter.
func (w *withheld) Status() int { return w.status }

// Size is part of gin.ResponseWriter.
func (w *withheld) Size() int { return w.body.Len() }

// Written is part of gin.ResponseWriter.
func (w *withheld) Written() bool { return false }
