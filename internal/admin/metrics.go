package admin

import (
	"context"
	"net/http"
	"net/http/pprof" // nothing serves http.DefaultServeMux, to which it adds handlers

	"github.com/mocktenant/mocktenant/api"
)

func getMetrics(_ context.Context, x *call, _ none) error {
	x.admin.metrics.ServeHTTP(x.Writer, x.Request)
	return nil
}

func listProfiles(_ context.Context, x *call, _ none) error {
	pprof.Index(x.Writer, x.Request)
	return nil
}

type getProfileRequest struct {
	Profile api.Profile
	api.GetProfileParams
}

// getProfile measures the process. The contract omits pprof's cmdline, because arguments
// may contain a key or the database's password.
func getProfile(_ context.Context, x *call, r getProfileRequest) error {
	switch r.Profile {
	case api.ProfileProfile:
		return x.measure(pprof.Profile)
	case api.ProfileTrace:
		return x.measure(pprof.Trace)
	}
	pprof.Handler(string(r.Profile)).ServeHTTP(x.Writer, x.Request)
	return nil
}

// measure runs a measurement. Only one can run at a time in a process.
func (x *call) measure(serve http.HandlerFunc) error {
	if !x.admin.measuring.TryLock() {
		return errConflict("Another profile or trace is being taken; try again when it is done.")
	}
	defer x.admin.measuring.Unlock()
	serve(x.Writer, x.Request)
	return nil
}
