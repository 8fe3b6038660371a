package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/google/uuid"
)

// A ticket is what a client or a browser holds to get something later: a code,
// a refresh token, a session. It says its tenant and is otherwise random; the
// database keeps its hash alone, so that who reads the database can redeem none.
type ticket struct {
	tenant uuid.UUID
	value  string
	hash   []byte
}

const (
	ticketPrefix = "1." // of Entra's own, too
	ticketRandom = 32   // bytes
)

func newTicket(tenant uuid.UUID) ticket {
	raw := make([]byte, len(tenant)+ticketRandom)
	copy(raw, tenant[:])
	_, _ = rand.Read(raw[len(tenant):]) // never fails
	value := ticketPrefix + base64.RawURLEncoding.EncodeToString(raw)
	return ticket{tenant, value, hashOf(value)}
}

// parseTicket reads a ticket that somebody shows. Whether it was ever given out
// is for the database to say.
func parseTicket(value string) (ticket, bool) {
	text, ok := strings.CutPrefix(value, ticketPrefix)
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(raw) != len(uuid.UUID{})+ticketRandom {
		return ticket{}, false
	}
	return ticket{uuid.UUID(raw[:16]), value, hashOf(value)}, true
}

// hashOf is what is kept of a value that is random enough not to be guessed.
func hashOf(value string) []byte {
	hash := sha256.Sum256([]byte(value))
	return hash[:]
}
