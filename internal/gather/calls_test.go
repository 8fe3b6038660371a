package gather

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// fakeDoubler is a database whose statements double numbers.
type fakeDoubler struct {
	mu         sync.Mutex
	inFlight   int
	most       int           // statements in flight at once
	statements [][]int       // what each carried
	hold       chan struct{} // if set, each statement waits for it
	refuse     func(n int) error
}

func (d *fakeDoubler) one(ctx context.Context, n int) (int, error) {
	r, err := d.many(ctx, []int{n})
	if err != nil {
		return 0, err
	}
	return r[0], nil
}

func (d *fakeDoubler) many(ctx context.Context, ns []int) ([]int, error) {
	d.mu.Lock()
	d.inFlight++
	d.most = max(d.most, d.inFlight)
	d.statements = append(d.statements, slices.Clone(ns))
	d.mu.Unlock()
	defer func() { d.mu.Lock(); d.inFlight--; d.mu.Unlock() }()
	if d.hold != nil {
		<-d.hold
	}
	results := make([]int, len(ns))
	for i, n := range ns {
		if d.refuse != nil {
			if err := d.refuse(n); err != nil {
				return nil, err
			}
		}
		results[i] = 2 * n
	}
	return results, ctx.Err()
}

func (d *fakeDoubler) gather() *Calls[int, int, int] {
	return &Calls[int, int, int]{One: d.one, Hopeless: func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }, Many: func(ctx context.Context, ns []int) ([]Outcome[int], error) {
		results, err := d.many(ctx, ns)
		outcomes := make([]Outcome[int], len(results))
		for i, r := range results {
			outcomes[i].Result = r
		}
		return outcomes, err
	}}
}

func (d *fakeDoubler) carried() [][]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.statements)
}

// waiting waits until n calls wait behind the statement in flight.
func (g *Calls[P, R, K]) awaitWaiting(t *testing.T, n int) {
	t.Helper()
	await(t, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.waiting) == n
	})
}

// What is called while a statement is in flight shares the next one; of many that wait
// there is a second one at once, and no third.
func TestGatherShares(t *testing.T) {
	t.Parallel()
	d := &fakeDoubler{hold: make(chan struct{})}
	g := d.gather()
	var wg sync.WaitGroup
	call := func(n int) {
		wg.Go(func() {
			if got, err := g.Do(t.Context(), n); got != 2*n || err != nil {
				t.Errorf("do(%d) = %d, %v", n, got, err)
			}
		})
	}
	call(0)
	for len(d.carried()) == 0 {
		time.Sleep(100 * time.Microsecond)
	}
	for n := 1; n <= secondFrom+maxGathered+10; n++ {
		call(n)
		if n < secondFrom {
			g.awaitWaiting(t, n)
		} else {
			g.awaitWaiting(t, n-secondFrom)
		}
	}
	close(d.hold)
	wg.Wait()
	var sizes []int
	for _, s := range d.carried() {
		sizes = append(sizes, len(s))
	}
	if want := []int{1, secondFrom, maxGathered, 10}; !slices.Equal(sizes, want) || d.most != 2 {
		t.Errorf("statements carried %v, %d at once; want %v, 2 at once", sizes, d.most, want)
	}
}

// A second statement carries as many calls as the first one, up to the most that any may, and no
// fewer.
func TestGatherSecondIsFull(t *testing.T) {
	t.Parallel()
	d := &fakeDoubler{hold: make(chan struct{})}
	g := d.gather()
	var wg sync.WaitGroup
	// call makes calls, of which a number waits after each, and awaits the start of statements.
	call := func(calls, statements int, waiting func(call int) int) {
		t.Helper()
		for i := range calls {
			wg.Go(func() {
				if got, err := g.Do(t.Context(), 1); got != 2 || err != nil {
					t.Errorf("got %d, %v", got, err)
				}
			})
			g.awaitWaiting(t, waiting(i+1))
		}
		await(t, func() bool { return len(d.carried()) == statements })
	}
	running := func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.flights == 1
	}
	defer wg.Wait()
	defer close(d.hold)
	call(1, 1, func(int) int { return 0 })
	call(secondFrom, 2, func(call int) int { return call % secondFrom })
	call(maxGathered, 2, func(call int) int { return call })
	d.hold <- struct{}{}
	d.hold <- struct{}{}
	await(t, running)
	call(maxGathered, 4, func(call int) int { return call % maxGathered })
	call(100, 4, func(call int) int { return call })
	d.hold <- struct{}{}
	await(t, running)
	call(maxGathered-100, 5, func(call int) int { return (100 + call) % maxGathered })
	var sizes []int
	for _, s := range d.carried() {
		sizes = append(sizes, len(s))
	}
	if want := []int{1, secondFrom, maxGathered, maxGathered, maxGathered}; !slices.Equal(sizes, want) {
		t.Errorf("statements carried %v, want %v", sizes, want)
	}
}

