package proxy

type Limits = limits

var (
	DefaultLimits = defaultLimits
	ListenWith    = listen
	RefusesTo     = refusesTo
)

// Route returns where a tunnel leads.
func (p *Proxy) Route(authority string) (string, error) { return p.route(authority) }
