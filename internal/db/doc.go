// Package db is all that knows Postgres: the queries that sqlc generates from
// queries/ (each *.sql.go, models.go and db.go), how a pool is opened, how the
// schema is migrated, and which of Postgres's errors mean what.
//
// Handlers call the generated queries directly:
//
//	row, err := db.New(pool).GetRemoteAssistancePartner(ctx, params)
//	if errors.Is(db.Classify(err), db.ErrNotFound) { … }
//
// It knows no HTTP and no Graph.
package db
