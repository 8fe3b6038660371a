//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// load is the clients of a phase and what they saw.
type load struct {
	cluster *cluster
	tag     string        // the beginning of every name of the phase
	pace    time.Duration // between two calls of a client
	began   time.Time
	ids     []string // of partners that all clients change

	acknowledged atomic.Int64
	stopped      atomic.Bool
	all          sync.WaitGroup

	mu    sync.Mutex
	calls []call
}

const (
	loadClients    = 64
	sharedPartners = 16
)

// shared is the beginning of the names of partners that lists show.
func (l *load) shared() string { return l.tag + "-s-" }

// newLoad creates the shared partners.
func (c *cluster) newLoad(ctx context.Context, tag string, pace time.Duration) (*load, error) {
	l := &load{cluster: c, tag: tag, pace: pace, began: time.Now()}
	for i := range sharedPartners {
		made := l.send(ctx, call{operation: create, client: -1, name: fmt.Sprintf("%s%d", l.shared(), i), url: fmt.Sprintf("https://%s.example/s/%d", tag, i)})
		if !made.acknowledged() {
			return nil, fmt.Errorf("create a shared partner: %d %s", made.status, made.raw)
		}
		l.ids, l.calls = append(l.ids, made.id), append(l.calls, made)
	}
	return l, nil
}

// start starts the clients.
func (l *load) start(ctx context.Context) {
	for i := range loadClients {
		l.all.Go(func() {
			for n := 0; !l.stopped.Load() && ctx.Err() == nil; n++ {
				c := l.send(ctx, l.choose(i, n))
				l.mu.Lock()
				l.calls = append(l.calls, c)
				l.mu.Unlock()
				if c.acknowledged() {
					l.acknowledged.Add(1)
				}
				if c.unknown() {
					sleep(ctx, 20*time.Millisecond)
				}
				sleep(ctx, l.pace)
			}
		})
	}
}

// stop stops the clients after their current calls.
func (l *load) stop() {
	l.stopped.Store(true)
	l.all.Wait()
}

// more waits until n more calls were acknowledged.
func (l *load) more(ctx context.Context, n int64) error {
	want := l.acknowledged.Load() + n
	for start := time.Now(); l.acknowledged.Load() < want; sleep(ctx, 5*time.Millisecond) {
		if time.Since(start) > 2*patience {
			return fmt.Errorf("the clients get nothing done: %d calls of %d", l.acknowledged.Load(), want)
		}
	}
	return nil
}

// choose returns a client's next call. Each write writes another value.
func (l *load) choose(i, n int) call {
	c := call{client: i, id: l.ids[rand.IntN(len(l.ids))]}
	name, url := fmt.Sprintf("%s%d-%d", l.shared(), i, n), fmt.Sprintf("https://%s.example/%d/%d", l.tag, i, n)
	switch dice := rand.IntN(100); {
	case dice < 1: // a shared one, which lists show
		c.operation, c.id, c.name, c.url = create, "", name, url
	case dice < 30:
		c.operation, c.id, c.name, c.url = create, "", fmt.Sprintf("%s-r-%d-%d", l.tag, i, n), url
	case dice < 50:
		c.operation = get
	case dice < 65:
		c.operation, c.name = rename, name
	case dice < 80:
		c.operation, c.url = relink, url
	case dice < 82 && n > 20: // some changes come first
		c.operation = remove
	default:
		c.operation, c.id = list, ""
	}
	return c
}

// send sends a call to any of the running replicas, and returns it with its answer.
func (l *load) send(ctx context.Context, c call) call {
	method, path, body := l.request(c)
	c.begun = int64(time.Since(l.began))
	at := l.cluster.any()
	got, err := at.send(ctx, method, path, body)
	c.replica = at.replica
	c.ended = int64(time.Since(l.began))
	if err != nil {
		c.raw = err.Error()
		return c
	}
	c.status, c.retryAfter = got.status, got.retryAfter
	c.read(got.body)
	return c
}

// any returns the addresses of a replica that clients should use.
func (c *cluster) any() *addresses {
	var usable []*addresses
	for _, r := range c.replicas {
		if at := r.at.Load(); at != nil {
			usable = append(usable, at)
		}
	}
	return usable[rand.IntN(len(usable))]
}

func (l *load) request(c call) (method, path, body string) {
	switch c.operation {
	case create:
		return http.MethodPost, partnersPath, fmt.Sprintf(`{"displayName":%q,"onboardingUrl":%q,"lastConnectionDateTime":"2016-12-31T23:58:36.6670033-08:00"}`, c.name, c.url)
	case rename:
		return http.MethodPatch, partnersPath + "/" + c.id, fmt.Sprintf(`{"displayName":%q}`, c.name)
	case relink:
		return http.MethodPatch, partnersPath + "/" + c.id, fmt.Sprintf(`{"onboardingUrl":%q}`, c.url)
	case remove:
		return http.MethodDelete, partnersPath + "/" + c.id, ""
	case list:
		return http.MethodGet, partnersPath + "?$top=1000&$filter=startswith(displayName,'" + l.shared() + "')", ""
	default:
		return http.MethodGet, partnersPath + "/" + c.id, ""
	}
}

// read takes what the clients need from an answer's body. What it can't read stays in raw, for
// the report.
func (c *call) read(body string) {
	if !c.acknowledged() {
		c.raw = body
		return
	}
	if c.operation == remove {
		return
	}
	if c.operation != list {
		body = `{"value":[` + stored(body) + `]}`
	}
	items, _, err := parseItems(body)
	if err != nil || c.operation != list && len(items) != 1 {
		c.raw, c.status = fmt.Sprintf("not an answer: %s %v", body, err), -1
		return
	}
	for _, i := range items {
		c.seen = append(c.seen, i.partner)
	}
	if c.operation == create {
		c.id, c.raw = items[0].ID, items[0].raw
	}
}

// history reads what is stored after the phase.
func (l *load) history(ctx context.Context) (*history, error) {
	h := &history{shared: l.shared(), calls: l.calls, versions: map[string][]version{}}
	for _, r := range l.cluster.replicas {
		items, err := r.all(ctx, l.tag+"-")
		if err != nil {
			return nil, err
		}
		h.final = append(h.final, items)
	}
	for _, id := range l.ids {
		versions, err := l.cluster.replicas[0].versions(ctx, id)
		if err != nil {
			return nil, err
		}
		h.versions[id] = versions
	}
	return h, nil
}
