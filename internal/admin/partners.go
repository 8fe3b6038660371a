package admin

import (
	"context"
	"errors"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/odata"
)

func newPartner(p db.RemoteAssistancePartner) Partner {
	text := func(at time.Time, hundredNs, offset int16) string {
		return string(odata.AppendDateTimeOffset(nil, db.JoinTime(at, hundredNs, offset)))
	}
	return Partner{
		Id: p.ID, DisplayName: p.DisplayName, OnboardingUrl: p.OnboardingUrl, OnboardingStatus: OnboardingStatus(p.OnboardingStatus),
		LastConnectionDateTime:          text(p.LastConnectionAt, p.LastConnection100ns, p.LastConnectionOffset),
		OnboardingRequestExpiryDateTime: text(p.RequestExpiryAt, p.RequestExpiry100ns, p.RequestExpiryOffset),
		CreatedDateTime:                 p.CreatedAt.UTC(), CreatedBy: p.CreatedBy, Version: p.Version,
	}
}

// ListPartners lists the partners of a tenant.
func (a *API) ListPartners(c *gin.Context, id TenantId, p ListPartnersParams) {
	a.answer(c, func(x *call) (answer, error) {
		after, err := parseAfter(p.After)
		if err != nil {
			return answer{}, err
		}
		rows, err := a.queries.ListRemoteAssistancePartners(c.Request.Context(), db.ListRemoteAssistancePartnersParams{TenantID: id, After: after, RowLimit: limit(p.Top) + 1})
		list := PartnerList{Value: []Partner{}}
		rows, list.NextLink = page(x, rows, p.Top, func(p db.RemoteAssistancePartner) string { return p.ID.String() })
		for _, row := range rows {
			list.Value = append(list.Value, newPartner(row))
		}
		return ok(list), err
	})
}

// GetPartner answers a partner.
func (a *API) GetPartner(c *gin.Context, tenant TenantId, id PartnerId) {
	a.answer(c, func(*call) (answer, error) {
		row, err := findPartner(c.Request.Context(), a.queries, tenant, id)
		return ok(newPartner(row)), err
	})
}

func findPartner(ctx context.Context, q *db.Queries, tenant, id uuid.UUID) (db.RemoteAssistancePartner, error) {
	row, err := q.GetRemoteAssistancePartner(ctx, db.GetRemoteAssistancePartnerParams{TenantID: tenant, ID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNotFound("The tenant has no partner %s.", id)
	}
	return row, err
}

// actions are what the partner's side does: from which status to which.
var actions = map[PartnerAction]struct {
	change   db.PartnerChange
	from, to db.OnboardingStatus
}{
	PartnerActionConfirm:   {db.PartnerChangeConfirmOnboarding, db.OnboardingStatusOnboarding, db.OnboardingStatusOnboarded},
	PartnerActionRefuse:    {db.PartnerChangeRefuseOnboarding, db.OnboardingStatusOnboarding, db.OnboardingStatusNotOnboarded},
	PartnerActionExpire:    {db.PartnerChangeExpireOnboarding, db.OnboardingStatusOnboarding, db.OnboardingStatusNotOnboarded},
	PartnerActionHeartbeat: {db.PartnerChangeHeartbeat, db.OnboardingStatusOnboarded, db.OnboardingStatusOnboarded},
}

// ActOnPartner does what the partner's side does. A request that was confirmed or
// refused is over; one that expires did so now.
func (a *API) ActOnPartner(c *gin.Context, tenant TenantId, id PartnerId, name PartnerAction) {
	a.answer(c, func(x *call) (answer, error) {
		action := actions[name]
		p := db.ActOnRemoteAssistancePartnerParams{
			TenantID: tenant, ID: id, Change: action.change, FromStatus: string(action.from), ToStatus: action.to, ChangedAt: x.now, ChangedBy: x.caller.id,
		}
		switch now := x.now.UTC(); name {
		case PartnerActionHeartbeat:
			p.SetLastConnection = true
			p.LastConnectionAt, p.LastConnection100ns, p.LastConnectionOffset = db.SplitTime(now)
		case PartnerActionExpire:
			p.SetRequestExpiry = true
			p.RequestExpiryAt, p.RequestExpiry100ns, p.RequestExpiryOffset = db.SplitTime(now)
		default:
			p.SetRequestExpiry = true
			p.RequestExpiryAt, p.RequestExpiry100ns, p.RequestExpiryOffset = db.SplitTime(time.Time{})
		}
		return a.change(x, id.String()+" "+string(name), func(ctx context.Context, c *change) (answer, error) {
			before, err := c.ActOnRemoteAssistancePartner(ctx, p)
			if errors.Is(err, pgx.ErrNoRows) {
				return answer{}, errNotFound("The tenant has no partner %s.", id)
			}
			if err != nil {
				return answer{}, err
			}
			if before != action.from {
				return answer{}, errConflict("The partner is %s; to %s, it must be %s.", before, name, action.from)
			}
			row, err := findPartner(ctx, c.Queries, tenant, id)
			return ok(newPartner(row)), err
		})
	})
}
