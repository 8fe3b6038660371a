package db

import (
	"strconv"

	"github.com/google/uuid"
)

// seededIDs is the name space (RFC 9562 section 6.6) of the ids below.
var seededIDs = uuid.MustParse("0d7cb1f2-54d0-4d43-a5a5-6ff6b6e0a1c7")

// SeededID is the nth id of one kind that comes of a seed: the same each time
// (UUID version 5).
func SeededID(seed, kind string, n int64) uuid.UUID {
	return uuid.NewSHA1(seededIDs, []byte(strconv.Quote(seed)+" "+kind+" "+strconv.FormatInt(n, 10)))
}
