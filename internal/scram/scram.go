// Package scram computes what Postgres stores of a password, so that CREATE ROLE and ALTER
// ROLE needn't contain the password itself: statements are logged, and other roles may see
// them.
package scram

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// The same parameters that Postgres uses. Source: PostgreSQL,
// src/include/common/scram-common.h.
const (
	iterations = 4096
	saltBytes  = 16
)

// Verifier returns the SCRAM-SHA-256 verifier, with a fresh salt, of a password. The
// password must be printable ASCII, which SASLprep doesn't change. Postgres accepts the
// verifier in place of the password. Source: RFC 5802, section 3; PostgreSQL documentation,
// "pg_authid".
func Verifier(password string) string {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails
	return verifier(password, salt)
}

func verifier(password string, salt []byte) string {
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		panic(err) // the sizes are valid
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
