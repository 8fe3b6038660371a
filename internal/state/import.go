package state

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"slices"
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
func (m Importer) Import(ctx context.Context, tx pgx.Tx, d Document) (uuid.UUID, error) {
	id, err := create(ctx, db.New(tx), m.Now)
	if err != nil {
		return uuid.Nil, err
	}
	return id, d.read(ctx, &importing{Importer: m, tx: tx, q: db.New(tx), id: id, lines: d.lines, principals: map[uuid.UUID]bool{}})
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
	lines func(offset int64) int

	principals map[uuid.UUID]bool // of the applications
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

// validFrom is from when on tokens are good of a user or an application. One that
// the document says was created before is that very one, brought back with its
// tokens; one that the import creates has none yet, whoever had the id before.
func (i *importing) validFrom(created time.Time) *time.Time {
	if created.IsZero() {
		return &i.Now
	}
	return nil
}

var partnerColumns = []string{
	"tenant_id", "id", "display_name", "onboarding_url", "onboarding_status",
	"last_connection_at", "last_connection_100ns", "last_connection_offset",
	"request_expiry_at", "request_expiry_100ns", "request_expiry_offset", "created_at", "created_by",
}

// batchSize is how many partners are copied at once. Their ids and places are in
// memory, to say of two of an id where the second one is.
const batchSize = 50_000

// place is a partner that was read: its id, and where it begins.
type place struct {
	id    uuid.UUID
	start int64
}

// partners copies them into the table as they are read.
func (i *importing) partners(ctx context.Context, r *reader, partners iter.Seq2[Partner, error]) error {
	next, stop := iter.Pull2(partners)
	defer stop()
	n, batch := 0, []place{}
	for more := true; more; n += len(batch) {
		batch = batch[:0]
		var failure error
		err := i.copy(ctx, func() ([]any, error) {
			if len(batch) == batchSize {
				return nil, nil
			}
			p, err, ok := next()
			if more = ok; !ok || err != nil {
				failure = err
				return nil, err
			}
			p.ID = i.newID(p.ID, "partner", n+len(batch)+1)
			batch = append(batch, place{p.ID, r.start})
			return i.row(p), nil
		})
		if failure != nil {
			return failure
		}
		if errors.Is(db.Classify(err), db.ErrTaken) {
			err = i.twice(ctx, batch, n)
		}
		if err != nil {
			return err
		}
	}
	// Or, where ids come of a seed, the next partner of a client would be given one
	// of these after the other, to find each taken.
	return i.q.SetIDsMade(ctx, db.SetIDsMadeParams{TenantID: i.id, IdsMade: int64(n)})
}

// copy copies rows until there is none, all of them or nothing.
func (i *importing) copy(ctx context.Context, row func() ([]any, error)) error {
	return pgx.BeginFunc(ctx, i.tx, func(tx pgx.Tx) error {
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"remote_assistance_partners"}, partnerColumns, pgx.CopyFromFunc(row))
		return err
	})
}

// twice says which of a batch, behind n partners before it, has the id of one that
// came earlier.
func (i *importing) twice(ctx context.Context, batch []place, n int) error {
	ids := make([]uuid.UUID, len(batch))
	for at, p := range batch {
		ids[at] = p.id
	}
	taken, err := i.q.ListPartnerIDs(ctx, db.ListPartnerIDsParams{TenantID: i.id, Ids: ids})
	if err != nil {
		return err
	}
	seen := map[uuid.UUID]bool{}
	for _, id := range taken {
		seen[id] = true
	}
	for at, p := range batch {
		if seen[p.id] {
			return &Error{Pointer: fmt.Sprintf("/partners/%d", n+at), Line: i.lines(p.start), Message: fmt.Sprintf("two partners have the id %s", p.id)}
		}
		seen[p.id] = true
	}
	return errors.New("partners were refused as taken that nobody has")
}

func (i *importing) row(p Partner) []any {
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
		i.id, p.ID, p.DisplayName, p.OnboardingURL, db.OnboardingStatus(p.OnboardingStatus),
		connectedAt, connected100ns, connectedOffset, expiresAt, expires100ns, expiresOffset, p.CreatedDateTime, p.CreatedBy,
	}
}

func (i *importing) settings(ctx context.Context, s Settings) error {
	p := db.UpdateTenantParams{TenantID: i.id, DisplayName: "state", PermissionRule: db.PermissionRuleSeed, PageSize: maxPageSize}
	if s.PageSize != nil {
		p.PageSize = *s.PageSize
	}
	if s.PermissionRule != nil {
		p.PermissionRule = *s.PermissionRule
	}
	if s.RepeatabilitySeconds != nil {
		p.RepeatabilitySeconds = *s.RepeatabilitySeconds
	}
	if s.UserPicker != nil {
		p.UserPicker = *s.UserPicker
	}
	_, err := i.q.UpdateTenant(ctx, p)
	return err
}

