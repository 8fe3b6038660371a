package db

import (
	"context"

	"github.com/mocktenant/mocktenant/internal/odata"
)

// Builder shows how expressions become SQL.
type Builder struct{ b sqlBuilder }

// NewBuilder returns a Builder for a request.
func NewBuilder(ctx context.Context) *Builder { return &Builder{sqlBuilder{ctx: ctx}} }

// List is a whole list, with its parameters' size.
func (b *Builder) List(p ListParams) (string, int, error) {
	text, err := b.b.list(p)
	return text, b.b.size, err
}

// MaxStatement bounds a statement.
const MaxStatement = maxStatement

// Condition is the expression as a filter has it.
func (b *Builder) Condition(e *odata.Expr) string { return b.b.condition(e) }

// Value is the expression with all that null means.
func (b *Builder) Value(e *odata.Expr) string { return b.b.value(e) }

// Args are the parameters.
func (b *Builder) Args() []any { return b.b.args }
