//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// load lets clients send the requests in turn, each as soon as its previous one was
// answered, and expects the status. Like pgbench and wrk, it uses bare connections, all
// from one thread: the clients share the processors with what is measured, so they must
// cost little. It speaks HTTP/1.1. Clients are spread over the addresses; all requests name
// one host, which the service ignores.
func load(ctx context.Context, addresses []string, requests [][]byte, status, clients int, d time.Duration) (f figures, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l := &loader{
		requests: requests, want: fmt.Appendf(nil, "HTTP/1.1 %d ", status),
		clients: map[int32]*connection{}, buffer: make([]byte, 64<<10),
	}
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return f, err
	}
	defer func() { _ = unix.Close(l.epoll) }()
	defer l.disconnect()
	for i := range clients {
		if err := l.connect(addresses[i%len(addresses)], i*max(1, len(requests)/clients)); err != nil {
			return f, err
		}
	}
	start := time.Now()
	err = l.run(ctx, start.Add(d))
	return summarize(l.latencies, time.Since(start)), err
}

type loader struct {
	requests  [][]byte
	want      []byte // the expected beginning of an answer
	epoll     int
	clients   map[int32]*connection // by file descriptor
	buffer    []byte
	latencies []time.Duration
}

// connection is a client's connection and the state of its pending answer.
type connection struct {
	fd   int
	next int // index of the next request to send
	sent time.Time
	head []byte // the part of an answer's head received so far
	left int    // bytes of the answer's body still to receive
}

func (l *loader) connect(address string, first int) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	l.clients[int32(fd)] = &connection{fd: fd, next: first}
	return errors.Join(
		unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}),
	)
}

func (l *loader) disconnect() {
	for _, c := range l.clients {
		_ = unix.Close(c.fd)
	}
}

// run lets all clients send until end, then waits for the pending answers.
func (l *loader) run(ctx context.Context, end time.Time) error {
	for _, c := range l.clients {
		if err := l.send(c); err != nil {
			return err
		}
	}
	events := make([]unix.EpollEvent, len(l.clients))
	for waiting := len(l.clients); waiting > 0; {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n, err := l.wait(events)
		if err != nil {
			return err
		}
		for _, event := range events[:n] {
			c := l.clients[event.Fd]
			answered, err := l.receive(c)
			if err != nil {
				return err
			}
			if !answered {
				continue
			}
			now := time.Now()
			l.latencies = append(l.latencies, now.Sub(c.sent))
			if now.After(end) {
				waiting--
				continue
			}
			if err := l.send(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// wait waits for events. It blocks without telling Go's scheduler, which would otherwise
// hand the thread's place to other goroutines, which don't exist, and make this one wait to
// get it back each time.
func (l *loader) wait(events []unix.EpollEvent) (int, error) {
	const milliseconds = 1000
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), milliseconds, 0, 0)
	switch errno {
	case 0:
		return int(n), nil
	case unix.EINTR:
		return 0, nil
	}
	return 0, errno
}

func (l *loader) send(c *connection) error {
	request := l.requests[c.next%len(l.requests)]
	c.next++
	c.sent = time.Now()
	n, err := unix.Write(c.fd, request)
	if err == nil && n < len(request) {
		err = fmt.Errorf("wrote %d of %d bytes", n, len(request))
	}
	return err
}

// receive reads the bytes that have arrived and reports whether they complete an answer,
// which must have a Content-Length.
func (l *loader) receive(c *connection) (answered bool, err error) {
	n, err := unix.Read(c.fd, l.buffer)
	if err != nil {
		return false, err
	}
	if n == 0 {
		return false, errors.New("the service closed a connection")
	}
	came := l.buffer[:n]
	if c.left > 0 {
		return c.took(n)
	}
	if len(c.head) > 0 {
		came = append(c.head, came...)
	}
	head, body, whole := bytes.Cut(came, []byte("\r\n\r\n"))
	if !whole {
		c.head = append([]byte(nil), came...)
		return false, nil
	}
	c.head = nil
	if !bytes.HasPrefix(head, l.want) {
		return false, fmt.Errorf("got %q, want %q", came, l.want)
	}
	_, rest, ok := bytes.Cut(head, []byte("\r\nContent-Length: "))
	if !ok { // a proxy writes names in lower case
		_, rest, ok = bytes.Cut(head, []byte("\r\ncontent-length: "))
	}
	if !ok {
		return false, fmt.Errorf("answer without Content-Length: %q", head)
	}
	value, _, _ := bytes.Cut(rest, []byte("\r\n"))
	if c.left, err = strconv.Atoi(string(value)); err != nil {
		return false, err
	}
	return c.took(len(body))
}

// took reports whether n more bytes complete the answer.
func (c *connection) took(n int) (bool, error) {
	c.left -= n
	if c.left < 0 {
		return false, fmt.Errorf("received %d bytes too many", -c.left)
	}
	return c.left == 0, nil
}
