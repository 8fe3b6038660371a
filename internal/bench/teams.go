//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

const (
	// testers is the number of people for each one whose tests run.
	testers = 10
	// pace is the time between two requests of a person's tests.
	pace = time.Second / 20
)

// person is a person with a tenant, and the requests that the person's tests send in turn.
type person struct {
	requests [][]byte
	statuses []int
}

// teams measures teams of people. Each person has a tenant with 100 partners. One in ten runs
// tests, which send 20 requests a second, whether or not the service keeps up.
func (s *subject) teams(ctx context.Context, w io.Writer, rounds int, d time.Duration) error {
	if err := s.startOnPostgres(ctx, "teams"); err != nil {
		return err
	}
	defer s.stop()
	admin, err := client.New(s.adminURL, "")
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(w, "| people | testing | requests/s | p50 ms | p99 ms | cores of the service | of Postgres | memory MB |\n|---|---|---|---|---|---|---|---|\n")
	var people []person
	for _, size := range []int{20, 200, 2000} {
		for len(people) < size {
			p, err := s.newPerson(ctx, admin)
			if err != nil {
				return err
			}
			people = append(people, p)
		}
		f, err := s.test(ctx, people[:size/testers], rounds, d)
		if err != nil {
			return err
		}
		memory, err := s.resident("VmHWM")
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(w, "| %d | %d | %.0f | %.2f | %.2f | %.2f | %.2f | %.0f |\n", size, size/testers, f.perSecond, ms(f.p50), ms(f.p99),
			f.perSecond*f.service/1e6, f.perSecond*f.postgres/1e6, memory)
	}
	return nil
}

func (s *subject) newPerson(ctx context.Context, admin *client.Client) (p person, err error) {
	state := json.RawMessage(document(100))
	made, err := client.Read[api.TenantCreated](admin.CreateTenant(ctx, nil, api.TenantCreate{DisplayName: uuid.NewString(), Source: &api.TenantSource{Document: &state}}))
	if err != nil {
		return p, err
	}
	for _, r := range []struct {
		method, path, body string
		status             int
	}{
		{method: "POST", path: partnersPath, body: partner, status: http.StatusCreated},
		{method: "GET", path: partnersPath + "?$top=10", status: http.StatusOK},
		{method: "GET", path: partnersPath + "/" + uuid.NewString(), status: http.StatusNotFound},
		{method: "GET", path: partnersPath + "?$filter=onboardingStatus%20eq%20%27onboarded%27&$top=10", status: http.StatusOK},
	} {
		p.requests = append(p.requests, request(s.address(), made.Credentials.AccessToken, r.method, r.path, r.body))
		p.statuses = append(p.statuses, r.status)
	}
	return p, nil
}

// test runs everybody's tests once per round, and returns the medians.
func (s *subject) test(ctx context.Context, people []person, rounds int, d time.Duration) (figures, error) {
	var runs []figures
	for range rounds {
		f, err := s.testOnce(ctx, people, d)
		if err != nil {
			return f, err
		}
		runs = append(runs, f)
	}
	return median(runs), nil
}

func (s *subject) testOnce(ctx context.Context, people []person, d time.Duration) (figures, error) {
	service, postgres := s.processorTime()
	start := time.Now()
	all := make([][]time.Duration, len(people))
	group, ctx := errgroup.WithContext(ctx)
	for i, p := range people {
		first := start.Add(pace * time.Duration(i) / time.Duration(len(people))) // not all in the same instant
		group.Go(func() (err error) {
			all[i], err = s.send(ctx, p, first, start.Add(d))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return figures{}, err
	}
	took := time.Since(start)
	serviceAfter, postgresAfter := s.processorTime()
	var latencies []time.Duration
	for _, some := range all {
		latencies = append(latencies, some...)
	}
	f := summarize(latencies, took)
	f.service = float64((serviceAfter - service).Microseconds()) / float64(len(latencies))
	f.postgres = float64((postgresAfter - postgres).Microseconds()) / float64(len(latencies))
	return f, nil
}

// send sends a person's requests at their pace. A latency counts from the time at which the
// request was due.
func (s *subject) send(ctx context.Context, p person, due, end time.Time) (latencies []time.Duration, err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address())
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	answers := bufio.NewReader(conn)
	for i := 0; due.Before(end); i++ {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Until(due)):
		}
		if _, err := conn.Write(p.requests[i%len(p.requests)]); err != nil {
			return nil, err
		}
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			return nil, err
		}
		if want := p.statuses[i%len(p.statuses)]; answer.StatusCode != want {
			return nil, fmt.Errorf("got %s, want %d", answer.Status, want)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			return nil, err
		}
		latencies = append(latencies, time.Since(due))
		due = due.Add(pace)
	}
	return latencies, nil
}
