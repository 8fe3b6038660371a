package state

import (
	"context"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
)

// Keep makes a state with a tenant's current content and returns its id. q must be in a
// transaction with a single snapshot.
func Keep(ctx context.Context, q *db.Queries, tenant uuid.UUID, now time.Time) (uuid.UUID, error) {
	id, err := create(ctx, q, now)
	if err != nil {
		return uuid.Nil, err
	}
	return id, Replace(ctx, q, id, tenant, now)
}

// Replace replaces the content of a tenant or state with the content of another.
// q must be in a transaction that has locked the tenant; a clock that hasn't begun begins at
// now, by the service's clock.
func Replace(ctx context.Context, q *db.Queries, tenant, from uuid.UUID, now time.Time) error {
	if err := q.ReplaceSettings(ctx, db.ReplaceSettingsParams{TenantID: tenant, FromID: from, Now: &now}); err != nil {
		return err
	}
	if err := q.RemoveFaults(ctx, tenant); err != nil {
		return err
	}
	if err := q.CopyFaults(ctx, db.CopyFaultsParams{TenantID: tenant, FromID: from}); err != nil {
		return err
	}
	if err := replaceEntities(ctx, q, tenant, from); err != nil {
		return err
	}
	if err := q.CopyVersions(ctx, db.CopyVersionsParams{TenantID: tenant, FromID: from}); err != nil {
		return err
	}
	return replaceDirectory(ctx, q, tenant, from)
}

// Copy puts what a tenant or a state holds, except its settings, into a tenant that
// holds nothing. q may be a db.Batch's; a clock that hasn't begun begins at now.
func Copy(ctx context.Context, q *db.Queries, tenant, from uuid.UUID, now time.Time) error {
	if err := q.PlanForMany(ctx); err != nil {
		return err
	}
	if err := q.BeginTenant(ctx, db.BeginTenantParams{TenantID: tenant, FromID: from, Now: &now}); err != nil {
		return err
	}
	if err := q.CopyFaults(ctx, db.CopyFaultsParams{TenantID: tenant, FromID: from}); err != nil {
		return err
	}
	for _, set := range db.Sets() {
		if err := set.Replace(ctx, q, tenant, from); err != nil {
			return err
		}
	}
	if err := q.CopyVersions(ctx, db.CopyVersionsParams{TenantID: tenant, FromID: from}); err != nil {
		return err
	}
	if err := q.CopyUsers(ctx, db.CopyUsersParams{TenantID: tenant, FromID: from}); err != nil {
		return err
	}
	return copyApplications(ctx, q, tenant, from)
}

// KeepTokens prepares an imported state that will replace a tenant's content. Users and
// applications with the same ids as the tenant's count as the same ones, so their tokens
// stay valid.
func KeepTokens(ctx context.Context, q *db.Queries, tenant, from uuid.UUID) error {
	if err := q.PlanForMany(ctx); err != nil {
		return err
	}
	return q.KeepTokens(ctx, db.KeepTokensParams{TenantID: tenant, FromID: from})
}

// Reset replaces a tenant's entities with those of a state, or with none, and deletes their
// history.
func Reset(ctx context.Context, q *db.Queries, tenant uuid.UUID, from *uuid.UUID) error {
	origin := uuid.Nil // no tenant
	if from != nil {
		origin = *from
	}
	if err := replaceEntities(ctx, q, tenant, origin); err != nil {
		return err
	}
	return q.ResetIDs(ctx, db.ResetIDsParams{TenantID: tenant, FromID: origin})
}

// replaceEntities waits for clients that are changing entities, and then deletes their
// history too.
func replaceEntities(ctx context.Context, q *db.Queries, tenant, from uuid.UUID) error {
	if err := q.PlanForMany(ctx); err != nil {
		return err
	}
	if err := q.ForgetRepeatableRequests(ctx, tenant); err != nil {
		return err
	}
	for _, set := range db.Sets() {
		if err := set.RemoveNotIn(ctx, q, tenant, from); err != nil {
			return err
		}
		if err := set.Replace(ctx, q, tenant, from); err != nil {
			return err
		}
	}
	return q.RemoveVersions(ctx, tenant)
}

