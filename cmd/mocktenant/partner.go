package main

import (
	"context"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/client"
)

type partnerCommand struct {
	List      partnerList      `cmd:"" help:"List the partners of a tenant."`
	Confirm   partnerConfirm   `cmd:"" help:"Confirm an onboarding: onboarding becomes onboarded."`
	Refuse    partnerRefuse    `cmd:"" help:"Refuse an onboarding: it becomes notOnboarded."`
	Expire    partnerExpire    `cmd:"" help:"Let an onboarding's request expire: it becomes notOnboarded."`
	Heartbeat partnerHeartbeat `cmd:"" help:"Connect now: sets lastConnectionDateTime."`
}

func partnerRows(partners ...client.Partner) [][]string {
	rows := [][]string{{"ID", "DISPLAY NAME", "STATUS", "LAST CONNECTION", "VERSION"}}
	for _, p := range partners {
		rows = append(rows, []string{p.Id.String(), orDash(p.DisplayName), string(p.OnboardingStatus), p.LastConnectionDateTime, orDash(&p.Version)})
	}
	return rows
}

type partnerList struct {
	adminFlags  `embed:""`
	outputFlags `embed:""`
	tenantFlag  `embed:""`
}

// Run lists the partners.
func (p *partnerList) Run(ctx context.Context, c *cli, con console) error {
	api, err := p.client(c)
	if err != nil {
		return err
	}
	top := 1000
	all, err := pages(func(after *string) (client.PartnerList, error) {
		return client.Read[client.PartnerList](api.ListPartners(ctx, p.Tenant, &client.ListPartnersParams{Top: &top, After: after}))
	}, func(l client.PartnerList) ([]client.Partner, *string) { return l.Value, l.NextLink })
	if err != nil {
		return err
	}
	return p.print(con, all, partnerRows(all...))
}

// partnerAction is what the four commands of the partner's side have in common.
type partnerAction struct {
	adminFlags  `embed:""`
	outputFlags `embed:""`
	tenantFlag  `embed:""`

	ID uuid.UUID `arg:"" help:"The partner."`
}

func (p *partnerAction) act(ctx context.Context, c *cli, con console, action client.PartnerAction) error {
	api, err := p.client(c)
	if err != nil {
		return err
	}
	partner, err := client.Read[client.Partner](api.ActOnPartner(ctx, p.Tenant, p.ID, action))
	if err != nil {
		return err
	}
	return p.print(con, partner, partnerRows(partner))
}

type (
	partnerConfirm struct {
		partnerAction `embed:""`
	}
	partnerRefuse struct {
		partnerAction `embed:""`
	}
	partnerExpire struct {
		partnerAction `embed:""`
	}
	partnerHeartbeat struct {
		partnerAction `embed:""`
	}
)

// Run confirms.
func (p *partnerConfirm) Run(ctx context.Context, c *cli, con console) error {
	return p.act(ctx, c, con, client.PartnerActionConfirm)
}

// Run refuses.
func (p *partnerRefuse) Run(ctx context.Context, c *cli, con console) error {
	return p.act(ctx, c, con, client.PartnerActionRefuse)
}

// Run lets it expire.
func (p *partnerExpire) Run(ctx context.Context, c *cli, con console) error {
	return p.act(ctx, c, con, client.PartnerActionExpire)
}

// Run connects.
func (p *partnerHeartbeat) Run(ctx context.Context, c *cli, con console) error {
	return p.act(ctx, c, con, client.PartnerActionHeartbeat)
}
