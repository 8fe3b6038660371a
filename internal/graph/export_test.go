package graph

import (
	"strings"

	"github.com/mocktenant/mocktenant/internal/db"
)

// Routes lists every route as its method and its path.
func Routes() []string {
	var all []string
	for _, r := range (&server{}).engine(nil).Routes() {
		all = append(all, r.Method+" "+r.Path)
	}
	return all
}

// AppendBetaPartner appends the entity as an item of a list.
func AppendBetaPartner(b []byte, row *db.RemoteAssistancePartner) []byte {
	x := &exchange{version: version{beta: true}, format: minimal}
	return x.appendPartner(b, row, "", nil, false)
}

// Public tells whether one of Routes answers without a token.
func Public(route string) bool {
	_, path, _ := strings.Cut(route, " ")
	return public(path)
}
