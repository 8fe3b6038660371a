package certs

import (
	"crypto/x509"
	"net"
	"slices"
	"strings"
)

// ownDomains and ownNetworks are the domains and addresses that nobody can own on the
// internet. Sources: RFC 6761 and 6762, RFC 8375, ICANN's resolution 2024.07.29.06, RFC
// 1918, 3927, 4193 and 4291.
var (
	ownDomains  = []string{"localhost", "test", "example", "invalid", "local", "internal", "home.arpa"}
	ownNetworks = []string{"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "::1/128", "fc00::/7", "fe80::/10"}
)

// constraints list what an authority may name: domains, including everything below them, and
// addresses. Source: RFC 5280, section 4.2.1.10.
type constraints struct {
	domains   []string
	addresses []*net.IPNet
}

// permit returns the constraints of the authority's certificate, extended to hosts.
func permit(of x509.Certificate, hosts []string) constraints {
	c := constraints{slices.Clone(of.PermittedDNSDomains), slices.Clone(of.PermittedIPRanges)}
	if len(c.domains) == 0 {
		c.domains = slices.Clone(ownDomains)
		for _, network := range ownNetworks {
			_, addresses, err := net.ParseCIDR(network)
			if err != nil {
				panic(err) // the constants are valid
			}
			c.addresses = append(c.addresses, addresses)
		}
	}
	for _, host := range hosts {
		if c.permits(host) {
			continue
		}
		if ip := net.ParseIP(host); ip == nil {
			c.domains = append(c.domains, strings.ToLower(strings.TrimPrefix(host, "*.")))
		} else if four := ip.To4(); four != nil {
			c.addresses = append(c.addresses, &net.IPNet{IP: four, Mask: net.CIDRMask(32, 32)})
		} else {
			c.addresses = append(c.addresses, &net.IPNet{IP: ip, Mask: net.CIDRMask(128, 128)})
		}
	}
	return c
}

func (c constraints) permits(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return slices.ContainsFunc(c.addresses, func(n *net.IPNet) bool { return n.Contains(ip) })
	}
	host = strings.ToLower(strings.TrimPrefix(host, "*."))
	return slices.ContainsFunc(c.domains, func(domain string) bool { return host == domain || strings.HasSuffix(host, "."+domain) })
}

// Permits reports whether the authority may issue certificates for a host name or address.
func (a *Authority) Permits(host string) bool {
	domains, addresses := a.certificate.PermittedDNSDomains, a.certificate.PermittedIPRanges
	return len(domains) == 0 && len(addresses) == 0 || constraints{domains, addresses}.permits(host)
}

func (a *Authority) permitsAll(hosts []string) bool {
	return !slices.ContainsFunc(hosts, func(host string) bool { return !a.Permits(host) })
}
