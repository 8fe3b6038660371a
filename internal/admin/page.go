package admin

import (
	"net/url"

	"github.com/google/uuid"
)

// defaultTop is how many things a page holds unless the client says.
const defaultTop = 100

func limit(top *int) int64 {
	if top == nil {
		return defaultTop
	}
	return int64(*top)
}

// page cuts rows, of which one more was read than the page holds, and links to
// the next page if there is one.
func page[T any](x *call, rows []T, top *int, key func(T) string) ([]T, *string) {
	n := int(limit(top))
	if len(rows) <= n {
		return rows, nil
	}
	return rows[:n], x.nextLink(key(rows[n-1]))
}

// nextLink is the request's own path with another start.
func (x *call) nextLink(after string) *string {
	query := x.Request.URL.Query()
	query.Set("after", after)
	link := (&url.URL{Path: x.Request.URL.Path, RawQuery: query.Encode()}).String()
	return &link
}

// parseAfter reads where a page by id starts.
func parseAfter(after *string) (uuid.UUID, error) {
	if after == nil {
		return uuid.Nil, nil
	}
	id, err := uuid.Parse(*after)
	if err != nil {
		return id, errBadRequest("The parameter after: %q is not from a nextLink.", *after)
	}
	return id, nil
}

func afterText(after *string) string {
	if after == nil {
		return ""
	}
	return *after
}
