// Package exporters sends traces and metrics with OpenTelemetry's protocol over HTTP, or to
// the console, as the OTEL_… environment variables say.
//
// It is separate from telemetry because it brings a fifth of the program's packages, which
// tests with the service inside (graphtest) would compile but never use. OpenTelemetry's
// autoexport would choose among exporters too, but brings those of logs and gRPC with it.
package exporters

import (
	"context"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/mocktenant/mocktenant/internal/telemetry"
)

// OfEnvironment returns the exporters that the environment describes. They read the
// environment, which telemetry.CheckEnvironment has checked, when they are made.
func OfEnvironment() *telemetry.Exporters {
	return &telemetry.Exporters{Traces: traces, Metrics: metrics}
}

func traces(ctx context.Context) (trace.SpanExporter, error) {
	if toConsole("TRACES") {
		return stdouttrace.New()
	}
	return otlptracehttp.New(ctx)
}

func metrics(ctx context.Context, more prometheus.Gatherer) (metric.Reader, error) {
	exporter, err := metricsExporter(ctx)
	if err != nil {
		return nil, err
	}
	return metric.NewPeriodicReader(exporter, metric.WithProducer(bridge.NewMetricProducer(bridge.WithGatherer(more)))), nil
}

func metricsExporter(ctx context.Context) (metric.Exporter, error) {
	if toConsole("METRICS") {
		return stdoutmetric.New()
	}
	return otlpmetrichttp.New(ctx)
}

func toConsole(signal string) bool {
	name, _ := os.LookupEnv("OTEL_" + signal + "_EXPORTER")
	return name == "console"
}