// replaceDirectory replaces users and applications. Revocations stay in force.
func replaceDirectory(ctx context.Context, q *db.Queries, tenant, from uuid.UUID) error {
	revoked, err := q.ListRevocations(ctx, tenant)
	if err != nil {
		return err
	}
	if err := q.RemoveUsers(ctx, tenant); err != nil {
		return err
	}
	if err := q.CopyUsers(ctx, db.CopyUsersParams{TenantID: tenant, FromID: from}); err != nil {
		return err
	}
	if err := replaceApplications(ctx, q, tenant, from); err != nil || len(revoked) == 0 {
		return err
	}
	keep := db.KeepRevocationsParams{TenantID: tenant}
	for _, r := range revoked {
		keep.Ids, keep.ValidFrom = append(keep.Ids, r.ID), append(keep.ValidFrom, r.TokensValidFrom)
	}
	return q.KeepRevocations(ctx, keep)
}

func replaceApplications(ctx context.Context, q *db.Queries, tenant, from uuid.UUID) error {
	if err := q.RemoveApplications(ctx, tenant); err != nil {
		return err
	}
	return copyApplications(ctx, q, tenant, from)
}

func copyApplications(ctx context.Context, q *db.Queries, tenant, from uuid.UUID) error {
	if err := q.CopyApplications(ctx, db.CopyApplicationsParams{TenantID: tenant, FromID: from}); err != nil {
		return err
	}
	if err := q.CopyApplicationSecrets(ctx, db.CopyApplicationSecretsParams{TenantID: tenant, FromID: from}); err != nil {
		return err
	}
	if err := q.CopyApplicationCertificates(ctx, db.CopyApplicationCertificatesParams{TenantID: tenant, FromID: from}); err != nil {
		return err
	}
	if err := q.CopyFederatedCredentials(ctx, db.CopyFederatedCredentialsParams{TenantID: tenant, FromID: from}); err != nil {
		return err
	}
	if err := q.CopyPermissionGrants(ctx, db.CopyPermissionGrantsParams{TenantID: tenant, FromID: from}); err != nil {
		return err
	}
	return q.CopyAppRoleAssignments(ctx, db.CopyAppRoleAssignmentsParams{TenantID: tenant, FromID: from})
}

// Count counts the content of a tenant or state.
func Count(ctx context.Context, q *db.Queries, tenant uuid.UUID) (Counts, error) {
	row, err := q.CountState(ctx, tenant)
	counts := Counts{Entities: map[string]int64{}, Users: row.Users, Applications: row.Applications}
	for _, set := range db.Sets() {
		if err == nil {
			counts.Entities[set.Type().SetName()], err = set.Count(ctx, q, tenant)
		}
	}
	return counts, err
}

func loadSettings(ctx context.Context, q *db.Queries, tenant uuid.UUID) (Settings, error) {
	row, err := q.GetState(ctx, tenant)
	return Settings{
		PageSize: &row.PageSize, PartnerPortal: &row.PartnerPortal, PermissionRule: &row.PermissionRule, RepeatabilitySeconds: &row.RepeatabilitySeconds, StatusCodes: &row.StatusCodes,
		UserPicker: &row.UserPicker, Throttling: throttling(row.Throttling),
	}, err
}

// pageSize is how many rows are read at once. fewApplications is how many applications are,
// because each may have a megabyte.
const (
	pageSize        = 1000
	fewApplications = 8
)

// pages iterates over rows by id, page by page until one has fewer than size.
func pages[T any](size int, idOf func(T) uuid.UUID, read func(after uuid.UUID) ([]T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for after := uuid.Nil; ; {
			rows, err := read(after)
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
			}
			if len(rows) < size {
				return
			}
			after = idOf(rows[len(rows)-1])
		}
	}
}

func loadUsers(ctx context.Context, q *db.Queries, tenant uuid.UUID) iter.Seq2[User, error] {
	return pages(pageSize, func(u User) uuid.UUID { return u.ID }, func(after uuid.UUID) ([]User, error) {
		rows, err := q.ListUsers(ctx, db.ListUsersParams{TenantID: tenant, After: after, RowLimit: pageSize})
		users := make([]User, len(rows))
		for i, u := range rows {
			users[i] = User{
				ID: u.ID, UserPrincipalName: u.UserPrincipalName, DisplayName: u.DisplayName, GivenName: u.GivenName, Surname: u.Surname,
				PasswordHash: u.PasswordHash, MustChangePassword: u.MustChangePassword, Enabled: &u.Enabled,
				DirectoryRoles: u.DirectoryRoles, CreatedDateTime: u.CreatedAt.UTC(),
			}
		}
		return users, err
	})
}

