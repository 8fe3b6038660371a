package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/odata"
)

// Store is the generated queries, with those that are called most at once
// gathered into few statements. Callers see no difference but speed.
type Store struct {
	*Queries
	pool    beginner
	inside  bool                                                                  // of a transaction, see Once
	creates *gather[CreateRemoteAssistancePartnerParams, RemoteAssistancePartner] // nil: not gathered, as all below
	gets    *gather[GetRemoteAssistancePartnerParams, RemoteAssistancePartner]
	updates *gather[UpdateRemoteAssistancePartnerParams, RemoteAssistancePartner]
	changes *gather[partnerChange, OnboardingStatus]
	turns   Turns               // of creates within a quota, and of repeated requests
	rows    turnsOf[partnerKey] // of changes, each by itself, of a partner that others change
	shares  *shares             // nil inside a transaction, which has its connection
}

type beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Observer is told of each statement that calls may share, before it is run: the
// statement's context, the name of the query that each call is, and the contexts of
// the calls that it is for, of whom the first runs it. It returns the context that
// the statement is run in.
type Observer func(statement context.Context, query string, calls []context.Context) context.Context

// NewStore returns a Store over a pool. With gathering, creates that are under
// way at the same time share a statement and its commit, and so do updates, and so do
// actions and deletes, and gets a statement; an observer, if there is one, is told of it.
// All else is done by a connection of its tenant's share, a quarter of the pool at most.
func NewStore(pool *Pool, gathering bool, observer Observer) *Store {
	s := &Store{Queries: New(pool), pool: pool, shares: newShares(int(pool.Config().MaxConns), 0)}
	if gathering {
		s.creates = &gather[CreateRemoteAssistancePartnerParams, RemoteAssistancePartner]{
			name: "CreateRemoteAssistancePartner", one: s.Queries.CreateRemoteAssistancePartner, many: s.createMany, observe: observer, eager: true,
		}
		s.gets = &gather[GetRemoteAssistancePartnerParams, RemoteAssistancePartner]{
			name: "GetRemoteAssistancePartner", one: s.Queries.GetRemoteAssistancePartner, many: s.getMany, observe: observer,
		}
		s.updates = &gather[UpdateRemoteAssistancePartnerParams, RemoteAssistancePartner]{
			name: "UpdateRemoteAssistancePartner", one: s.Queries.UpdateRemoteAssistancePartner, many: s.updateMany, observe: observer,
			alone: s.updateAlone,
			apart: func(p UpdateRemoteAssistancePartnerParams) partnerKey { return partnerKey{p.TenantID, p.ID} },
			waits: true, // for whoever changes the same partner
		}
		s.changes = &gather[partnerChange, OnboardingStatus]{
			name: "ChangeRemoteAssistancePartners", one: s.changeOne, many: s.changeMany, observe: observer,
			alone: s.changeAlone,
			apart: func(c partnerChange) partnerKey { return partnerKey{c.params.TenantID, c.params.ID} },
			waits: true,
		}
	}
	return s
}

// LimitTenants lets each tenant use so many connections at most, at the same time; 0 is
// a quarter of the pool. It is for a Store that nobody uses yet.
func (s *Store) LimitTenants(connections int) {
	s.shares = newShares(s.shares.connections, connections)
}

// CreateRemoteAssistancePartner inserts one partner and returns it as it was
// committed.
func (s *Store) CreateRemoteAssistancePartner(ctx context.Context, p CreateRemoteAssistancePartnerParams) (RemoteAssistancePartner, error) {
	switch {
	case s.inside:
		var row RemoteAssistancePartner
		err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) (err error) { // a savepoint: an id that is taken mustn't end the rest
			row, err = New(tx).CreateRemoteAssistancePartner(ctx, p)
			return err
		})
		return row, err
	case s.creates == nil:
		return within(ctx, s.shares, p.TenantID, s.Queries.CreateRemoteAssistancePartner, p)
	}
	return s.creates.do(ctx, p)
}

// GetRemoteAssistancePartner returns one partner as it is committed when it is
// called, or later. Returns pgx.ErrNoRows if there is none.
func (s *Store) GetRemoteAssistancePartner(ctx context.Context, p GetRemoteAssistancePartnerParams) (RemoteAssistancePartner, error) {
	if s.gets == nil {
		return within(ctx, s.shares, p.TenantID, s.Queries.GetRemoteAssistancePartner, p)
	}
	return s.gets.do(ctx, p)
}

