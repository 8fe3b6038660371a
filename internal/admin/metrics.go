package admin

import (
	"net/http"
	"net/http/pprof" // what it adds to http.DefaultServeMux nobody serves

	"github.com/gin-gonic/gin"
)

// GetMetrics serves what is measured.
func (a *API) GetMetrics(c *gin.Context) { a.metrics.ServeHTTP(c.Writer, c.Request) }

// ListProfiles shows which profiles there are.
func (a *API) ListProfiles(c *gin.Context) { pprof.Index(c.Writer, c.Request) }

// GetProfile measures the process. Of net/http/pprof's, the contract leaves
// cmdline out: arguments may hold a key or the database's password.
func (a *API) GetProfile(c *gin.Context, profile Profile, _ GetProfileParams) {
	switch profile {
	case ProfileProfile:
		a.measure(c, pprof.Profile)
	case ProfileTrace:
		a.measure(c, pprof.Trace)
	default:
		pprof.Handler(string(profile)).ServeHTTP(c.Writer, c.Request)
	}
}

// measure takes a while, in which the process can measure nothing else.
func (a *API) measure(c *gin.Context, serve http.HandlerFunc) {
	if !a.measuring.TryLock() {
		a.fail(callOf(c), errConflict("Another profile or trace is being taken; try again when it is done."))
		return
	}
	defer a.measuring.Unlock()
	serve(c.Writer, c.Request)
}
