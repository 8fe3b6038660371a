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

// skipToken identifies the start of a page (Protocol 11.2.6.7) by the last entity before
// it, in the query's order. It is signed together with the tenant, the set and the query,
// and valid only for them.
type skipToken struct {
	Keys []*string `json:"k,omitempty"` // of the last entity before the page, in the order's keys
	ID   uuid.UUID `json:"i"`
	Size int64     `json:"s,omitempty"` // page size, if a preference set one
}

const macSize = 16 // bytes of an HMAC-SHA256, truncated as RFC 2104 section 5 allows

// encode returns the token for a tenant, a set and a query. Its characters need no escaping
// in URLs and URI templates.
func (t skipToken) encode(key []byte, tenant uuid.UUID, set string, q odata.Query) string {
	text, err := json.Marshal(t)
	if err != nil {
		panic(err) // only texts and numbers, which can't fail
	}
	return base64.RawURLEncoding.EncodeToString(append(t.mac(key, tenant, set, q, text), text...))
}

func (skipToken) mac(key []byte, tenant uuid.UUID, set string, q odata.Query, text []byte) []byte {
	q.Count, q.Format, q.Select, q.Skip, q.SkipToken, q.Top = false, "", nil, 0, "", -1 // the rest selects and orders the entities
	mac := hmac.New(sha256.New, key)
	mac.Write(tenant[:])
	mac.Write([]byte(set + "?" + q.Encode()))
	mac.Write([]byte{0})
	mac.Write(text)
	return mac.Sum(nil)[:macSize]
}

// parseSkipToken reads the token of a query, or the zero token without one, which
// means the start of the list. It refuses forged tokens and those of another tenant, set or
// query.
func parseSkipToken(key []byte, tenant uuid.UUID, set string, q odata.Query) (t skipToken, err error) {
	if q.SkipToken == "" {
		return t, nil
	}
	refusal := &odata.Error{Option: odata.SkipToken, Message: "The skip token '" + abbreviate(q.SkipToken) + "' was not issued by this service for this query. Follow @odata.nextLink unchanged."}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(q.SkipToken)
	if err != nil || len(raw) < macSize || strings.ContainsAny(q.SkipToken, "\r\n") { // the decoder would skip line ends
		return t, refusal
	}
	mac, text := raw[:macSize], raw[macSize:]
	if !hmac.Equal(mac, t.mac(key, tenant, set, q, text)) || json.Unmarshal(text, &t) != nil {
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

// position returns where a list continues, or nil for its start.
func (t skipToken) position() *db.Position {
	if t.ID == uuid.Nil {
		return nil
	}
	return &db.Position{Keys: t.Keys, ID: t.ID}
}
