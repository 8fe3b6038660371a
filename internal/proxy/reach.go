package proxy

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
)

// refuseThisMachine is net.Dialer's Control. It sees the address that a name was resolved
// to, so a name that is let through leads nowhere else than its address may.
func refuseThisMachine(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial %q: %w", address, err)
	}
	if why := refusesTo(to.Addr()); why != "" {
		return &refusal{
			http.StatusForbidden, "it leads to this machine",
			fmt.Sprintf("%s is refused: it is %s, and others than this machine reach this proxy.", to.Addr(), why),
		}
	}
	return nil
}

var thisNetwork = netip.MustParsePrefix("0.0.0.0/8") // RFC 1122 section 3.2.1.3: of this host

// refusesTo says what an address is that nobody gets to from another machine, or "": what
// listens on it, as the administration on loopback does, trusts this machine alone.
func refusesTo(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	switch {
	case ip.IsLoopback():
		return "a loopback address"
	case ip.IsUnspecified(), ip.Is4() && thisNetwork.Contains(ip):
		return "no address of a host"
	case ip.IsLinkLocalUnicast(), ip.IsMulticast():
		return "an address of the link" // cloud providers serve credentials there
	case isOwn(ip):
		return "an address of this machine"
	}
	return ""
}

// isOwn tells whether an address is one of this machine's. One that can't be told apart
// counts as such.
func isOwn(ip netip.Addr) bool {
	own, err := net.InterfaceAddrs()
	return err != nil || slices.ContainsFunc(own, func(a net.Addr) bool {
		network, ok := a.(*net.IPNet)
		return ok && network.IP.Equal(ip.AsSlice())
	})
}
