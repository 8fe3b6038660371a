//go:build linux

package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// habit is a way to be slow.
type habit struct {
	name  string
	limit time.Duration // after which the service closes the connection
	first string        // is sent at once
	drip  string        // is sent next, a byte a second; if it is empty, nothing follows
}

// The service's limits (internal/listener), and time for a busy machine.
const (
	headerLimit = 10*time.Second + 10*time.Second
	bodyLimit   = 30*time.Second + 10*time.Second
)

// habits returns ways to be slow at a listener.
func habits(listener string, at *addresses) []habit {
	all := []habit{
		{name: "sends nothing", limit: headerLimit},
		{name: "sends a header a byte a second", limit: headerLimit, first: "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", drip: strings.Repeat("x", 100)},
	}
	post := "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + at.Token + "\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
	switch listener {
	case "HTTP", "HTTPS":
		post = fmt.Sprintf(post, partnersPath)
		all = append(all, habit{name: "sends a body a byte a second", limit: bodyLimit, first: post, drip: strings.Repeat(" ", 100)})
	case "administration":
		post = fmt.Sprintf(post, "/v1/tenants")
	default: // the proxy takes no bodies
		return all
	}
	return append(all, habit{name: "stops within a body", limit: bodyLimit, first: post})
}

// slowClients lets slow clients occupy every listener while others work.
func slowClients(ctx context.Context, r *run) error {
	const each = 50
	c, err := r.cluster(ctx, layout{replicas: 1})
	if err != nil {
		return err
	}
	defer c.end()
	r.on("1 replica")
	var slow []slowClient
	e, err := c.phase(ctx, r.tag(), 50*time.Millisecond, func(ctx context.Context, c *cluster) error {
		began := time.Now()
		slow, err = beSlow(ctx, c.replicas[0].at.Load(), each)
		c.lasts += time.Since(began)
		return err
	})
	if err != nil {
		return err
	}
	e.slow = slow
	r.note("%d slow clients, closed after %s", len(slow), lasted(slow))
	return r.check(e)
}

// lasted says how long the service kept the connections of slow clients.
func lasted(all []slowClient) string {
	by := func(a, b slowClient) int { return cmp.Compare(a.lasted, b.lasted) }
	shortest, longest := slices.MinFunc(all, by), slices.MaxFunc(all, by)
	return fmt.Sprintf("%s to %s", shortest.lasted.Round(time.Second), longest.lasted.Round(time.Second))
}

func beSlow(ctx context.Context, at *addresses, each int) (all []slowClient, err error) {
	var mu sync.Mutex
	var everyone sync.WaitGroup
	for listener, url := range map[string]string{"HTTP": at.HTTP, "HTTPS": at.HTTPS, "administration": at.Admin, "proxy": at.Proxy} {
		for _, h := range habits(listener, at) {
			for range each {
				everyone.Go(func() {
					s, failure := h.connect(ctx, listener, url)
					mu.Lock()
					defer mu.Unlock()
					all, err = append(all, s), errors.Join(err, failure)
				})
			}
		}
	}
	everyone.Wait()
	return all, err
}

// connect connects and is slow until the service closes the connection.
func (h habit) connect(ctx context.Context, listener, url string) (slowClient, error) {
	s := slowClient{listener: listener, habit: h.name, limit: h.limit}
	_, address, _ := strings.Cut(url, "://")
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return s, err
	}
	defer func() { _ = conn.Close() }()
	began := time.Now()
	if listener == "HTTPS" && h.first != "" {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // this is about time, not trust
	}
	if _, err := io.WriteString(conn, h.first); err != nil {
		return s, err
	}
	_ = conn.SetDeadline(began.Add(h.limit + time.Second))
	closed := make(chan struct{})
	go h.send(conn, closed)
	_, err = io.Copy(io.Discard, conn)
	close(closed)
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		s.lasted = time.Since(began)
	}
	return s, nil
}

// send sends a byte a second until the connection is closed.
func (h habit) send(conn net.Conn, closed <-chan struct{}) {
	for _, b := range []byte(h.drip) {
		select {
		case <-closed:
			return
		case <-time.After(time.Second):
			_, _ = conn.Write([]byte{b}) // an error ends the reading too
		}
	}
}

// idleConnections opens many connections that do nothing, while others work.
func idleConnections(ctx context.Context, r *run) error {
	c, err := r.cluster(ctx, layout{replicas: 1})
	if err != nil {
		return err
	}
	defer c.end()
	n, err := roomFor(r.size.idle)
	if err != nil {
		return err
	}
	r.on(fmt.Sprintf("%d connections", n))
	if _, err := c.phase(ctx, r.tag(), time.Millisecond, nothing); err != nil { // pools and caches fill
		return err
	}
	i, err := c.serveNextTo(ctx, r.tag(), n)
	if err != nil {
		return err
	}
	r.note("%d bytes each", i.bytes/n)
	return r.check(evidence{idle: &i})
}

// serveNextTo measures a phase next to idle connections.
func (c *cluster) serveNextTo(ctx context.Context, tag string, n int) (idle, error) {
	before, err := c.replicas[0].resident()
	if err != nil {
		return idle{}, err
	}
	conns, err := openIdle(ctx, c.replicas[0].at.Load().HTTP, n)
	defer func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}()
	if err != nil {
		return idle{}, err
	}
	e, err := c.phase(ctx, tag, time.Millisecond, nothing)
	if err != nil {
		return idle{}, err
	}
	served, _ := e.history.count()
	after, err := c.replicas[0].resident()
	return idle{connections: n, bytes: after - before, served: served}, err
}

// roomFor returns how many connections this process may open, at most n.
func roomFor(n int) (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	return min(n, int(limit.Cur)-500), nil //nolint:gosec // a limit of files fits
}

// openIdle opens connections, each with one request that was answered.
func openIdle(ctx context.Context, url string, n int) ([]net.Conn, error) {
	address := strings.TrimPrefix(url, "http://")
	var conns []net.Conn
	for range n {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return conns, err
		}
		conns = append(conns, conn)
		_, _ = fmt.Fprintf(conn, "GET /livez HTTP/1.1\r\nHost: %s\r\n\r\n", address)
		if response, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || response.StatusCode != http.StatusOK {
			return conns, fmt.Errorf("an idle client's first request: %v %w", response, err)
		}
	}
	return conns, nil
}
