//go:build linux

package main

import (
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/mocktenant/mocktenant/internal/admin"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/graph"
	"github.com/mocktenant/mocktenant/internal/identity"
)

// Every route of every front has its worst request measured, or a reason why not.
func TestCeilingKnowsEveryRoute(t *testing.T) {
	routes, known, heavy := routes(), map[string]bool{}, map[string]bool{}
	for _, a := range slices.Concat(targets{}.graphAttacks(), targets{}.authorityAttacks(), targets{}.administrationAttacks()) {
		known[a.route], heavy[a.route] = true, true
	}
	for reason, light := range light {
		for _, route := range light {
			if known[route] {
				t.Errorf("%s: named twice, here as: %s", route, reason)
			}
			known[route] = true
		}
	}
	for _, route := range slices.Sorted(maps.Keys(routes)) {
		if !known[route] {
			t.Errorf("%s: say in internal/bench what its worst request is, or why it has none", route)
		}
	}
	for _, route := range slices.Sorted(maps.Keys(known)) {
		if !routes[route] {
			t.Errorf("%s: no router has it", route)
		}
	}
	if len(heavy) < 20 {
		t.Errorf("%d routes are measured", len(heavy))
	}
}

// routes are those of all fronts, as the routers print them. HEAD comes with each GET of
// Graph, and beta has v1.0's handlers.
func routes() map[string]bool {
	all := map[string]bool{}
	defer func(mode string, to io.Writer, f func(string, string, string, int)) {
		gin.SetMode(mode)
		gin.DefaultWriter, gin.DebugPrintRouteFunc = to, f
	}(gin.Mode(), gin.DefaultWriter, gin.DebugPrintRouteFunc)
	gin.SetMode(gin.DebugMode)
	gin.DefaultWriter = io.Discard
	gin.DebugPrintRouteFunc = func(method, path, _ string, _ int) {
		if method != "HEAD" && !strings.HasPrefix(path, "/beta") {
			all[method+" "+path] = true
		}
	}
	graph.New(graph.Config{Store: &db.Store{}})
	new(identity.Provider).Handler()
	admin.RegisterHandlers(gin.New(), (*admin.API)(nil))
	return all
}
