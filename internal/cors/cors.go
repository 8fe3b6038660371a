// Package cors lets pages of other origins call a front.
package cors

import "net/http"

// Allow lets the page that sent r read the answer, and of the answer's headers those
// that are exposed. It returns true if r only asks whether such a call is allowed: then
// it has answered. A front asks before it authenticates, since a preflight has no token.
//
// Every origin is allowed, as at Microsoft Graph and Entra, and none by its cookies:
// what a page may do depends on its token alone.
// https://fetch.spec.whatwg.org/#http-cors-protocol
func Allow(w http.ResponseWriter, r *http.Request, exposed string) (preflight bool) {
	if r.Header.Get("Origin") == "" {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	method := r.Header.Get("Access-Control-Request-Method")
	if r.Method != http.MethodOptions || method == "" {
		h.Set("Access-Control-Expose-Headers", exposed)
		return false
	}
	h.Set("Access-Control-Allow-Methods", method)
	if headers := r.Header.Get("Access-Control-Request-Headers"); headers != "" {
		h.Set("Access-Control-Allow-Headers", headers)
	}
	w.WriteHeader(http.StatusOK)
	return true
}
