// Package front provides what the fronts of the service, Graph, the authority and the
// administration, have in common: New's engine names, bounds, observes and logs each
// request, and answers its panic; a Hook sees it.
//
//	engine, adapt := front.New(front.Config[*exchange]{Name: "graph", Open: open, Fail: fail})
//	engine.GET("/v1.0/$metadata", adapt(metadata))
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

// front sees the requests of one front.
type front[X any] struct{ config Config[X] }

// New returns an engine without routes, and adapt, which makes a handler of a function: if
// the function returns an error, Fail answers it and the request ends.
func New[X any](c Config[X]) (engine *gin.Engine, adapt func(func(X) error) gin.HandlerFunc) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	f := &front[X]{c}
	engine = gin.New()
	engine.RedirectTrailingSlash = false
	engine.HandleMethodNotAllowed = true
	engine.ForwardedByClientIP = false // the server has already set the client's address
	engine.Use(f.serve)
	return engine, f.adapt
}

// ownKey is the key of the front's own view in Gin's context.
type ownKey struct{}

func (f *front[X]) adapt(handle func(X) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		own := c.MustGet(ownKey{}).(X)
		if err := handle(own); err != nil {
			if errors.Is(err, errAnswered) {
				_ = c.Error(err) // for the log
			} else {
				f.config.Fail(own, err)
			}
			c.Abort()
		}
	}
}

// serve is the first handler of every request.
func (f *front[X]) serve(c *gin.Context) {
	x := &Exchange{
		Context: c, Front: f.config.Name, ID: uuid.NewString(), Base: f.base(c.Request),
		Arrived: f.config.Now(), start: time.Now(), hooks: f.config.Hooks,
	}
	x.Now = x.Arrived
	if item, ok := c.Request.Context().Value(batchKey{}).(batchItem); ok {
		x.Batch, x.BatchItem = item.batch, item.id
	}
	if f.config.Timeout > 0 {
		ctx, cancel := context.WithTimeout(c.Request.Context(), f.config.Timeout)
		defer cancel()
		c.Request = c.Request.WithContext(ctx)
	}
	if f.config.MaxBody > 0 {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, f.config.MaxBody)
	}
	x.begin()
	defer f.end(x)
	own := f.config.Open(x)
	c.Set(ownKey{}, own)
	defer f.answerPanic(x, own)
	c.Next()
}

// base returns the public URL, or the scheme and host that the client used.
func (f *front[X]) base(r *http.Request) string {
	if f.config.PublicURL != "" {
		return f.config.PublicURL
	}
	return requestBase(r)
}

// answerPanic answers a panic like any other failure, and logs where it happened.
func (f *front[X]) answerPanic(x *Exchange, own X) {
	switch v := recover(); v {
	case nil:
	case http.ErrAbortHandler:
		x.Cut = true
		panic(v)
	default:
		f.config.Log.Error("panic", "request-id", x.ID, "value", v, "stack", string(debug.Stack()))
		f.config.Fail(own, fmt.Errorf("panic: %v", v))
		x.Abort() // otherwise Gin continues with the next handlers
	}
}

// end tells the hooks and the log how a request was answered.
func (f *front[X]) end(x *Exchange) {
	answer := Answer{Status: x.Writer.Status(), Took: time.Since(x.start)}
	if last := x.Errors.Last(); last != nil {
		answer.Err = last.Err
	}
	defer f.log(x, answer) // even if a hook cuts the connection
	x.after(answer)
}

func (f *front[X]) log(x *Exchange, answer Answer) {
	level := slog.LevelInfo
	switch {
	case answer.Status >= http.StatusInternalServerError:
		level = slog.LevelError
	case x.Quiet:
		level = slog.LevelDebug
	}
	if ctx := x.Request.Context(); f.config.Log.Enabled(ctx, level) {
		f.config.Log.LogAttrs(ctx, level, "request", x.describe(answer)...)
	}
}
