package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/client"
)

type userCommand struct {
	Create        userCreate `cmd:"" help:"Make a user; without --password, one is made and printed."`
	List          userList   `cmd:"" help:"List the users of a tenant."`
	Update        userUpdate `cmd:"" help:"Change a user; a new password or --no-enabled ends their sign-ins."`
	RevokeSignIns userRevoke `cmd:"" help:"Sign a user out everywhere."`
	Delete        userDelete `cmd:"" help:"Remove a user."`
}

func userRows(users ...client.User) [][]string {
	rows := [][]string{{"ID", "USER PRINCIPAL NAME", "DISPLAY NAME", "ENABLED", "CREATED"}}
	for _, u := range users {
		rows = append(rows, []string{u.Id.String(), u.UserPrincipalName, u.DisplayName, fmt.Sprint(u.Enabled), moment(&u.CreatedDateTime)})
	}
	return rows
}

type userCreate struct {
	adminFlags  `embed:""`
	outputFlags `embed:""`
	tenantFlag  `embed:""`

	Name               string      `arg:"" help:"The user principal name, NAME@DOMAIN."`
	DisplayName        string      `placeholder:"NAME" help:"What the user is called."`
	GivenName          string      `placeholder:"NAME" help:"The first name."`
	Surname            string      `placeholder:"NAME" help:"The last name."`
	Password           string      `placeholder:"TEXT" help:"The password, at most 72 bytes."`
	MustChangePassword bool        `help:"The password has expired."`
	Disabled           bool        `help:"The user may not sign in."`
	DirectoryRole      []uuid.UUID `placeholder:"ID" help:"Template ids of directory roles."`
}

// Run makes a user.
func (u *userCreate) Run(ctx context.Context, c *cli, con console) error {
	api, err := u.client(c)
	if err != nil {
		return err
	}
	enabled := !u.Disabled
	made, err := client.Read[client.UserCreated](api.CreateUser(ctx, u.Tenant, nil, client.UserCreate{
		UserPrincipalName: u.Name, DisplayName: given(u.DisplayName), GivenName: given(u.GivenName), Surname: given(u.Surname),
		Password: given(u.Password), MustChangePassword: &u.MustChangePassword, Enabled: &enabled, DirectoryRoles: some(u.DirectoryRole),
	}))
	if err != nil {
		return err
	}
	rows := userRows(made.User)
	rows[0], rows[1] = append(rows[0], "PASSWORD"), append(rows[1], made.Password)
	return u.print(con, made, rows)
}

type userList struct {
	adminFlags  `embed:""`
	outputFlags `embed:""`
	tenantFlag  `embed:""`
}

// Run lists the users.
func (u *userList) Run(ctx context.Context, c *cli, con console) error {
	api, err := u.client(c)
	if err != nil {
		return err
	}
	all, err := pages(func(after *string) (client.UserList, error) {
		return client.Read[client.UserList](api.ListUsers(ctx, u.Tenant, &client.ListUsersParams{After: after}))
	}, func(l client.UserList) ([]client.User, *string) { return l.Value, l.NextLink })
	if err != nil {
		return err
	}
	return u.print(con, all, userRows(all...))
}

type userUpdate struct {
	adminFlags  `embed:""`
	outputFlags `embed:""`
	tenantFlag  `embed:""`

	ID            uuid.UUID   `arg:"" help:"The user."`
	DisplayName   string      `placeholder:"NAME" help:"What the user is called."`
	Password      string      `placeholder:"TEXT" help:"Another password."`
	Enabled       *bool       `negatable:"" help:"Whether the user may sign in."`
	DirectoryRole []uuid.UUID `placeholder:"ID" help:"Template ids of directory roles, in place of those there are."`
}

// Run changes a user.
func (u *userUpdate) Run(ctx context.Context, c *cli, con console) error {
	api, err := u.client(c)
	if err != nil {
		return err
	}
	user, err := client.Read[client.User](api.UpdateUser(ctx, u.Tenant, u.ID, client.UserUpdate{
		DisplayName: given(u.DisplayName), Password: given(u.Password), Enabled: u.Enabled, DirectoryRoles: some(u.DirectoryRole),
	}))
	if err != nil {
		return err
	}
	return u.print(con, user, userRows(user))
}

type userRevoke struct {
	adminFlags `embed:""`
	tenantFlag `embed:""`

	ID uuid.UUID `arg:"" help:"The user."`
}

// Run signs a user out.
func (u *userRevoke) Run(ctx context.Context, c *cli, _ console) error {
	api, err := u.client(c)
	if err != nil {
		return err
	}
	return client.Done(api.RevokeSignIns(ctx, u.Tenant, u.ID))
}

type userDelete struct {
	adminFlags `embed:""`
	tenantFlag `embed:""`

	ID uuid.UUID `arg:"" help:"The user."`
}

// Run removes a user.
func (u *userDelete) Run(ctx context.Context, c *cli, _ console) error {
	api, err := u.client(c)
	if err != nil {
		return err
	}
	return client.Done(api.DeleteUser(ctx, u.Tenant, u.ID))
}
