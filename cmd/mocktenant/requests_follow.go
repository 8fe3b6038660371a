package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

const (
	// followPause is the time between checks for new requests.
	followPause = 500 * time.Millisecond

	// lookBack is the time for which a request may take and still be shown: entries are in
	// the order in which requests came, so that a slow one appears before later ones.
	lookBack = 10 * time.Second
)

// follower prints requests that it hasn't printed yet.
type follower struct {
	session *session
	con     console
	print   requestPrinter
	filter  api.ListRequestsParams
	first   uuid.UUID // the earliest printed entry
	last    uuid.UUID // the latest
	seen    map[uuid.UUID]bool
}

// follow prints new requests until the command is interrupted.
func (f *follower) follow(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followPause):
		}
		err := f.look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
	}
}

func (f *follower) look(ctx context.Context) error {
	after := before(f.last, lookBack)
	if bytes.Compare(after[:], f.first[:]) < 0 {
		after = f.first
	}
	maps.DeleteFunc(f.seen, func(id uuid.UUID, _ bool) bool { return bytes.Compare(id[:], after[:]) <= 0 })
	for {
		text := after.String()
		f.filter.After = &text
		page, err := client.Read[api.RequestList](f.session.ListRequests(ctx, f.session.tenant, &f.filter))
		if err != nil || len(page.Value) == 0 {
			return err
		}
		after = page.Value[len(page.Value)-1].Id
		if err := f.show(page); err != nil || page.NextLink == nil {
			return err
		}
	}
}

// show prints the new requests of a page.
func (f *follower) show(page api.RequestList) error {
	fresh := slices.DeleteFunc(page.Value, func(r api.Request) bool { return f.seen[r.Id] })
	if len(fresh) == 0 {
		return nil
	}
	f.see(fresh)
	warnOfGaps(f.con, page.Gaps)
	return f.print(f.con, fresh, false)
}

func (f *follower) see(requests []api.Request) {
	for _, r := range requests {
		f.seen[r.Id] = true
		if bytes.Compare(r.Id[:], f.last[:]) > 0 {
			f.last = r.Id
		}
	}
}

// before returns an id that is less than those of requests that came up to d before another.
// Ids begin with the time in milliseconds.
func before(id uuid.UUID, d time.Duration) (earlier uuid.UUID) {
	var milliseconds [8]byte
	copy(milliseconds[2:], id[:6])
	then := int64(binary.BigEndian.Uint64(milliseconds[:])) - d.Milliseconds()
	if then > 0 {
		binary.BigEndian.PutUint64(milliseconds[:], uint64(then))
		copy(earlier[:6], milliseconds[2:])
	}
	return earlier
}
