package server_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/internal/server"
)

// One seed replays one run: the same requests get the same answers from one replica as from
// two that take turns. Which requests fail, and how properties are shuffled, follows from the
// seed and the count of the rule, as delays do.
func TestFaultSeedsOverReplicas(t *testing.T) {
	t.Parallel()
	var runs [2][]string
	for replicas := range runs {
		d := newDemo(t)
		d.make("a")
		urls := []string{d.URL(), d.URL()}
		if replicas == 1 {
			urls[1] = start(t, server.Config{DatabaseURL: d.Pool().Config().ConnString(), Now: d.clock.now}).URL()
		}
		d.fault(`{"match":{"method":"GET"},"schedule":{"probability":0.5,"seed":7},"effect":{"status":503}}`)
		d.fault(`{"match":{"method":"GET"},"schedule":{"seed":7},"effect":{"change":["shuffleProperties"]}}`)
		for i := range 12 {
			r, body := call(t, "GET", urls[i%2]+partners, d.token, "")
			runs[replicas] = append(runs[replicas], fmt.Sprint(r.StatusCode, orderOf(body)))
		}
	}
	if !slices.Equal(runs[0], runs[1]) {
		t.Errorf("one replica: %v, two: %v", runs[0], runs[1])
	}
	if slices.Sort(runs[0]); len(slices.Compact(runs[0])) < 4 {
		t.Errorf("all alike: %v", runs[0])
	}
}

// orderOf returns the names of the properties of an answer's first entity, in their order.
func orderOf(body string) (names []string) {
	_, entity, _ := strings.Cut(body, `"value":[{`)
	for _, name := range regexp.MustCompile(`"(\w+)":`).FindAllStringSubmatch(entity, -1) {
		names = append(names, name[1])
	}
	return names
}
