package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/time/rate"

	"github.com/mocktenant/mocktenant/internal/db"
)

const (
	// passwordCost is bcrypt's minimum: an attempt takes a millisecond. A mock handles
	// hundreds of sign-ins, and their passwords protect test data.
	passwordCost = bcrypt.MinCost

	// A user is locked out for lockout after each maxFailures wrong passwords.
	// https://learn.microsoft.com/entra/identity/authentication/howto-password-smart-lockout
	maxFailures = 10
	lockout     = time.Minute

	// An address may fail at a tenant addressBurst times at once, and then addressRate times
	// a second.
	addressBurst = 300
	addressRate  = 5
)

// HashPassword returns what is stored for a password: a bcrypt hash. A password of more
// than 72 bytes is an error, bcrypt.ErrPasswordTooLong.
func HashPassword(password string) (string, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), passwordCost)
	return string(hash), err
}

// secretHash is the prefix of what HashSecret returns.
const secretHash = "$sha256$"

// HashSecret returns what is stored for a random password of 128 bits or more: its SHA-256.
// Slow hashes protect passwords that somebody might guess; nobody can try enough values to
// find a random one, however fast the hash.
func HashSecret(password string) string {
	hash := sha256.Sum256([]byte(password))
	return secretHash + base64.RawStdEncoding.EncodeToString(hash[:])
}

// IsPasswordHash reports whether hash has the form of a result of HashPassword or
// HashSecret.
func IsPasswordHash(hash string) bool {
	return strings.HasPrefix(hash, "$2") || strings.HasPrefix(hash, secretHash)
}

// isPassword reports whether hash is the password's.
func isPassword(hash, password string) bool {
	if strings.HasPrefix(hash, secretHash) {
		return subtle.ConstantTimeCompare([]byte(hash), []byte(HashSecret(password))) == 1
	}
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
}

func errNoUser(directory string) *aadError {
	e := refuse(50034, invalidGrant, "The user account {EUII Hidden} does not exist in the %s directory. To sign into this application, the account must be added to the directory.", directory)
	e.suberror = "bad_token"
	return e
}

func errWrongPassword() *aadError {
	return refuse(50126, invalidGrant, "Error validating credentials due to invalid username or password.")
}

// checkPassword finds the user who has the name and the password, and may sign in.
func (p *Provider) checkPassword(x *exchange, tenant db.Tenant, name, password string) (db.User, error) {
	user, err := p.checkOwnPassword(x, tenant, name, password)
	if err == nil {
		err = maySignIn(user)
	}
	return user, err
}

// checkOwnPassword finds the user who has the name and the password, which may have expired.
func (p *Provider) checkOwnPassword(x *exchange, tenant db.Tenant, name, password string) (db.User, error) {
	failures := p.failures.limiter(x, tenant.ID)
	if failures.TokensAt(x.Now) < 1 {
		return db.User{}, refuse(50053, invalidGrant, "Sign-in was blocked because it came from an IP address with malicious activity: too many sign-ins from it failed. Wait a moment.")
	}
	user, err := p.comparePassword(x, tenant, name, password)
	var refusal *aadError
	if errors.As(err, &refusal) {
		failures.AllowN(x.Now, 1)
	}
	return user, err
}

func (p *Provider) comparePassword(x *exchange, tenant db.Tenant, name, password string) (db.User, error) {
	ctx := x.Request.Context()
	user, err := p.queries.GetUserByName(ctx, db.GetUserByNameParams{TenantID: tenant.ID, UserPrincipalName: name})
	if errors.Is(err, pgx.ErrNoRows) {
		return user, errNoUser(tenant.ID.String())
	}
	if err != nil {
		return user, err
	}
	if x.Now.Before(user.LockedUntil) {
		return user, refuse(50053, invalidGrant, "The account is locked, you've tried to sign in too many times with an incorrect user ID or password.")
	}
	if user.PasswordHash == nil || !isPassword(*user.PasswordHash, password) {
		err := p.queries.CountFailedSignIn(ctx, db.CountFailedSignInParams{
			TenantID: tenant.ID, ID: user.ID, Most: maxFailures, LockUntil: x.Now.Add(lockout),
		})
		if err != nil {
			return user, err
		}
		return user, errWrongPassword()
	}
	if user.FailedSignIns > 0 {
		err = p.queries.ForgetFailedSignIns(ctx, db.ForgetFailedSignInsParams{TenantID: tenant.ID, ID: user.ID})
		if err != nil {
			return user, err
		}
	}
	return user, isEnabled(user)
}

// maySignIn returns an error if a user with valid credentials may not sign in.
func maySignIn(user db.User) error {
	if err := isEnabled(user); err != nil {
		return err
	}
	if user.MustChangePassword {
		e := refuse(passwordExpired, invalidGrant, "The password is expired.")
		e.suberror = "user_password_expired"
		return e
	}
	return nil
}

