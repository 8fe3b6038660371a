package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// bounds are the buckets of durations, in seconds. OpenTelemetry's defaults are too coarse
// for a service that answers in less than a millisecond.
var bounds = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// instruments makes the instruments that record events.
func (t *Telemetry) instruments() error {
	m := t.provider.Meter(scope)
	var errs [6]error
	t.requests, errs[0] = m.Float64Histogram("http.server.request.duration", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(bounds...),
		metric.WithDescription("Duration of HTTP requests, including each request in a $batch."))
	t.operations, errs[1] = m.Float64Histogram("db.client.operation.duration", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(bounds...),
		metric.WithDescription("Duration of queries, including reading the rows, by query name."))
	t.gathered, errs[2] = m.Int64Histogram("mocktenant.gathered.rows", metric.WithUnit("{row}"), metric.WithExplicitBucketBoundaries(1, 2, 4, 8, 16, 32, 64, 128),
		metric.WithDescription("Calls served by one statement, for queries that can share one."))
	t.tokens, errs[3] = m.Int64Counter("mocktenant.tokens.issued", metric.WithUnit("{token}"),
		metric.WithDescription("Issued tokens, by grant."))
	t.refusals, errs[4] = m.Int64Counter("mocktenant.sign_in.refusals", metric.WithUnit("{refusal}"),
		metric.WithDescription("Errors of the authority, by AADSTS number."))
	_, errs[5] = m.Int64ObservableUpDownCounter("http.server.active_requests", metric.WithUnit("{request}"),
		metric.WithDescription("HTTP requests in progress."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(t.active.Load())
			return nil
		}))
	if err := errors.Join(errs[:]...); err != nil {
		return fmt.Errorf("prepare the metrics: %w", err)
	}
	return nil
}

// labels distinguish the series of a metric.
type labels interface {
	comparable
	attributes() []attribute.KeyValue
}

// series caches the attributes of each series in a form that is cheap to record with. There
// are few series.
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
