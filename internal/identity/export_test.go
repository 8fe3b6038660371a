package identity

import (
	"cmp"
	"net/netip"
	"strings"
)

// Routes lists every route as its method and its path.
func Routes() []string {
	var all []string
	for _, r := range (&Provider{}).engine().Routes() {
		all = append(all, r.Method+" "+r.Path)
	}
	return all
}

// CheckIssuerAddress permits the address of an issuer, or doesn't.
func CheckIssuerAddress(networks []netip.Prefix, address string) error {
	return (&issuers{networks: networks}).checkAddress(address)
}

// Longest returns a value that is as long as a parameter may be.
func Longest(name string) string { return strings.Repeat("x", cmp.Or(longest[name], maxParameter)) }

// Bounds of pending device codes.
const (
	MaxDeviceCodesOfAddress   = maxDeviceCodesOfAddress
	MaxDeviceCodesOfClient    = maxDeviceCodesOfClient
	MaxDeviceCodesOfAuthority = maxDeviceCodesOfAuthority
)

// MaxPickedSignIns is how many sign-ins a tenant keeps where users are picked.
const MaxPickedSignIns = maxPickedSignIns
