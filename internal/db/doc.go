// Package db contains everything that knows Postgres: the queries that sqlc generates from
// queries/ (each *.sql.go, models.go and db.go), opening a pool, migrating the schema, and
// the meaning of Postgres's errors.
//
// Handlers call the generated queries directly:
//
//	row, err := db.New(pool).GetRemoteAssistancePartner(ctx, params)
//	if errors.Is(db.Classify(err), db.ErrNotFound) { … }
//
// It knows nothing about HTTP or Graph.
package db
