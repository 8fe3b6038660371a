package db

import "github.com/mocktenant/mocktenant/internal/odata"

// Builder shows how expressions become SQL.
type Builder struct{ b sqlBuilder }

// Condition is the expression as a filter has it.
func (b *Builder) Condition(e *odata.Expr) string { return b.b.condition(e) }

// Value is the expression with all that null means.
func (b *Builder) Value(e *odata.Expr) string { return b.b.value(e) }

// Args are the parameters.
func (b *Builder) Args() []any { return b.b.args }