// UpdateRemoteAssistancePartner changes one partner and returns it as it was
// committed. Returns pgx.ErrNoRows if there is none.
func (s *Store) UpdateRemoteAssistancePartner(ctx context.Context, p UpdateRemoteAssistancePartnerParams) (RemoteAssistancePartner, error) {
	if s.updates == nil {
		return s.updateAlone(ctx, p)
	}
	return s.updates.do(ctx, p)
}

func (s *Store) updateAlone(ctx context.Context, p UpdateRemoteAssistancePartnerParams) (RemoteAssistancePartner, error) {
	end, err := s.rows.Take(ctx, partnerKey{p.TenantID, p.ID})
	if err != nil {
		return RemoteAssistancePartner{}, err
	}
	defer end()
	return within(ctx, s.shares, p.TenantID, s.Queries.UpdateRemoteAssistancePartner, p)
}

// ListPartners is that of Queries.
func (s *Store) ListPartners(ctx context.Context, p ListParams, each func(*Listed) error) error {
	mine, err := s.shares.take(ctx, p.TenantID)
	if err != nil {
		return err
	}
	defer s.shares.give(mine)
	return s.Queries.ListPartners(ctx, p, each)
}

// CountPartners is that of Queries.
func (s *Store) CountPartners(ctx context.Context, tenant uuid.UUID, filter *odata.Expr) (int64, error) {
	return within(ctx, s.shares, tenant, func(ctx context.Context, filter *odata.Expr) (int64, error) {
		return s.Queries.CountPartners(ctx, tenant, filter)
	}, filter)
}

// TakeID is that of Queries.
func (s *Store) TakeID(ctx context.Context, tenant uuid.UUID) (int64, error) {
	return within(ctx, s.shares, tenant, s.Queries.TakeID, tenant)
}

// PartnerIDWasUsed is that of Queries.
func (s *Store) PartnerIDWasUsed(ctx context.Context, p PartnerIDWasUsedParams) (bool, error) {
	return within(ctx, s.shares, p.TenantID, s.Queries.PartnerIDWasUsed, p)
}

// BeginOnboardingRemoteAssistancePartner begins the onboarding of one partner, if it is
// not onboarded, and returns its status before. Returns pgx.ErrNoRows if there is none.
func (s *Store) BeginOnboardingRemoteAssistancePartner(ctx context.Context, p BeginOnboardingRemoteAssistancePartnerParams) (OnboardingStatus, error) {
	return s.change(ctx, partnerChange{PartnerChangeBeginOnboarding, p})
}

// DisconnectRemoteAssistancePartner disconnects one partner, unless it is not onboarded,
// and returns its status before. Returns pgx.ErrNoRows if there is none.
func (s *Store) DisconnectRemoteAssistancePartner(ctx context.Context, p DisconnectRemoteAssistancePartnerParams) (OnboardingStatus, error) {
	return s.change(ctx, partnerChange{PartnerChangeDisconnect, changeParams(p)})
}

// DeleteRemoteAssistancePartner deletes one partner and returns its status before.
// Returns pgx.ErrNoRows if there is none.
func (s *Store) DeleteRemoteAssistancePartner(ctx context.Context, p DeleteRemoteAssistancePartnerParams) (OnboardingStatus, error) {
	return s.change(ctx, partnerChange{PartnerChangeDelete, changeParams{TenantID: p.TenantID, ID: p.ID, ChangedAt: p.ChangedAt, ChangedBy: p.ChangedBy}})
}

// partnerChange is a call of one of the three above: they differ in little, and so
// share statements.
type partnerChange struct {
	kind   PartnerChange
	params changeParams
}

// changeParams are those of all three; a delete needs no expiry.
type changeParams = BeginOnboardingRemoteAssistancePartnerParams

func (s *Store) change(ctx context.Context, c partnerChange) (OnboardingStatus, error) {
	if s.changes == nil {
		return s.changeAlone(ctx, c)
	}
	return s.changes.do(ctx, c)
}

func (s *Store) changeAlone(ctx context.Context, c partnerChange) (OnboardingStatus, error) {
	end, err := s.rows.Take(ctx, partnerKey{c.params.TenantID, c.params.ID})
	if err != nil {
		return "", err
	}
	defer end()
	return within(ctx, s.shares, c.params.TenantID, s.changeOne, c)
}

