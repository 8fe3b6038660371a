package admin

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
)

// BeginSession records that a person signed in to the console from an address, until a time. It
// returns the session's id, which belongs into Person.Session.
func (a *API) BeginSession(ctx context.Context, p Person, managers []string, address string, until time.Time) (uuid.UUID, error) {
	id := uuid.Must(uuid.NewV7())
	return id, a.queries.CreateConsoleSession(ctx, db.CreateConsoleSessionParams{
		ID: id, PersonID: p.ID, Name: p.Name, Role: db.AdminRole(p.Role), Managers: append([]string{}, managers...), Address: address, CreatedAt: a.now(), ExpiresAt: until,
	})
}

// EndSession ends a session of the console, if it hasn't ended.
func (a *API) EndSession(ctx context.Context, id uuid.UUID) error {
	_, err := a.queries.DeleteConsoleSession(ctx, id)
	return err
}

// admitPerson lets a person in as long as their session lasts.
func (a *API) admitPerson(x *call, p Person) error {
	exists, err := a.queries.ConsoleSessionExists(x.Request.Context(), db.ConsoleSessionExistsParams{ID: p.Session, Now: x.Now})
	switch {
	case err != nil:
		return err
	case !exists:
		return errUnauthorized("The session has expired, or an owner ended it. Sign in again.")
	}
	x.caller = caller{p.ID, p.Name, db.AdminRole(p.Role), p.Manager}
	return nil
}

// listConsoleSessions lists who is signed in to the console.
func listConsoleSessions(ctx context.Context, x *call, p api.ListConsoleSessionsParams) (list api.ConsoleSessionList, err error) {
	after, err := parseAfter(p.After)
	if err != nil {
		return list, err
	}
	rows, err := x.admin.queries.ListConsoleSessions(ctx, db.ListConsoleSessionsParams{After: after, Now: x.Now, Search: afterText(p.Search), RowLimit: limit(p.Top) + 1})
	rows, list.NextLink = page(x, rows, p.Top, func(s db.ConsoleSession) string { return s.ID.String() })
	list.Value = each(rows, newConsoleSession)
	return list, err
}

func newConsoleSession(s db.ConsoleSession) api.ConsoleSession {
	return api.ConsoleSession{
		Id: s.ID, PersonId: s.PersonID, Name: s.Name, Role: api.AdminRole(s.Role), Managers: s.Managers, Address: s.Address,
		CreatedDateTime: s.CreatedAt.UTC(), ExpiresDateTime: s.ExpiresAt.UTC(),
	}
}

func endConsoleSession(ctx context.Context, c *change, r struct{ SessionID uuid.UUID }) (none, error) {
	n, err := c.queries.DeleteConsoleSession(ctx, r.SessionID)
	if err == nil && n == 0 {
		err = errNotFound("There is no session %s of the console.", r.SessionID)
	}
	return none{}, err
}
