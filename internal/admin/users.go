package admin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/identity"
)

func newUser(u db.User) api.User {
	user := api.User{
		Id: u.ID, UserPrincipalName: u.UserPrincipalName, DisplayName: u.DisplayName, GivenName: u.GivenName, Surname: u.Surname,
		Enabled: u.Enabled, MustChangePassword: u.MustChangePassword, DirectoryRoles: u.DirectoryRoles, CreatedDateTime: u.CreatedAt.UTC(),
	}
	if user.DirectoryRoles == nil {
		user.DirectoryRoles = []uuid.UUID{}
	}
	return user
}

// listUsers lists the users of a tenant.
func listUsers(ctx context.Context, x *call, p api.ListUsersParams) (list api.UserList, err error) {
	after, err := parseAfter(p.After)
	if err != nil {
		return list, err
	}
	if p.UserPrincipalName != nil {
		return findUsers(ctx, x, *p.UserPrincipalName)
	}
	rows, err := x.admin.queries.ListUsers(ctx, db.ListUsersParams{TenantID: x.tenant.ID, After: after, Search: afterText(p.Search), RowLimit: limit(p.Top) + 1})
	rows, list.NextLink = page(x, rows, p.Top, func(u db.User) string { return u.ID.String() })
	list.Value = each(rows, newUser)
	return list, err
}

// findUsers returns the user with a name, if any.
func findUsers(ctx context.Context, x *call, name string) (api.UserList, error) {
	user, err := x.admin.queries.GetUserByName(ctx, db.GetUserByNameParams{TenantID: x.tenant.ID, UserPrincipalName: name})
	if errors.Is(err, pgx.ErrNoRows) {
		return api.UserList{Value: []api.User{}}, nil
	}
	return api.UserList{Value: []api.User{newUser(user)}}, err
}

// userPath names a user.
type userPath struct{ UserID uuid.UUID }

func getUser(ctx context.Context, x *call, r userPath) (api.User, error) {
	user, err := findUser(ctx, x.admin.queries, x.tenant.ID, r.UserID)
	return newUser(user), err
}

