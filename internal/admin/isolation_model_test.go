package admin_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
)

// Ids and names that every tenant of TestIsolation has.
var (
	writerID = uuid.MustParse("0b0c0000-0000-4000-8000-000000000001")
	readerID = uuid.MustParse("0b0c0000-0000-4000-8000-000000000002")
	baitID   = uuid.MustParse("0b0c0000-0000-4000-8000-000000000003") // nobody signs in with its correct password
	portalID = uuid.MustParse("0b0c0000-0000-4000-8000-000000000004")
	gateID   = uuid.MustParse("0b0c0000-0000-4000-8000-000000000005")
)

const (
	writerName = "writer@contoso.example"
	readerName = "reader@contoso.example"
	baitName   = "bait@contoso.example"

	sameSeed      = "the same in all"
	firstPartners = 4 // number of partners in each new tenant
	mostPartners  = 40
)

// modelPartner is a partner as v1.0 shows it, with the number of its versions.
type modelPartner struct {
	ID                     string  `json:"id"`
	DisplayName            *string `json:"displayName"`
	OnboardingURL          *string `json:"onboardingUrl"`
	OnboardingStatus       string  `json:"onboardingStatus"`
	LastConnectionDateTime string  `json:"lastConnectionDateTime"`
}

func (p modelPartner) String() string {
	text := func(s *string) string {
		if s == nil {
			return "null"
		}
		return *s
	}
	return strings.Join([]string{p.ID, text(p.DisplayName), text(p.OnboardingURL), p.OnboardingStatus, p.LastConnectionDateTime}, " ")
}

// modelUser is a user that the test creates and deletes.
type modelUser struct {
	display, password string
	enabled           bool
}

// modelState has the contents of a tenant that a snapshot stores.
type modelState struct {
	partners      map[string]modelPartner
	history       map[string]int // number of replaced versions, by id
	deleted       int            // number of deletes among them
	idsMade       int64
	guests        map[string]modelUser // by the name before the @
	portalName    string
	portalSecrets []string // ids, without the first
	pageSize      int
	rule          string
}

func (s *modelState) clone() modelState {
	c := *s
	c.partners, c.history = maps.Clone(s.partners), maps.Clone(s.history)
	c.guests, c.portalSecrets = maps.Clone(s.guests), slices.Clone(s.portalSecrets)
	return c
}

// partnerID returns the id of the nth partner that a tenant creates.
func partnerID(n int64) string { return db.SeededID(sameSeed, "remoteAssistancePartner", n).String() }

func guestID(name string) uuid.UUID { return db.SeededID(sameSeed, "user "+name, 0) }

// nextID returns the id of the next partner: the first one from the seed that wasn't used.
func (s *modelState) nextID() string {
	for {
		s.idsMade++
		if id := partnerID(s.idsMade); s.partners[id].ID == "" && s.history[id] == 0 {
			return id
		}
	}
}

// changes returns the number of rows in reporting.changes.
func (s *modelState) changes() int {
	n := len(s.partners) + s.deleted
	for _, versions := range s.history {
		n += versions
	}
	return n
}