func (s *Store) changeOne(ctx context.Context, c partnerChange) (OnboardingStatus, error) {
	switch p := c.params; c.kind {
	case PartnerChangeBeginOnboarding:
		return s.Queries.BeginOnboardingRemoteAssistancePartner(ctx, p)
	case PartnerChangeDisconnect:
		return s.Queries.DisconnectRemoteAssistancePartner(ctx, DisconnectRemoteAssistancePartnerParams(p))
	default:
		return s.Queries.DeleteRemoteAssistancePartner(ctx, DeleteRemoteAssistancePartnerParams{
			TenantID: p.TenantID, ID: p.ID, ChangedAt: p.ChangedAt, ChangedBy: p.ChangedBy,
		})
	}
}

// CreateWithinQuota does as CreateRemoteAssistancePartner in a tenant that may
// have only so many partners; it fails with ErrQuota if it has them. It waits for
// others that create there.
func (s *Store) CreateWithinQuota(ctx context.Context, p CreateRemoteAssistancePartnerParams, quota int32) (row RemoteAssistancePartner, err error) {
	if !s.inside { // there, a connection is taken already
		end, err := s.turns.Take(ctx, p.TenantID)
		if err != nil {
			return row, err
		}
		defer end()
	}
	mine, err := s.shares.take(ctx, p.TenantID)
	if err != nil {
		return row, err
	}
	defer s.shares.give(mine)
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		q := New(tx)
		if _, err := q.LockTenant(ctx, p.TenantID); err != nil {
			if errors.Is(err, pgx.ErrNoRows) {
				err = ErrNoTenant
			}
			return err
		}
		n, err := q.CountPartnersUpTo(ctx, CountPartnersUpToParams{TenantID: p.TenantID, Most: int64(quota)})
		if err != nil {
			return err
		}
		if n >= int64(quota) {
			return ErrQuota
		}
		row, err = q.CreateRemoteAssistancePartner(ctx, p)
		return err
	})
	return row, err
}

// partnerKey is the key of a row. Tenants whose ids come of a seed share ids.
type partnerKey struct{ tenant, id uuid.UUID }

func (s *Store) createMany(ctx context.Context, partners []CreateRemoteAssistancePartnerParams) ([]outcome[RemoteAssistancePartner], error) {
	n := len(partners)
	p := CreateRemoteAssistancePartnersParams{
		TenantIds:             make([]uuid.UUID, 0, n),
		Ids:                   make([]uuid.UUID, 0, n),
		HasDisplayNames:       make([]bool, 0, n),
		DisplayNames:          make([]string, 0, n),
		HasOnboardingUrls:     make([]bool, 0, n),
		OnboardingUrls:        make([]string, 0, n),
		OnboardingStatuses:    make([]string, 0, n),
		LastConnectionsAt:     make([]time.Time, 0, n),
		LastConnections100ns:  make([]int16, 0, n),
		LastConnectionsOffset: make([]int16, 0, n),
		RequestExpiriesAt:     make([]time.Time, 0, n),
		RequestExpiries100ns:  make([]int16, 0, n),
		RequestExpiriesOffset: make([]int16, 0, n),
		CreatedAt:             make([]time.Time, 0, n),
		CreatedBy:             make([]uuid.UUID, 0, n),
	}
	place := make(map[partnerKey]int, len(partners))
	for i, c := range partners {
		place[partnerKey{c.TenantID, c.ID}] = i
		p.TenantIds = append(p.TenantIds, c.TenantID)
		p.Ids = append(p.Ids, c.ID)
		p.HasDisplayNames, p.DisplayNames = appendText(p.HasDisplayNames, p.DisplayNames, c.DisplayName)
		p.HasOnboardingUrls, p.OnboardingUrls = appendText(p.HasOnboardingUrls, p.OnboardingUrls, c.OnboardingUrl)
		p.OnboardingStatuses = append(p.OnboardingStatuses, string(c.OnboardingStatus))
		p.LastConnectionsAt = append(p.LastConnectionsAt, c.LastConnectionAt)
		p.LastConnections100ns = append(p.LastConnections100ns, c.LastConnection100ns)
		p.LastConnectionsOffset = append(p.LastConnectionsOffset, c.LastConnectionOffset)
		p.RequestExpiriesAt = append(p.RequestExpiriesAt, c.RequestExpiryAt)
		p.RequestExpiries100ns = append(p.RequestExpiries100ns, c.RequestExpiry100ns)
		p.RequestExpiriesOffset = append(p.RequestExpiriesOffset, c.RequestExpiryOffset)
		p.CreatedAt = append(p.CreatedAt, c.CreatedAt)
		p.CreatedBy = append(p.CreatedBy, c.CreatedBy)
	}
	rows, err := s.CreateRemoteAssistancePartners(ctx, p)
	if err != nil {
		return nil, err
	}
	if len(rows) != len(partners) {
		return nil, fmt.Errorf("created %d partners of %d", len(rows), len(partners))
	}
	ordered := make([]outcome[RemoteAssistancePartner], len(rows))
	for _, row := range rows {
		ordered[place[partnerKey{row.TenantID, row.ID}]].result = row
	}
	return ordered, nil
}

