package mocktenant

import (
	"testing"
	"time"
)

// MicrosoftHosts are the hosts for which Client connects to the service.
var MicrosoftHosts = microsoftHosts

// NewTenantAt makes a tenant whose tokens expire by the clock now.
func (c *Container) NewTenantAt(tb testing.TB, now func() time.Time) *Tenant {
	return c.newTenant(tb, now)
}
