// Package telemetry measures the service and traces its requests. It is the
// fence around OpenTelemetry and Prometheus: to the rest of the program it is a
// middleware, a tracer of queries and a handler.
//
// Metrics are there for a scraper always. Traces, and metrics by OTLP, are there
// if the OTEL_… variables of the environment say where they go, and whoever runs the
// service brings what sends them.
// docs/observability.md lists all that is measured.
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

// scope names what measures.
const scope = "github.com/mocktenant/mocktenant"

const (
	// flushTimeout is how long the end waits for a collector.
	flushTimeout = 2 * time.Second

	// countTimeout bounds what a scrape waits for the number of tenants.
	countTimeout = time.Second
)

// Config is what New needs.
type Config struct {
	// Exporters send traces and metrics, if the OTEL_… variables of the process say
	// where; nil sends none. They read the variables by themselves, so they are for
	// whoever owns the process.
	Exporters *Exporters

	Version, Commit string // what the program was built from, as far as that is known

	Log *slog.Logger // nil discards
}

// Exporters make what sends traces and metrics. Package exporters has them.
type Exporters struct {
	Traces func(context.Context) (sdktrace.SpanExporter, error)

	// Metrics sends what Prometheus's collectors gather too.
	Metrics func(context.Context, prometheus.Gatherer) (sdkmetric.Reader, error)
}

// Telemetry measures and traces. It is safe for many goroutines.
type Telemetry struct {
	log        *slog.Logger
	registry   *prometheus.Registry
	tracer     trace.Tracer // nil: nobody wants traces
	propagator propagation.TextMapPropagator
	shutdown   []func(context.Context) error

	provider   *sdkmetric.MeterProvider
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

// New returns a Telemetry. Of the environment it uses what CheckEnvironment found
// nothing wrong with.
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
	t.provider = sdkmetric.NewMeterProvider(options...)
	t.shutdown = append(t.shutdown, t.provider.Shutdown)
	return t, t.instruments()
}

// export sets up what the environment asks for: traces here, and metrics by the
// options that it returns.
func (t *Telemetry) export(ctx context.Context, c Config, process prometheus.Gatherer) ([]sdkmetric.Option, error) {
	traces, metrics := wanted("TRACES"), wanted("METRICS")
	if !traces && !metrics {
		return nil, nil
	}
	often := rate.Sometimes{Interval: time.Minute} // a collector that is away is away for each batch
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

// Shutdown sends what waits to be sent, for two seconds at most. That a collector
// can't be reached is no failure of the service; the log has it.
func (t *Telemetry) Shutdown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	var all sync.WaitGroup
	for _, shutdown := range t.shutdown {
		all.Go(func() {
			if err := shutdown(ctx); err != nil {
				t.log.Warn("telemetry: the last of it may be lost", "error", err)
			}
		})
	}
	all.Wait()
}

// Handler serves what is measured, for Prometheus.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{
		EnableOpenMetrics: true, // which can show an example trace beside a number
		ErrorHandling:     promhttp.ContinueOnError,
		ErrorLog:          slog.NewLogLogger(t.log.Handler(), slog.LevelWarn),
	})
}

// ObserveDatabase measures the pool, and how many tenants there are.
func (t *Telemetry) ObserveDatabase(pool *pgxpool.Pool, tenants func(context.Context) (int64, error)) error {
	err := otelpgx.RecordStats(pool, otelpgx.WithStatsMeterProvider(t.provider), otelpgx.WithMinimumReadDBStatsInterval(0),
		otelpgx.WithStatsAttributes(semconv.DBClientConnectionPoolName("mocktenant"))) // not where the database is
	if err != nil {
		return fmt.Errorf("measure the pool: %w", err)
	}
	_, err = t.provider.Meter(scope).Int64ObservableGauge("mocktenant.tenants", metric.WithUnit("{tenant}"),
		metric.WithDescription("Tenants of the whole service, as this replica sees them."),
		metric.WithInt64Callback(func(ctx context.Context, o metric.Int64Observer) error {
			ctx, cancel := context.WithTimeout(ctx, countTimeout)
			defer cancel()
			n, err := tenants(ctx)
			if err != nil { // all else is measured without the database
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
		Name: "mocktenant_build_info", Help: "1, labelled by what the program was built from.",
		ConstLabels: prometheus.Labels{"version": c.Version, "commit": c.Commit, "go_version": runtime.Version()},
	}, func() float64 { return 1 })
}
