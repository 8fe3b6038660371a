package state

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/identity"
)

// secretLifetime is the lifetime of a secret without an expiry.
const secretLifetime = 2 * 365 * 24 * time.Hour

// Importer reads documents into states.
type Importer struct {
	Now    time.Time // by the service's clock; a document with a clock is dated by that
	By     uuid.UUID // who creates the entities whose creator isn't named
	IDSeed string    // where ids come from that the document leaves out; "": random

	// Since is when the tenant was made that gets the document: its clock must not show an
	// earlier time. The zero time is for a tenant that isn't made yet.
	Since time.Time

	// CheckRule says what is wrong with a rule by which requests fail, as a client gives it,
	// and in which part of it; "" is nothing.
	CheckRule func(rule []byte) (pointer, message string)
}

// Import makes a state from a document, in tx, and returns its id. It returns an *Error for
// an invalid document.
func (m Importer) Import(ctx context.Context, tx pgx.Tx, d Document) (uuid.UUID, error) {
	clock, err := d.findClock(m)
	if err != nil {
		return uuid.Nil, err
	}
	id, err := create(ctx, db.New(tx), m.Now)
	if err != nil {
		return uuid.Nil, err
	}
	if clock != nil {
		m.Now = clock.at(m.Now)
	}
	if err := d.read(ctx, &importing{Importer: m, tx: tx, q: db.New(tx), id: id, lines: d.lines, principals: map[uuid.UUID]bool{}}); err != nil {
		return uuid.Nil, err
	}
	return id, db.ShowChosen(ctx, db.New(tx), id)
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

	principals map[uuid.UUID]bool // of applications
	idsMade    int64              // number of ids made from the seed, for the largest set
}

// newID returns an id for the nth item of a kind whose id the document omits.
func (i *importing) newID(given uuid.UUID, kind string, n int) uuid.UUID {
	switch {
	case given != uuid.Nil:
		return given
	case i.IDSeed != "":
		return db.SeededID(i.IDSeed, kind, int64(n))
	}
	return uuid.Must(uuid.NewV7())
}

// validFrom returns the time from which tokens of a user or application are valid. A
// principal that the document says was created earlier is restored with its tokens. A new
// principal has no tokens yet, even if its id was used before.
func (i *importing) validFrom(created time.Time) *time.Time {
	if created.IsZero() {
		return &i.Now
	}
	return nil
}

// batchSize is how many entities are copied at once. Their ids and positions are kept in
// memory, so that an error can name the second entity with an id.
const batchSize = 50_000

// place is the id of an entity and the offset where it begins.
type place struct {
	id     uuid.UUID
	parent uuid.UUID // of what an entity contains
	key    string
	start  int64
}

// items copies the entities of a set into their table while reading them.
func (i *importing) items(ctx context.Context, r *reader, t *entity.Type, all iter.Seq2[Item, error]) error {
	next, stop := iter.Pull2(all)
	defer stop()
	n, batch, chosen := 0, []place{}, map[uuid.UUID]bool{}
	for more := true; more; n += len(batch) {
		batch = batch[:0]
		var failure error
		err := i.copy(ctx, t, func() ([]any, error) {
			if len(batch) == batchSize {
				return nil, nil
			}
			p, err, ok := next()
			if more = ok; !ok || err != nil {
				failure = err
				return nil, err
			}
			p.ID = i.keyOf(p, n+len(batch)+1)
			batch = append(batch, placeOf(p, r.start))
			failure = i.choose(p, batch[len(batch)-1], n+len(batch)-1, chosen)
			return i.stamped(p).values(i.id), failure
		})
		if failure != nil {
			return failure
		}
		if err == nil && t.Parent != nil {
			err = i.orphan(ctx, t, batch, n)
		}
		if errors.Is(db.Classify(err), db.ErrTaken) {
			err = i.twice(ctx, t, batch, n)
		}
		if err != nil {
			return err
		}
	}
	// Raise the counter of seeded ids. Otherwise the next creates would get these ids one
	// after another, and find each of them taken.
	i.idsMade = max(i.idsMade, int64(n))
	return i.q.SetIDsMade(ctx, db.SetIDsMadeParams{TenantID: i.id, IdsMade: i.idsMade})
}

// choose notes which parents have a chosen entity, and refuses a second one. The item is the nth.
func (i *importing) choose(item Item, p place, n int, chosen map[uuid.UUID]bool) error {
	t := item.Type
	at := t.Index(t.Chosen)
	if at < 0 || !item.Values[at].Bool() {
		return nil
	}
	if chosen[p.parent] {
		return &Error{Pointer: fmt.Sprintf("/%s/%d/%s", t.SetName(), n, t.Chosen), Line: i.lines(p.start), Message: fmt.Sprintf("true for two %ss of the %s %s", t.Noun, t.Parent.Noun, p.parent)}
	}
	chosen[p.parent] = true
	return nil
}

