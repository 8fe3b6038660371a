package admin

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/identity"
)

func newUser(u db.User) User {
	user := User{
		Id: u.ID, UserPrincipalName: u.UserPrincipalName, DisplayName: u.DisplayName, GivenName: u.GivenName, Surname: u.Surname,
		Enabled: u.Enabled, MustChangePassword: u.MustChangePassword, DirectoryRoles: u.DirectoryRoles, CreatedDateTime: u.CreatedAt.UTC(),
	}
	if user.DirectoryRoles == nil {
		user.DirectoryRoles = []uuid.UUID{}
	}
	return user
}

// ListUsers lists the users of a tenant.
func (a *API) ListUsers(c *gin.Context, id TenantId, p ListUsersParams) {
	a.answer(c, func(x *call) (answer, error) {
		after, err := parseAfter(p.After)
		if err != nil {
			return answer{}, err
		}
		rows, err := a.queries.ListUsers(c.Request.Context(), db.ListUsersParams{TenantID: id, After: after, RowLimit: limit(p.Top) + 1})
		list := UserList{Value: []User{}}
		rows, list.NextLink = page(x, rows, p.Top, func(u db.User) string { return u.ID.String() })
		for _, u := range rows {
			list.Value = append(list.Value, newUser(u))
		}
		return ok(list), err
	})
}

// GetUser answers a user.
func (a *API) GetUser(c *gin.Context, tenant TenantId, id UserId) {
	a.answer(c, func(*call) (answer, error) {
		user, err := findUser(c.Request.Context(), a.queries, tenant, id)
		return ok(newUser(user)), err
	})
}

func findUser(ctx context.Context, q *db.Queries, tenant, id uuid.UUID) (db.User, error) {
	user, err := q.GetUser(ctx, db.GetUserParams{TenantID: tenant, ID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNotFound("The tenant has no user %s.", id)
	}
	return user, err
}

func (c *change) findUser(ctx context.Context, id uuid.UUID) (db.User, error) {
	return findUser(ctx, c.Queries, c.tenant.ID, id)
}

// newUserOf begins a user of a tenant, whom tokens of one that had its id before
// don't help; in one whose ids are to be the same each time, its id comes of its name.
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
		if err := c.send(ctx); err != nil { // the users that the tenant begins with
			return err
		}
		n, err := c.CountUsers(ctx, c.tenant.ID)
		if err != nil {
			return err
		}
		if n >= int64(*c.tenant.UserQuota) {
			return errConflict("The tenant has %d users, which is its quota.", n)
		}
	}
	_, err := c.later.CreateUser(ctx, p)
	c.later.OrElse(errConflict("The tenant has a user called %q, or of the id %s.", p.UserPrincipalName, p.ID))
	return err
}

// maxPassword is bcrypt's, in bytes.
const maxPassword = 72

func checkPassword(password *string) error {
	if password == nil || len(*password) <= maxPassword {
		return nil
	}
	p := errBadRequest("/password: has %d bytes; at most %d bytes are allowed.", len(*password), maxPassword)
	p.pointer = "/password"
	return p
}

// passwordOf is a given password, or one that is made, and what is kept of it.
func passwordOf(given *string) (password, hash string, err error) {
	if given == nil {
		password = newSecret()
		return password, identity.HashSecret(password), nil
	}
	hash, err = identity.HashPassword(*given)
	return *given, hash, err
}

// CreateUser makes a user.
func (a *API) CreateUser(c *gin.Context, _ TenantId, _ CreateUserParams) {
	a.answer(c, func(x *call) (answer, error) {
		r, err := read[UserCreate](x)
		if err == nil {
			err = checkPassword(r.Password)
		}
		if err != nil {
			return answer{}, err
		}
		password, hash, err := passwordOf(r.Password)
		if err != nil {
			return answer{}, err
		}
		return a.change(x, r.UserPrincipalName, func(ctx context.Context, c *change) (answer, error) {
			p := newUserOf(c.tenant, r.UserPrincipalName, x.now)
			p.PasswordHash = &hash
			set(&p.ID, r.Id)
			set(&p.DisplayName, r.DisplayName)
			p.GivenName, p.Surname = r.GivenName, r.Surname
			set(&p.Enabled, r.Enabled)
			set(&p.MustChangePassword, r.MustChangePassword)
			set(&p.DirectoryRoles, r.DirectoryRoles)
			if err := c.createUser(ctx, p); err != nil {
				return answer{}, err
			}
			if err := c.send(ctx); err != nil {
				return answer{}, err
			}
			user, err := c.findUser(ctx, p.ID)
			return created(UserCreated{User: newUser(user), Password: password}), err
		})
	})
}

// set takes a value over if it is there.
func set[T any](value, given *T) {
	if given != nil {
		*value = *given
	}
}

// UpdateUser changes what the body names.
func (a *API) UpdateUser(c *gin.Context, _ TenantId, id UserId) {
	a.answer(c, func(x *call) (answer, error) {
		r, err := read[UserUpdate](x)
		if err == nil {
			err = checkPassword(r.Password)
		}
		if err != nil {
			return answer{}, err
		}
		if r.MustChangePassword != nil && r.Password == nil {
			return answer{}, errBadRequest("/mustChangePassword: comes with a password.")
		}
		return a.change(x, id.String(), func(ctx context.Context, c *change) (answer, error) {
			user, err := c.findUser(ctx, id)
			if err != nil {
				return answer{}, err
			}
			set(&user.DisplayName, r.DisplayName)
			set(&user.DirectoryRoles, r.DirectoryRoles)
			_, err = c.UpdateUser(ctx, db.UpdateUserParams{TenantID: c.tenant.ID, ID: id, DisplayName: user.DisplayName, DirectoryRoles: user.DirectoryRoles})
			if err == nil && r.Enabled != nil {
				err = a.identity.SetEnabled(ctx, c.tx, c.tenant.ID, id, *r.Enabled)
			}
			if err == nil && r.Password != nil {
				err = a.identity.SetPassword(ctx, c.tx, c.tenant.ID, id, *r.Password, r.MustChangePassword != nil && *r.MustChangePassword)
			}
			if err == nil {
				user, err = c.findUser(ctx, id)
			}
			return ok(newUser(user)), err
		})
	})
}

// DeleteUser removes a user, whose tokens are refused from then on.
func (a *API) DeleteUser(c *gin.Context, _ TenantId, id UserId) {
	a.answer(c, func(x *call) (answer, error) {
		return a.change(x, id.String(), func(ctx context.Context, c *change) (answer, error) {
			if _, err := c.findUser(ctx, id); err != nil {
				return answer{}, err
			}
			if err := c.EndUserSessions(ctx, db.EndUserSessionsParams{TenantID: c.tenant.ID, UserID: id}); err != nil {
				return answer{}, err
			}
			_, err := c.DeleteUser(ctx, db.DeleteUserParams{TenantID: c.tenant.ID, ID: id})
			return done(), err
		})
	})
}

// RevokeSignIns signs a user out everywhere.
func (a *API) RevokeSignIns(c *gin.Context, _ TenantId, id UserId) {
	a.answer(c, func(x *call) (answer, error) {
		return a.change(x, id.String(), func(ctx context.Context, c *change) (answer, error) {
			if _, err := c.findUser(ctx, id); err != nil {
				return answer{}, err
			}
			return done(), a.identity.RevokeSignIns(ctx, c.tx, c.tenant.ID, id)
		})
	})
}
