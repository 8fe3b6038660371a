package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

func newUser(c *cli) *cobra.Command {
	return family("user", "Make, show, change and remove users.",
		newUserCreate(c), newUserList(c), newUserGet(c), newUserUpdate(c), newUserRevoke(c), newUserDelete(c))
}

var userTable = table[api.User]{
	[]string{"ID", "USER PRINCIPAL NAME", "DISPLAY NAME", "ENABLED", "CREATED"},
	func(u api.User) []any {
		return []any{u.Id, u.UserPrincipalName, u.DisplayName, u.Enabled, u.CreatedDateTime}
	},
}

// newUserTable also shows passwords, which can't be read later.
var newUserTable = with(userTable, func(m api.UserCreated) api.User { return m.User }, "PASSWORD", func(m api.UserCreated) any { return m.Password })

func newUserCreate(c *cli) *cobra.Command {
	var r api.UserCreate
	var file string
	cmd := c.ofTenant("create [<user-principal-name>]", "Make a user, NAME@DOMAIN, or the users in a file. Without a password, one is made and printed.", textArg(&r.UserPrincipalName))
	flags := cmd.Flags()
	flags.Func("display-name", "The user's display `NAME`.", optional(&r.DisplayName, readText))
	flags.Func("given-name", "The first `NAME`.", optional(&r.GivenName, readText))
	flags.Func("surname", "The last `NAME`.", optional(&r.Surname, readText))
	flags.Func("password", "A `PASSWORD` of at most 72 bytes.", optional(&r.Password, readText))
	flags.BoolFunc("must-change-password", "The password must be changed at the first sign-in.", means(&r.MustChangePassword, true))
	flags.BoolFunc("disabled", "The user can't sign in.", means(&r.Enabled, false))
	flags.Func("directory-role", "The template `ID` of a directory role.", optional(&r.DirectoryRoles, readIDs))
	flags.Func("file", "Make the users in a CSV `FILE`, one per row. Its columns have the API's names, such as userPrincipalName, displayName, password, or those of Entra's template for bulk creation.", readFileName(&file))
	must(cmd.MarkFlagFilename("file", "csv"))
	cmd.validate = func() error {
		if (r.UserPrincipalName == "") == (file == "") && cmd.Flags().NArg() == 0 {
			return errors.New("want <user-principal-name>, or --file")
		}
		if file != "" && cmd.Flags().NArg() > 0 {
			return errors.New("want <user-principal-name> or --file, not both")
		}
		return nil
	}
	output := newPrinter(flags)
	return cmd.does(func(ctx context.Context, s *session, con console) error {
		if file == "" {
			made, err := client.Read[api.UserCreated](s.CreateUser(ctx, s.tenant, nil, r))
			if err != nil {
				return err
			}
			return output.print(con, made, newUserTable.one(made))
		}
		all, err := createUsers(ctx, s, file)
		if err != nil && len(all) == 0 {
			return err
		}
		return errors.Join(err, output.print(con, all, newUserTable.all(all)))
	})
}

func newUserList(c *cli) *cobra.Command {
	cmd := c.ofTenant("list", "List the users of a tenant.")
	return list(cmd, userTable, func(ctx context.Context, s *session, after *api.After) (*http.Response, error) {
		return s.ListUsers(ctx, s.tenant, &api.ListUsersParams{After: after})
	})
}

func newUserGet(c *cli) *cobra.Command {
	var id uuid.UUID
	cmd := c.ofTenant("get <user>", "Show a user.", userArg(&id))
	return show(cmd, userTable.one, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.GetUser(ctx, s.tenant, id)
	})
}

func newUserUpdate(c *cli) *cobra.Command {
	var id uuid.UUID
	var r api.UserUpdate
	cmd := c.ofTenant("update <user>", "Change a user. A new password or --no-enabled ends the user's sign-ins.", userArg(&id))
	flags := cmd.Flags()
	flags.Func("display-name", "The user's display `NAME`.", optional(&r.DisplayName, readText))
	flags.Func("password", "A new `PASSWORD` of at most 72 bytes.", optional(&r.Password, readText))
	flags.BoolFunc("must-change-password", "The --password must be changed at the next sign-in.", means(&r.MustChangePassword, true))
	negatable(flags, &r.Enabled, "enabled", "Whether the user can sign in.")
	flags.Func("directory-role", "The template `ID` of a directory role; replaces the current roles.", optional(&r.DirectoryRoles, readIDs))
	return show(cmd, userTable.one, func(ctx context.Context, s *session) (*http.Response, error) {
		return s.UpdateUser(ctx, s.tenant, id, r)
	})
}

func newUserRevoke(c *cli) *cobra.Command {
	var id uuid.UUID
	cmd := c.ofTenant("revoke-sign-ins <user>", "Sign a user out everywhere.", userArg(&id))
	return done(cmd, "Signed user %[1]s out everywhere.", func(ctx context.Context, s *session) (*http.Response, error) {
		return s.RevokeSignIns(ctx, s.tenant, id)
	})
}

func newUserDelete(c *cli) *cobra.Command {
	var id uuid.UUID
	cmd := c.ofTenant("delete <user>", "Remove a user.", userArg(&id))
	return done(cmd, "Removed user %[1]s.", func(ctx context.Context, s *session) (*http.Response, error) {
		return s.DeleteUser(ctx, s.tenant, id)
	})
}
