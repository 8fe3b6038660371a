// Package docs has the pages of the documentation that the program shows.
package docs

import _ "embed" // for the pages

// Clients says how to point clients at the service, in Markdown.
//
//go:embed clients.md
var Clients string

// Divergences says how the service differs from Microsoft Graph, in Markdown.
//
//go:embed divergences.md
var Divergences string
