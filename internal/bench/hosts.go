//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// hostPrefix begins the names of the hosts' network namespaces.
const hostPrefix = "mocktenant-"

// hostAddresses are the hosts of a network on one machine. The clients are in the machine's own
// namespace, every other host in a namespace of its own.
var hostAddresses = map[string]string{
	"clients": "10.99.0.1", "proxy": "10.99.0.10", "replica1": "10.99.0.21", "replica2": "10.99.0.22",
	"coordinator": "10.99.0.31", "worker1": "10.99.0.41", "worker2": "10.99.0.42",
}

// hosts is a network of hosts on one machine, and its switch. The switch delays every packet,
// as tc netem does, which not every kernel has.
type hosts struct {
	delay time.Duration
	to    map[netip.Addr]*host
}

// host is a host's end at the switch: what the host sends is read from the device, and what is
// written to the device is sent to the host.
type host struct {
	device  *os.File
	packets chan packet
}

type packet struct {
	data []byte
	due  time.Time
}

const (
	mtu         = 1500
	packetQueue = 4096 // packets on their way to a host; more get lost
)

// serveHosts makes the hosts, and passes packets between them until ctx ends. Then it removes
// the hosts.
func serveHosts(ctx context.Context, w io.Writer, delay time.Duration) (err error) {
	runtime.GOMAXPROCS(4 * len(hostAddresses)) // most of its threads wait in the kernel
	n := &hosts{delay: delay, to: map[netip.Addr]*host{}}
	defer func() { err = errors.Join(err, removeHosts()) }()
	for name, address := range hostAddresses {
		if err := n.add(name, address); err != nil {
			return fmt.Errorf("make host %s, which needs root: %w", name, err)
		}
	}
	for _, h := range n.to {
		go n.forward(h)
		go h.receive()
	}
	_, _ = fmt.Fprintf(w, "Each packet between two hosts takes %s. Until this is interrupted, run programs on a host like this:\n\n", delay)
	for name, address := range hostAddresses {
		if name != "clients" {
			_, _ = fmt.Fprintf(w, "ip netns exec %s%s ...   # %s\n", hostPrefix, name, address)
		}
	}
	<-ctx.Done()
	return nil
}

// add makes a host with one interface, whose other end is a device here.
func (n *hosts) add(name, address string) error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	device := "mt-" + name
	wanted, err := unix.NewIfreq(device)
	if err != nil {
		return err
	}
	wanted.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, wanted); err != nil {
		return err
	}
	n.to[netip.MustParseAddr(address)] = &host{device: os.NewFile(uintptr(fd), device), packets: make(chan packet, packetQueue)}
	var in []string // the namespace
	if name != "clients" {
		in = []string{"-n", hostPrefix + name}
		for _, command := range [][]string{{"netns", "add", in[1]}, {"link", "set", device, "netns", in[1]}, {"-n", in[1], "link", "set", "lo", "up"}} {
			if err := ip(command...); err != nil {
				return err
			}
		}
	}
	if err := ip(append(in, "addr", "add", address+"/24", "dev", device)...); err != nil {
		return err
	}
	return ip(append(in, "link", "set", device, "mtu", fmt.Sprint(mtu), "up")...)
}

// forward sends what a host sends to its destinations.
func (n *hosts) forward(from *host) {
	for {
		data := make([]byte, mtu)
		size, err := from.device.Read(data)
		if err != nil {
			return
		}
		const destination = 16 // RFC 791, section 3.1
		if size < destination+4 || data[0]>>4 != 4 {
			continue
		}
		to := n.to[netip.AddrFrom4([4]byte(data[destination:]))]
		if to == nil {
			continue
		}
		select {
		case to.packets <- packet{data[:size], time.Now().Add(n.delay)}:
		default:
		}
	}
}

// receive passes packets to the host when they are due. It sleeps in the kernel, because Go's
// timers are a millisecond late when nothing else runs.
func (h *host) receive() {
	runtime.LockOSThread()
	for p := range h.packets {
		if wait := time.Until(p.due); wait > 0 {
			pause := unix.NsecToTimespec(int64(wait))
			_ = unix.Nanosleep(&pause, nil)
		}
		if _, err := h.device.Write(p.data); err != nil {
			return
		}
	}
}

// removeHosts removes the namespaces. The interfaces end with the process.
func removeHosts() (err error) {
	for name := range hostAddresses {
		if name != "clients" {
			err = errors.Join(err, ip("netns", "del", hostPrefix+name))
		}
	}
	return err
}

func ip(arguments ...string) error {
	out, err := exec.Command("ip", arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(arguments, " "), err, out)
	}
	return nil
}
