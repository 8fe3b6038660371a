// Package migrations embeds the database's schema as goose migrations.
//
// A file is never edited once it has landed on main; what it got wrong, the
// next file mends. Each has a Down, and sqlc reads the Up parts as its schema.
package migrations

import "embed"

// FS holds the .sql files, in the order of their numbers.
//
//go:embed *.sql
var FS embed.FS
