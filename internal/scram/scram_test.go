package scram

import (
	"encoding/base64"
	"testing"
)

// The exchange in RFC 7677, section 3: its server signature and client proof follow from
// the two keys of this verifier.
func TestVerifier(t *testing.T) {
	t.Parallel()
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	const want = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	if got := verifier("pencil", salt); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if one := Verifier("pencil"); Verifier("pencil") == one {
		t.Error("two verifiers have the same salt")
	}
}
