package telemetry

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
	"go.opentelemetry.io/otel/trace"
)

// What handlers leave in gin.Context for those who observe them.
const (
	tenantKey = "tenant" // uuid.UUID, once it is known
	grantKey  = "grant"  // string: by which a token was issued
	aadstsKey = "aadsts" // int: the number of a refusal
)

// unknownRoute stands for every path that leads nowhere.
const unknownRoute = "unknown"

// scrapePath is asked every few seconds: a trace of that tells nobody anything.
const scrapePath = "/metrics"

// request labels the series of requests.
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

// Request measures and traces a request. It is the first middleware of a Gin
// engine. A trace that the caller began is gone on with (W3C Trace Context); a
// request in a $batch is traced below the batch.
//
// A span names the route by its template. It holds no path, no query and no text
// of an error: they may show what nobody is to see.
func (t *Telemetry) Request(c *gin.Context) {
	start := time.Now()
	t.active.Add(1)
	r := request{method: c.Request.Method, route: c.FullPath()}
	if !slices.Contains(methods, r.method) {
		r.method = "_OTHER" // as OpenTelemetry says: a client may send any word
	}
	if r.route == "" {
		r.route = unknownRoute
	}
	var span trace.Span
	if t.tracer != nil && r.route != scrapePath {
		span = t.startRequest(c, r)
	}
	defer func() { // also if the connection is to be cut off
		t.active.Add(-1)
		r.status = c.Writer.Status()
		t.requests.Record(c.Request.Context(), time.Since(start).Seconds(), t.requestSeries.of(r)...)
		if span != nil {
			endRequest(c, span)
		}
	}()
	c.Next()
}

func (t *Telemetry) startRequest(c *gin.Context, r request) trace.Span {
	ctx, kind := c.Request.Context(), trace.SpanKindInternal
	if !trace.SpanContextFromContext(ctx).IsValid() { // else it is of a batch
		ctx, kind = t.propagator.Extract(ctx, propagation.HeaderCarrier(c.Request.Header)), trace.SpanKindServer
	}
	ctx, span := t.tracer.Start(ctx, r.method+" "+r.route, trace.WithSpanKind(kind),
		trace.WithAttributes(semconv.HTTPRequestMethodKey.String(r.method), semconv.HTTPRoute(r.route)))
	c.Request = c.Request.WithContext(ctx)
	return span
}

func endRequest(c *gin.Context, span trace.Span) {
	defer span.End()
	if !span.IsRecording() {
		return
	}
	status := c.Writer.Status()
	span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
		span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(status)))
	}
	if tenant, ok := c.Get(tenantKey); ok {
		span.SetAttributes(attribute.String("mocktenant.tenant.id", tenant.(uuid.UUID).String()))
	}
	if grant, ok := c.Get(grantKey); ok {
		span.SetAttributes(attribute.String("mocktenant.grant", grant.(string)))
	}
	if number, ok := c.Get(aadstsKey); ok {
		span.SetAttributes(attribute.Int("mocktenant.aadsts", number.(int)))
	}
	for name, value := range c.Writer.Header() {
		switch http.CanonicalHeaderKey(name) { // Graph writes them in small letters
		case "Request-Id", "X-Ms-Request-Id":
			span.SetAttributes(attribute.String("mocktenant.request_id", value[0]))
		case "Client-Request-Id":
			span.SetAttributes(attribute.String("mocktenant.client_request_id", value[0]))
		}
	}
}

// SignIn counts what the authority answers. It comes behind Request.
func (t *Telemetry) SignIn(c *gin.Context) {
	c.Next()
	if grant, ok := c.Get(grantKey); ok {
		t.tokens.Add(c.Request.Context(), 1, metric.WithAttributes(attribute.String("grant", grant.(string))))
	}
	if number, ok := c.Get(aadstsKey); ok {
		t.refusals.Add(c.Request.Context(), 1, metric.WithAttributes(attribute.Int("aadsts", number.(int))))
	}
}
