package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"
)

// tunnel is a client's connection and the one that it leads to.
type tunnel struct {
	client, far halfCloser
	idle        *time.Timer
	proxy       *Proxy
}

// halfCloser is a TCP connection, whose two directions can be closed separately.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// connect opens a tunnel, and returns when it is closed.
func (p *Proxy) connect(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	to, far, err := p.reach(r)
	conn, buffered, hijackErr := http.NewResponseController(w).Hijack()
	if hijackErr != nil {
		p.log.Error("proxy", "error", hijackErr)
		if far != nil {
			_ = far.Close()
		}
		return
	}
	if err != nil {
		p.refuseTunnel(conn, r, err)
		return
	}
	t := &tunnel{client: conn.(halfCloser), far: far.(halfCloser), proxy: p}
	if err := p.open(t); err != nil {
		_ = far.Close()
		p.refuseTunnel(conn, r, err)
		return
	}
	sent, received := t.run(buffered.Reader)
	p.log.Debug("tunnel", "host", r.URL.Host, "to", to, "client", r.RemoteAddr, "sent", sent, "received", received, "took", time.Since(start))
}

// reach connects to where a tunnel leads.
func (p *Proxy) reach(r *http.Request) (to string, far net.Conn, err error) {
	if to, err = p.route(r.URL.Host); err != nil {
		return to, nil, err
	}
	far, err = p.dial(r.Context(), to)
	return to, far, err
}

// refuseTunnel answers a client that gets no tunnel, and closes its connection.
func (p *Proxy) refuseTunnel(conn net.Conn, r *http.Request, err error) {
	p.logRefusal(r, err)
	_ = conn.SetDeadline(time.Now().Add(p.limits.Refused))
	_ = refuse(conn, r, err)
	_ = conn.Close()
}

func (p *Proxy) dial(ctx context.Context, to string) (net.Conn, error) {
	dialer := &p.others
	if to == p.service {
		dialer = &net.Dialer{Timeout: p.limits.Connect}
	}
	far, err := dialer.DialContext(ctx, "tcp", to)
	var why *refusal
	switch {
	case err == nil:
		return far, nil
	case errors.As(err, &why):
		return nil, why
	case to == p.service:
		return nil, &refusal{http.StatusBadGateway, "the service does not answer", fmt.Sprintf("the service does not answer at %s: %v. Is it running?", to, err)}
	}
	return nil, &refusal{http.StatusBadGateway, "the host does not answer", fmt.Sprintf("%s does not answer: %v.", to, err)}
}

// refuse answers a CONNECT. It writes the answer itself to choose the words of the status
// line.
func refuse(conn net.Conn, r *http.Request, err error) error {
	body := err.Error() + "\n"
	answer := http.Response{
		StatusCode: statusOf(err), ProtoMajor: 1, ProtoMinor: 1, Request: r, Close: true,
		Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, ContentLength: int64(len(body)),
		Body: io.NopCloser(strings.NewReader(body)),
	}
	answer.Status = http.StatusText(answer.StatusCode)
	if why := (*refusal)(nil); errors.As(err, &why) {
		answer.Status += ": " + why.reason
	}
	return answer.Write(conn)
}

// open counts the tunnel, unless too many are open or the proxy shuts down.
func (p *Proxy) open(t *tunnel) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closing:
		return &refusal{http.StatusServiceUnavailable, "the proxy is shutting down", "the proxy shuts down."}
	case len(p.tunnels) >= p.limits.Tunnels:
		return &refusal{http.StatusServiceUnavailable, "too many tunnels", fmt.Sprintf("%d tunnels are open, which is the limit.", len(p.tunnels))}
	}
	t.idle = time.AfterFunc(p.limits.Idle, t.close)
	p.tunnels[t] = true
	return nil
}

// run copies bytes until both sides have ended, one has failed, or nothing was copied for
// too long. first reads from the client, starting with what was read ahead.
func (t *tunnel) run(first io.Reader) (sent, received int64) {
	defer t.end()
	_ = t.client.SetDeadline(time.Time{}) // remove the HTTP server's deadline
	if _, err := io.WriteString(t.client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return 0, 0
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		sent = t.pass(t.far, first)
	}()
	received = t.pass(t.client, t.far)
	<-done
	return sent, received
}

// pass copies one direction to its end, then ends it for the other side.
func (t *tunnel) pass(to halfCloser, from io.Reader) int64 {
	n, err := io.Copy(to, activity{from, t})
	if err == nil {
		err = to.CloseWrite()
	}
	if err != nil {
		t.close()
	}
	return n
}

// activity is a reader that postpones the deadline of an idle tunnel.
type activity struct {
	io.Reader
	tunnel *tunnel
}

func (a activity) Read(b []byte) (int, error) {
	n, err := a.Reader.Read(b)
	if n > 0 {
		a.tunnel.touch()
	}
	return n, err
}

func (t *tunnel) touch() {
	t.proxy.mu.Lock()
	defer t.proxy.mu.Unlock()
	if t.proxy.closing {
		t.idle.Reset(t.proxy.limits.Quiet)
	} else {
		t.idle.Reset(t.proxy.limits.Idle)
	}
}

// close ends both directions.
func (t *tunnel) close() {
	_ = t.client.Close()
	_ = t.far.Close()
}

func (t *tunnel) end() {
	t.idle.Stop()
	t.close()
	t.proxy.mu.Lock()
	defer t.proxy.mu.Unlock()
	delete(t.proxy.tunnels, t)
	t.proxy.ended.Signal()
}

// newForward returns the handler that forwards requests without TLS to hosts that are let
// through.
func (p *Proxy) newForward() httputil.ReverseProxy {
	return httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.RawQuery = r.In.URL.RawQuery // keep what ReverseProxy removes because Go can't parse it
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if values, ok := r.In.Header[name]; ok {
					r.Out.Header[name] = values // the client's own
				}
			}
		},
		Transport: &http.Transport{
			DialContext: p.others.DialContext, IdleConnTimeout: keepAlive,
			DisableCompression: true, // decompressing would change bodies
		},
		ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if why := (*refusal)(nil); errors.As(err, &why) {
				err = why
			} else {
				err = &refusal{status: http.StatusBadGateway, text: fmt.Sprintf("%s does not answer: %v.", r.URL.Host, err)}
			}
			p.logRefusal(r, err)
			http.Error(w, err.Error(), statusOf(err))
		},
	}
}

// logRefusal logs only the host, because paths and queries may contain secrets.
func (p *Proxy) logRefusal(r *http.Request, err error) {
	p.log.Info("proxy refuses", "host", r.URL.Host, "client", r.RemoteAddr, "status", statusOf(err), "error", err)
}
