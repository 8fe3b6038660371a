package identity

import (
	"cmp"
	"net/netip"
	"strings"
)

// CheckIssuerAddress returns an error unless an issuer's address is permitted.
func CheckIssuerAddress(networks []netip.Prefix, address string) error {
	return (&issuers{networks: networks}).checkAddress(address)
}

// Longest returns a value as long as a parameter may be.
func Longest(name string) string { return strings.Repeat("x", cmp.Or(longest[name], maxParameter)) }

// Limits on pending device codes.
const (
	MaxDeviceCodesOfAddress   = maxDeviceCodesOfAddress
	MaxDeviceCodesOfClient    = maxDeviceCodesOfClient
	MaxDeviceCodesOfAuthority = maxDeviceCodesOfAuthority
)

// MaxPickedSignIns is how many sign-ins a tenant keeps if users are picked.
const MaxPickedSignIns = maxPickedSignIns

// Explanations are the texts of the error page.
var Explanations = explanations
