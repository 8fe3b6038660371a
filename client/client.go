// Package client administers a mocktenant service: tenants, users, applications,
// snapshots, seeds and reports. All but this file is made from the service's
// OpenAPI document; Client has a method for each of its operations, and Read turns
// what a method returns into the operation's answer or into a Problem:
//
//	c, err := client.New("http://127.0.0.1:8081", key)
//	made, err := client.Read[client.TenantCreated](c.CreateTenant(ctx, nil, client.TenantCreate{DisplayName: "test"}))
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
	"strings"
)

// maxProblem bounds what is read of an answer that is no problem document.
const maxProblem = 64 << 10

// New returns a client of the administration at a URL, such as
// http://127.0.0.1:8081. The key may be empty where the service asks for none.
func New(url, key string, options ...ClientOption) (*Client, error) {
	if key != "" {
		options = append(options, WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+key)
			return nil
		}))
	}
	return NewClient(url, options...)
}

// Error says what the service refused, and where in the request the fault is.
func (p *Problem) Error() string {
	text := p.Title
	if p.Detail != nil {
		text = *p.Detail
	}
	if p.Line != nil && !strings.HasPrefix(text, "line ") {
		text = fmt.Sprintf("line %d: %s", *p.Line, text)
	}
	return text
}

// Read reads the answer of an operation. What the service refused is a *Problem,
// its status and detail included.
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

// Done is Read for an operation without an answer.
func Done(response *http.Response, err error) error {
	body, err := Body(response, err)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, body)
	_ = body.Close()
	return err
}

// Body is Read for an answer that is a document. The caller closes it.
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
	problem := &Problem{Title: http.StatusText(response.StatusCode), Status: response.StatusCode}
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
