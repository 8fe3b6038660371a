// Package scram makes what Postgres keeps of a password, so that CREATE ROLE and ALTER
// ROLE need not name the password itself: statements are logged, and seen by whoever
// may see what others run.
package scram

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// Postgres's own choices. Source: PostgreSQL, src/include/common/scram-common.h.
const (
	iterations = 4096
	saltBytes  = 16
)

// Verifier returns the SCRAM-SHA-256 verifier of a password of printable ASCII, which
// SASLprep leaves as it is, with a fresh salt. Postgres takes it in place of the password.
// Source: RFC 5802, section 3; PostgreSQL documentation, "pg_authid".
func Verifier(password string) string {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails
	return verifier(password, salt)
}

func verifier(password string, salt []byte) string {
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		panic(err) // the sizes are good
	}
	stored := sha256.Sum256(keyed(salted, "Client Key"))
	text := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, text(salt), text(stored[:]), text(keyed(salted, "Server Key")))
}

func keyed(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
