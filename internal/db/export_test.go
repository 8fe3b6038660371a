package db

import (
	"context"

	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// Builder exposes how expressions become SQL.
type Builder struct{ b sqlBuilder }

// NewBuilder returns a Builder for an entity.
func NewBuilder(ctx context.Context, t *entity.Type) *Builder {
	return &Builder{sqlBuilder{ctx: ctx, set: SetOf(t)}}
}

// List returns the statement of a list and the size of its parameters in bytes.
func (b *Builder) List(p ListParams) (string, int, error) {
	text, err := b.b.list(p)
	return text, b.b.size, err
}

// MaxStatement is the maximum size of a statement in bytes.
const MaxStatement = maxStatement

// Condition returns the SQL of an expression as a filter.
func (b *Builder) Condition(e *odata.Expr) string { return b.b.condition(e) }

// Value returns the SQL of an expression with OData's exact results, null included.
func (b *Builder) Value(e *odata.Expr) string { return b.b.value(e) }

// Args returns the parameters.
func (b *Builder) Args() []any { return b.b.args }