func await(t *testing.T, reached func() bool) {
	t.Helper()
	for start := time.Now(); !reached(); time.Sleep(100 * time.Microsecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatal("not reached")
		}
	}
}

// One that fails takes only itself down; a database that is away is not asked
// again for each.
func TestGatherFailures(t *testing.T) {
	t.Parallel()
	bad := errors.New("bad")
	for _, tt := range []struct {
		name       string
		refuse     func(int) error
		fails      func(int) bool
		statements int
	}{
		{name: "one is bad", refuse: func(n int) error {
			if n == 1 {
				return bad
			}
			return nil
		}, fails: func(n int) bool { return n == 1 }, statements: 1 + 1 + 2 + 2},
		{name: "the database is away", refuse: func(n int) error {
			if n > 0 {
				return context.DeadlineExceeded
			}
			return nil
		}, fails: func(n int) bool { return n > 0 }, statements: 1 + 1},
	} {
		d := &fakeDoubler{hold: make(chan struct{}), refuse: tt.refuse}
		g := d.gather()
		var wg sync.WaitGroup
		for n := range secondFrom { // so few as to wait for the one in flight
			wg.Go(func() {
				got, err := g.Do(t.Context(), n)
				if failed := err != nil; failed != tt.fails(n) || !failed && got != 2*n {
					t.Errorf("%s: do(%d) = %d, %v", tt.name, n, got, err)
				}
			})
			if n == 0 {
				for len(d.carried()) == 0 {
					time.Sleep(100 * time.Microsecond)
				}
			} else {
				g.awaitWaiting(t, n)
			}
		}
		close(d.hold)
		wg.Wait()
		if got := len(d.carried()); got != tt.statements {
			t.Errorf("%s: %d statements, want %d: %v", tt.name, got, tt.statements, d.carried())
		}
	}
}

// A call that goes away while it waits is not made; one that was told to run
// the next statement runs it, for the others.
func TestGatherCancel(t *testing.T) {
	t.Parallel()
	d := &fakeDoubler{hold: make(chan struct{})}
	g := d.gather()
	first := make(chan error, 1)
	go func() { _, err := g.Do(t.Context(), 0); first <- err }()
	for len(d.carried()) == 0 {
		time.Sleep(100 * time.Microsecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { _, err := g.Do(ctx, 1); gone <- err }()
	g.awaitWaiting(t, 1)
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the one that left: %v", err)
	}
	g.awaitWaiting(t, 0)
	close(d.hold)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if got := d.carried(); len(got) != 1 {
		t.Errorf("statements %v", got)
	}
}

// A caller that goes away cancels a statement of its call alone, but not one that carries other
// calls, even if it runs it.
func TestGatherCancelStatement(t *testing.T) {
	t.Parallel()
	d := &fakeDoubler{hold: make(chan struct{})}
	g := d.gather()
	do := func(ctx context.Context, n int) chan error {
		result := make(chan error, 1)
		go func() { _, err := g.Do(ctx, n); result <- err }()
		return result
	}
	alone, cancel := context.WithCancel(t.Context())
	first := do(alone, 0)
	await(t, func() bool { return len(d.carried()) == 1 })
	other := do(t.Context(), 1)
	g.awaitWaiting(t, 1)
	leading, cancelLead := context.WithCancel(t.Context())
	lead := do(leading, 2)
	g.awaitWaiting(t, 2)
	cancel()
	d.hold <- struct{}{}
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the call alone: %v", err)
	}
	await(t, func() bool { return len(d.carried()) == 2 })
	cancelLead()
	d.hold <- struct{}{}
	for _, result := range []chan error{lead, other} {
		if err := <-result; err != nil {
			t.Errorf("of two calls: %v", err)
		}
	}
}

