package graph

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxBatch is how many requests a batch may have.
// https://learn.microsoft.com/graph/json-batching
const maxBatch = 20

// maxBatchAnswers bounds the lists in the answer to a batch, in bytes altogether.
const maxBatchAnswers = 4 << 20

// maxItemURL bounds the URL of a request in a batch, in bytes. The server has the same
// limit for other requests.
const maxItemURL = 64 << 10

// batchRequest is the body of a batch (JSON Format 19.1).
type batchRequest struct {
	Requests []batchItem `json:"requests"`
}

type batchItem struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      jsontext.Value    `json:"body"`
	DependsOn []string          `json:"dependsOn"`
}

// batchAnswer is one answer in a batch (JSON Format 19.2). The Graph SDKs need header
// values that are strings and the type of the body under exactly Content-Type. An answer
// without a body has neither body nor Content-Type.
type batchAnswer struct {
	ID      string            `json:"id"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    jsontext.Value    `json:"body,omitzero"`
}

// batchHeaders lists the headers that an answer in a batch has.
var batchHeaders = []string{
	"Cache-Control", "Content-Type", "Location", "OData-EntityId", "OData-Version", "Preference-Applied", "Retry-After", "WWW-Authenticate",
}

// inBatchKey is the context key of the id under which a request of a batch may be repeated,
// "" for none. Only requests of a batch have it.
type inBatchKey struct{}

// batchSizeKey is the context key of the number of requests in the batch.
type batchSizeKey struct{}

// refusalKey leads to the *graphError by which a request of a batch is refused, whatever it
// asks for.
type refusalKey struct{}

// batch answers each of the requests through the handler of all requests, as if
// it had come by itself with the token of the batch. Those that don't depend on
// each other run at the same time.
func (s *server) batch(x *exchange) error {
	if x.Request.Context().Value(inBatchKey{}) != nil {
		return errBadRequest("A batch can't hold another batch.")
	}
	if x.Request.URL.RawQuery != "" {
		return errBadRequest("A batch takes no query options.")
	}
	if err := x.checkPreconditions(); err != nil {
		return err
	}
	items, err := readBatch(x.Request)
	if err != nil {
		return err
	}
	end, err := s.batches.take(x.Request.Context(), x.caller.TenantID)
	if err != nil {
		return err
	}
	defer end()
	answers, err := s.answerItems(x, items)
	if err != nil {
		return err
	}
	return x.writeBatch(answers)
}

// writeBatch writes the answers one after the other. Joining them first would double the
// memory.
func (x *exchange) writeBatch(answers []batchAnswer) error {
	parts := [][]byte{[]byte(`{"responses":[`)}
	for i, a := range answers {
		body := a.Body
		a.Body = nil
		head, err := json.Marshal(a, json.Deterministic(true)) // sorts the headers
		if err != nil {
			return fmt.Errorf("write the batch: %w", err)
		}
		if i > 0 {
			parts = append(parts, []byte{','})
		}
		if body != nil {
			parts = append(parts, head[:len(head)-1], []byte(`,"body":`), body, []byte{'}'})
		} else {
			parts = append(parts, head)
		}
	}
	x.write(http.StatusOK, bareJSONType, append(parts, []byte("]}"))...)
	return nil
}

// answerItems waits for the tenant's turn and answers the requests of a batch.
func (s *server) answerItems(x *exchange, items []batchItem) ([]batchAnswer, error) {
	if err := s.batches.work.Acquire(x.Request.Context(), 1); err != nil {
		return nil, err
	}
	defer s.batches.work.Release(1)
	answers := make([]batchAnswer, len(items))
	done := make(map[string]chan struct{}, len(items))
	for _, item := range items {
		done[item.ID] = make(chan struct{})
	}
	place := func(id string) int { return slices.IndexFunc(items, func(i batchItem) bool { return i.ID == id }) }
	var all sync.WaitGroup
	var cut atomic.Bool
	for i, item := range items {
		all.Go(func() {
			defer close(done[item.ID])
			defer func() {
				if recover() != nil { // can only be http.ErrAbortHandler
					answers[i].Status = http.StatusInternalServerError
					cut.Store(true)
				}
			}()
			for _, id := range item.DependsOn {
				if <-done[id]; answers[place(id)].Status >= http.StatusBadRequest {
					answers[i] = s.answerItem(x, item, len(items), failedDependency(item, id))
					return
				}
			}
			answers[i] = s.answerItem(x, item, len(items), nil)
		})
	}
	all.Wait()
	if cut.Load() {
		panic(http.ErrAbortHandler) // a request that drops the connection drops its batch's
	}
	return answers, nil
}

// readBatch reads a batch, and refuses all of it if any part is invalid.
func readBatch(r *http.Request) ([]batchItem, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && strings.HasPrefix(media, "multipart/") {
		return nil, errNotJSON("A batch in the form 'multipart/mixed' is not supported. Send it as JSON.", nil)
	}
	body, err := readJSON(r)
	if err != nil {
		return nil, err
	}
	if err := checkJSON(body); err != nil {
		return nil, err
	}
	var batch batchRequest
	if err := json.Unmarshal(body, &batch, batchOptions); err != nil {
		return nil, errNotJSON("The payload is not a batch: "+err.Error(), err)
	}
	switch n := len(batch.Requests); {
	case n == 0:
		return nil, errBadRequest("Invalid batch payload format: it holds no requests.")
	case n > maxBatch:
		return nil, errBadRequest("Number of batch request steps exceeds the maximum value of %d.", maxBatch)
	}
	return batch.Requests, checkBatch(batch.Requests)
}

func checkBatch(items []batchItem) error {
	seen := map[string]bool{}
	for _, item := range items {
		switch {
		case item.ID == "":
			return errBadRequest("Invalid batch payload format: a request has no 'id'.")
		case seen[strings.ToLower(item.ID)]:
			return errBadRequest("Invalid batch payload format: the request Id '%s' is not unique.", item.ID)
		case item.Method == "":
			return errBadRequest("Invalid batch payload format: the request with Id '%s' has no 'method'.", item.ID)
		case item.URL == "":
			return errBadRequest("Invalid batch payload format: the request with Id '%s' has no 'url'.", item.ID)
		}
		if name := twice(item.Headers); name != "" {
			return errBadRequest("Invalid batch payload format: the request with Id '%s' has the header '%s' twice. Name it once.", item.ID, name)
		}
		for _, id := range item.DependsOn {
			if i := slices.IndexFunc(items, func(i batchItem) bool { return i.ID == id }); i < 0 || !seen[strings.ToLower(id)] {
				return errBadRequest("Invalid dependency for request Id '%s': no request with Id '%s' comes before it.", item.ID, id)
			}
		}
		seen[strings.ToLower(item.ID)] = true
	}
	return nil
}

// answerItem sends a request of a batch with a number of requests through the handler of all
// requests. That includes a refused one, so that hooks see each request.
func (s *server) answerItem(x *exchange, item batchItem, of int, refusal *graphError) batchAnswer {
	r, invalid := x.itemRequest(item, of)
	if refusal = cmp.Or(refusal, invalid); refusal != nil {
		r = r.WithContext(context.WithValue(r.Context(), refusalKey{}, refusal))
	}
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	s.handler.ServeHTTP(w, r)
	if r.Method == http.MethodHead {
		w.body.Reset() // as net/http does for other requests
	}
	return w.answer(item.ID)
}

// itemURL returns the URL of a request of a batch, below the version's root, or why it is
// refused. It is a URL to be shown then.
func (x *exchange) itemURL(item batchItem) (*url.URL, *graphError) {
	text := "/" + x.version.name + "/" + strings.TrimPrefix(item.URL, "/")
	target, err := url.ParseRequestURI(text)
	switch n := len(item.URL); {
	case n > maxItemURL:
		return &url.URL{Path: text}, errBadRequest("The request with Id '%s' has a 'url' of %d bytes; at most %d are allowed.", item.ID, n, maxItemURL)
	case err != nil:
		return &url.URL{Path: text}, errBadRequest("The request with Id '%s' has no valid 'url': %v", item.ID, err)
	}
	return target, nil
}

// itemRequest is a request of a batch as it would have come by itself.
func (x *exchange) itemRequest(item batchItem, of int) (*http.Request, *graphError) {
	target, invalid := x.itemURL(item)
	target.Scheme = x.Request.URL.Scheme // for links
	ctx := context.WithValue(x.InBatch(item.ID), inBatchKey{}, x.itemRepeatID(item.ID))
	r := x.Request.Clone(context.WithValue(ctx, batchSizeKey{}, of))
	r.Method, r.URL, r.RequestURI = strings.ToUpper(item.Method), target, target.RequestURI()
	r.Header = http.Header{}
	for name, value := range item.Headers {
		r.Header.Set(name, value)
	}
	r.Header.Set("Authorization", x.GetHeader("Authorization"))
	r.Header.Del("Accept-Encoding")
	body := []byte(item.Body)
	if string(body) == "null" {
		body = nil
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return r, invalid
}

func failedDependency(item batchItem, id string) *graphError {
	return &graphError{
		status: http.StatusFailedDependency, code: "FailedDependency",
		message: fmt.Sprintf("The request with Id '%s' was not run: the request with Id '%s', on which it depends, failed.", item.ID, id),
	}
}

// recorder records a handler's answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) { w.status = status }

// Write implements http.ResponseWriter.
func (w *recorder) Write(b []byte) (int, error) { return w.body.Write(b) }

// answer returns the recorded answer in a batch's form. A body that isn't JSON is sent as a
// base64 string.
func (w *recorder) answer(id string) batchAnswer {
	a := batchAnswer{ID: id, Status: w.status, Headers: map[string]string{}}
	for _, name := range batchHeaders {
		value := w.header.Get(name)
		if v := w.header[name]; value == "" && len(v) > 0 { // the name isn't in Go's letter case
			value = v[0]
		}
		if value != "" {
			a.Headers[name] = value
		}
	}
	if w.body.Len() == 0 {
		delete(a.Headers, "Content-Type")
		return a
	}
	if media, _, _ := mime.ParseMediaType(a.Headers["Content-Type"]); media == "application/json" {
		a.Body = w.body.Bytes()
	} else {
		a.Body = marshal(base64.StdEncoding.EncodeToString(w.body.Bytes()), "")
	}
	return a
}
