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

// load lets clients send the requests over and over, in turn, each when its last
// one was answered, and wants the status. It speaks HTTP/1.1 over bare connections,
// all of one thread as in pgbench and wrk: so the clients, on the same processors,
// cost little beside what is measured. Clients are spread over the addresses; the
// requests name one host, which is all the same to the service.
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
		if err := l.connect(addresses[i%len(addresses)], i); err != nil {
			return f, err
		}
	}
	start := time.Now()
	err = l.run(ctx, start.Add(d))
	return summarize(l.latencies, time.Since(start)), err
}

type loader struct {
	requests  [][]byte
	want      []byte // how an answer begins
	epoll     int
	clients   map[int32]*connection // by descriptor
	buffer    []byte
	latencies []time.Duration
}

// connection is that of one client, and what it waits for.
type connection struct {
	fd   int
	next int // of the requests, the one to send
	sent time.Time
	head []byte // of the answer, as much as came of one whose head is not whole
	left int    // bytes to come of the answer's body
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

// run lets all clients send until the end, and awaits what is then under way.
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

// wait waits for events. It keeps from Go's scheduler that it may take long: the
// scheduler would give the thread's place to others, of whom there are none, and have
// it wait for another place, time and again.
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
		err = fmt.Errorf("%d bytes of %d were written", n, len(request))
	}
	return err
}

// receive reads what has come, and tells whether that was the last of an answer,
// whose length must be given.
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
	if !ok {
		return false, fmt.Errorf("an answer has no Content-Length: %q", head)
	}
	value, _, _ := bytes.Cut(rest, []byte("\r\n"))
	if c.left, err = strconv.Atoi(string(value)); err != nil {
		return false, err
	}
	return c.took(len(body))
}

// took tells whether n more bytes were the last of the answer.
func (c *connection) took(n int) (bool, error) {
	c.left -= n
	if c.left < 0 {
		return false, fmt.Errorf("%d bytes too many came", -c.left)
	}
	return c.left == 0, nil
}
