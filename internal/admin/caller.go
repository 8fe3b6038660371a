package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/tenant"
)

// caller identifies an administrator, by a key or as a person.
type caller struct {
	id      uuid.UUID // the key's or the person's; zero if neither was needed
	name    string
	role    db.AdminRole
	manages string // the name under which a manager acts
}

// Person is an administrator who has no key, because the console identified them otherwise.
type Person struct {
	ID      uuid.UUID
	Name    string
	Role    api.AdminRole
	Manager string // the name under which a manager acts; "" for other roles
	Session uuid.UUID
}

// personKey is the key of a context's Person.
type personKey struct{}

// As returns a context in which a person calls the API, as if with a key of the role. Contexts
// don't come from clients: only this program can make one.
func As(ctx context.Context, p Person) context.Context { return context.WithValue(ctx, personKey{}, p) }

// may reports whether the caller's role includes the required one.
func (c caller) may(role db.AdminRole) bool {
	return rank(c.role) >= rank(role)
}

func rank(role db.AdminRole) int {
	for i, r := range db.AllAdminRoleValues() { // by ascending rights
		if r == role {
			return i
		}
	}
	return -1
}

// manager returns the name of a manager, who sees only the manager's items, or nil for
// callers who see all.
func (c caller) manager() *string {
	if c.role != db.AdminRoleManager {
		return nil
	}
	return &c.manages
}

func errUnauthorized(detail string) *problem {
	return &problem{status: http.StatusUnauthorized, detail: detail}
}

// checkOrigin refuses pages of other origins, which a browser on this machine may show. It
// refuses changes and reads, because a profile is expensive and Go's protection lets every
// GET pass. It allows operations without a role.
func (a *API) checkOrigin(x *call) error {
	if err := a.sameOrigin.Check(x.Request); err != nil {
		return errForbidden("A page of another origin, %q, may change nothing here: %v.", x.GetHeader("Origin"), err)
	}
	site := x.GetHeader("Sec-Fetch-Site") // browsers set this header; pages can't
	if site == "" || site == "same-origin" || site == "none" || x.op != nil && x.op.role == "" {
		return nil
	}
	return errForbidden("A page of another origin may read nothing here (Sec-Fetch-Site: %s).", site)
}

func (a *API) authenticate(x *call) error {
	if x.op != nil && x.op.role == "" {
		return nil
	}
	if p, ok := x.Request.Context().Value(personKey{}).(Person); ok { // before the observers, who are known by their keys
		x.Attrs = append(x.Attrs, slog.String("person", p.Name))
		return a.admitPerson(x, p)
	}
	if x.op == nil || !measurements[x.op.name] {
		return a.identify(x.Request.Context(), x)
	}
	ctx, cancel := context.WithTimeout(x.Request.Context(), lookupTimeout)
	defer cancel()
	return a.observers.admit(x, a.identify(ctx, x))
}

func (a *API) identify(ctx context.Context, x *call) error {
	scheme, key, _ := strings.Cut(x.GetHeader("Authorization"), " ")
	if x.GetHeader("Authorization") == "" {
		return a.letIn(ctx, x)
	}
	if key = strings.TrimSpace(key); !strings.EqualFold(scheme, "Bearer") || key == "" {
		return errUnauthorized("Want Authorization: Bearer, and a key.")
	}
	row, err := a.queries.GetAdminKey(ctx, hashOf(key))
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return errUnauthorized("There is no such key.")
	case err != nil:
		return err
	case row.RevokedAt != nil:
		return errUnauthorized("The key was revoked.")
	case row.ExpiresAt != nil && !x.Now.Before(*row.ExpiresAt):
		return errUnauthorized("The key has expired.")
	}
	x.caller = caller{row.ID, row.Name, row.Role, row.Name}
	x.Attrs = append(x.Attrs, slog.String("key", row.Name))
	return nil
}

// measurements are the operations that need the database only to identify the caller.
var measurements = map[string]bool{"getMetrics": true, "listProfiles": true, "getProfile": true}

const (
	// lookupTimeout bounds how long a measurement waits for the database to identify its
	// caller.
	lookupTimeout = time.Second

	// observerMemory is how long a caller with access to the measurements keeps it while
	// the database, which has the keys, is down. That is when measurements are needed most.
	observerMemory = 10 * time.Minute
)

// observers remembers callers with access to the measurements by their keys' hashes.
type observers struct{ seen sync.Map } // maps sha256.Size bytes to observer

type observer struct {
	caller
	at time.Time
}