// user creates the nth user.
func (i *importing) user(ctx context.Context, r *reader, n int, u User) error {
	hash := u.PasswordHash
	if u.Password != nil {
		text, err := identity.HashPassword(*u.Password)
		if err != nil {
			return r.refuse("/password", 0, err.Error())
		}
		hash = &text
	}
	id := i.newID(u.ID, "user", n)
	created, err := i.q.CreateUser(ctx, db.CreateUserParams{
		TenantID: i.id, ID: id, UserPrincipalName: u.UserPrincipalName, DisplayName: orText(u.DisplayName, u.UserPrincipalName),
		GivenName: u.GivenName, Surname: u.Surname, PasswordHash: hash, MustChangePassword: u.MustChangePassword,
		Enabled: u.Enabled == nil || *u.Enabled, DirectoryRoles: u.DirectoryRoles,
		TokensValidFrom: i.validFrom(u.CreatedDateTime), CreatedAt: orNow(u.CreatedDateTime, i.Now),
	})
	if err != nil || created > 0 {
		return err
	}
	switch _, err := i.findUser(ctx, u.UserPrincipalName); {
	case err == nil:
		return r.refuse("/userPrincipalName", 0, fmt.Sprintf("two users are called %q", u.UserPrincipalName))
	case !errors.Is(err, pgx.ErrNoRows):
		return err
	}
	return r.refuse("/id", 0, fmt.Sprintf("two users have the id %s", id))
}

func (i *importing) findUser(ctx context.Context, name string) (uuid.UUID, error) {
	user, err := i.q.GetUserByName(ctx, db.GetUserByNameParams{TenantID: i.id, UserPrincipalName: name})
	return user.ID, err
}

// application creates the nth application.
func (i *importing) application(ctx context.Context, r *reader, n int, a Application) error {
	id, principal := i.newID(a.ClientID, "application", n), i.newID(a.ServicePrincipalID, "servicePrincipal", n)
	if i.principals[principal] {
		return r.refuse("/servicePrincipalId", 0, fmt.Sprintf("two applications have the service principal %s", principal))
	}
	i.principals[principal] = true
	created, err := i.q.CreateApplication(ctx, db.CreateApplicationParams{
		TenantID: i.id, ClientID: id, ServicePrincipalID: principal, DisplayName: a.DisplayName,
		PublicClient: a.PublicClient, PublicClientFlows: a.PublicClientFlows, RedirectUris: a.RedirectURIs,
		SpaRedirectUris: a.SPARedirectURIs, PublicClientRedirectUris: a.PublicClientRedirectURIs,
		ExposedScopes: a.ExposedScopes, RequiredScopes: a.RequiredScopes, RequiredRoles: a.RequiredRoles,
		TokensValidFrom: i.validFrom(a.CreatedDateTime), CreatedAt: orNow(a.CreatedDateTime, i.Now),
	})
	if err != nil {
		return err
	}
	if created == 0 {
		return r.refuse("/clientId", 0, fmt.Sprintf("two applications have the id %s", id))
	}
	if err := i.credentials(ctx, id, a); err != nil {
		return err
	}
	return i.consents(ctx, r, id, a)
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
	for n, c := range a.FederatedCredentials {
		if c.Audiences == nil {
			c.Audiences = []string{identity.FederatedAudience}
		}
		_, err := i.q.CreateFederatedCredential(ctx, db.CreateFederatedCredentialParams{
			TenantID: i.id, ClientID: client, ID: i.newID(c.ID, "federated credential "+client.String(), n+1), Name: c.Name, Issuer: c.Issuer,
			Subject: c.Subject, Audiences: c.Audiences, Description: c.Description, KeySet: c.KeySet, CreatedAt: i.Now,
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

// consents grants what an application's consents say, in one statement for each who
// consented, however many say so.
func (i *importing) consents(ctx context.Context, r *reader, client uuid.UUID, a Application) error {
	scopes, order := map[uuid.UUID][]string{}, []uuid.UUID{}
	for n, c := range a.Consents {
		principal, err := i.principal(ctx, r, n, c)
		if err != nil {
			return err
		}
		if _, known := scopes[principal]; !known {
			order = append(order, principal)
		}
		scopes[principal] = append(scopes[principal], c.Scopes...)
	}
	for _, principal := range order {
		slices.Sort(scopes[principal])
		err := i.q.GrantScopes(ctx, db.GrantScopesParams{TenantID: i.id, ClientID: client, PrincipalID: principal, Scopes: slices.Compact(scopes[principal]), CreatedAt: i.Now})
		if err != nil {
			return err
		}
	}
	return i.q.GrantRoles(ctx, db.GrantRolesParams{TenantID: i.id, ClientID: client, Roles: a.Roles, CreatedAt: i.Now})
}

// principal is who made an application's nth consent; nobody is all.
func (i *importing) principal(ctx context.Context, r *reader, n int, c Consent) (uuid.UUID, error) {
	if c.UserPrincipalName == "" {
		return c.UserID, nil
	}
	id, err := i.findUser(ctx, c.UserPrincipalName)
	if errors.Is(err, pgx.ErrNoRows) {
		err = r.refuse(fmt.Sprintf("/consents/%d/userPrincipalName", n), 0, fmt.Sprintf("no user is called %q", c.UserPrincipalName))
	}
	return id, err
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
