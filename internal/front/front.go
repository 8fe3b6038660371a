// Package front provides what the fronts of the service, Graph, the authority and the
// administration, have in common: an Engine names, bounds, observes and logs each
// request, and answers its panic; a Hook sees it.
//
//	engine := front.New(front.Config[*exchange]{Name: "graph", Open: open, Fail: fail})
//	engine.GET("/v1.0/$metadata", engine.Adapt(metadata))
package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
)

// Config configures a front whose own view of a request is an X. Open and Fail are
// required.
type Config[X any] struct {
	Name      string           // in the log
	PublicURL string           // prefix of links, without a trailing slash; "" uses each request's URL
	Timeout   time.Duration    // bounds the work on a request; 0 means no limit
	MaxBody   int64            // bounds a request's body, in bytes; 0 means no limit
	Now       func() time.Time // nil means time.Now
	Log       *slog.Logger     // nil discards
	Hooks     []Hook

	// Open returns the front's own view of a request, and sets the headers that every
	// answer has.
	Open func(*Exchange) X

	// Fail answers a request whose handler returned an error, in the front's form.
	Fail func(X, error)
}

// Engine routes and answers the requests of one front.
type Engine[X any] struct {
	*gin.Engine
	config Config[X]
}

// New returns an engine without routes.
func New[X any](c Config[X]) *Engine[X] {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	e := &Engine[X]{gin.New(), c}
	e.RedirectTrailingSlash = false
	e.HandleMethodNotAllowed = true
	e.ForwardedByClientIP = false // the server has already set the client's address
	e.Use(e.serve)
	return e
}

// ownKey is the key of the front's own view in Gin's context.
type ownKey struct{}

// Adapt adapts f to Gin. If f returns an error, Fail answers it and the request ends.
func (e *Engine[X]) Adapt(f func(X) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		own := c.MustGet(ownKey{}).(X)
		if err := f(own); err != nil {
			if errors.Is(err, errAnswered) {
				_ = c.Error(err) // for the log
			} else {
				e.config.Fail(own, err)
			}
			c.Abort()
		}
	}
}

// serve is the first handler of every request.
func (e *Engine[X]) serve(c *gin.Context) {
	x := &Exchange{
		Context: c, Front: e.config.Name, ID: uuid.NewString(), Base: e.base(c.Request),
		Arrived: e.config.Now(), start: time.Now(), hooks: e.config.Hooks,
	}
	x.Now = x.Arrived
	if item, ok := c.Request.Context().Value(batchKey{}).(batchItem); ok {
		x.Batch, x.BatchItem = item.batch, item.id
	}
	if e.config.Timeout > 0 {
		ctx, cancel := context.WithTimeout(c.Request.Context(), e.config.Timeout)
		defer cancel()
		c.Request = c.Request.WithContext(ctx)
	}
	if e.config.MaxBody > 0 {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, e.config.MaxBody)
	}
	x.begin()
	defer e.end(x)
	own := e.config.Open(x)
	c.Set(ownKey{}, own)
	defer e.answerPanic(x, own)
	c.Next()
}

// base returns the public URL, or the scheme and host that the client used.
func (e *Engine[X]) base(r *http.Request) string {
	if e.config.PublicURL != "" {
		return e.config.PublicURL
	}
	return requestBase(r)
}

// answerPanic answers a panic like any other failure, and logs where it happened.
func (e *Engine[X]) answerPanic(x *Exchange, own X) {
	switch v := recover(); v {
	case nil:
	case http.ErrAbortHandler:
		x.Cut = true
		panic(v)
	default:
		e.config.Log.Error("panic", "request-id", x.ID, "value", v, "stack", string(debug.Stack()))
		e.config.Fail(own, fmt.Errorf("panic: %v", v))
		x.Abort() // otherwise Gin continues with the next handlers
	}
}

// end tells the hooks and the log how a request was answered.
func (e *Engine[X]) end(x *Exchange) {
	answer := Answer{Status: x.Writer.Status(), Took: time.Since(x.start)}
	if last := x.Errors.Last(); last != nil {
		answer.Err = last.Err
	}
	defer e.log(x, answer) // even if a hook cuts the connection
	x.after(answer)
}

func (e *Engine[X]) log(x *Exchange, answer Answer) {
	level := slog.LevelInfo
	switch {
	case answer.Status >= http.StatusInternalServerError:
		level = slog.LevelError
	case x.Quiet:
		level = slog.LevelDebug
	}
	if ctx := x.Request.Context(); e.config.Log.Enabled(ctx, level) {
		e.config.Log.LogAttrs(ctx, level, "request", x.describe(answer)...)
	}
}
