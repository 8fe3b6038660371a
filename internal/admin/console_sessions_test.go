package admin_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/db/dbtest"
)

// newConsoleSession records that somebody signed in to the console, which only the console does.
func (c *client) newConsoleSession(name string) uuid.UUID {
	c.Helper()
	id, now := uuid.Must(uuid.NewV7()), time.Now()
	if err := db.New(dbtest.Pool(c)).CreateConsoleSession(c.Context(), db.CreateConsoleSessionParams{
		ID: id, PersonID: uuid.New(), Name: name, Role: db.AdminRoleManager, Managers: []string{"a", "b"}, Address: "192.0.2.1", CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}); err != nil {
		c.Fatal(err)
	}
	return id
}

// Owners list who is signed in to the console, search it, and end single sessions. The console's
// TestPeoplesSessionsAreEnded tries what the person sees.
func TestConsoleSessions(t *testing.T) {
	t.Parallel()
	owner := setup(t)
	name := "Ada " + uuid.NewString()
	first, second := owner.newConsoleSession(name), owner.newConsoleSession(name+" again")
	listed := func(search string) (found []api.ConsoleSession) {
		return decode[api.ConsoleSessionList](t, owner.want(200, owner.do("GET", "/v1/console-sessions?search="+search, nil))).Value
	}
	if found := listed(first.String()); len(found) != 1 || found[0].Name != name || found[0].Role != api.AdminRoleManager || len(found[0].Managers) != 2 || found[0].Address != "192.0.2.1" ||
		found[0].ExpiresDateTime.Sub(found[0].CreatedDateTime) != time.Hour {
		t.Errorf("%+v", found)
	}
	owner.want(204, owner.do("DELETE", "/v1/console-sessions/"+first.String(), nil))
	owner.refused(404, "", owner.do("DELETE", "/v1/console-sessions/"+first.String(), nil))
	if len(listed(first.String())) != 0 || len(listed(second.String())) != 1 {
		t.Error("another session ended, or none")
	}
}
