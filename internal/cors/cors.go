// Package cors lets pages from other origins call a front.
package cors

import "net/http"

// Allow lets the page that sent r read the answer and those of its headers that are listed
// in exposed. It returns true if r is a preflight request, which it has then answered. A
// front calls Allow before it authenticates, because a preflight has no token.
//
// Every origin is allowed, as in Microsoft Graph and Entra, but without cookies: what a
// page may do depends only on its token. https://fetch.spec.whatwg.org/#http-cors-protocol
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