func TestGatherIsBounded(t *testing.T) {
	t.Parallel()
	d := &fakeDoubler{hold: make(chan struct{})}
	g := d.gather()
	var wg sync.WaitGroup
	for range 1 + secondFrom + MaxWaiting { // two statements, and those that wait
		wg.Go(func() {
			if _, err := g.Do(t.Context(), 1); err != nil {
				t.Error(err)
			}
		})
	}
	g.awaitWaiting(t, MaxWaiting)
	if _, err := g.Do(t.Context(), 2); !errors.Is(err, ErrFull) {
		t.Errorf("one more: %v", err)
	}
	close(d.hold)
	wg.Wait()
}

// A statement that panics leaves nobody waiting, and the next one runs.
func TestGatherPanics(t *testing.T) {
	t.Parallel()
	d := &fakeDoubler{refuse: func(n int) error {
		if n < 0 {
			panic("a bug")
		}
		return nil
	}}
	g := d.gather()
	func() {
		defer func() { _ = recover() }()
		_, _ = g.Do(t.Context(), -1)
	}()
	if got, err := g.Do(t.Context(), 4); got != 8 || err != nil {
		t.Errorf("after the panic: %d, %v", got, err)
	}
}

// Whatever comes together, goes away and fails: every call gets its own
// outcome, and two statements at most are in flight at a time.
func TestGatherUnderRace(t *testing.T) {
	t.Parallel()
	bad := errors.New("bad")
	d := &fakeDoubler{refuse: func(n int) error {
		if n%17 == 0 {
			return bad
		}
		return nil
	}}
	g := d.gather()
	g.Eager = true
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for j := range 200 {
				n := 1000*i + j
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(200))*time.Microsecond)
				got, err := g.Do(ctx, n)
				cancel()
				switch {
				case errors.Is(err, context.DeadlineExceeded), errors.Is(err, bad) && n%17 == 0:
				case err != nil || got != 2*n || n%17 == 0:
					t.Error(fmt.Errorf("do(%d) = %d, %w", n, got, err))
				}
			}
		})
	}
	wg.Wait()
	if d.most > 2 {
		t.Errorf("%d statements at once", d.most)
	}
}

// What may wait for others is in flight beside the rest: nobody waits for it.
func TestGatherBeside(t *testing.T) {
	t.Parallel()
	d := &fakeDoubler{}
	g, held, entered := d.gather(), make(chan struct{}), make(chan struct{})
	g.Waits = true
	g.One = func(ctx context.Context, n int) (int, error) {
		if n == 1 { // somebody holds it
			close(entered)
			<-held
		}
		return d.one(ctx, n)
	}
	first := make(chan error, 1)
	go func() { _, err := g.Do(t.Context(), 1); first <- err }()
	<-entered
	var wg sync.WaitGroup
	for n := range 50 {
		wg.Go(func() {
			if got, err := g.Do(t.Context(), n+2); got != 2*(n+2) || err != nil {
				t.Errorf("do(%d) = %d, %v", n+2, got, err)
			}
		})
	}
	wg.Wait()
	close(held)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// Calls of the same key never share a statement. A call that is skipped gets its own statement.
func TestGatherApart(t *testing.T) {
	t.Parallel()
	d := &fakeDoubler{hold: make(chan struct{})}
	g := d.gather()
	many := g.Many
	g.Alone = g.One
	g.Apart = func(n int) int { return n % 10 }
	g.Many = func(ctx context.Context, ns []int) ([]Outcome[int], error) {
		outcomes, err := many(ctx, ns)
		for i, n := range ns {
			if n == 13 {
				outcomes[i] = Outcome[int]{Err: ErrApart}
			}
		}
		return outcomes, err
	}
	var wg sync.WaitGroup
	for n := range 25 {
		wg.Go(func() {
			if got, err := g.Do(t.Context(), n); got != 2*n || err != nil {
				t.Errorf("do(%d) = %d, %v", n, got, err)
			}
		})
		if n == 0 {
			for len(d.carried()) == 0 {
				time.Sleep(100 * time.Microsecond)
			}
		} else {
			g.awaitWaiting(t, n)
		}
	}
	close(d.hold)
	wg.Wait()
	var sizes []int
	for _, s := range d.carried() {
		if !slices.Equal(s, []int{13}) { // made when its caller gets to it
			sizes = append(sizes, len(s))
		}
	}
	if want := []int{1, 10, 10, 4}; !slices.Equal(sizes, want) {
		t.Errorf("statements carried %v, want %v", d.carried(), want)
	}
}

func BenchmarkGather(b *testing.B) {
	d := func(_ context.Context, n int) (int, error) { return n, nil }
	g := &Calls[int, int, int]{One: d, Many: func(_ context.Context, ns []int) ([]Outcome[int], error) {
		return make([]Outcome[int], len(ns)), nil
	}}
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := g.Do(b.Context(), 1); err != nil {
				b.Error(err)
			}
		}
	})
}

