package clients_test

import (
	"encoding/json"
	"testing"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/entity/sample"
)

// asJSON returns a value as JSON.
func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// nodeSet describes the set of an entity to the tests of the Graph client for JavaScript.
type nodeSet struct {
	Version   string         `json:"version"`
	Path      string         `json:"path"`
	Within    *nodeSet       `json:"within,omitempty"` // the set of the parents
	Singleton bool           `json:"singleton"`
	Body      map[string]any `json:"body"`
	Change    map[string]any `json:"change"`
	Actions   []string       `json:"actions"`
}

func describeSet(e *entity.Type, beta bool) *nodeSet {
	if e == nil {
		return nil
	}
	version := map[bool]string{false: "v1.0", true: "beta"}[beta]
	set := &nodeSet{version, e.Set, describeSet(e.Parent, beta), e.Singleton, sample.Body(e, beta, 1), sample.Body(e, beta, 2), []string{}}
	for _, a := range e.Actions {
		if !a.ByPartner {
			set.Actions = append(set.Actions, a.Name)
		}
	}
	return set
}

// describeSets describes the set of every entity in each version.
func describeSets(t *testing.T) string {
	t.Helper()
	var all []*nodeSet
	for _, e := range entity.All {
		for _, beta := range []bool{false, true} {
			if beta || !e.BetaOnly {
				all = append(all, describeSet(e, beta))
			}
		}
	}
	return string(asJSON(t, all))
}
