package proxy

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
)

// refuseThisMachine is the Control of a net.Dialer. It sees the address to which a name
// resolved, so a name can't lead to a forbidden address.
func refuseThisMachine(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial %q: %w", address, err)
	}
	if why := refusesTo(to.Addr()); why != "" {
		return &refusal{
			http.StatusForbidden, "it leads to this machine",
			fmt.Sprintf("%s is refused: it is %s, and other machines can reach this proxy.", to.Addr(), why),
		}
	}
	return nil
}

var thisNetwork = netip.MustParsePrefix("0.0.0.0/8") // RFC 1122 section 3.2.1.3: this host

// refusesTo describes an address that other machines must not reach through the proxy,
// because whatever listens on it (the administration on loopback, for example) trusts this
// machine alone. It returns "" for any other address.
func refusesTo(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	switch {
	case ip.IsLoopback():
		return "a loopback address"
	case ip.IsUnspecified(), ip.Is4() && thisNetwork.Contains(ip):
		return "not a host's address"
	case ip.IsLinkLocalUnicast(), ip.IsMulticast():
		return "an address of the link" // cloud providers serve credentials there
	case isOwn(ip):
		return "an address of this machine"
	}
	return ""
}

// isOwn reports whether ip is one of this machine's addresses. It returns true if that
// can't be determined.
func isOwn(ip netip.Addr) bool {
	own, err := net.InterfaceAddrs()
	return err != nil || slices.ContainsFunc(own, func(a net.Addr) bool {
		network, ok := a.(*net.IPNet)
		return ok && network.IP.Equal(ip.AsSlice())
	})
}
