package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/google/uuid"
)

// A ticket is a value that a client or a browser keeps to get something later: a code, a
// refresh token, a session. It contains the tenant's id and is otherwise random. The
// database has only its hash, so that a reader of the database can't redeem it.
type ticket struct {
	tenant uuid.UUID
	value  string
	hash   []byte
}

const (
	ticketPrefix = "1." // of Entra's own too
	ticketRandom = 32   // bytes
)

func newTicket(tenant uuid.UUID) ticket {
	raw := make([]byte, len(tenant)+ticketRandom)
	copy(raw, tenant[:])
	_, _ = rand.Read(raw[len(tenant):]) // never fails
	value := ticketPrefix + base64.RawURLEncoding.EncodeToString(raw)
	return ticket{tenant, value, hashOf(value)}
}

// parseTicket parses a ticket from a client. Only the database can tell whether it was ever
// issued.
func parseTicket(value string) (ticket, bool) {
	text, ok := strings.CutPrefix(value, ticketPrefix)
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(raw) != len(uuid.UUID{})+ticketRandom {
		return ticket{}, false
	}
	return ticket{uuid.UUID(raw[:16]), value, hashOf(value)}, true
}

// ticket reads the ticket in a parameter that a request must have, of a tenant that its authority
// admits.
func (r tokenRequest) ticket(parameter string) (ticket, error) {
	value, err := r.need(parameter)
	if err != nil {
		return ticket{}, err
	}
	t, ok := parseTicket(value)
	if !ok {
		return ticket{}, refuse(9002313, invalidGrant, "Invalid request. Request is malformed or invalid.")
	}
	return t, r.authority.admits(t.tenant)
}

// hashOf returns what is stored for a value that is too random to guess.
func hashOf(value string) []byte {
	hash := sha256.Sum256([]byte(value))
	return hash[:]
}
