//go:build linux

package main

import (
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/graph"
	"github.com/mocktenant/mocktenant/internal/identity"
)

// Every route of every front has a measured worst request, or a reason why not.
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
		if !known[route] && !ofAnotherSet(route) {
			t.Errorf("%s: add its worst request to internal/bench, or the reason why it has none", route)
		}
	}
	for _, route := range slices.Sorted(maps.Keys(known)) {
		if !routes[route] {
			t.Errorf("%s: not in any router", route)
		}
	}
	if len(heavy) < 20 {
		t.Errorf("%d routes are measured", len(heavy))
	}
}

// ofAnotherSet reports whether a route belongs to a set of Graph that isn't measured: the
// same code serves all of them.
func ofAnotherSet(route string) bool {
	return slices.ContainsFunc(entity.Served[1:], func(t *entity.Type) bool { return strings.Contains(route, "/v1.0/"+t.Set) })
}

// routes returns the routes of all fronts as the routers print them, the administration's as its contract does. HEAD routes are left
// out because they belong to Graph's GET routes, and beta because it has v1.0's handlers.
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
	administration, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		panic(err)
	}
	for path, item := range administration.Paths.Map() {
		for method := range item.Operations() {
			all[method+" "+braces.ReplaceAllString(path, ":$1")] = true
		}
	}
	return all
}

var braces = regexp.MustCompile(`\{(\w+)\}`)