// admit lets an identified caller in. If the database is down, it lets in a caller who was
// identified recently, with the same role.
func (o *observers) admit(x *call, err error) error {
	shown := sha256.Sum256([]byte(x.GetHeader("Authorization") + "\n" + x.Request.Host))
	if err == nil {
		o.seen.Store(shown, observer{x.caller, x.Now})
		return nil
	}
	known, ok := o.seen.Load(shown)
	if ok && errors.Is(db.Classify(err), db.ErrUnavailable) && x.Now.Sub(known.(observer).at) < observerMemory {
		x.caller = known.(observer).caller
		return nil
	}
	o.seen.Delete(shown)
	return err
}

// letIn lets a caller without a key in if no key is required.
func (a *API) letIn(ctx context.Context, x *call) error {
	exist, err := a.queries.AdminKeysExist(ctx)
	switch {
	case err != nil:
		return err
	case !a.open || exist:
		return errUnauthorized("A key is needed: Authorization: Bearer KEY. An owner makes one with mocktenant admin-key create.")
	case !loopbackHost(x.Request.Host):
		return errUnauthorized(fmt.Sprintf("Without a key, only this machine is let in, as localhost; the Host is %q.", x.Request.Host))
	}
	x.caller.role = db.AdminRoleOwner
	return nil
}

func (a *API) authorize(x *call) error {
	if x.op == nil || x.op.role == "" || x.caller.may(x.op.role) {
		return nil
	}
	return errForbidden("This needs a key with the role %s; the key's role is %s.", x.op.role, x.caller.role)
}

// findTenant finds the tenant in the path. Another manager's tenant counts as missing.
func (a *API) findTenant(x *call) error {
	name, ok := x.Params.Get("tenantId")
	if !ok || x.op == nil {
		return nil
	}
	id, err := uuid.Parse(name)
	if err != nil || len(name) != len(uuid.Nil.String()) {
		return errBadRequest("The parameter tenantId: %q isn't a GUID.", name)
	}
	if x.tenant, err = a.tenant(x, id); err != nil {
		return err
	}
	err = x.Enter(tenant.SettingsOf(&x.tenant))
	x.Now = x.Now.Truncate(time.Microsecond)
	return err
}

// tenant finds a tenant that the caller can see.
func (a *API) tenant(x *call, id uuid.UUID) (db.Tenant, error) {
	return managed(x.Request.Context(), a.queries, x, id)
}

func managed(ctx context.Context, q *db.Queries, x *call, id uuid.UUID) (db.Tenant, error) {
	tenant, err := q.GetManagedTenant(ctx, db.GetManagedTenantParams{TenantID: id, Manager: x.caller.manager(), Now: &x.Arrived})
	return tenant, orNoTenant(err, id)
}

// hold locks the caller's tenant until the change ends. It fails if the tenant isn't the
// caller's.
func (c *change) hold(ctx context.Context, id uuid.UUID) error {
	_, err := c.queries.LockManagedTenant(ctx, db.LockManagedTenantParams{TenantID: id, Manager: c.x.caller.manager(), Now: &c.x.Arrived})
	return orNoTenant(err, id)
}

func orNoTenant(err error, id uuid.UUID) error {
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNotFound("There is no tenant %s.", id)
	}
	return err
}

func hashOf(key string) []byte {
	hash := sha256.Sum256([]byte(key))
	return hash[:]
}

// newSecret makes a secret of 260 random bits from letters and digits, because command
// lines take what begins with - for an option.
func newSecret() string { return rand.Text() + rand.Text() }

// keyPrefix begins every key, so that scanners for leaked secrets find keys.
const keyPrefix = "mocktenant_"

// CreateKey makes a key for an administrator and returns it. Only its hash is stored. A ttl
// of 0 means forever.
func CreateKey(ctx context.Context, q *db.Queries, name string, role db.AdminRole, ttl time.Duration, now time.Time) (uuid.UUID, string, error) {
	key := keyPrefix + newSecret()
	id, err := keepKey(ctx, q, key, name, role, ttl, now)
	return id, key, err
}

// KeepKey stores a key that was made elsewhere as an owner's, under a name.
func KeepKey(ctx context.Context, q *db.Queries, key, name string, now time.Time) error {
	_, err := keepKey(ctx, q, key, name, db.AdminRoleOwner, 0, now)
	return err
}

func keepKey(ctx context.Context, q *db.Queries, key, name string, role db.AdminRole, ttl time.Duration, now time.Time) (uuid.UUID, error) {
	p := db.CreateAdminKeyParams{ID: uuid.Must(uuid.NewV7()), Name: name, Role: role, Hash: hashOf(key), CreatedAt: now, ExpiresAt: after(now, ttl)}
	_, err := q.CreateAdminKey(ctx, p)
	return p.ID, err
}

// after returns the time a while from now, or nil for 0, which means never.
func after(now time.Time, ttl time.Duration) *time.Time {
	if ttl == 0 {
		return nil
	}
	t := now.Add(ttl)
	return &t
}
