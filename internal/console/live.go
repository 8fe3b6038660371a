package console

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/google/uuid"
	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
)

const (
	// maxTails is how many pages a process keeps up to date.
	maxTails = 32

	// maxLooks is how many of them look at the journal at once, each with a page of it.
	maxLooks = 4

	// tailPause is the minimum pause between looks at the journal. Looking takes at most a
	// tenth of a tail's time.
	tailPause = 100 * time.Millisecond

	// shortLook and longLook are how long a request may take to be noticed at the next look
	// and at one in looksPerLong. The journal has requests in the order in which they came.
	shortLook, longLook = 2 * time.Second, 30 * time.Second
	looksPerLong        = 20

	// maxSeen is the maximum number of requests that a tail remembers, of 16 bytes each.
	maxSeen = 1000

	// tailLife is how long a tail lasts; then the browser begins another one.
	tailLife = 10 * time.Minute

	// tailWrite is how long a browser may take to read. heartbeat is the time after which a
	// silent tail writes, to notice browsers that are gone.
	tailWrite, heartbeat = 5 * time.Second, 15 * time.Second
)

// tails bounds the live tails of a process. A tail has an HTTP connection, a goroutine, the
// ids that it has seen (together at most 100 kB), and while it looks a page of the journal.
type tails struct {
	slots  chan struct{}
	looks  chan struct{}
	closed chan struct{}
	close  func()
}

func newTails() tails {
	closed := make(chan struct{})
	return tails{slots: make(chan struct{}, maxTails), looks: make(chan struct{}, maxLooks), closed: closed, close: sync.OnceFunc(func() { close(closed) })}
}

// Close ends the live tails, which would otherwise delay the end of the service.
func (c *Console) Close() { c.tails.close() }

func (c *Console) followService(v *visit) { c.follow(v, serviceJournal) }

func (c *Console) followTenant(v *visit) {
	if err := v.findTenant(); err != nil {
		v.fail(err)
		return
	}
	c.follow(v, v.tenantJournal())
}

// follow tells a page each time that its journal has new requests, as Server-Sent Events
// (https://html.spec.whatwg.org/multipage/server-sent-events.html). The page then loads its
// rows again. So nothing waits for a slow browser: news that it hasn't read count once.
func (c *Console) follow(v *visit, j journal) {
	if site := v.GetHeader("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		v.fail(refusal(http.StatusForbidden, "Only pages of the console follow a journal."))
		return
	}
	select {
	case c.tails.slots <- struct{}{}:
		defer func() { <-c.tails.slots }()
	default:
		v.fail(refusal(http.StatusServiceUnavailable, fmt.Sprintf("%d pages follow a journal already; reload this one to see news.", maxTails)))
		return
	}
	ctx, cancel := context.WithTimeout(v.Request.Context(), min(tailLife, v.session.Expires.Sub(v.console.now())))
	defer cancel()
	t := &tail{visit: v, journal: j, selected: j.selected(v), seen: map[uuid.UUID]bool{}}
	if _, _, err := t.look(ctx, longLook); err != nil { // what the page shows already
		v.fail(err)
		return
	}
	v.Header("Content-Type", "text/event-stream")
	v.Header("X-Accel-Buffering", "no") // for proxies
	_ = t.write("retry: 1000\n\n")
	t.run(ctx)
}

// tail is a page that follows a journal.
type tail struct {
	visit    *visit
	journal  journal
	selected params
	seen     map[uuid.UUID]bool
	wrote    time.Time
}

// run looks for new requests until the browser or the service goes, or the browser doesn't
// read.
func (t *tail) run(ctx context.Context) {
	pause := tailPause
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-t.visit.console.tails.closed:
			return
		case <-time.After(pause):
		}
		back := shortLook
		if n%looksPerLong == 0 {
			back = longLook
		}
		news, took, err := t.look(ctx, back)
		if err != nil || t.tell(news) != nil {
			return
		}
		pause = max(tailPause, 9*took)
	}
}

// look reports whether there are new requests among those that came up to a time ago, and how
// long it took to find out.
func (t *tail) look(ctx context.Context, back time.Duration) (news bool, took time.Duration, err error) {
	select {
	case t.visit.console.tails.looks <- struct{}{}:
		defer func() { <-t.visit.console.tails.looks }()
	case <-ctx.Done():
		return false, 0, ctx.Err()
	}
	began := time.Now()
	news, err = t.hasNews(back)
	return news, time.Since(began), err
}

// hasNews reports whether there are requests that the tail hasn't seen. It stops at the first
// page with any, because the page reads all of them anyway.
func (t *tail) hasNews(back time.Duration) (news bool, err error) {
	p := params{"top": "50", "after": idAt(time.Now().Add(-back)).String()}
	maps.Copy(p, t.selected)
	for next := ptr(""); next != nil && !news; {
		var list api.RequestList
		if err := t.visit.call(t.journal.list, p, &list); err != nil {
			return false, err
		}
		for _, r := range list.Value {
			news = news || !t.seen[r.Id]
			t.seen[r.Id] = true
		}
		if next = list.NextLink; next != nil {
			p["after"] = afterOf(*next)
		}
	}
	t.forget()
	return news, nil
}

// forget forgets requests that no look finds again, and all of them if they are too many: then
// the next look finds some again.
func (t *tail) forget() {
	if len(t.seen) > maxSeen {
		oldest := idAt(time.Now().Add(-longLook)).String()
		maps.DeleteFunc(t.seen, func(id uuid.UUID, _ bool) bool { return id.String() < oldest })
	}
	if len(t.seen) > maxSeen {
		clear(t.seen)
	}
}

// idAt returns an id that is less than those of requests from a time on, which begin with it.
func idAt(at time.Time) (id uuid.UUID) {
	milliseconds := at.UnixMilli()
	for i := 5; i >= 0; i-- {
		id[i] = byte(milliseconds)
		milliseconds >>= 8
	}
	return id
}

// tell writes an event about new requests, or now and then a comment.
func (t *tail) tell(news bool) error {
	switch {
	case news:
		return t.write("event: requests\ndata: new\n\n")
	case time.Since(t.wrote) > heartbeat:
		return t.write(": still here\n\n")
	}
	return nil
}

// write writes and sends a text, for which the browser has a limited time.
func (t *tail) write(text string) error {
	t.wrote = time.Now()
	controller := http.NewResponseController(t.visit.Writer)
	_ = controller.SetWriteDeadline(t.wrote.Add(tailWrite)) // a test's recorder has no deadlines
	if _, err := t.visit.Writer.WriteString(text); err != nil {
		return err
	}
	t.visit.Writer.Flush()
	return nil
}

// liveSwitch pauses and continues the updates of a page. The script shows it; later pages of a
// list aren't live.
func (v *visit) liveSwitch(j journal, selected params) g.Node {
	if v.Query("after") != "" {
		return nil
	}
	query := url.Values{}
	for name, value := range selected {
		if j.of[name] == "" && value != "" {
			query.Set(name, value)
		}
	}
	at := Root + "/live?" + query.Encode()
	if v.tenant != nil {
		at = v.at("live") + "?" + query.Encode()
	}
	return html.Button(html.Type("button"), html.Class("live"), testID("live"), html.Data("live", at), html.Aria("pressed", "true"), html.Hidden(""), html.Text("Live"))
}