// Nobody is held for longer than their own time, also in a statement with others; and
// that has as long as who has come last.
func TestGatherKeepsTime(t *testing.T) {
	t.Parallel()
	d := &fakeDoubler{hold: make(chan struct{})}
	g := d.gather()
	many, ends := g.Many, make(chan time.Time, 1)
	g.Many = func(ctx context.Context, ns []int) ([]Outcome[int], error) {
		end, _ := ctx.Deadline()
		ends <- end
		return many(ctx, ns)
	}
	first := make(chan error, 1)
	go func() { _, err := g.Do(t.Context(), 0); first <- err }()
	for len(d.carried()) == 0 {
		time.Sleep(100 * time.Microsecond)
	}
	early, cancel := context.WithTimeout(t.Context(), time.Hour)
	late, cancelLate := context.WithTimeout(t.Context(), 2*time.Hour)
	defer cancelLate()
	one, two := make(chan error, 1), make(chan error, 1)
	go func() { _, err := g.Do(early, 1); one <- err }()
	g.awaitWaiting(t, 1)
	go func() { _, err := g.Do(late, 2); two <- err }()
	g.awaitWaiting(t, 2)
	d.hold <- struct{}{}
	if err := <-first; err != nil {
		t.Error(err)
	}
	want, _ := late.Deadline()
	if got := <-ends; !got.Equal(want) {
		t.Errorf("the statement ends at %s, want %s", got, want)
	}
	cancel() // while it is in the statement
	if err := <-one; !errors.Is(err, context.Canceled) {
		t.Errorf("who went away: %v", err)
	}
	d.hold <- struct{}{}
	if err := <-two; err != nil {
		t.Errorf("who stayed: %v", err)
	}
	if got := d.carried(); !slices.Equal(got[1], []int{2, 1}) {
		t.Errorf("statements %v: the last leads", got)
	}
}

// If the call that should run the next statement goes away, another one runs it.
func TestGatherLeadLeaves(t *testing.T) {
	t.Parallel()
	d := &fakeDoubler{}
	g := d.gather()
	ctx, cancel := context.WithCancel(t.Context())
	gone := &gathered[int, int]{ctx: ctx, wake: make(chan bool, 1)}
	other := &gathered[int, int]{ctx: t.Context(), wake: make(chan bool, 1)}
	g.flights, g.waiting = 1, []*gathered[int, int]{other, gone}
	if g.appoint(); g.lead != gone {
		t.Fatal("the last doesn't lead")
	}
	cancel()
	if !g.leave(ctx, gone) || !errors.Is(gone.Err, context.Canceled) || g.lead != other || !<-other.wake || len(gone.wake) != 0 {
		t.Errorf("it left with %v; the lead is the other's: %t", gone.Err, g.lead == other)
	}
	if !g.leave(ctx, other) || g.flights != 0 || g.lead != nil {
		t.Errorf("%d statements in flight, with nobody there", g.flights)
	}
	if got, err := g.Do(t.Context(), 4); got != 8 || err != nil {
		t.Errorf("afterwards: %d, %v", got, err)
	}
}
