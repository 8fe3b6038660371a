package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
)

// userColumns maps the columns of a CSV file of users to functions that read them.
var userColumns = map[string]func(u *api.UserCreate, value string) error{
	"userPrincipalName":  func(u *api.UserCreate, v string) error { u.UserPrincipalName = v; return nil },
	"displayName":        func(u *api.UserCreate, v string) error { u.DisplayName = &v; return nil },
	"givenName":          func(u *api.UserCreate, v string) error { u.GivenName = &v; return nil },
	"surname":            func(u *api.UserCreate, v string) error { u.Surname = &v; return nil },
	"password":           func(u *api.UserCreate, v string) error { u.Password = &v; return nil },
	"passwordProfile":    func(u *api.UserCreate, v string) error { u.Password = &v; return nil },
	"enabled":            func(u *api.UserCreate, v string) error { return means(&u.Enabled, true)(v) },
	"accountEnabled":     func(u *api.UserCreate, v string) error { return means(&u.Enabled, false)(v) }, // Entra's column says whether to block
	"mustChangePassword": func(u *api.UserCreate, v string) error { return means(&u.MustChangePassword, true)(v) },
}

// inBrackets matches the property in a heading of Entra's template for bulk creation, such
// as "User name [userPrincipalName] Required".
// https://learn.microsoft.com/entra/identity/users/users-bulk-add
var inBrackets = regexp.MustCompile(`\[(\w+)\]`)

// usersFile is a CSV file of users, read row by row.
type usersFile struct {
	name    string
	rows    *csv.Reader
	columns []string // "" for columns to ignore
}

func newUsersFile(name string, content io.Reader) (*usersFile, error) {
	text := bufio.NewReader(content)
	if mark, _ := text.Peek(3); string(mark) == "\uFEFF" {
		_, _ = text.Discard(3)
	}
	if version, _ := text.Peek(len("version:")); string(version) == "version:" { // Entra's first line
		if _, err := text.ReadString('\n'); err != nil {
			return nil, fmt.Errorf("%s: want a line of headings below the version", name)
		}
	}
	f := &usersFile{name: name, rows: csv.NewReader(text)}
	headings, err := f.rows.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: want a line of headings: %w", name, err)
	}
	for _, heading := range headings {
		column, err := columnOf(heading)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		f.columns = append(f.columns, column)
	}
	return f, nil
}

func columnOf(heading string) (string, error) {
	if m := inBrackets.FindStringSubmatch(heading); m != nil {
		if userColumns[m[1]] == nil { // such as jobTitle, which users don't have here
			return "", nil
		}
		return m[1], nil
	}
	var known []string
	for name := range userColumns {
		known = append(known, name)
	}
	if userColumns[heading] == nil {
		return "", fmt.Errorf("unknown heading %q%s", heading, suggest(heading, known, 3))
	}
	return heading, nil
}

// next returns io.EOF after the last user.
func (f *usersFile) next() (u api.UserCreate, err error) {
	row, err := f.rows.Read()
	if errors.Is(err, io.EOF) {
		return u, io.EOF
	}
	if err != nil {
		return u, fmt.Errorf("%s: %w", f.name, err)
	}
	for i, value := range row {
		if f.columns[i] == "" || value == "" {
			continue
		}
		if err := userColumns[f.columns[i]](&u, value); err != nil {
			return u, fmt.Errorf("%s: line %d: %s %q: %w", f.name, f.line(), f.columns[i], value, err)
		}
	}
	return u, nil
}

// line returns the line of the last row.
func (f *usersFile) line() int {
	line, _ := f.rows.FieldPos(0)
	return line
}

// createUsers makes the users in a file. On an error it also returns the users made before.
func createUsers(ctx context.Context, s *session, name string) ([]api.UserCreated, error) {
	content, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = content.Close() }()
	f, err := newUsersFile(name, content)
	if err != nil {
		return nil, err
	}
	rows, err := f.all()
	if err != nil {
		return nil, err
	}
	var made []api.UserCreated
	for _, r := range rows {
		u, err := client.Read[api.UserCreated](s.CreateUser(ctx, s.tenant, nil, r.user))
		if err != nil {
			return made, r.refused(err)
		}
		made = append(made, u)
	}
	return made, nil
}

// userRow is a user in a file, with the place of its row.
type userRow struct {
	user  api.UserCreate
	place string // the file's name and the line
}

// all reads the whole file, so that no user is created if one row is invalid.
func (f *usersFile) all() (rows []userRow, err error) {
	for {
		u, err := f.next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, userRow{u, fmt.Sprintf("%s: line %d", f.name, f.line())})
	}
}

// refused says of a refusal which row it is about.
func (r userRow) refused(err error) error {
	var refused *api.Problem
	if errors.As(err, &refused) && refused.Detail != nil {
		plain := *refused
		detail := r.place + ": " + strings.TrimPrefix(*refused.Detail, "/")
		plain.Detail, plain.Pointer, plain.Line = &detail, nil, nil
		return &plain
	}
	return fmt.Errorf("%s: %w", r.place, err)
}
