package fault

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/mocktenant/mocktenant/api"
)

// Scenario is a named set of rules.
type Scenario struct {
	Name       string
	Summary    string // what happens
	GoodClient string // what a good client does
	rules      []string
}

// Adversarial is the scenario of all failures at a low rate.
const Adversarial = "adversarial"

// disguise lists changes to the form of all answers of Graph.
const disguise = `{"match":{"front":"graph"},"effect":{"change":["shuffleProperties","extraProperties","upperCaseIds","shuffleResponses"],"pageSize":2}}`

// Scenarios lists the scenarios by name.
var Scenarios = []Scenario{
	{
		Name:       Adversarial,
		Summary:    "Small pages, properties in any order, unknown properties, ids in capital letters, and sometimes every documented failure.",
		GoodClient: "Gets the same result as without the scenario. It follows links, ignores unknown properties, compares ids without regard to letter case, and repeats failed requests that can be repeated.",
		rules:      adversarial(),
	},
	{
		Name:       "committed-but-reset",
		Summary:    "One in three changes is made, and the connection is cut before the answer.",
		GoodClient: "Checks whether the change was made before it repeats the request, so that nothing exists twice.",
		rules:      each(`{"match":{"front":"graph","method":"METHOD","path":"/*/deviceManagement/**"},"schedule":{"every":3},"effect":{"reset":"after"}}`, "POST", "PATCH", "DELETE"),
	},
	{
		Name:       "eventual-consistency",
		Summary:    "Reads show changes two seconds late.",
		GoodClient: "Doesn't accept a 404 right after a create: it repeats the read for a while.",
		rules:      []string{`{"match":{"front":"graph","method":"GET"},"effect":{"staleSeconds":2}}`},
	},
	{
		Name:       "flaky-5xx",
		Summary:    "About one in five requests fails with 500, 503 or 504, at random.",
		GoodClient: "Repeats reads with growing pauses, and changes only after 503 and 504. It gives up after a few attempts and says why.",
		rules: []string{
			`{"match":{"front":"graph"},"schedule":{"probability":0.07},"effect":{"error":"internalError"}}`,
			`{"match":{"front":"graph"},"schedule":{"probability":0.07},"effect":{"error":"unavailable","retryAfterSeconds":1}}`,
			`{"match":{"front":"graph"},"schedule":{"probability":0.07},"effect":{"error":"gatewayTimeout"}}`,
		},
	},
	{
		Name:       "gateway-html",
		Summary:    "One in four requests is answered by a gateway's HTML page with 502.",
		GoodClient: "Checks the status and the content type before it parses, and repeats the request.",
		rules:      []string{`{"match":{"front":"graph"},"schedule":{"every":4},"effect":{"error":"gatewayPage"}}`},
	},
	{
		Name:       "license-lost",
		Summary:    "Intune refuses the account: 401 UnknownError, whatever the token.",
		GoodClient: "Doesn't sign in again and again: it stops, and says that the account has no licence.",
		rules:      []string{`{"match":{"front":"graph","path":"/*/deviceManagement/**"},"effect":{"error":"unlicensed"}}`},
	},
	{
		Name:       "never-connected",
		Summary:    "beginOnboarding is accepted and has no effect: the partner stays notOnboarded.",
		GoodClient: "Waits for the onboarding for a limited time, and then says that it didn't happen.",
		rules:      []string{`{"match":{"front":"graph","method":"POST","path":"/*/deviceManagement/*/*/beginOnboarding"},"effect":{"discard":true}}`},
	},
	{
		Name:       "throttle-storm",
		Summary:    "About half of the requests are throttled for a second, with Retry-After in seconds, as a date, or missing.",
		GoodClient: "Waits as long as Retry-After says or, without it, with growing pauses, and finishes.",
		rules: []string{
			`{"match":{"front":"graph"},"schedule":{"every":10},"effect":{"error":"throttled","retryAfterSeconds":1}}`,
			`{"match":{"front":"graph"},"schedule":{"every":9},"effect":{"error":"throttled","retryAfterSeconds":1,"retryAfterForm":"date"}}`,
			`{"match":{"front":"graph"},"schedule":{"every":8},"effect":{"error":"gatewayThrottled"}}`,
			`{"match":{"front":"graph"},"schedule":{"every":7},"effect":{"error":"throttled","retryAfterSeconds":1}}`,
			`{"match":{"front":"graph"},"schedule":{"every":6},"effect":{"error":"throttled"}}`,
		},
	},
	{
		Name:       "token-expires-mid-page",
		Summary:    "The token is refused as expired on the second page of each list.",
		GoodClient: "Gets a new token and repeats the request for the page, without starting over.",
		rules:      []string{`{"match":{"front":"graph","method":"GET","query":"*skiptoken=*"},"schedule":{"every":2},"effect":{"error":"tokenExpired"}}`},
	},
}

// adversarial has a rule for each documented failure after which a client may retry. Each
// fires for one in a hundred requests. A last rule changes the form of all other answers.
func adversarial() []string {
	chance := func(match string, effects ...string) (rules []string) {
		for _, e := range effects {
			rules = append(rules, `{"match":{`+match+`},"schedule":{"probability":0.01},"effect":{`+e+`}}`)
		}
		return rules
	}
	return append(slices.Concat(
		chance(`"front":"graph"`, `"error":"throttled","retryAfterSeconds":1`, `"error":"gatewayThrottled"`, `"error":"unavailable"`, `"error":"timeout"`,
			`"error":"internalError"`, `"error":"gatewayTimeout"`, `"error":"gatewayPage"`, `"error":"claimsChallenge"`, `"reset":"before"`, `"reset":"after"`,
			`"cutAfterBytes":1`, `"change":["malformedJson"]`, `"change":["empty"]`, `"contentType":"text/html"`, `"delayMilliseconds":50,"delayForm":"longTail","delaySpreadMilliseconds":50`),
		chance(`"front":"graph","method":"GET"`, `"staleSeconds":1`, `"change":["emptyPage"]`),
		chance(`"front":"authority"`, `"error":"AADSTS90033"`, `"error":"AADSTS90055"`),
	), disguise)
}

func each(rule string, methods ...string) (rules []string) {
	for _, m := range methods {
		rules = append(rules, strings.ReplaceAll(rule, "METHOD", m))
	}
	return rules
}

// FindScenario finds a scenario by name.
func FindScenario(name string) (Scenario, bool) {
	i := slices.IndexFunc(Scenarios, func(s Scenario) bool { return s.Name == name })
	if i < 0 {
		return Scenario{}, false
	}
	return Scenarios[i], true
}

// Rules returns the rules of the scenario with different seeds derived from one, so that
// they don't all fire at once.
func (s Scenario) Rules(seed int64) []api.FaultCreate {
	rules := make([]api.FaultCreate, len(s.rules))
	for i, text := range s.rules {
		if err := json.Unmarshal([]byte(text), &rules[i]); err != nil {
			panic(err) // a test reads them
		}
		if rules[i].Schedule == nil {
			rules[i].Schedule = &api.FaultSchedule{}
		}
		own := seed + int64(i)*7919
		rules[i].Schedule.Seed = &own
	}
	return rules
}
