package telemetry

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
	"go.opentelemetry.io/otel/trace"
)

// Queries returns pgx's tracer, which measures queries and traces those of traced requests.
// otelpgx's tracer won't do: it writes error texts, in which Postgres shows values, and has
// no links.
func (t *Telemetry) Queries() pgx.QueryTracer { return queries{t} }

type queries struct{ *Telemetry }

// operation has the labels of a query's series.
type operation struct{ name, failure string }

func (o operation) attributes() []attribute.KeyValue {
	a := []attribute.KeyValue{semconv.DBSystemNamePostgreSQL, semconv.DBQuerySummary(o.name)}
	if o.failure != "" {
		a = append(a, semconv.ErrorTypeKey.String(o.failure))
	}
	return a
}

// running is a query in progress.
type running struct {
	name  string
	start time.Time
	span  trace.Span // nil: it isn't traced
}

type (
	runningKey  struct{}
	gatheredKey struct{}
)

// Gathered begins the measurement of a shared statement and returns the statement's context.
// It takes the query's name (or a common name if the calls' names differ) and the contexts of
// the calls that the statement serves. The statement's span is a child of the first traced
// call; the other calls and the statement are linked to each other.
func (t *Telemetry) Gathered(ctx context.Context, query string, calls []context.Context) context.Context {
	t.gathered.Record(ctx, int64(len(calls)), t.gatheredSeries.of(operation{name: query})...)
	if t.tracer == nil {
		return ctx
	}
	var links []trace.Span
	for _, call := range calls {
		if span := trace.SpanFromContext(call); span.IsRecording() {
			links = append(links, span)
		}
	}
	if len(links) == 0 {
		return ctx
	}
	return context.WithValue(trace.ContextWithSpan(ctx, links[0]), gatheredKey{}, links[1:])
}

// TraceQueryStart implements pgx.QueryTracer.
func (q queries) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return q.begin(ctx, queryName(data.SQL))
}

// TraceQueryEnd implements pgx.QueryTracer.
func (q queries) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	q.end(ctx, data.Err)
}

// TraceCopyFromStart implements pgx.CopyFromTracer.
func (q queries) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceCopyFromStartData) context.Context {
	return q.begin(ctx, "COPY "+strings.Join(data.TableName, "."))
}

// TraceCopyFromEnd implements pgx.CopyFromTracer.
func (q queries) TraceCopyFromEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceCopyFromEndData) {
	q.end(ctx, data.Err)
}

// TraceBatchStart implements pgx.BatchTracer. It measures a batch as a whole, because its
// queries have no separate durations.
func (q queries) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	if data.Batch.Len() == 1 {
		return q.begin(ctx, queryName(data.Batch.QueuedQueries[0].SQL))
	}
	ctx = q.begin(ctx, "BATCH")
	if r := ctx.Value(runningKey{}).(*running); r.span != nil {
		r.span.SetAttributes(semconv.DBOperationBatchSize(data.Batch.Len()))
	}
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (q queries) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements pgx.BatchTracer.
func (q queries) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchEndData) {
	q.end(ctx, data.Err)
}

func (q queries) begin(ctx context.Context, name string) context.Context {
	r := &running{name: name, start: time.Now()}
	if q.tracer != nil && trace.SpanFromContext(ctx).IsRecording() { // only queries of traced requests are traced
		ctx, r.span = q.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient),
			trace.WithAttributes(semconv.DBSystemNamePostgreSQL, semconv.DBQuerySummary(name)))
		link(ctx, r.span)
	}
	return context.WithValue(ctx, runningKey{}, r)
}

// link links a statement to the requests it serves, except the one that it is a child of.
func link(ctx context.Context, statement trace.Span) {
	others, _ := ctx.Value(gatheredKey{}).([]trace.Span)
	for _, request := range others {
		statement.AddLink(trace.Link{SpanContext: request.SpanContext()})
		request.AddLink(trace.Link{SpanContext: statement.SpanContext()})
	}
	if len(others) > 0 {
		statement.SetAttributes(semconv.DBOperationBatchSize(len(others) + 1))
	}
}

func (q queries) end(ctx context.Context, err error) {
	r, ok := ctx.Value(runningKey{}).(*running)
	if !ok {
		return
	}
	o := operation{r.name, failure(err)}
	q.operations.Record(ctx, time.Since(r.start).Seconds(), q.operationSeries.of(o)...)
	if r.span == nil {
		return
	}
	if o.failure != "" {
		r.span.SetStatus(codes.Error, "") // without Postgres's text, which may contain values
		r.span.SetAttributes(semconv.ErrorTypeKey.String(o.failure))
	}
	r.span.End()
}

// failure returns the kind of an error: its SQLSTATE, if it comes from Postgres.
func failure(err error) string {
	if err == nil {
		return "" // before the variable, which would be on the heap
	}
	var refusal *pgconn.PgError
	switch {
	case errors.As(err, &refusal):
		return refusal.Code
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "_OTHER"
}

// otherQuery represents all SQL without a name.
const otherQuery = "other"

// queryName returns the name that precedes a query, or the word of a transaction statement.
// All other SQL shares one name, because the number of names must stay small.
func queryName(sql string) string {
	if rest, ok := strings.CutPrefix(sql, "-- name: "); ok {
		name, _, _ := strings.Cut(rest, " ")
		return name
	}
	word, _, _ := strings.Cut(sql, " ")
	switch word {
	case "begin", "commit", "rollback":
		return strings.ToUpper(word)
	}
	return otherQuery
}
