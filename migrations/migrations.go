// Package migrations embeds the database's schema as goose migrations, one file for each
// noun. sqlc reads their Up parts as its schema, and each has a Down. Once a version with
// a file is released, the file is never edited: a later one mends it. Where many small
// statements follow each other, StatementBegin makes goose send them at once.
package migrations

import "embed"

// FS holds the .sql files, in the order of their numbers.
//
//go:embed *.sql
var FS embed.FS
