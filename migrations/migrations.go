// Package migrations embeds the database's schema as goose migrations, one file for each
// noun. sqlc reads their Up parts as its schema, and each has a Down. Once a version with
// a file is released, the file is never edited: a later one mends it. StatementBegin and
// StatementEnd make goose send the whole of Up or Down at once: there are hundreds of
// statements, and a first start would wait for each.
package migrations

import "embed"

// FS holds the .sql files, in the order of their numbers.
//
//go:embed *.sql
var FS embed.FS
