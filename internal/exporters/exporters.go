// Package exporters sends traces and metrics with OpenTelemetry's protocol, or to the
// console, as the OTEL_… environment variables say.
//
// It is separate from telemetry because it brings a quarter of the program's packages,
// including gRPC, which tests with the service inside (graphtest) would compile but never
// use.
package exporters

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/mocktenant/mocktenant/internal/telemetry"
)

// OfEnvironment returns the exporters that the environment describes. They read the
// environment when they are made.
func OfEnvironment() *telemetry.Exporters {
	return &telemetry.Exporters{
		Traces: func(ctx context.Context) (trace.SpanExporter, error) { return autoexport.NewSpanExporter(ctx) },
		Metrics: func(ctx context.Context, more prometheus.Gatherer) (metric.Reader, error) {
			autoexport.WithFallbackMetricProducer(func(context.Context) (metric.Producer, error) {
				return bridge.NewMetricProducer(bridge.WithGatherer(more)), nil
			})
			return autoexport.NewMetricReader(ctx)
		},
	}
}
