package mocktenant

import "time"

// MicrosoftHosts are the hosts that Client leads to the service.
var MicrosoftHosts = microsoftHosts

// EndToken makes the token that Token hands out one that is about to end.
func (t *Tenant) EndToken() { t.expires = time.Now() }
