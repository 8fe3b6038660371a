package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// bounds are those of durations, in seconds: what OpenTelemetry proposes is too
// coarse for a service whose answers take less than a millisecond.
var bounds = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// instruments makes what is measured by events.
func (t *Telemetry) instruments() error {
	m := t.provider.Meter(scope)
	var errs [6]error
	t.requests, errs[0] = m.Float64Histogram("http.server.request.duration", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(bounds...),
		metric.WithDescription("Duration of HTTP requests; those in a $batch are requests of their own."))
	t.operations, errs[1] = m.Float64Histogram("db.client.operation.duration", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(bounds...),
		metric.WithDescription("Duration of queries, their rows read, by the query's name."))
	t.gathered, errs[2] = m.Int64Histogram("mocktenant.gathered.rows", metric.WithUnit("{row}"), metric.WithExplicitBucketBoundaries(1, 2, 4, 8, 16, 32, 64, 128),
		metric.WithDescription("Calls that one statement was for, a row each, of queries that may share one."))
	t.tokens, errs[3] = m.Int64Counter("mocktenant.tokens.issued", metric.WithUnit("{token}"),
		metric.WithDescription("Token requests that were granted, by the grant."))
	t.refusals, errs[4] = m.Int64Counter("mocktenant.sign_in.refusals", metric.WithUnit("{refusal}"),
		metric.WithDescription("Refusals by the authority, by their AADSTS number."))
	_, errs[5] = m.Int64ObservableUpDownCounter("http.server.active_requests", metric.WithUnit("{request}"),
		metric.WithDescription("HTTP requests under way."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(t.active.Load())
			return nil
		}))
	if err := errors.Join(errs[:]...); err != nil {
		return fmt.Errorf("prepare the metrics: %w", err)
	}
	return nil
}

// labels are what tells series of one metric apart.
type labels interface {
	comparable
	attributes() []attribute.KeyValue
}

// series keeps the attributes of each series in the form that costs nothing to
// record by. There are few series.
type series[L labels] struct {
	mu    sync.RWMutex
	known map[L][]metric.RecordOption
}

func (s *series[L]) of(l L) []metric.RecordOption {
	s.mu.RLock()
	options, ok := s.known[l]
	s.mu.RUnlock()
	if ok {
		return options
	}
	options = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(l.attributes()...))}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[L][]metric.RecordOption{}
	}
	s.known[l] = options
	return options
}
