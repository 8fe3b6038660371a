package main

import (
	"context"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/client"
)

func newPartner(c *cli) *cobra.Command {
	return family("partner", "Do what the partner's side does: confirm, refuse, expire, heartbeat.",
		newPartnerList(c),
		newPartnerAction(c, client.PartnerActionConfirm, "Confirm an onboarding: onboarding becomes onboarded."),
		newPartnerAction(c, client.PartnerActionRefuse, "Refuse an onboarding: it becomes notOnboarded."),
		newPartnerAction(c, client.PartnerActionExpire, "Let an onboarding's request expire: it becomes notOnboarded."),
		newPartnerAction(c, client.PartnerActionHeartbeat, "Connect now: sets lastConnectionDateTime."))
}

func partnerRows(partners ...client.Partner) [][]string {
	rows := [][]string{{"ID", "DISPLAY NAME", "STATUS", "LAST CONNECTION", "VERSION"}}
	for _, p := range partners {
		rows = append(rows, []string{p.Id.String(), orDash(p.DisplayName), string(p.OnboardingStatus), p.LastConnectionDateTime, orDash(&p.Version)})
	}
	return rows
}

type partnerList struct {
	adminFlags
	outputFlags
	tenantFlag
}

func newPartnerList(c *cli) *cobra.Command {
	p := &partnerList{}
	return c.command("list", "List the partners of a tenant.", p, &p.adminFlags, &p.outputFlags, &p.tenantFlag)
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

// partnerAction is one of the four commands of the partner's side.
type partnerAction struct {
	adminFlags
	outputFlags
	tenantFlag

	action client.PartnerAction
	ID     uuid.UUID
}

func newPartnerAction(c *cli, action client.PartnerAction, help string) *cobra.Command {
	p := &partnerAction{action: action}
	cmd := c.command(string(action)+" <id>", help, p, &p.adminFlags, &p.outputFlags, &p.tenantFlag)
	arguments(cmd, readID(&p.ID))
	return cmd
}

// Run does it.
func (p *partnerAction) Run(ctx context.Context, c *cli, con console) error {
	api, err := p.client(c)
	if err != nil {
		return err
	}
	partner, err := client.Read[client.Partner](api.ActOnPartner(ctx, p.Tenant, p.ID, p.action))
	if err != nil {
		return err
	}
	return p.print(con, partner, partnerRows(partner))
}
