package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mocktenant/mocktenant/client"
)

// adminFlags say which service to administer.
type adminFlags struct {
	AdminURL string
	AdminKey string
}

func (f *adminFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.AdminURL, "admin-url", "", "The `URL` of the service's administration (default: where the service of the data directory says, else http://127.0.0.1:8081).")
	flags.StringVar(&f.AdminKey, "admin-key", "", "The `KEY` to show it, if it asks for one.")
	settings(flags, administrationGroup, map[string]string{"admin-url": "MOCKTENANT_ADMIN_URL", "admin-key": "MOCKTENANT_ADMIN_KEY"})
}

const defaultAdminURL = "http://127.0.0.1:8081"

func (f adminFlags) client(c *cli) (*client.Client, error) {
	url, key := f.AdminURL, f.AdminKey
	if url == "" {
		url = defaultAdminURL
		if dir, err := c.Database.dataDir(); err == nil {
			if s, ok := findService(dir); ok && s.AdminURL != "" {
				url = s.AdminURL
				key = cmp.Or(key, c.Database.keptAdminKey())
			}
		}
	}
	return client.New(url, key)
}

// outputFlags say how an answer is printed.
type outputFlags struct {
	Output string
}

func (f *outputFlags) register(flags *pflag.FlagSet) {
	choiceFlag(flags, &f.Output, "output", "o", "table", "How to print.", "table", "json")
}

// print prints a value as JSON, or what rows make of it: the heads of the columns,
// and the rows.
func (f outputFlags) print(con console, value any, rows [][]string) error {
	if f.Output == "json" {
		e := json.NewEncoder(con.out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(value)
	}
	return printTable(con.out, rows)
}

func printTable(out io.Writer, rows [][]string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = printable(cell)
		}
		if _, err := fmt.Fprintln(w, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	return w.Flush()
}

// pages reads a list to its end; next gets where the page starts.
func pages[L, T any](read func(after *string) (L, error), of func(L) ([]T, *string)) ([]T, error) {
	all := []T{}
	for after := (*string)(nil); ; {
		list, err := read(after)
		if err != nil {
			return nil, err
		}
		value, link := of(list)
		all = append(all, value...)
		if link == nil {
			return all, nil
		}
		if after, err = afterOf(*link); err != nil {
			return nil, err
		}
	}
}

// duration is a flag such as 90s, 75m, 12h or 30d.
type duration time.Duration

// Set reads it.
func (d *duration) Set(s string) error {
	wrong := errors.New("want a time such as 90s, 75m, 12h or 30d")
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		if _, err := fmt.Sscanf(days, "%d", &n); err != nil || fmt.Sprint(n) != days {
			return wrong
		}
		*d = duration(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < time.Second {
		return wrong
	}
	*d = duration(v)
	return nil
}

// String is empty: there is none by default.
func (d *duration) String() string { return "" }

// Type is what it is.
func (d *duration) Type() string { return "duration" }

// seconds is what the API wants; nil for a flag that wasn't given.
func (d duration) seconds() *int64 {
	if d == 0 {
		return nil
	}
	n := int64(time.Duration(d) / time.Second)
	return &n
}

// given is nil for a flag that wasn't given.
func given[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// some is nil for a list that wasn't given.
func some[T any](v []T) *[]T {
	if v == nil {
		return nil
	}
	return &v
}

func orDash[T any](v *T) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprint(*v)
}

func moment(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format(time.RFC3339)
}

// tenantFlag names the tenant that a command is about.
type tenantFlag struct {
	Tenant uuid.UUID
}

func (f *tenantFlag) register(flags *pflag.FlagSet) {
	flags.Func("tenant", "The `ID` of the tenant.", readID(&f.Tenant))
	settings(flags, "", map[string]string{"tenant": "AZURE_TENANT_ID"})
	must(cobra.MarkFlagRequired(flags, "tenant"))
}
