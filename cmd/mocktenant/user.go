package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/client"
)

func newUser(c *cli) *cobra.Command {
	return family("user", "Make, list, change and remove users.",
		newUserCreate(c), newUserList(c), newUserUpdate(c), newUserRevoke(c), newUserDelete(c))
}

func userRows(users ...client.User) [][]string {
	rows := [][]string{{"ID", "USER PRINCIPAL NAME", "DISPLAY NAME", "ENABLED", "CREATED"}}
	for _, u := range users {
		rows = append(rows, []string{u.Id.String(), u.UserPrincipalName, u.DisplayName, fmt.Sprint(u.Enabled), moment(&u.CreatedDateTime)})
	}
	return rows
}

type userCreate struct {
	adminFlags
	outputFlags
	tenantFlag

	Name               string
	DisplayName        string
	GivenName          string
	Surname            string
	Password           string
	MustChangePassword bool
	Disabled           bool
	DirectoryRole      []uuid.UUID
}

func newUserCreate(c *cli) *cobra.Command {
	u := &userCreate{}
	cmd := c.command("create <name>", "Make a user, NAME@DOMAIN; without --password, one is made and printed.", u, &u.adminFlags, &u.outputFlags, &u.tenantFlag)
	arguments(cmd, readText(&u.Name))
	flags := cmd.Flags()
	flags.StringVar(&u.DisplayName, "display-name", "", "The `NAME` to show for the user.")
	flags.StringVar(&u.GivenName, "given-name", "", "The first `NAME`.")
	flags.StringVar(&u.Surname, "surname", "", "The last `NAME`.")
	flags.StringVar(&u.Password, "password", "", "A `PASSWORD` of at most 72 bytes.")
	truthFlag(flags, &u.MustChangePassword, "must-change-password", "The password has expired.")
	truthFlag(flags, &u.Disabled, "disabled", "The user may not sign in.")
	flags.Func("directory-role", "The template `ID` of a directory role.", readIDs(&u.DirectoryRole))
	return cmd
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
	adminFlags
	outputFlags
	tenantFlag
}

func newUserList(c *cli) *cobra.Command {
	u := &userList{}
	return c.command("list", "List the users of a tenant.", u, &u.adminFlags, &u.outputFlags, &u.tenantFlag)
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
	adminFlags
	outputFlags
	tenantFlag

	ID            uuid.UUID
	DisplayName   string
	Password      string
	Enabled       *bool
	DirectoryRole []uuid.UUID
}

func newUserUpdate(c *cli) *cobra.Command {
	u := &userUpdate{}
	cmd := c.command("update <id>", "Change a user; a new password or --no-enabled ends their sign-ins.", u, &u.adminFlags, &u.outputFlags, &u.tenantFlag)
	arguments(cmd, readID(&u.ID))
	flags := cmd.Flags()
	flags.StringVar(&u.DisplayName, "display-name", "", "The `NAME` to show for the user.")
	flags.StringVar(&u.Password, "password", "", "Another `PASSWORD`, of at most 72 bytes.")
	negatable(flags, &u.Enabled, "enabled", "Whether the user may sign in.")
	flags.Func("directory-role", "The template `ID` of a directory role, in place of those there are.", readIDs(&u.DirectoryRole))
	return cmd
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
	adminFlags
	tenantFlag

	ID uuid.UUID
}

func newUserRevoke(c *cli) *cobra.Command {
	u := &userRevoke{}
	cmd := c.command("revoke-sign-ins <id>", "Sign a user out everywhere.", u, &u.adminFlags, &u.tenantFlag)
	arguments(cmd, readID(&u.ID))
	return cmd
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
	adminFlags
	tenantFlag

	ID uuid.UUID
}

func newUserDelete(c *cli) *cobra.Command {
	u := &userDelete{}
	cmd := c.command("delete <id>", "Remove a user.", u, &u.adminFlags, &u.tenantFlag)
	arguments(cmd, readID(&u.ID))
	return cmd
}

// Run removes a user.
func (u *userDelete) Run(ctx context.Context, c *cli, _ console) error {
	api, err := u.client(c)
	if err != nil {
		return err
	}
	return client.Done(api.DeleteUser(ctx, u.Tenant, u.ID))
}
