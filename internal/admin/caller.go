package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
)

// caller is who calls.
type caller struct {
	id   uuid.UUID // of the key; zero: there is none, and none is needed
	name string
	role db.AdminRole
}

// may tells whether the role is the wanted one or one that includes it.
func (c caller) may(role db.AdminRole) bool {
	return rank(c.role) >= rank(role)
}

func rank(role db.AdminRole) int {
	for i, r := range db.AllAdminRoleValues() { // in the order of what they may
		if r == role {
			return i
		}
	}
	return -1
}

// manager is the name of a manager, who sees what is theirs alone; nil is of
// somebody who sees all.
func (c caller) manager() *string {
	if c.role != db.AdminRoleManager {
		return nil
	}
	return &c.name
}

func errUnauthorized(detail string) *problem {
	return &problem{status: http.StatusUnauthorized, detail: detail}
}

// checkOrigin keeps out pages of other origins, which a browser on this machine shows:
// from changes, and from reading, since a profile costs and Go's protection lets every GET
// pass. What anybody may read, they may.
func (a *API) checkOrigin(x *call) error {
	if err := a.sameOrigin.Check(x.Request); err != nil {
		return errForbidden("A page of another origin, %q, may change nothing here: %v.", x.GetHeader("Origin"), err)
	}
	site := x.GetHeader("Sec-Fetch-Site") // what browsers say of themselves, and pages can't
	if site == "" || site == "same-origin" || site == "none" || x.op != nil && x.op.role == "" {
		return nil
	}
	return errForbidden("A page of another origin may read nothing here (Sec-Fetch-Site: %s).", site)
}

func (a *API) authenticate(x *call) error {
	if x.op != nil && x.op.role == "" {
		return nil
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
	case row.ExpiresAt != nil && !x.now.Before(*row.ExpiresAt):
		return errUnauthorized("The key has expired.")
	}
	x.caller = caller{row.ID, row.Name, row.Role}
	return nil
}

// measurements are the operations that need no database but to know the caller.
var measurements = map[string]bool{"getMetrics": true, "listProfiles": true, "getProfile": true}

const (
	// lookupTimeout bounds what a measurement waits for the database to know its caller.
	lookupTimeout = time.Second

	// observerMemory is how long a caller who was let in to the measurements is let in
	// while the database, which knows the keys, is away: then they are needed most.
	observerMemory = 10 * time.Minute
)

// observers are those who were let in to the measurements, by what they showed.
type observers struct{ seen sync.Map } // of sha256.Size bytes to observer

type observer struct {
	caller
	at time.Time
}

// admit lets in a caller who was identified and, if that failed because the database
// is away, one who was let in lately, as who they were then.
func (o *observers) admit(x *call, err error) error {
	shown := sha256.Sum256([]byte(x.GetHeader("Authorization") + "\n" + x.Request.Host))
	if err == nil {
		o.seen.Store(shown, observer{x.caller, x.now})
		return nil
	}
	known, ok := o.seen.Load(shown)
	if ok && errors.Is(db.Classify(err), db.ErrUnavailable) && x.now.Sub(known.(observer).at) < observerMemory {
		x.caller = known.(observer).caller
		return nil
	}
	o.seen.Delete(shown)
	return err
}

// letIn lets a caller without a key in where no key is needed.
func (a *API) letIn(ctx context.Context, x *call) error {
	exist, err := a.queries.AdminKeysExist(ctx)
	switch {
	case err != nil:
		return err
	case !a.open || exist:
		return errUnauthorized("A key is needed: Authorization: Bearer KEY. An owner makes one by mocktenant admin-key create.")
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
	return errForbidden("It takes a key of the role %s; this one is a %s's.", x.op.role, x.caller.role)
}

// findTenant finds the tenant that the path names. One that isn't the caller's is
// not there.
func (a *API) findTenant(x *call) error {
	name, ok := x.Params.Get("tenantId")
	if !ok || x.op == nil {
		return nil
	}
	id, err := uuid.Parse(name)
	if err != nil || len(name) != len(uuid.Nil.String()) {
		return errBadRequest("The parameter tenantId: %q is no GUID.", name)
	}
	if x.tenant, err = a.tenant(x, id); err == nil {
		x.Set("tenant", id)
	}
	return err
}

// tenant finds a tenant that the caller may see.
func (a *API) tenant(x *call, id uuid.UUID) (db.Tenant, error) {
	return managed(x.Request.Context(), a.queries, x, id)
}

func managed(ctx context.Context, q *db.Queries, x *call, id uuid.UUID) (db.Tenant, error) {
	tenant, err := q.GetManagedTenant(ctx, db.GetManagedTenantParams{TenantID: id, Manager: x.caller.manager(), Now: &x.now})
	return tenant, orNoTenant(err, id)
}

// hold keeps a tenant the caller's until the change ends, or finds that it isn't.
func (c *change) hold(ctx context.Context, x *call, id uuid.UUID) error {
	_, err := c.LockManagedTenant(ctx, db.LockManagedTenantParams{TenantID: id, Manager: x.caller.manager(), Now: &x.now})
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

// newSecret makes what nobody guesses: 260 bits, as letters and digits alone, for
// a command line takes what begins with - for an option.
func newSecret() string { return rand.Text() + rand.Text() }

// keyPrefix begins every key, so that scanners for leaked secrets find them.
const keyPrefix = "mocktenant_"

// CreateKey makes a key of an administrator and returns it; only its hash is
// kept. A ttl of 0 is forever.
func CreateKey(ctx context.Context, q *db.Queries, name string, role db.AdminRole, ttl time.Duration, now time.Time) (uuid.UUID, string, error) {
	key := keyPrefix + newSecret()
	id, err := keepKey(ctx, q, key, name, role, ttl, now)
	return id, key, err
}

// KeepKey lets a key that was made elsewhere be an owner's; name says where.
func KeepKey(ctx context.Context, q *db.Queries, key, name string, now time.Time) error {
	_, err := keepKey(ctx, q, key, name, db.AdminRoleOwner, 0, now)
	return err
}

func keepKey(ctx context.Context, q *db.Queries, key, name string, role db.AdminRole, ttl time.Duration, now time.Time) (uuid.UUID, error) {
	p := db.CreateAdminKeyParams{ID: uuid.Must(uuid.NewV7()), Name: name, Role: role, Hash: hashOf(key), CreatedAt: now, ExpiresAt: after(now, ttl)}
	_, err := q.CreateAdminKey(ctx, p)
	return p.ID, err
}

// after is the moment that lies a while ahead; nil, for 0, is never.
func after(now time.Time, ttl time.Duration) *time.Time {
	if ttl == 0 {
		return nil
	}
	t := now.Add(ttl)
	return &t
}