func findUser(ctx context.Context, q *db.Queries, tenant, id uuid.UUID) (db.User, error) {
	user, err := q.GetUser(ctx, db.GetUserParams{TenantID: tenant, ID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNotFound("The tenant has no user %s.", id)
	}
	return user, err
}

func (c *change) findUser(ctx context.Context, id uuid.UUID) (db.User, error) {
	return findUser(ctx, c.queries, c.tenant.ID, id)
}

// newUserOf makes a user of a tenant. Tokens of an earlier user with its id stay invalid.
// In a tenant with an id seed, its id derives from its name.
func newUserOf(t db.Tenant, name string, now time.Time) db.CreateUserParams {
	p := db.CreateUserParams{TenantID: t.ID, ID: uuid.New(), UserPrincipalName: name, DisplayName: name, Enabled: true, TokensValidFrom: &now, CreatedAt: now}
	if t.IDSeed != nil {
		local, _, _ := strings.Cut(strings.ToLower(name), "@")
		p.ID = db.SeededID(*t.IDSeed, "user "+local, 0)
	}
	return p
}

// createUser creates a user within the tenant's quota.
func (c *change) createUser(ctx context.Context, p db.CreateUserParams) error {
	if c.tenant.UserQuota != nil {
		if err := c.send(ctx); err != nil { // the tenant's initial users
			return err
		}
		n, err := c.queries.CountUsers(ctx, c.tenant.ID)
		if err != nil {
			return err
		}
		if n >= int64(*c.tenant.UserQuota) {
			return errConflict("The tenant has %d users, which is its quota.", n)
		}
	}
	_, err := c.later.Queries.CreateUser(ctx, p)
	c.later.OrElse(errConflict("The tenant has a user called %q, or with the id %s.", p.UserPrincipalName, p.ID))
	return err
}

func checkPassword(password *string) error {
	if password == nil || len(*password) <= identity.MaxPassword {
		return nil
	}
	p := errBadRequest("/password: has %d bytes; at most %d bytes are allowed.", len(*password), identity.MaxPassword)
	p.pointer = "/password"
	return p
}

// passwordOf returns the given or a new password, and its hash.
func passwordOf(given *string) (password, hash string, err error) {
	if given == nil {
		password = newSecret()
		return password, identity.HashSecret(password), nil
	}
	hash, err = identity.HashPassword(*given)
	return *given, hash, err
}

// userCreate is a request to make a user, with the hash of its password.
type userCreate struct {
	api.UserCreate
	hash string
}

// hashPassword hashes the given or a new password.
func hashPassword(_ context.Context, _ *call, r *userCreate) error {
	if err := checkPassword(r.Password); err != nil {
		return err
	}
	password, hash, err := passwordOf(r.Password)
	r.Password, r.hash = &password, hash
	return err
}

func createUser(ctx context.Context, c *change, r userCreate) (made api.UserCreated, err error) {
	c.target = r.UserPrincipalName
	if err := c.checkDomain(ctx, r.UserPrincipalName); err != nil {
		return made, err
	}
	p := newUserOf(c.tenant, r.UserPrincipalName, c.x.Now)
	p.PasswordHash = &r.hash
	set(&p.ID, r.Id)
	set(&p.DisplayName, r.DisplayName)
	p.GivenName, p.Surname = r.GivenName, r.Surname
	set(&p.Enabled, r.Enabled)
	set(&p.MustChangePassword, r.MustChangePassword)
	set(&p.DirectoryRoles, r.DirectoryRoles)
	if err := c.createUser(ctx, p); err != nil {
		return made, err
	}
	if err := c.send(ctx); err != nil {
		return made, err
	}
	user, err := c.findUser(ctx, p.ID)
	return api.UserCreated{User: newUser(user), Password: *r.Password}, err
}

// checkDomain refuses a user name whose domain isn't the tenant's, in Graph's words.
func (c *change) checkDomain(ctx context.Context, name string) error {
	domains, err := c.queries.ListDomains(ctx, c.tenant.ID)
	if err != nil {
		return err
	}
	_, domain, _ := strings.Cut(name, "@")
	if slices.Contains(domains, strings.ToLower(domain)) {
		return nil
	}
	return c.x.errAt("/userPrincipalName", "The domain portion of the userPrincipalName property is invalid. You must use one of the verified domain names in your organization: %s, not %q.",
		strings.Join(domains, ", "), domain)
}

// set sets a value if it is present.
func set[T any](value, given *T) {
	if given != nil {
		*value = *given
	}
}

// userUpdate is a request to change a user.
type userUpdate struct {
	userPath
	api.UserUpdate
}

func checkUserUpdate(_ context.Context, _ *call, r *userUpdate) error {
	if r.MustChangePassword != nil && r.Password == nil {
		return errBadRequest("/mustChangePassword: requires a password.")
	}
	return checkPassword(r.Password)
}

// updateUser changes the members that are present.
func updateUser(ctx context.Context, c *change, r userUpdate) (api.User, error) {
	user, err := c.findUser(ctx, r.UserID)
	if err != nil {
		return api.User{}, err
	}
	set(&user.DisplayName, r.DisplayName)
	set(&user.DirectoryRoles, r.DirectoryRoles)
	_, err = c.queries.UpdateUser(ctx, db.UpdateUserParams{TenantID: c.tenant.ID, ID: r.UserID, DisplayName: user.DisplayName, DirectoryRoles: user.DirectoryRoles})
	if err != nil {
		return api.User{}, err
	}
	if err := c.updateSignIn(ctx, r); err != nil {
		return api.User{}, err
	}
	user, err = c.findUser(ctx, r.UserID)
	return newUser(user), err
}

// updateSignIn changes a user's password, and whether the user can sign in.
func (c *change) updateSignIn(ctx context.Context, r userUpdate) error {
	if r.Enabled != nil {
		if err := c.x.admin.identity.SetEnabled(ctx, c.tx, c.tenant.ID, r.UserID, *r.Enabled, c.x.Now); err != nil {
			return err
		}
	}
	if r.Password == nil {
		return nil
	}
	return c.x.admin.identity.SetPassword(ctx, c.tx, c.tenant.ID, r.UserID, *r.Password, r.MustChangePassword != nil && *r.MustChangePassword, c.x.Now)
}

// deleteUser removes a user. Its tokens are refused from then on.
func deleteUser(ctx context.Context, c *change, r userPath) (none, error) {
	if _, err := c.findUser(ctx, r.UserID); err != nil {
		return none{}, err
	}
	if err := c.queries.EndUserSessions(ctx, db.EndUserSessionsParams{TenantID: c.tenant.ID, UserID: r.UserID}); err != nil {
		return none{}, err
	}
	_, err := c.queries.DeleteUser(ctx, db.DeleteUserParams{TenantID: c.tenant.ID, ID: r.UserID})
	return none{}, err
}

// revokeSignIns signs a user out everywhere.
func revokeSignIns(ctx context.Context, c *change, r userPath) (none, error) {
	if _, err := c.findUser(ctx, r.UserID); err != nil {
		return none{}, err
	}
	return none{}, c.x.admin.identity.RevokeSignIns(ctx, c.tx, c.tenant.ID, r.UserID, c.x.Now)
}