// keyOf returns the key of the nth item, which may bring its own.
func (i *importing) keyOf(item Item, n int) uuid.UUID {
	switch {
	case item.Type.Singleton:
		return entity.SingletonID
	case item.Type.Keys == entity.CounterKeys && item.ID == uuid.Nil:
		return entity.CounterID(uint64(n))
	}
	return i.newID(item.ID, item.Type.Name, n)
}

// copy copies rows until none is left, all of them or none.
func (i *importing) copy(ctx context.Context, t *entity.Type, row func() ([]any, error)) error {
	return pgx.BeginFunc(ctx, i.tx, func(tx pgx.Tx) error {
		_, err := tx.CopyFrom(ctx, pgx.Identifier{t.Table}, columns(t), pgx.CopyFromFunc(row))
		return err
	})
}

// twice reports which entity of a batch, after n earlier entities, repeats an id.
func (i *importing) twice(ctx context.Context, t *entity.Type, batch []place, n int) error {
	ids := make([]uuid.UUID, len(batch))
	for at, p := range batch {
		ids[at] = p.id
	}
	taken, err := db.SetOf(t).ListIDs(ctx, i.q, i.id, ids)
	if err != nil {
		return err
	}
	seen := map[uuid.UUID]bool{}
	for _, id := range taken {
		seen[id] = true
	}
	for at, p := range batch {
		if seen[p.id] {
			return &Error{Pointer: fmt.Sprintf("/%s/%d", t.SetName(), n+at), Line: i.lines(p.start), Message: fmt.Sprintf("two %ss have the id %s", t.Noun, p.key)}
		}
		seen[p.id] = true
	}
	return errors.New("the database refused ids as taken that don't exist")
}

// placeOf is the place of an item that begins at an offset.
func placeOf(item Item, start int64) place {
	p := place{id: item.ID, key: item.key(), start: start}
	if at := item.Type.Index(item.Type.ParentID); at >= 0 {
		p.parent = uuid.MustParse(item.Values[at].Text)
	}
	return p
}

// orphan says which of a batch, after n entities before it, no entity contains.
func (i *importing) orphan(ctx context.Context, t *entity.Type, batch []place, n int) error {
	ids := make([]uuid.UUID, len(batch))
	for at, p := range batch {
		ids[at] = p.parent
	}
	there, err := db.SetOf(t.Parent).ListIDs(ctx, i.q, i.id, ids)
	if err != nil {
		return err
	}
	for at, p := range batch {
		if _, ok := slices.BinarySearchFunc(there, p.parent, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }); !ok {
			return &Error{Pointer: fmt.Sprintf("/%s/%d/id", t.SetName(), n+at), Line: i.lines(p.start), Message: fmt.Sprintf("no %s has the id %s", t.Parent.Noun, p.parent)}
		}
	}
	return nil
}

// stamped is an item with what it doesn't say of its creation.
func (i *importing) stamped(item Item) Item {
	if item.CreatedDateTime.IsZero() {
		item.CreatedDateTime = i.Now
	}
	if item.CreatedBy == uuid.Nil {
		item.CreatedBy = i.By
	}
	for at := range item.Values {
		if p := &item.Type.Properties[at]; p.Stamped && (item.Values[at] == entity.NoDate || p.Name == created) {
			item.Values[at] = entity.DateValue(item.CreatedDateTime.UTC())
		}
	}
	return item
}

// minJournalSeconds is the minimum of the column. States have no journal.
const minJournalSeconds = 60

func (i *importing) settings(ctx context.Context, s Settings) error {
	p := db.UpdateTenantParams{TenantID: i.id, DisplayName: "state", PermissionRule: db.PermissionRuleSeed, StatusCodes: db.StatusCodesDocumented, PageSize: maxPageSize, JournalSeconds: minJournalSeconds}
	given(&p.PageSize, s.PageSize)
	given(&p.PartnerPortal, s.PartnerPortal)
	given(&p.PermissionRule, s.PermissionRule)
	given(&p.RepeatabilitySeconds, s.RepeatabilitySeconds)
	given(&p.StatusCodes, s.StatusCodes)
	given(&p.UserPicker, s.UserPicker)
	if s.Throttling != nil && s.Throttling.Limits != "off" {
		text, err := json.Marshal(s.Throttling)
		if err != nil {
			return err
		}
		p.Throttling = text
	}
	_, err := i.q.UpdateTenant(ctx, p)
	return err
}

// given sets a setting that a document has.
func given[T any](setting, value *T) {
	if value != nil {
		*setting = *value
	}
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

// consents grants an application's consents, in one statement per consenting user.
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

// principal returns the user of an application's nth consent. A consent without a user is
// for all users.
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
