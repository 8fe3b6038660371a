package state

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/identity"
)

// secretLifetime is how long a secret is good that doesn't say.
const secretLifetime = 2 * 365 * 24 * time.Hour

// Importer reads documents into states.
type Importer struct {
	Now    time.Time
	By     uuid.UUID // who creates the partners whose creator isn't named
	IDSeed string    // where ids come from that the document leaves out; "": random
}

// Import makes a state of a document, in tx, and returns its id. A document that
// can't be taken is an *Error.
func (m Importer) Import(ctx context.Context, tx pgx.Tx, in io.Reader, yaml bool) (uuid.UUID, error) {
	r, err := newReader(in, yaml)
	if err != nil {
		return uuid.Nil, err
	}
	id, err := create(ctx, db.New(tx), m.Now)
	if err != nil {
		return uuid.Nil, err
	}
	i := &importing{Importer: m, tx: tx, q: db.New(tx), id: id, lines: r}
	doc, err := r.read(func(partners iter.Seq2[Partner, error]) error { return i.partners(ctx, partners) })
	if err != nil {
		return uuid.Nil, err
	}
	for _, step := range []func(context.Context, document) error{i.settings, i.users, i.applications} {
		if err := step(ctx, doc); err != nil {
			return uuid.Nil, err
		}
	}
	return id, nil
}

// create makes an empty state.
func create(ctx context.Context, q *db.Queries, now time.Time) (uuid.UUID, error) {
	id, kind := uuid.New(), db.TenantKindState
	_, err := q.CreateTenant(ctx, db.CreateTenantParams{TenantID: id, DisplayName: "state", Kind: &kind, CreatedAt: now})
	return id, err
}

type importing struct {
	Importer
	tx    pgx.Tx
	q     *db.Queries
	id    uuid.UUID
	lines *reader
	names map[string]uuid.UUID
}

// newID is the id of the nth of a kind, if the document leaves it out.
func (i *importing) newID(given uuid.UUID, kind string, n int) uuid.UUID {
	switch {
	case given != uuid.Nil:
		return given
	case i.IDSeed != "":
		return db.SeededID(i.IDSeed, kind, int64(n))
	}
	return uuid.Must(uuid.NewV7())
}

var partnerColumns = []string{
	"tenant_id", "id", "display_name", "onboarding_url", "onboarding_status",
	"last_connection_at", "last_connection_100ns", "last_connection_offset",
	"request_expiry_at", "request_expiry_100ns", "request_expiry_offset", "created_at", "created_by",
}

// partners copies them into the table as they are read.
func (i *importing) partners(ctx context.Context, partners iter.Seq2[Partner, error]) error {
	next, stop := iter.Pull2(partners)
	defer stop()
	n := 0
	var failure error
	_, err := i.tx.CopyFrom(ctx, pgx.Identifier{"remote_assistance_partners"}, partnerColumns, pgx.CopyFromFunc(func() ([]any, error) {
		p, err, ok := next()
		if !ok || err != nil {
			failure = err
			return nil, err
		}
		n++
		return i.row(p, n), nil
	}))
	if failure != nil {
		return failure
	}
	if err != nil {
		return err
	}
	// Or, where ids come of a seed, the next partner of a client would be given one
	// of these after the other, to find each taken.
	return i.q.SetIDsMade(ctx, db.SetIDsMadeParams{TenantID: i.id, IdsMade: int64(n)})
}

func (i *importing) row(p Partner, n int) []any {
	if p.OnboardingStatus == "" {
		p.OnboardingStatus = Status(db.OnboardingStatusNotOnboarded)
	}
	if p.CreatedDateTime.IsZero() {
		p.CreatedDateTime = i.Now
	}
	if p.CreatedBy == uuid.Nil {
		p.CreatedBy = i.By
	}
	connectedAt, connected100ns, connectedOffset := db.SplitTime(time.Time(p.LastConnectionDateTime))
	expiresAt, expires100ns, expiresOffset := db.SplitTime(time.Time(p.OnboardingRequestExpiryDateTime))
	return []any{
		i.id, i.newID(p.ID, "partner", n), p.DisplayName, p.OnboardingURL, db.OnboardingStatus(p.OnboardingStatus),
		connectedAt, connected100ns, connectedOffset, expiresAt, expires100ns, expiresOffset, p.CreatedDateTime, p.CreatedBy,
	}
}

func (i *importing) settings(ctx context.Context, doc document) error {
	s := doc.Settings
	if s == nil {
		return nil
	}
	p := db.UpdateTenantParams{TenantID: i.id, DisplayName: "state", PermissionRule: db.PermissionRuleSeed, PageSize: maxPageSize}
	if s.PageSize != nil {
		p.PageSize = *s.PageSize
	}
	if s.PermissionRule != nil {
		p.PermissionRule = *s.PermissionRule
	}
	if s.UserPicker != nil {
		p.UserPicker = *s.UserPicker
	}
	_, err := i.q.UpdateTenant(ctx, p)
	return err
}