func (s *Store) getMany(ctx context.Context, calls []GetRemoteAssistancePartnerParams) ([]outcome[RemoteAssistancePartner], error) {
	tenants, ids := make([]uuid.UUID, 0, len(calls)), make([]uuid.UUID, 0, len(calls))
	place := make(map[partnerKey]int, len(calls)) // several may want the same
	for _, c := range calls {
		if k := (partnerKey{c.TenantID, c.ID}); !has(place, k) {
			place[k] = len(ids)
			tenants, ids = append(tenants, c.TenantID), append(ids, c.ID)
		}
	}
	found := make([]*RemoteAssistancePartner, len(ids))
	rows, err := s.db.Query(ctx, getRemoteAssistancePartners, tenants, ids)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for reader := (partnerReader{rows: rows}); rows.Next(); {
		row := &struct {
			RemoteAssistancePartner
			texts [2]string
		}{}
		reader.texts = &row.texts
		if err := reader.read(&row.RemoteAssistancePartner); err != nil {
			return nil, err
		}
		found[place[partnerKey{row.TenantID, row.ID}]] = &row.RemoteAssistancePartner
	}
	outcomes := make([]outcome[RemoteAssistancePartner], len(calls))
	for i, c := range calls {
		if row := found[place[partnerKey{c.TenantID, c.ID}]]; row != nil {
			outcomes[i].result = *row
		} else {
			outcomes[i].err = pgx.ErrNoRows
		}
	}
	return outcomes, rows.Err()
}

func has[K comparable, V any](m map[K]V, k K) bool { _, ok := m[k]; return ok }

