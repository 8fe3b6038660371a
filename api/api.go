// Package api has the types of the administration API, generated from its contract,
// openapi.yaml. The service answers with them; package client sends requests.
package api

import (
	_ "embed"
	"fmt"
	"strings"
)

// OpenAPI is the contract, in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte

// Error returns what the service refused and, if it says so, the line of the body.
func (p *Problem) Error() string {
	text := p.Title
	if p.Detail != nil {
		text = *p.Detail
	}
	if p.Line != nil && !strings.HasPrefix(text, "line ") {
		text = fmt.Sprintf("line %d: %s", *p.Line, text)
	}
	return text
}
