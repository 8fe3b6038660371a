// Package telemetry measures the service and traces its requests. Only this package uses
// OpenTelemetry and Prometheus: the rest of the program sees a hook, a query tracer and a
// handler.
//
// Metrics are always available for scraping. Traces, and metrics with OTLP, are sent if the
// OTEL_… environment variables say where, and if the caller provides exporters.
// docs/observability.md lists everything that is measured.
package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/go-logr/logr"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"
)

// scope is the name of the instrumentation.
const scope = "github.com/mocktenant/mocktenant"

const (
	// flushTimeout is how long Shutdown waits for a collector.
	flushTimeout = 2 * time.Second

	// countTimeout bounds how long a scrape waits for the number of tenants.
	countTimeout = time.Second
)

// Config configures a Telemetry.
type Config struct {
	// Exporters send traces and metrics if the process's OTEL_… variables say where; nil
	// sends none. They read the variables themselves, so only the owner of the process
	// should set this.
	Exporters *Exporters

	Version, Commit string // the sources of the program, as far as known

	Log *slog.Logger // nil discards
}

// Exporters make the exporters of traces and metrics. Package exporters provides them.
type Exporters struct {
	Traces func(context.Context) (sdktrace.SpanExporter, error)

	// Metrics also sends what Prometheus's collectors gather.
	Metrics func(context.Context, prometheus.Gatherer) (sdkmetric.Reader, error)
}

// Telemetry measures and traces. It is safe for concurrent use.
type Telemetry struct {
	log        *slog.Logger
	registry   *prometheus.Registry
	tracer     trace.Tracer // nil: nobody wants traces
	propagator propagation.TextMapPropagator
	shutdown   []func(context.Context) error

	provider   metric.MeterProvider
	requests   metric.Float64Histogram
	operations metric.Float64Histogram
	gathered   metric.Int64Histogram
	tokens     metric.Int64Counter
	refusals   metric.Int64Counter
	active     atomic.Int64

	requestSeries   series[request]
	operationSeries series[operation]
	gatheredSeries  series[operation]
}

// New returns a Telemetry. Call CheckEnvironment first: New expects valid OTEL_… variables.
func New(ctx context.Context, c Config) (*Telemetry, error) {
	t := &Telemetry{log: c.Log, registry: prometheus.NewRegistry()}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	scrape, err := exporter.New(exporter.WithRegisterer(t.registry), exporter.WithoutScopeInfo(), exporter.WithoutTargetInfo())
	if err != nil {
		return nil, fmt.Errorf("prepare /metrics: %w", err)
	}
	process := prometheus.NewRegistry()
	process.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(c))
	t.registry.MustRegister(process)
	options := []sdkmetric.Option{sdkmetric.WithReader(scrape)}
	if c.Exporters != nil {
		pushed, err := t.export(ctx, c, process)
		if err != nil {
			return nil, err
		}
		options = append(options, pushed...)
	}
	provider := sdkmetric.NewMeterProvider(options...)
	t.provider, t.shutdown = provider, append(t.shutdown, provider.Shutdown)
	return t, t.instruments()
}

// export sets up what the environment asks for: traces directly, and metrics through the
// returned options.
func (t *Telemetry) export(ctx context.Context, c Config, process prometheus.Gatherer) ([]sdkmetric.Option, error) {
	traces, metrics := wanted("TRACES"), wanted("METRICS")
	if !traces && !metrics {
		return nil, nil
	}
	often := rate.Sometimes{Interval: time.Minute} // an unreachable collector fails every batch
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		often.Do(func() { t.log.Warn("telemetry", "error", err) })
	}))
	otel.SetLogger(logr.FromSlogHandler(t.log.Handler()))
	from, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(), resource.WithService(),
		resource.WithAttributes(semconv.ServiceName("mocktenant"), semconv.ServiceVersion(c.Version)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("describe the service (OTEL_RESOURCE_ATTRIBUTES): %w", err)
	}
	if traces {
		spans, err := c.Exporters.Traces(ctx)
		if err != nil {
			return nil, fmt.Errorf("export traces: %w", err)
		}
		provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans), sdktrace.WithResource(from))
		t.shutdown = append(t.shutdown, provider.Shutdown)
		t.tracer, t.propagator = provider.Tracer(scope), propagation.TraceContext{}
	}
	if !metrics {
		return nil, nil
	}
	reader, err := c.Exporters.Metrics(ctx, process)
	if err != nil {
		return nil, fmt.Errorf("export metrics: %w", err)
	}
	return []sdkmetric.Option{sdkmetric.WithReader(reader), sdkmetric.WithResource(from)}, nil
}

// Shutdown sends pending data, for at most two seconds. An unreachable collector isn't an
// error of the service; it is logged.
func (t *Telemetry) Shutdown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	var all sync.WaitGroup
	for _, shutdown := range t.shutdown {
		all.Go(func() {
			if err := shutdown(ctx); err != nil {
				t.log.Warn("telemetry: the last data may be lost", "error", err)
			}
		})
	}
	all.Wait()
}

// Handler serves the metrics for Prometheus.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{
		EnableOpenMetrics: true, // which can show an example trace with a number
		ErrorHandling:     promhttp.ContinueOnError,
		ErrorLog:          slog.NewLogLogger(t.log.Handler(), slog.LevelWarn),
	})
}

// ObserveDatabase measures the pool and the number of tenants.
func (t *Telemetry) ObserveDatabase(pool *pgxpool.Pool, tenants func(context.Context) (int64, error)) error {
	err := otelpgx.RecordStats(pool, otelpgx.WithStatsMeterProvider(t.provider), otelpgx.WithMinimumReadDBStatsInterval(0),
		otelpgx.WithStatsAttributes(semconv.DBClientConnectionPoolName("mocktenant"))) // not where the database is
	if err != nil {
		return fmt.Errorf("measure the pool: %w", err)
	}
	_, err = t.provider.Meter(scope).Int64ObservableGauge("mocktenant.tenants", metric.WithUnit("{tenant}"),
		metric.WithDescription("Tenants in the whole service, as seen by this replica."),
		metric.WithInt64Callback(func(ctx context.Context, o metric.Int64Observer) error {
			ctx, cancel := context.WithTimeout(ctx, countTimeout)
			defer cancel()
			n, err := tenants(ctx)
			if err != nil { // everything except this number can be measured without the database
				t.log.Debug("count the tenants", "error", err)
				return nil
			}
			o.Observe(n)
			return nil
		}))
	return err
}

func buildInfo(c Config) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "mocktenant_build_info", Help: "Always 1; the labels describe the build.",
		ConstLabels: prometheus.Labels{"version": c.Version, "commit": c.Commit, "go_version": runtime.Version()},
	}, func() float64 { return 1 })
}
