package admin

import (
	"encoding/base64"
	"encoding/json"
	"net/url"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
)

// defaultTop is the default number of items on a page.
const defaultTop = 100

func limit(top *int) int64 {
	if top == nil {
		return defaultTop
	}
	return int64(*top)
}

// page cuts rows, which include one more than the page has, and returns the link to the
// next page, if there is one.
func page[T any](x *call, rows []T, top *int, key func(T) string) ([]T, *string) {
	n := int(limit(top))
	if len(rows) <= n {
		return rows, nil
	}
	return rows[:n], x.nextLink(key(rows[n-1]))
}

// each converts rows to the members of a page. Without rows, the JSON is [] instead of
// null.
func each[R, T any](rows []R, of func(R) T) []T {
	all := make([]T, len(rows))
	for i, row := range rows {
		all[i] = of(row)
	}
	return all
}

// nextLink returns the request's path with a different start.
func (x *call) nextLink(after string) *string {
	query := x.Request.URL.Query()
	query.Set("after", after)
	link := (&url.URL{Path: x.Request.URL.Path, RawQuery: query.Encode()}).String()
	return &link
}

// parseAfter reads the start of a page by id.
func parseAfter(after *string) (uuid.UUID, error) {
	if after == nil {
		return uuid.Nil, nil
	}
	id, err := uuid.Parse(*after)
	if err != nil {
		return id, errPosition(*after)
	}
	return id, nil
}

func errPosition(after string) error {
	return errBadRequest("The parameter after: %q is not from a nextLink.", after)
}

// encodePosition returns a position in a list of entities as text: its id or, in another order
// than by id, its keys too.
func encodePosition(p db.Position) (string, error) {
	if p.Keys == nil {
		return p.ID.String(), nil
	}
	text, err := json.Marshal(p)
	return base64.RawURLEncoding.EncodeToString(text), err
}

// readPosition is the inverse of encodePosition; nil means the start.
func readPosition(after *string) (*db.Position, error) {
	if after == nil {
		return nil, nil
	}
	if id, err := uuid.Parse(*after); err == nil {
		return &db.Position{ID: id}, nil
	}
	p := new(db.Position)
	text, err := base64.RawURLEncoding.DecodeString(*after)
	if err != nil || json.Unmarshal(text, p) != nil {
		return nil, errPosition(*after)
	}
	return p, nil
}

func afterText(after *string) string {
	if after == nil {
		return ""
	}
	return *after
}