func isEnabled(user db.User) error {
	if !user.Enabled {
		return refuse(50057, invalidGrant, "The user account is disabled.")
	}
	return nil
}

// stillWelcome finds the user of an earlier grant.
func (p *Provider) stillWelcome(ctx context.Context, tenant, id uuid.UUID, since time.Time) (db.User, error) {
	user, err := p.queries.GetUser(ctx, db.GetUserParams{TenantID: tenant, ID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		return user, errNoUser(tenant.String())
	}
	if err != nil {
		return user, err
	}
	if since.Before(user.TokensValidFrom) {
		e := refuse(50173, invalidGrant, "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password. The grant was issued on '%s' and the TokensValidFrom date (before which tokens are not valid) for this user is '%s'.",
			inTicks(since), inTicks(user.TokensValidFrom))
		e.suberror = "bad_token"
		return user, e
	}
	return user, maySignIn(user)
}

// limiter limits failed sign-ins to a tenant from where the request comes. Each tenant
// counts separately, so that one of several users behind a shared address can't lock the
// others out of every tenant.
func (f *failures) limiter(x *exchange, tenant uuid.UUID) *rate.Limiter {
	fresh := rate.NewLimiter(addressRate, addressBurst)
	if known, ok, _ := f.from.PeekOrAdd(origin{addressGroup(x.ClientIP()), tenant}, fresh); ok {
		return known
	}
	return fresh
}

// Beginner begins the transaction of a change: the database, or a transaction with other
// changes. The owner of a transaction calls ForgetCallers after its end.
type Beginner interface {
	db.DBTX
	Begin(ctx context.Context) (pgx.Tx, error)
}

// RevokeSignIns signs a user out everywhere, now being the time of the tenant's clock: sessions and refresh tokens end at once, and
// within a second Graph answers calls with earlier access tokens with a claims challenge.
// It returns ErrNoUser if the user doesn't exist.
// https://learn.microsoft.com/graph/api/user-revokesigninsessions
func (p *Provider) RevokeSignIns(ctx context.Context, on Beginner, tenant, user uuid.UUID, now time.Time) error {
	return p.revoke(ctx, on, tenant, user, func(q *db.Queries) (int64, error) {
		return q.RevokeUserTokens(ctx, db.RevokeUserTokensParams{TenantID: tenant, ID: user, TokensValidFrom: now})
	})
}

// SetPassword gives a user another password, and does everything that RevokeSignIns does.
func (p *Provider) SetPassword(ctx context.Context, on Beginner, tenant, user uuid.UUID, password string, mustChange bool, now time.Time) error {
	hash, err := HashPassword(password)
	if err != nil {
		return err
	}
	return p.revoke(ctx, on, tenant, user, func(q *db.Queries) (int64, error) {
		return q.SetUserPassword(ctx, db.SetUserPasswordParams{
			TenantID: tenant, ID: user, PasswordHash: &hash, MustChangePassword: mustChange, TokensValidFrom: now,
		})
	})
}

// SetEnabled enables a user, or disables the user and does everything that RevokeSignIns
// does.
func (p *Provider) SetEnabled(ctx context.Context, on Beginner, tenant, user uuid.UUID, enabled bool, now time.Time) error {
	set := func(q *db.Queries) (int64, error) {
		return q.SetUserEnabled(ctx, db.SetUserEnabledParams{TenantID: tenant, ID: user, Enabled: enabled, TokensValidFrom: now})
	}
	if !enabled {
		return p.revoke(ctx, on, tenant, user, set)
	}
	n, err := set(db.New(on))
	p.callers.Forget()
	return found(n, err)
}

// RemoveConsent removes all permissions of an application. Its refresh tokens end, and its
// access tokens are answered as after RevokeSignIns.
func (p *Provider) RemoveConsent(ctx context.Context, on Beginner, tenant, clientID uuid.UUID, now time.Time) error {
	err := db.New(on).RemoveConsent(ctx, db.RemoveConsentParams{TenantID: tenant, ClientID: clientID, TokensValidFrom: now})
	p.callers.Forget()
	return err
}

// ErrNoUser reports that a tenant has no such user.
var ErrNoUser = errors.New("no such user")

// revoke changes a user and ends all the user's grants, both or nothing.
func (p *Provider) revoke(ctx context.Context, on Beginner, tenant, user uuid.UUID, change func(*db.Queries) (int64, error)) error {
	err := pgx.BeginFunc(ctx, on, func(tx pgx.Tx) error {
		q := db.New(tx)
		if err := found(change(q)); err != nil {
			return err
		}
		return q.EndUserSessions(ctx, db.EndUserSessionsParams{TenantID: tenant, UserID: user})
	})
	p.callers.Forget()
	if err != nil {
		return fmt.Errorf("revoke sign-ins of user %s: %w", user, err)
	}
	return nil
}

func found(rows int64, err error) error {
	if err == nil && rows == 0 {
		err = ErrNoUser
	}
	return err
}
