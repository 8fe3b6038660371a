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
	// passwordCost is bcrypt's least: an attempt costs a millisecond. Sign-ins
	// of a mock come by the hundred, and their passwords guard test data.
	passwordCost = bcrypt.MinCost

	// A user is locked out for lockout after each maxFailures wrong passwords.
	// https://learn.microsoft.com/entra/identity/authentication/howto-password-smart-lockout
	maxFailures = 10
	lockout     = time.Minute

	// An address may fail at a tenant this often at once, and so often a second after.
	addressBurst = 300
	addressRate  = 5
)

// HashPassword returns what is kept of a password: a bcrypt hash. A password of
// more than 72 bytes is an error, bcrypt.ErrPasswordTooLong.
func HashPassword(password string) (string, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), passwordCost)
	return string(hash), err
}

// secretHash begins what HashSecret returns.
const secretHash = "$sha256$"

// HashSecret returns what is kept of a password that was made at random, of 128 bits
// or more: its SHA-256. A slow hash is for passwords that somebody might guess; of
// these, nobody tries enough to find one, however fast the hash.
func HashSecret(password string) string {
	hash := sha256.Sum256([]byte(password))
	return secretHash + base64.RawStdEncoding.EncodeToString(hash[:])
}

// IsPasswordHash tells whether it is of the form of what HashPassword or HashSecret
// return.
func IsPasswordHash(hash string) bool {
	return strings.HasPrefix(hash, "$2") || strings.HasPrefix(hash, secretHash)
}

// isPassword tells whether a hash is the password's.
func isPassword(hash, password string) bool {
	if strings.HasPrefix(hash, secretHash) {
		return subtle.ConstantTimeCompare([]byte(hash), []byte(HashSecret(password))) == 1
	}
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
}

func errNoUser(directory string) *aadError {
	return refuse(50034, invalidGrant, "The user account {EUII Hidden} does not exist in the %s directory. To sign into this application, the account must be added to the directory.", directory)
}

func errWrongPassword() *aadError {
	return refuse(50126, invalidGrant, "Error validating credentials due to invalid username or password.")
}

// checkPassword finds the user who has the name and the password, and may sign
// in.
func (p *Provider) checkPassword(x *exchange, tenant db.Tenant, name, password string) (db.User, error) {
	failures := p.failures.limiter(x, tenant.ID)
	if failures.TokensAt(x.now) < 1 {
		return db.User{}, refuse(50053, invalidGrant, "Sign-in was blocked because it came from an IP address with malicious activity: too many sign-ins from it failed. Wait a moment.")
	}
	user, err := p.comparePassword(x, tenant, name, password)
	var refusal *aadError
	if errors.As(err, &refusal) {
		failures.AllowN(x.now, 1)
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
	if x.now.Before(user.LockedUntil) {
		return user, refuse(50053, invalidGrant, "The account is locked, you've tried to sign in too many times with an incorrect user ID or password.")
	}
	if user.PasswordHash == nil || !isPassword(*user.PasswordHash, password) {
		err := p.queries.CountFailedSignIn(ctx, db.CountFailedSignInParams{
			TenantID: tenant.ID, ID: user.ID, Most: maxFailures, LockUntil: x.now.Add(lockout),
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
	return user, maySignIn(user)
}

// maySignIn returns why a user who is who they say may not sign in, or nil.
func maySignIn(user db.User) error {
	switch {
	case !user.Enabled:
		return refuse(50057, invalidGrant, "The user account is disabled.")
	case user.MustChangePassword:
		return refuse(50055, invalidGrant, "The password is expired.")
	}
	return nil
}

// stillWelcome finds the user of a grant that was given earlier.
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
			since.UTC().Format(time.RFC3339), user.TokensValidFrom.UTC().Format(time.RFC3339))
		e.suberror = "bad_token"
		return user, e
	}
	return user, maySignIn(user)
}

// limiter is how often sign-ins to a tenant, from where a request comes, may go on
// failing. Each tenant counts by itself: those who share an address, as behind a network's
// translation, aren't locked out everywhere by one of them.
func (f *failures) limiter(x *exchange, tenant uuid.UUID) *rate.Limiter {
	fresh := rate.NewLimiter(addressRate, addressBurst)
	if known, ok, _ := f.from.PeekOrAdd(origin{addressGroup(x.ClientIP()), tenant}, fresh); ok {
		return known
	}
	return fresh
}

// Beginner is where a change is made: the database, or a transaction that makes
// others with it; who ends that calls ForgetCallers.
type Beginner interface {
	db.DBTX
	Begin(ctx context.Context) (pgx.Tx, error)
}

// RevokeSignIns signs a user out everywhere: sessions and refresh tokens end,
// and Graph answers calls by earlier access tokens with a claims challenge, at
// the latest a second later. It fails with ErrNoUser if there is no such user.
// https://learn.microsoft.com/graph/api/user-revokesigninsessions
func (p *Provider) RevokeSignIns(ctx context.Context, on Beginner, tenant, user uuid.UUID) error {
	return p.revoke(ctx, on, tenant, user, func(q *db.Queries) (int64, error) {
		return q.RevokeUserTokens(ctx, db.RevokeUserTokensParams{TenantID: tenant, ID: user, TokensValidFrom: p.now()})
	})
}

// SetPassword gives a user another password, as RevokeSignIns otherwise.
func (p *Provider) SetPassword(ctx context.Context, on Beginner, tenant, user uuid.UUID, password string, mustChange bool) error {
	hash, err := HashPassword(password)
	if err != nil {
		return err
	}
	return p.revoke(ctx, on, tenant, user, func(q *db.Queries) (int64, error) {
		return q.SetUserPassword(ctx, db.SetUserPasswordParams{
			TenantID: tenant, ID: user, PasswordHash: &hash, MustChangePassword: mustChange, TokensValidFrom: p.now(),
		})
	})
}

// SetEnabled lets a user sign in, or keeps them from it and does as
// RevokeSignIns.
func (p *Provider) SetEnabled(ctx context.Context, on Beginner, tenant, user uuid.UUID, enabled bool) error {
	set := func(q *db.Queries) (int64, error) {
		return q.SetUserEnabled(ctx, db.SetUserEnabledParams{TenantID: tenant, ID: user, Enabled: enabled, TokensValidFrom: p.now()})
	}
	if !enabled {
		return p.revoke(ctx, on, tenant, user, set)
	}
	n, err := set(db.New(on))
	p.callers.forget()
	return found(n, err)
}

// RemoveConsent takes all permissions of an application away; refresh tokens
// that it holds end, and its access tokens are answered as by RevokeSignIns.
func (p *Provider) RemoveConsent(ctx context.Context, on Beginner, tenant, clientID uuid.UUID) error {
	err := db.New(on).RemoveConsent(ctx, db.RemoveConsentParams{TenantID: tenant, ClientID: clientID, TokensValidFrom: p.now()})
	p.callers.forget()
	return err
}

// ErrNoUser says that a tenant has no such user.
var ErrNoUser = errors.New("no such user")

// revoke changes a user and ends what the user was given, both or nothing.
func (p *Provider) revoke(ctx context.Context, on Beginner, tenant, user uuid.UUID, change func(*db.Queries) (int64, error)) error {
	err := pgx.BeginFunc(ctx, on, func(tx pgx.Tx) error {
		q := db.New(tx)
		if err := found(change(q)); err != nil {
			return err
		}
		return q.EndUserSessions(ctx, db.EndUserSessionsParams{TenantID: tenant, UserID: user})
	})
	p.callers.forget()
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
