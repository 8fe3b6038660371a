package graph

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// skipToken is where a page starts (Protocol 11.2.6.7): behind which partner, in
// the order of the query. It is signed together with the tenant and the query,
// so that it fits no other.
type skipToken struct {
	Keys []*string `json:"k,omitempty"` // of the last partner of the page before, in the order's keys
	ID   uuid.UUID `json:"i"`
	Size int64     `json:"s,omitempty"` // of pages, where a preference asked for one
}

const macSize = 16 // bytes of an HMAC-SHA256, cut as RFC 2104 section 5 allows

// encode writes the token for a tenant and a query, in letters that stand for
// themselves in URLs and in templates of URLs.
func (t skipToken) encode(key []byte, tenant uuid.UUID, q odata.Query) string {
	text, err := json.Marshal(t)
	if err != nil {
		panic(err) // texts and numbers: there is nothing that can't be written
	}
	return base64.RawURLEncoding.EncodeToString(append(t.mac(key, tenant, q, text), text...))
}

func (skipToken) mac(key []byte, tenant uuid.UUID, q odata.Query, text []byte) []byte {
	q.Count, q.Format, q.Select, q.Skip, q.SkipToken, q.Top = false, "", nil, 0, "", -1 // what is left decides which partners, and in which order
	mac := hmac.New(sha256.New, key)
	mac.Write(tenant[:])
	mac.Write([]byte(q.Encode()))
	mac.Write([]byte{0})
	mac.Write(text)
	return mac.Sum(nil)[:macSize]
}

// parseSkipToken reads the token of a query, if it has one; the zero token is
// the start of the list. A forged one, and one of another tenant or query, are
// refused.
func parseSkipToken(key []byte, tenant uuid.UUID, q odata.Query) (t skipToken, err error) {
	if q.SkipToken == "" {
		return t, nil
	}
	refusal := &odata.Error{Option: odata.SkipToken, Message: "The skip token '" + abbreviate(q.SkipToken) + "' is not one of this service for this query. Follow @odata.nextLink as it was given."}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(q.SkipToken)
	if err != nil || len(raw) < macSize || strings.ContainsAny(q.SkipToken, "\r\n") { // the decoder passes over line ends
		return t, refusal
	}
	mac, text := raw[:macSize], raw[macSize:]
	if !hmac.Equal(mac, t.mac(key, tenant, q, text)) || json.Unmarshal(text, &t) != nil {
		return skipToken{}, refusal
	}
	return t, nil
}

func abbreviate(s string) string {
	const most = 40
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// position is where a list goes on, or nil at its start.
func (t skipToken) position() *db.Position {
	if t.ID == uuid.Nil {
		return nil
	}
	return &db.Position{Keys: t.Keys, ID: t.ID}
}
