package fault

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/glob"
)

// The rules of scenarios make sense, have seeds of their own, and are the contract's.
func TestScenarioRules(t *testing.T) {
	t.Parallel()
	for _, s := range Scenarios {
		rules := s.Rules(7)
		for i := range rules {
			if f := Check(&rules[i], time.Now()); f != nil {
				t.Errorf("%s, rule %d: %v", s.Name, i, f)
			}
			if *rules[i].Schedule.Seed != 7+int64(i)*7919 {
				t.Errorf("%s, rule %d: %d", s.Name, i, *rules[i].Schedule.Seed)
			}
		}
		if !strings.Contains(string(api.OpenAPI), s.Name+",") && !strings.Contains(string(api.OpenAPI), s.Name+"]") {
			t.Errorf("the contract doesn't name %s", s.Name)
		}
	}
	if !slices.IsSortedFunc(Scenarios, func(a, b Scenario) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the scenarios aren't in order")
	}
}

// Patterns match what the regular expression for them does, and take no longer the more
// they look as if they matched.
func TestPatterns(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	text := func(letters string) string {
		b := make([]byte, random.IntN(9))
		for i := range b {
			b[i] = letters[random.IntN(len(letters))]
		}
		return string(b)
	}
	for range 20_000 {
		pattern, s := text("ab*/"), text("aab/")
		form := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*")
		if got, want := glob.New(pattern).Matches(s), regexp.MustCompile("^(?s:"+form+")$").MatchString(s); got != want {
			t.Fatalf("%q matches %q: %t, want %t", pattern, s, got, want)
		}
		if strings.Contains(pattern, "**") {
			continue
		}
		form = strings.ReplaceAll(regexp.QuoteMeta("/"+pattern), `\*`, "[^/]*")
		if got, want := newPathPattern("/"+pattern).matches("/"+s), regexp.MustCompile("^"+form+"$").MatchString("/"+s); got != want {
			t.Fatalf("path %q matches %q: %t, want %t", "/"+pattern, "/"+s, got, want)
		}
		deep, want := newPathPattern("/"+pattern+anyDepth), regexp.MustCompile("^"+form+"(/.*)?$").MatchString("/"+s)
		if got := deep.matches("/" + s); got != want {
			t.Fatalf("path %q matches %q: %t, want %t", "/"+pattern+anyDepth, "/"+s, got, want)
		}
	}
	slow, long := glob.New(strings.Repeat("a*", maxStars)+"b"), strings.Repeat("a", 1<<20)
	begun := time.Now()
	if slow.Matches(long) || time.Since(begun) > 5*time.Second {
		t.Errorf("took %s", time.Since(begun))
	}
}

// What is random about an answer follows from the seed and the number of the match.
func TestChangeIsRepeatable(t *testing.T) {
	t.Parallel()
	body := []byte(`{"@odata.context":"c","value":[{"id":"1","a":1,"b":2,"c":3},{"id":"2","a":1,"b":2,"c":3}]}`)
	ways := []api.FaultChange{api.FaultChangeShuffleProperties, api.FaultChangeExtraProperties}
	change := func(seed uint64) string {
		return string(change(slices.Clone(body), ways, "http://x", rand.New(rand.NewPCG(seed, 1))))
	}
	if first, again, other := change(1), change(1), change(2); first != again || first == other {
		t.Errorf("%s, %s, %s", first, again, other)
	}
}

// Bodies that aren't what a change is about stay as they are.
func FuzzChange(f *testing.F) {
	for _, seed := range []string{``, `{`, `[]`, `{"value":1}`, `{"value":[1,{}]}`, `{"@odata.nextLink":"x","value":[]}`, `{"responses":{}}`, `{"id":null}`, `{"a":1,"a":2}`} {
		f.Add([]byte(seed), uint8(3))
	}
	all := []api.FaultChange{
		api.FaultChangeDuplicateNextLink, api.FaultChangeLoopNextLink, api.FaultChangeEmptyPage, api.FaultChangeShuffleResponses,
		api.FaultChangeShuffleProperties, api.FaultChangeExtraProperties, api.FaultChangeUpperCaseIds, api.FaultChangeMalformedJson, api.FaultChangeEmpty,
	}
	f.Fuzz(func(t *testing.T, body []byte, which uint8) {
		got := change(slices.Clone(body), all[:int(which)%len(all)], "http://x", rand.New(rand.NewPCG(1, 1)))
		if _, isObject := parseObject(body); !isObject && which%9 < 7 && string(got) != string(body) {
			t.Errorf("%q became %q", body, got)
		}
	})
}