func (s *Store) updateMany(ctx context.Context, calls []UpdateRemoteAssistancePartnerParams) ([]outcome[RemoteAssistancePartner], error) {
	n := len(calls)
	p := UpdateRemoteAssistancePartnersParams{
		TenantIds:             make([]uuid.UUID, 0, n),
		Ids:                   make([]uuid.UUID, 0, n),
		ChangedAt:             make([]time.Time, 0, n),
		ChangedBy:             make([]uuid.UUID, 0, n),
		SetDisplayNames:       make([]bool, 0, n),
		HasDisplayNames:       make([]bool, 0, n),
		DisplayNames:          make([]string, 0, n),
		SetOnboardingUrls:     make([]bool, 0, n),
		HasOnboardingUrls:     make([]bool, 0, n),
		OnboardingUrls:        make([]string, 0, n),
		SetOnboardingStatuses: make([]bool, 0, n),
		OnboardingStatuses:    make([]string, 0, n),
		SetLastConnections:    make([]bool, 0, n),
		LastConnectionsAt:     make([]time.Time, 0, n),
		LastConnections100ns:  make([]int16, 0, n),
		LastConnectionsOffset: make([]int16, 0, n),
		SetRequestExpiries:    make([]bool, 0, n),
		RequestExpiriesAt:     make([]time.Time, 0, n),
		RequestExpiries100ns:  make([]int16, 0, n),
		RequestExpiriesOffset: make([]int16, 0, n),
	}
	place := make(map[partnerKey]int, len(calls))
	outcomes := make([]outcome[RemoteAssistancePartner], len(calls))
	for i, c := range calls {
		place[partnerKey{c.TenantID, c.ID}] = i
		outcomes[i].err = errApart // unless there is a row: it isn't there, or somebody is changing it
		p.TenantIds = append(p.TenantIds, c.TenantID)
		p.Ids = append(p.Ids, c.ID)
		p.ChangedAt = append(p.ChangedAt, c.ChangedAt)
		p.ChangedBy = append(p.ChangedBy, c.ChangedBy)
		p.SetDisplayNames = append(p.SetDisplayNames, c.SetDisplayName)
		p.HasDisplayNames, p.DisplayNames = appendText(p.HasDisplayNames, p.DisplayNames, c.DisplayName)
		p.SetOnboardingUrls = append(p.SetOnboardingUrls, c.SetOnboardingUrl)
		p.HasOnboardingUrls, p.OnboardingUrls = appendText(p.HasOnboardingUrls, p.OnboardingUrls, c.OnboardingUrl)
		p.SetOnboardingStatuses = append(p.SetOnboardingStatuses, c.SetOnboardingStatus)
		p.OnboardingStatuses = append(p.OnboardingStatuses, string(c.OnboardingStatus))
		p.SetLastConnections = append(p.SetLastConnections, c.SetLastConnection)
		p.LastConnectionsAt = append(p.LastConnectionsAt, c.LastConnectionAt)
		p.LastConnections100ns = append(p.LastConnections100ns, c.LastConnection100ns)
		p.LastConnectionsOffset = append(p.LastConnectionsOffset, c.LastConnectionOffset)
		p.SetRequestExpiries = append(p.SetRequestExpiries, c.SetRequestExpiry)
		p.RequestExpiriesAt = append(p.RequestExpiriesAt, c.RequestExpiryAt)
		p.RequestExpiries100ns = append(p.RequestExpiries100ns, c.RequestExpiry100ns)
		p.RequestExpiriesOffset = append(p.RequestExpiriesOffset, c.RequestExpiryOffset)
	}
	rows, err := s.UpdateRemoteAssistancePartners(ctx, p)
	for _, row := range rows {
		outcomes[place[partnerKey{row.TenantID, row.ID}]] = outcome[RemoteAssistancePartner]{result: row}
	}
	return outcomes, err
}

func (s *Store) changeMany(ctx context.Context, calls []partnerChange) ([]outcome[OnboardingStatus], error) {
	n := len(calls)
	p := ChangeRemoteAssistancePartnersParams{
		TenantIds:             make([]uuid.UUID, 0, n),
		Ids:                   make([]uuid.UUID, 0, n),
		Changes:               make([]string, 0, n),
		ChangedAt:             make([]time.Time, 0, n),
		ChangedBy:             make([]uuid.UUID, 0, n),
		RequestExpiriesAt:     make([]time.Time, 0, n),
		RequestExpiries100ns:  make([]int16, 0, n),
		RequestExpiriesOffset: make([]int16, 0, n),
	}
	place := make(map[partnerKey]int, n)
	outcomes := make([]outcome[OnboardingStatus], n)
	for i, c := range calls {
		place[partnerKey{c.params.TenantID, c.params.ID}] = i
		outcomes[i].err = errApart // unless there is a row, as of an update
		p.TenantIds = append(p.TenantIds, c.params.TenantID)
		p.Ids = append(p.Ids, c.params.ID)
		p.Changes = append(p.Changes, string(c.kind))
		p.ChangedAt = append(p.ChangedAt, c.params.ChangedAt)
		p.ChangedBy = append(p.ChangedBy, c.params.ChangedBy)
		p.RequestExpiriesAt = append(p.RequestExpiriesAt, c.params.RequestExpiryAt)
		p.RequestExpiries100ns = append(p.RequestExpiries100ns, c.params.RequestExpiry100ns)
		p.RequestExpiriesOffset = append(p.RequestExpiriesOffset, c.params.RequestExpiryOffset)
	}
	rows, err := s.ChangeRemoteAssistancePartners(ctx, p)
	for _, row := range rows {
		outcomes[place[partnerKey{row.TenantID, row.ID}]] = outcome[OnboardingStatus]{result: row.OnboardingStatus}
	}
	return outcomes, err
}

// appendText appends a text that may be null to the pair of arrays that carry
// such: whether it is there, and what it is.
func appendText(has []bool, texts []string, text *string) ([]bool, []string) {
	if text == nil {
		return append(has, false), append(texts, "")
	}
	return append(has, true), append(texts, *text)
}
