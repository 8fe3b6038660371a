package main

import (
	"fmt"
	"io"
	"strings"
)

// shells are the formats in which variables can be printed for other programs.
var shells = []string{"sh", "fish", "powershell", "dotenv", "github"}

// variable is a variable to set or, without a value, to unset.
type variable struct {
	name  string
	value string
}

// printVariables prints variables in one of the formats.
func printVariables(w io.Writer, shell string, all []variable) error {
	for _, v := range all {
		if _, err := fmt.Fprintln(w, v.in(shell)); err != nil {
			return err
		}
	}
	return nil
}

// in returns the line that sets a variable.
func (v variable) in(shell string) string {
	switch shell {
	case "fish":
		if v.value == "" {
			return "set -e " + v.name
		}
		return fmt.Sprintf("set -gx %s '%s'", v.name, strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(v.value))
	case "powershell":
		if v.value == "" {
			return "Remove-Item -ErrorAction Ignore Env:" + v.name
		}
		return fmt.Sprintf("$env:%s = '%s'", v.name, powershellQuotes.Replace(v.value))
	case "dotenv":
		return fmt.Sprintf(`%s="%s"`, v.name, strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(v.value))
	case "github": // a line for the file $GITHUB_ENV
		return v.name + "=" + v.value
	}
	if v.value == "" {
		return "unset " + v.name
	}
	return fmt.Sprintf("export %s='%s'", v.name, strings.ReplaceAll(v.value, "'", `'\''`))
}

// powershellQuotes doubles every character that PowerShell treats as a single quote.
// https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_quoting_rules
var powershellQuotes = strings.NewReplacer("'", "''", "\u2018", "\u2018\u2018", "\u2019", "\u2019\u2019", "\u201a", "\u201a\u201a", "\u201b", "\u201b\u201b")