// list returns the answer of a query, in its order.
func (s *modelState) list(f modelFilter, o modelOrder) []modelPartner {
	list := []modelPartner{}
	for _, p := range s.partners {
		if f.matches(p) {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, o.compare)
	return list
}

// differences lists the partners that differ from an earlier state, each with the kind of
// change.
func (s *modelState) differences(before modelState) []string {
	var all []string
	for id, p := range s.partners {
		if was, there := before.partners[id]; !there {
			all = append(all, id+" added")
		} else if was.String() != p.String() {
			all = append(all, id+" changed")
		}
	}
	for id := range before.partners {
		if _, there := s.partners[id]; !there {
			all = append(all, id+" removed")
		}
	}
	slices.Sort(all)
	return all
}

func (s *modelState) byStatus() map[string]int {
	n := map[string]int{}
	for _, p := range s.partners {
		n[p.OnboardingStatus]++
	}
	return n
}

var statuses = []string{"notOnboarded", "onboarding", "onboarded"}

// never is Graph's value of an unset date.
const never = "0001-01-01T00:00:00Z"

var moments = []string{never, "2016-12-31T23:58:36.6670033-08:00", "2020-02-29T12:00:00Z", "2031-01-01T00:00:00.5+14:00"}

// modelFilter is a $filter and its meaning.
type modelFilter struct {
	text    string
	matches func(modelPartner) bool
}

func has(text *string, part string) bool { return text != nil && strings.Contains(*text, part) }

var filters = sync.OnceValue(func() []modelFilter {
	all := []modelFilter{
		{"", func(modelPartner) bool { return true }},
		{"true", func(modelPartner) bool { return true }},
		{"id ne null or true", func(modelPartner) bool { return true }},
		{"displayName eq null", func(p modelPartner) bool { return p.DisplayName == nil }},
		{"not (displayName eq null)", func(p modelPartner) bool { return p.DisplayName != nil }},
		{"contains(onboardingUrl,'.example')", func(p modelPartner) bool { return has(p.OnboardingURL, ".example") }},
		{"length(displayName) gt 2", func(p modelPartner) bool { return p.DisplayName != nil && len(*p.DisplayName) > 2 }},
		{"lastConnectionDateTime gt 2019-01-01T00:00:00Z", func(p modelPartner) bool { return instant(p.LastConnectionDateTime).Year() >= 2019 }},
		{"lastConnectionDateTime eq " + never, func(p modelPartner) bool { return p.LastConnectionDateTime == never }},
		{"onboardingStatus ne 'onboarded' and startswith(displayName,'n')", func(p modelPartner) bool { return p.OnboardingStatus != "onboarded" && has(p.DisplayName, "n") }},
	}
	for _, status := range statuses {
		all = append(all, modelFilter{"onboardingStatus eq '" + status + "'", func(p modelPartner) bool { return p.OnboardingStatus == status }})
	}
	for i := range 4 {
		name := fmt.Sprint("n", i)
		all = append(all,
			modelFilter{"displayName eq '" + name + "'", func(p modelPartner) bool { return p.DisplayName != nil && *p.DisplayName == name }},
			modelFilter{"startswith(displayName,'" + name + "') or displayName eq null", func(p modelPartner) bool { return p.DisplayName == nil || strings.HasPrefix(*p.DisplayName, name) }},
			modelFilter{"id eq '" + partnerID(int64(i+1)) + "'", func(p modelPartner) bool { return p.ID == partnerID(int64(i+1)) }},
		)
	}
	return all
})

func instant(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t
}

// modelOrder is an $orderby and its meaning.
type modelOrder struct {
	text    string
	compare func(a, b modelPartner) int
}

func byID(a, b modelPartner) int { return strings.Compare(a.ID, b.ID) }

func byText(of func(modelPartner) *string) func(a, b modelPartner) int {
	return func(a, b modelPartner) int {
		x, y := of(a), of(b)
		switch { // null comes first
		case x == nil || y == nil:
			return cmp.Compare(boolean(x != nil), boolean(y != nil))
		default:
			return strings.Compare(*x, *y)
		}
	}
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

func byStatus(a, b modelPartner) int {
	return cmp.Compare(slices.Index(statuses, a.OnboardingStatus), slices.Index(statuses, b.OnboardingStatus))
}

func byConnection(a, b modelPartner) int {
	return instant(a.LastConnectionDateTime).Compare(instant(b.LastConnectionDateTime))
}

func descending(f func(a, b modelPartner) int) func(a, b modelPartner) int {
	return func(a, b modelPartner) int { return f(b, a) }
}

var orders = sync.OnceValue(func() []modelOrder {
	name := byText(func(p modelPartner) *string { return p.DisplayName })
	url := byText(func(p modelPartner) *string { return p.OnboardingURL })
	by := func(text string, keys ...func(a, b modelPartner) int) modelOrder {
		return modelOrder{text, func(a, b modelPartner) int {
			for _, key := range keys {
				if c := key(a, b); c != 0 {
					return c
				}
			}
			return 0
		}}
	}
	return []modelOrder{
		by("", byID),
		by("id desc", descending(byID)),
		by("displayName", name, byID),
		by("displayName desc", descending(name), descending(byID)),
		by("onboardingUrl", url, byID),
		by("onboardingStatus desc", descending(byStatus), descending(byID)),
		by("onboardingStatus,displayName desc", byStatus, descending(name), descending(byID)),
		by("lastConnectionDateTime", byConnection, byID),
		by("lastConnectionDateTime desc", descending(byConnection), descending(byID)),
	}
})