func (i *importing) users(ctx context.Context, doc document) error {
	i.names = map[string]uuid.UUID{}
	for n, u := range doc.Users {
		at := fmt.Sprintf("/users/%d", n)
		name := strings.ToLower(u.UserPrincipalName)
		if _, there := i.names[name]; there {
			return &Error{Pointer: at + "/userPrincipalName", Message: fmt.Sprintf("two users are called %q", u.UserPrincipalName)}
		}
		id := i.newID(u.ID, "user", n+1)
		i.names[name] = id
		hash := u.PasswordHash
		if u.Password != nil {
			text, err := identity.HashPassword(*u.Password)
			if err != nil {
				return &Error{Pointer: at + "/password", Message: err.Error()}
			}
			hash = &text
		}
		created, err := i.q.CreateUser(ctx, db.CreateUserParams{
			TenantID: i.id, ID: id, UserPrincipalName: u.UserPrincipalName, DisplayName: orText(u.DisplayName, u.UserPrincipalName),
			GivenName: u.GivenName, Surname: u.Surname, PasswordHash: hash, MustChangePassword: u.MustChangePassword,
			Enabled: u.Enabled == nil || *u.Enabled, DirectoryRoles: u.DirectoryRoles, CreatedAt: orNow(u.CreatedDateTime, i.Now),
		})
		if err != nil {
			return err
		}
		if created == 0 {
			return &Error{Pointer: at + "/id", Message: fmt.Sprintf("two users have the id %s", id)}
		}
	}
	return nil
}

func (i *importing) applications(ctx context.Context, doc document) error {
	for n, a := range doc.Applications {
		at := fmt.Sprintf("/applications/%d", n)
		id := i.newID(a.ClientID, "application", n+1)
		created, err := i.q.CreateApplication(ctx, db.CreateApplicationParams{
			TenantID: i.id, ClientID: id, ServicePrincipalID: i.newID(a.ServicePrincipalID, "servicePrincipal", n+1), DisplayName: a.DisplayName,
			PublicClient: a.PublicClient, PublicClientFlows: a.PublicClientFlows, RedirectUris: a.RedirectURIs,
			ExposedScopes: a.ExposedScopes, RequiredScopes: a.RequiredScopes, RequiredRoles: a.RequiredRoles,
			CreatedAt: orNow(a.CreatedDateTime, i.Now),
		})
		if err != nil {
			return err
		}
		if created == 0 {
			return &Error{Pointer: at + "/clientId", Message: fmt.Sprintf("two applications have the id %s", id)}
		}
		if err := i.credentials(ctx, id, a); err != nil {
			return err
		}
		if err := i.consents(ctx, id, a, at); err != nil {
			return err
		}
	}
	return nil
}

func (i *importing) credentials(ctx context.Context, client uuid.UUID, a Application) error {
	for n, s := range a.Secrets {
		if s.Secret != nil {
			hash := sha256.Sum256([]byte(*s.Secret))
			s.SecretHash, s.Hint = hash[:], (*s.Secret)[:min(3, len(*s.Secret))]
		}
		if s.ExpiresDateTime.IsZero() {
			s.ExpiresDateTime = i.Now.Add(secretLifetime)
		}
		err := i.q.CreateApplicationSecret(ctx, db.CreateApplicationSecretParams{
			TenantID: i.id, ClientID: client, ID: i.newID(s.ID, "secret "+client.String(), n+1), SecretHash: s.SecretHash, Hint: strings.ToValidUTF8(s.Hint, ""),
			CreatedAt: i.Now, ExpiresAt: s.ExpiresDateTime,
		})
		if err != nil {
			return err
		}
	}
	for n, c := range a.Certificates {
		err := i.q.CreateApplicationCertificate(ctx, db.CreateApplicationCertificateParams{
			TenantID: i.id, ClientID: client, ID: i.newID(uuid.Nil, "certificate "+client.String(), n+1), Certificate: c, CreatedAt: i.Now,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (i *importing) consents(ctx context.Context, client uuid.UUID, a Application, at string) error {
	for n, c := range a.Consents {
		principal := c.UserID
		if c.UserPrincipalName != "" {
			var ok bool
			if principal, ok = i.names[strings.ToLower(c.UserPrincipalName)]; !ok {
				return &Error{Pointer: fmt.Sprintf("%s/consents/%d/userPrincipalName", at, n), Message: fmt.Sprintf("no user is called %q", c.UserPrincipalName)}
			}
		}
		err := i.q.GrantScopes(ctx, db.GrantScopesParams{TenantID: i.id, ClientID: client, PrincipalID: principal, Scopes: c.Scopes, CreatedAt: i.Now})
		if err != nil {
			return err
		}
	}
	return i.q.GrantRoles(ctx, db.GrantRolesParams{TenantID: i.id, ClientID: client, Roles: a.Roles, CreatedAt: i.Now})
}

func orText(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func orNow(t, now time.Time) time.Time {
	if t.IsZero() {
		return now
	}
	return t
}
