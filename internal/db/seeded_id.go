package db

import (
	"strconv"

	"github.com/google/uuid"
)

// seededIDs is the name space (RFC 9562 section 6.6) of seeded ids.
var seededIDs = uuid.MustParse("0d7cb1f2-54d0-4d43-a5a5-6ff6b6e0a1c7")

// SeededID returns the nth id of a kind for a seed, a UUID of version 5. Equal arguments
// return equal ids.
func SeededID(seed, kind string, n int64) uuid.UUID {
	return uuid.NewSHA1(seededIDs, []byte(strconv.Quote(seed)+" "+kind+" "+strconv.FormatInt(n, 10)))
}
