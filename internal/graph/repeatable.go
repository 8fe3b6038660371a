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

// repeatable makes the change f at most once if the tenant's settings ask for that. For a
// while, a repetition of the request, by the same caller with the same client-request-id,
// gets the same answer. So a client without an answer, or with 503, can safely send its
// request again. Graph doesn't have this; it follows OASIS Repeatable Requests.
// https://docs.oasis-open.org/odata/repeatable-requests/v1.0/repeatable-requests-v1.0.html
func (s *server) repeatable(f handler) handler {
	return func(x *exchange) error {
		if x.Discard {
			return s.discard(x, f)
		}
		id := x.repeatID()
		if x.Tenant.Repeatability == 0 || id == "" { // the usual case
			return f(x)
		}
		hash, err := x.repeatableHash(id)
		if err != nil {
			return err
		}
		answer, err := s.queries.Once(x.Request.Context(), db.BeginRepeatableRequestParams{
			TenantID: x.caller.TenantID, Hash: hash, CreatedAt: x.Now, ExpiredBefore: x.Now.Add(-x.Tenant.Repeatability), AheadAfter: x.Now.Add(x.Tenant.Repeatability),
		}, func(inside *db.Store) (db.AnswerRepeatableRequestParams, error) { return x.withhold(f, inside) })
		if err != nil {
			return err
		}
		return x.writeWithheld(answer)
	}
}

// discard answers a change without making it.
func (s *server) discard(x *exchange, f handler) error {
	var answer db.AnswerRepeatableRequestParams
	err := s.queries.Discard(x.Request.Context(), x.caller.TenantID, func(inside *db.Store) (err error) {
		answer, err = x.withhold(f, inside)
		return err
	})
	if err != nil {
		return err
	}
	return x.writeWithheld(answer)
}

func (x *exchange) writeWithheld(answer db.AnswerRepeatableRequestParams) error {
	h := x.Writer.Header()
	for i := 0; i < len(answer.Headers); i += 2 {
		h[answer.Headers[i]] = []string{answer.Headers[i+1]}
	}
	x.Writer.WriteHeader(int(answer.Status))
	x.Writer.WriteHeaderNow()
	_, err := x.Writer.Write(answer.Body)
	return err
}

// repeatID returns the id under which the client would repeat the request: its
// client-request-id or, for a request without one in a batch, the batch's id combined with
// the request's. It returns "" without any id.
func (x *exchange) repeatID() string {
	if id := x.Request.Header.Get("Client-Request-Id"); id != "" && len(id) <= maxClientRequestID {
		return id
	}
	id, _ := x.Request.Context().Value(inBatchKey{}).(string)
	return id
}

// itemRepeatID returns the id under which a request of this batch may be repeated.
func (x *exchange) itemRepeatID(item string) string {
	if id := x.repeatID(); id != "" {
		return id + "\n" + item // headers have no line ends
	}
	return ""
}

// repeatableHash returns equal values for equal requests of a tenant. It hashes the
// uncompressed body, because the Graph SDK for Go compresses only its first attempt.
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

// withhold runs f in a transaction's queries and returns its answer without sending it.
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

// Header implements http.ResponseWriter.
func (w *withheld) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *withheld) WriteHeader(status int) { w.recorder.WriteHeader(status) }

// Write implements http.ResponseWriter.
func (w *withheld) Write(b []byte) (int, error) { return w.body.Write(b) }

// WriteString implements gin.ResponseWriter.
func (w *withheld) WriteString(s string) (int, error) { return w.body.WriteString(s) }

// WriteHeaderNow implements gin.ResponseWriter.
func (w *withheld) WriteHeaderNow() {}

// Status implements gin.ResponseWriter.
func (w *withheld) Status() int { return w.status }

// Size implements gin.ResponseWriter.
func (w *withheld) Size() int { return w.body.Len() }

// Written implements gin.ResponseWriter.
func (w *withheld) Written() bool { return false }
