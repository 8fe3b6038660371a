package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/mocktenant/mocktenant/api"
)

// params are an operation's parameters, by name. Parameters that aren't in the path go into
// the query.
type params map[string]string

// call sends a request without a body to the administration, and decodes the answer into
// out unless out is nil. A refusal is returned as an *api.Problem.
func (v *visit) call(operation string, p params, out any) error {
	return v.send(operation, p, nil, out)
}

// body is the body of a call.
type body struct {
	kind string // its media type
	text []byte
}

func (v *visit) send(operation string, p params, b *body, out any) error {
	r, err := v.request(operation, p, b)
	if err != nil {
		return err
	}
	a := &recorder{header: http.Header{}}
	v.console.administration.ServeHTTP(a, r)
	return a.read(out)
}

// request returns the request for an operation. It has the browser's address and the
// session's key or person, so that the audit log names them.
func (v *visit) request(operation string, p params, b *body) (*http.Request, error) {
	op, ok := contract().operations[operation]
	if !ok {
		return nil, refusal(http.StatusNotFound, "There is no operation "+operation+".")
	}
	at, err := op.fill(p)
	if err != nil {
		return nil, err
	}
	content := io.Reader(http.NoBody) // a request that a server reads never has a nil body
	if b != nil {
		content = bytes.NewReader(b.text)
	}
	ctx := v.Request.Context()
	if person := v.session.Person; person != nil {
		ctx = v.console.record.As(ctx, *person, v.session.ID)
	}
	r, err := http.NewRequestWithContext(ctx, op.method, at, content)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", operation, err)
	}
	r.Host, r.RemoteAddr = v.Request.Host, v.Request.RemoteAddr
	r.Header.Set("User-Agent", v.Request.UserAgent())
	if b != nil {
		r.Header.Set("Content-Type", b.kind)
	}
	if key := v.session.Key; key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	return r, nil
}

// fill returns the operation's address with its parameters.
func (o *operation) fill(p params) (string, error) {
	query, path := url.Values{}, o.path
	for name, value := range p {
		place := "{" + name + "}"
		if !strings.Contains(path, place) {
			if value != "" {
				query.Set(name, value)
			}
			continue
		}
		path = strings.ReplaceAll(path, place, url.PathEscape(value))
	}
	if strings.Contains(path, "{") {
		return "", refusal(http.StatusBadRequest, "The address lacks a parameter of "+o.path+".")
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path, nil
}

// recorder records the administration's answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *recorder) Header() http.Header { return a.header }

func (a *recorder) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *recorder) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

func (a *recorder) read(out any) error {
	switch {
	case a.status >= http.StatusBadRequest:
		p := &api.Problem{Status: a.status, Title: http.StatusText(a.status)}
		if err := json.Unmarshal(a.body.Bytes(), p); err != nil {
			return errors.Join(p, err)
		}
		return p
	case out == nil || a.body.Len() == 0:
		return nil
	}
	if raw, ok := out.(*json.RawMessage); ok {
		*raw = bytes.Clone(a.body.Bytes())
		return nil
	}
	return json.Unmarshal(a.body.Bytes(), out)
}

// download sends the browser the document that an operation answers with, as a file.
func (c *Console) download(v *visit) {
	op, ok := contract().operations[v.Param("operation")]
	if !ok || op.method != http.MethodGet || !op.document {
		v.fail(refusal(http.StatusNotFound, "There is nothing to download at "+v.Request.URL.Path+"."))
		return
	}
	r, err := v.request(op.name, v.queryParams(), nil)
	if err != nil {
		v.fail(err)
		return
	}
	name := strings.TrimPrefix(strings.TrimPrefix(op.name, "export"), "get")
	extension := v.DefaultQuery("format", "json")
	d := &attachment{recorder: recorder{header: http.Header{}}, to: v.Writer, name: strings.ToLower(name) + "." + extension}
	c.administration.ServeHTTP(d, r)
	if err := d.read(nil); err != nil {
		v.fail(err)
	}
}

// attachment passes the administration's answer on as a file, unless it is a refusal, which it
// records.
type attachment struct {
	recorder
	to   http.ResponseWriter
	name string // of the file
}

// WriteHeader implements http.ResponseWriter.
func (d *attachment) WriteHeader(status int) {
	if d.status != 0 {
		return
	}
	d.recorder.WriteHeader(status)
	if status == http.StatusOK {
		maps.Copy(d.to.Header(), d.header)
		d.to.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", d.name))
		d.to.WriteHeader(status)
	}
}

func (d *attachment) Write(b []byte) (int, error) {
	d.WriteHeader(http.StatusOK)
	if d.status == http.StatusOK {
		return d.to.Write(b)
	}
	return d.recorder.Write(b)
}

// queryParams returns an operation's parameters from the query of the page.
func (v *visit) queryParams() params {
	p := params{}
	for name, values := range v.Request.URL.Query() {
		p[name] = values[0]
	}
	return p
}