func loadApplications(ctx context.Context, q *db.Queries, tenant uuid.UUID) iter.Seq2[Application, error] {
	return pages(fewApplications, func(a Application) uuid.UUID { return a.ClientID }, func(after uuid.UUID) ([]Application, error) {
		rows, err := q.ListApplications(ctx, db.ListApplicationsParams{TenantID: tenant, After: after, RowLimit: fewApplications})
		if err != nil {
			return nil, err
		}
		return describeApplications(ctx, q, tenant, rows)
	})
}

// describeApplications adds to applications what other tables store about them.
func describeApplications(ctx context.Context, q *db.Queries, tenant uuid.UUID, rows []db.Application) ([]Application, error) {
	page, place, ids := make([]Application, len(rows)), map[uuid.UUID]int{}, make([]uuid.UUID, len(rows))
	for i, a := range rows {
		place[a.ClientID], ids[i] = i, a.ClientID
		page[i] = Application{
			ClientID: a.ClientID, ServicePrincipalID: a.ServicePrincipalID, DisplayName: a.DisplayName,
			PublicClient: a.PublicClient, PublicClientFlows: a.PublicClientFlows, RedirectURIs: a.RedirectUris,
			SPARedirectURIs: a.SpaRedirectUris, PublicClientRedirectURIs: a.PublicClientRedirectUris,
			ExposedScopes: a.ExposedScopes, RequiredScopes: a.RequiredScopes, RequiredRoles: a.RequiredRoles, CreatedDateTime: a.CreatedAt.UTC(),
		}
	}
	secrets, err := q.ListSecretsOf(ctx, db.ListSecretsOfParams{TenantID: tenant, ClientIds: ids})
	if err != nil {
		return nil, err
	}
	for _, s := range secrets {
		a := &page[place[s.ClientID]]
		a.Secrets = append(a.Secrets, Secret{ID: s.ID, SecretHash: s.SecretHash, Hint: s.Hint, ExpiresDateTime: s.ExpiresAt.UTC()})
	}
	certificates, err := q.ListCertificatesOf(ctx, db.ListCertificatesOfParams{TenantID: tenant, ClientIds: ids})
	if err != nil {
		return nil, err
	}
	for _, c := range certificates {
		a := &page[place[c.ClientID]]
		a.Certificates = append(a.Certificates, c.Certificate)
	}
	federated, err := q.ListFederatedCredentialsOf(ctx, db.ListFederatedCredentialsOfParams{TenantID: tenant, ClientIds: ids})
	if err != nil {
		return nil, err
	}
	for _, c := range federated {
		a := &page[place[c.ClientID]]
		a.FederatedCredentials = append(a.FederatedCredentials, FederatedCredential{
			ID: c.ID, Name: c.Name, Issuer: c.Issuer, Subject: c.Subject, Audiences: c.Audiences, Description: c.Description, KeySet: c.KeySet,
		})
	}
	grants, err := q.ListGrantsOf(ctx, db.ListGrantsOfParams{TenantID: tenant, ClientIds: ids})
	if err != nil {
		return nil, err
	}
	for _, g := range grants {
		a := &page[place[g.ClientID]]
		if n := len(a.Consents); n == 0 || a.Consents[n-1].UserID != g.PrincipalID {
			a.Consents = append(a.Consents, Consent{UserID: g.PrincipalID})
		}
		c := &a.Consents[len(a.Consents)-1]
		c.Scopes = append(c.Scopes, g.Scope)
	}
	roles, err := q.ListRolesOf(ctx, db.ListRolesOfParams{TenantID: tenant, ClientIds: ids})
	for _, r := range roles {
		a := &page[place[r.ClientID]]
		a.Roles = append(a.Roles, r.Role)
	}
	return page, err
}
