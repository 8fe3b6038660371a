// Package client administers a mocktenant service: tenants, users, applications,
// snapshots, seeds and reports. Client has a method for each operation of the
// contract, api/openapi.yaml. Read turns what a method returns into the operation's
// answer, or into an *api.Problem:
//
//	c, err := client.New("http://127.0.0.1:8081", key)
//	made, err := client.Read[api.TenantCreated](c.CreateTenant(ctx, nil, api.TenantCreate{DisplayName: "test"}))
//	token := made.Credentials.AccessToken
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/mocktenant/mocktenant/api"
)

// maxProblem bounds how much of an error is read, in bytes.
const maxProblem = 64 << 10

// Client sends requests to one administration.
type Client struct {
	url, key string
	http     *http.Client
}

// Option configures a Client.
type Option func(*Client)

// WithHTTPClient sends requests with h.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// New returns a client of the administration at a URL such as http://127.0.0.1:8081. The
// key may be empty if the service requires none.
func New(at, key string, options ...Option) (*Client, error) {
	if u, err := url.Parse(at); err != nil || u.Host == "" {
		return nil, fmt.Errorf("the administration's URL is %q; want one such as http://127.0.0.1:8081", at)
	}
	c := &Client{url: strings.TrimSuffix(at, "/"), key: key, http: http.DefaultClient}
	for _, option := range options {
		option(c)
	}
	return c, nil
}

// request collects what a method sends.
type request struct {
	method, path string
	query        url.Values
	header       http.Header
	body         io.Reader
}

// pathParameter is a parameter in the path of an operation.
var pathParameter = regexp.MustCompile(`\{\w+\}`)

// newRequest fills in the parameters of a path, in order.
func newRequest(method, path string, parameters ...any) request {
	path = pathParameter.ReplaceAllStringFunc(path, func(string) string {
		value := parameters[0]
		parameters = parameters[1:]
		return url.PathEscape(fmt.Sprint(value))
	})
	return request{method: method, path: path, query: url.Values{}, header: http.Header{}}
}

// set sets a parameter unless it is nil.
func set[T any](in func(name, value string), name string, value *T) {
	if value != nil {
		if at, ok := any(*value).(time.Time); ok {
			in(name, at.Format(time.RFC3339Nano))
			return
		}
		in(name, fmt.Sprint(*value))
	}
}

func (r request) with(contentType string, body io.Reader) request {
	r.header.Set("Content-Type", contentType)
	r.body = body
	return r
}

func (c *Client) sendJSON(ctx context.Context, r request, body any) (*http.Response, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("write the body of %s: %w", r.path, err)
	}
	return c.send(ctx, r.with("application/json", bytes.NewReader(text)))
}

func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	at := c.url + r.path
	if len(r.query) > 0 {
		at += "?" + r.query.Encode()
	}
	q, err := http.NewRequestWithContext(ctx, r.method, at, r.body)
	if err != nil {
		return nil, err
	}
	q.Header = r.header
	if c.key != "" {
		q.Header.Set("Authorization", "Bearer "+c.key)
	}
	return c.http.Do(q)
}

// Read returns the answer of an operation. An error from the service is an *api.Problem,
// with its status and detail.
func Read[T any](response *http.Response, err error) (T, error) {
	var answer T
	body, err := Body(response, err)
	if err != nil {
		return answer, err
	}
	defer func() { _ = body.Close() }()
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return answer, fmt.Errorf("read the answer of %s: %w", response.Request.URL.Path, err)
	}
	return answer, nil
}

// Done works like Read for an operation without an answer.
func Done(response *http.Response, err error) error {
	body, err := Body(response, err)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, body)
	_ = body.Close()
	return err
}

// Body works like Read for an answer that is a document. The caller must close it.
func Body(response *http.Response, err error) (io.ReadCloser, error) {
	if err != nil {
		return nil, err
	}
	if response.StatusCode < http.StatusBadRequest {
		return response.Body, nil
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxProblem))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", response.Request.URL.Path, err)
	}
	problem := &api.Problem{Title: http.StatusText(response.StatusCode), Status: response.StatusCode}
	if kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")); kind == "application/problem+json" {
		err = json.Unmarshal(text, problem)
	} else {
		detail := fmt.Sprintf("%s answered %s, which is not the administration of mocktenant: %q",
			response.Request.URL, response.Status, bytes.TrimSpace(text[:min(len(text), 200)]))
		problem.Detail = &detail
	}
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", response.Request.URL.Path, err)
	}
	return nil, problem
}
