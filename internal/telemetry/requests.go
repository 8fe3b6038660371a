package telemetry

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/mocktenant/mocktenant/internal/front"
)

// unknownRoute represents all paths without a route.
const unknownRoute = "unknown"

// scrapePath isn't traced, because Prometheus requests it every few seconds.
const scrapePath = "/metrics"

// request has the labels of a request's series.
type request struct {
	method, route string
	status        int
}

func (r request) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(r.method), semconv.HTTPRoute(r.route), semconv.HTTPResponseStatusCode(r.status),
	}
}

var methods = []string{
	http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete, http.MethodPut,
	http.MethodHead, http.MethodOptions, http.MethodConnect, http.MethodTrace,
}

// Hook returns the hook that measures and traces a front's requests. It continues the
// caller's trace (W3C Trace Context); the span of a request in a $batch is a child of the
// batch's.
//
// A span has the route's template as its name. It contains no paths, queries or error
// texts, because they may be confidential.
func (t *Telemetry) Hook() front.Hook { return front.Hook{Begin: t.begin, After: t.after} }

func (t *Telemetry) begin(x *front.Exchange) {
	t.active.Add(1)
	if r := requestOf(x); t.tracer != nil && r.route != scrapePath {
		t.startSpan(x, r)
	}
}

func (t *Telemetry) after(x *front.Exchange, a front.Answer) {
	t.active.Add(-1)
	ctx, r := x.Request.Context(), requestOf(x)
	r.status = a.Status
	t.requests.Record(ctx, a.Took.Seconds(), t.requestSeries.of(r)...)
	if x.Grant != "" {
		t.tokens.Add(ctx, 1, metric.WithAttributes(attribute.String("grant", x.Grant)))
	}
	if x.AADSTS != 0 {
		t.refusals.Add(ctx, 1, metric.WithAttributes(attribute.Int("aadsts", x.AADSTS)))
	}
	if t.tracer != nil && r.route != scrapePath {
		endSpan(x, a.Status, trace.SpanFromContext(ctx))
	}
}

func requestOf(x *front.Exchange) request {
	r := request{method: x.Request.Method, route: cmp.Or(x.FullPath(), unknownRoute)}
	if !slices.Contains(methods, r.method) {
		r.method = "_OTHER" // OpenTelemetry's name for all other methods; clients may send any word
	}
	return r
}

func (t *Telemetry) startSpan(x *front.Exchange, r request) {
	ctx, kind := x.Request.Context(), trace.SpanKindInternal
	if !trace.SpanContextFromContext(ctx).IsValid() { // otherwise it belongs to a batch
		ctx, kind = t.propagator.Extract(ctx, propagation.HeaderCarrier(x.Request.Header)), trace.SpanKindServer
	}
	ctx, _ = t.tracer.Start(ctx, r.method+" "+r.route, trace.WithSpanKind(kind),
		trace.WithAttributes(semconv.HTTPRequestMethodKey.String(r.method), semconv.HTTPRoute(r.route)))
	x.Request = x.Request.WithContext(ctx)
}

func endSpan(x *front.Exchange, status int, span trace.Span) {
	defer span.End()
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(semconv.HTTPResponseStatusCode(status), attribute.String("mocktenant.request_id", x.ID))
	if x.ClientID != "" {
		span.SetAttributes(attribute.String("mocktenant.client_request_id", x.ClientID))
	}
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
		span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(status)))
	}
	if x.Tenant != nil {
		span.SetAttributes(attribute.String("mocktenant.tenant.id", x.Tenant.ID.String()))
	}
	if x.Grant != "" {
		span.SetAttributes(attribute.String("mocktenant.grant", x.Grant))
	}
	if x.AADSTS != 0 {
		span.SetAttributes(attribute.Int("mocktenant.aadsts", x.AADSTS))
	}
}
