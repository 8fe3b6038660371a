package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mocktenant/mocktenant/api"
)

// Users are created from a CSV file, as spreadsheets write it or with the columns of Entra's
// template.
func TestUsersFromCSV(t *testing.T) {
	t.Parallel()
	a := administration{t, []string{"MOCKTENANT_DATA_DIR=" + preparedDir(t), "AZURE_TENANT_ID=demo.mocktenant.example"}}
	p := serve(t, a.settings)
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	plain := write("plain.csv", "\uFEFFuserPrincipalName,displayName,password,enabled,mustChangePassword\n"+
		"zoe@demo.mocktenant.example,\"Zoë, the first\",secret,no,yes\nyan@demo.mocktenant.example,,,,\n")
	made := parse[[]api.UserCreated](t, a.run("user", "create", "--file", plain, "-o", "json"))
	if len(made) != 2 {
		t.Fatalf("%+v", made)
	}
	if zoe := made[0]; zoe.User.DisplayName != "Zoë, the first" || zoe.Password != "secret" || zoe.User.Enabled || !zoe.User.MustChangePassword {
		t.Errorf("%+v", zoe)
	}
	if yan := made[1]; yan.User.UserPrincipalName != "yan@demo.mocktenant.example" || !yan.User.Enabled || len(yan.Password) < 20 {
		t.Errorf("%+v", yan)
	}
	template := write("entra.csv", "version:v1.0\nName [displayName] Required,User name [userPrincipalName] Required,Initial password [passwordProfile] Required,Block sign in (Yes/No) [accountEnabled] Required,First name [givenName],Last name [surname],Job title [jobTitle]\n"+
		"Chris Green,chris@demo.mocktenant.example,myPassword1234,Yes,Chris,Green,Clerk\n")
	chris := parse[[]api.UserCreated](t, a.run("user", "create", "--file", template, "-o", "json"))[0]
	if chris.User.Enabled || chris.User.DisplayName != "Chris Green" || *chris.User.Surname != "Green" || chris.Password != "myPassword1234" {
		t.Errorf("%+v", chris)
	}
	for _, tt := range []struct {
		text, want string
		exit       int
	}{
		{"", "want a line of headings", exitFailure},
		{"version:v1.0", "want a line of headings below the version", exitFailure},
		{"userPrincipalname\n", `unknown heading "userPrincipalname": did you mean userPrincipalName?`, exitFailure},
		{"userPrincipalName,enabled\nx@demo.mocktenant.example,perhaps\n", `line 2: enabled "perhaps": want true, 1, yes`, exitFailure},
		{"userPrincipalName\nnew@demo.mocktenant.example\nnobody\n", "line 3: userPrincipalName: want NAME@DOMAIN", exitFailure},
		{"userPrincipalName\nzoe@demo.mocktenant.example\n", "line 2: ", exitConflict},
		{"userPrincipalName,displayName\nx\n", "wrong number of fields", exitFailure},
	} {
		a.fails(tt.exit, tt.want, "user", "create", "--file", write("bad.csv", tt.text))
	}
	if out := a.run("user", "list"); !strings.Contains(out, "new@demo.mocktenant.example") { // its row comes before the refused one
		t.Error(out)
	}
	p.stop(t)
}
