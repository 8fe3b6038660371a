package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/internal/state"
)

func newSnapshot(c *cli) *cobra.Command {
	return family("snapshot", "Keep, restore and compare what a tenant holds.",
		newSnapshotCreate(c), newSnapshotList(c), newSnapshotRestore(c), newSnapshotDiff(c), newSnapshotExport(c), newSnapshotDelete(c))
}

func newSeed(c *cli) *cobra.Command {
	return family("seed", "Keep documents to make tenants from.",
		newSeedCreate(c), newSeedList(c), newSeedExport(c), newSeedDelete(c))
}

const (
	jsonType = "application/json"
	yamlType = "application/yaml"
)

// documentHelp says what the commands take that read a document.
const documentHelp = "\n\nThe document is JSON or YAML (by .yaml, .yml); - is the standard input, as JSON."

// documentType is what a file is, by its name.
func documentType(name string) string {
	if ext := strings.ToLower(filepath.Ext(name)); ext == ".yaml" || ext == ".yml" {
		return yamlType
	}
	return jsonType
}

// readDocument reads a file as JSON. An error names it.
func readDocument(name string) (json.RawMessage, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	text, err = state.ToJSON(text, documentType(name) == yamlType)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var document json.RawMessage
	err = json.Unmarshal(text, &document)
	var bad *json.SyntaxError
	if errors.As(err, &bad) {
		err = fmt.Errorf("%s: line %d: %w", name, 1+bytes.Count(text[:bad.Offset], []byte("\n")), err)
	}
	return document, err
}

// progress says on a terminal how much of a file was sent.
type progress struct {
	io.Reader
	out        io.Writer
	sent, size int64
	last       time.Time
}

func (p *progress) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	p.sent += int64(n)
	if done := err != nil; p.out != nil && (done || time.Since(p.last) > 200*time.Millisecond) {
		p.last = time.Now()
		if p.size > 0 {
			_, _ = fmt.Fprintf(p.out, "\rsent %d of %d MB (%d %%)  ", p.sent>>20, p.size>>20, 100*p.sent/p.size)
		} else {
			_, _ = fmt.Fprintf(p.out, "\rsent %d MB  ", p.sent>>20)
		}
		if done {
			_, _ = fmt.Fprintln(p.out, "\nthe service is putting it into place")
		}
	}
	return n, err
}

// openDocument opens a file, or stdin for "-". On a terminal it shows progress.
func openDocument(name string, con console) (io.ReadCloser, io.Reader, error) {
	p := &progress{}
	if f, ok := con.err.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.out = f
		}
	}
	if name == "-" {
		p.Reader = os.Stdin
		return io.NopCloser(os.Stdin), p, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	if info, err := f.Stat(); err == nil {
		p.size = info.Size()
	}
	p.Reader = f
	return f, p, nil
}

func countRows(c client.StateCounts) [][]string {
	return [][]string{{"PARTNERS", "USERS", "APPLICATIONS"}, {fmt.Sprint(c.Partners), fmt.Sprint(c.Users), fmt.Sprint(c.Applications)}}
}

// toFile is where a document is written.
type toFile struct {
	File   string
	Format string
}

func (t *toFile) register(flags *pflag.FlagSet) {
	flags.StringVarP(&t.File, "file", "f", "-", "The `FILE` to write; - is the standard output.")
	choiceFlag(flags, &t.Format, "format", "", "", "What to write (default: by the file's name, else json).", "json", "yaml", "")
	must(cobra.MarkFlagFilename(flags, "file", "json", "yaml", "yml"))
}

func (t toFile) format() string {
	if t.Format == "" && documentType(t.File) == yamlType {
		return "yaml"
	}
	return t.Format
}

// write writes a document: a file is whole, or as it was before.
func (t toFile) write(con console, body io.ReadCloser, err error) error {
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	if t.File == "-" {
		_, err = io.Copy(con.out, body)
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(t.File), filepath.Base(t.File)+".")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	for _, step := range []func() error{f.Sync, f.Close, func() error { return os.Rename(f.Name(), t.File) }} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}
	return err
}

type exportCommand struct {
	adminFlags
	toFile

	ID uuid.UUID
}

func newExport(c *cli) *cobra.Command {
	e := &exportCommand{}
	cmd := c.command("export <tenant>", "Write what a tenant holds as a document.", e, &e.adminFlags, &e.toFile)
	arguments(cmd, readID(&e.ID))
	return cmd
}

// Run exports a tenant.
func (e *exportCommand) Run(ctx context.Context, c *cli, con console) error {
	api, err := e.client(c)
	if err != nil {
		return err
	}
	body, err := client.Body(api.ExportTenant(ctx, e.ID, &client.ExportTenantParams{Format: given(client.ExportTenantParamsFormat(e.format()))}))
	return e.write(con, body, err)
}

type importCommand struct {
	adminFlags
	outputFlags

	ID   uuid.UUID
	File string
}

func newImport(c *cli) *cobra.Command {
	i := &importCommand{}
	cmd := c.command("import <tenant> <file>", "Replace what a tenant holds by a document.", i, &i.adminFlags, &i.outputFlags)
	cmd.Long = cmd.Short + documentHelp
	arguments(cmd, readID(&i.ID), readText(&i.File))
	completesFile(cmd)
	return cmd
}

// Run imports a document.
func (i *importCommand) Run(ctx context.Context, c *cli, con console) error {
	api, err := i.client(c)
	if err != nil {
		return err
	}
	file, body, err := openDocument(i.File, con)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	counts, err := client.Read[client.StateCounts](api.ImportTenantWithBody(ctx, i.ID, documentType(i.File), body))
	if err != nil {
		return fmt.Errorf("%s: %w", i.File, err)
	}
	return i.print(con, counts, countRows(counts))
}

type snapshotCreate struct {
	adminFlags
	outputFlags
	tenantFlag

	Name string
}

func snapshotRows(all ...client.Snapshot) [][]string {
	rows := [][]string{{"NAME", "CREATED", "PARTNERS", "USERS", "APPLICATIONS"}}
	for _, s := range all {
		rows = append(rows, append([]string{s.Name, moment(&s.CreatedDateTime)}, countRows(s.Counts)[1]...))
	}
	return rows
}

func newSnapshotCreate(c *cli) *cobra.Command {
	s := &snapshotCreate{}
	cmd := c.command("create <name>", "Keep what a tenant holds now under a name.", s, &s.adminFlags, &s.outputFlags, &s.tenantFlag)
	arguments(cmd, readText(&s.Name))
	return cmd
}

// Run makes a snapshot.
func (s *snapshotCreate) Run(ctx context.Context, c *cli, con console) error {
	api, err := s.client(c)
	if err != nil {
		return err
	}
	made, err := client.Read[client.Snapshot](api.CreateSnapshot(ctx, s.Tenant, nil, client.SnapshotCreate{Name: s.Name}))
	if err != nil {
		return err
	}
	return s.print(con, made, snapshotRows(made))
}

type snapshotList struct {
	adminFlags
	outputFlags
	tenantFlag
}

func newSnapshotList(c *cli) *cobra.Command {
	s := &snapshotList{}
	return c.command("list", "List the snapshots of a tenant.", s, &s.adminFlags, &s.outputFlags, &s.tenantFlag)
}

// Run lists the snapshots.
func (s *snapshotList) Run(ctx context.Context, c *cli, con console) error {
	api, err := s.client(c)
	if err != nil {
		return err
	}
	all, err := pages(func(after *string) (client.SnapshotList, error) {
		return client.Read[client.SnapshotList](api.ListSnapshots(ctx, s.Tenant, &client.ListSnapshotsParams{After: after}))
	}, func(l client.SnapshotList) ([]client.Snapshot, *string) { return l.Value, l.NextLink })
	if err != nil {
		return err
	}
	return s.print(con, all, snapshotRows(all...))
}

type snapshotRestore struct {
	adminFlags
	outputFlags
	tenantFlag

	Name string
}

func newSnapshotRestore(c *cli) *cobra.Command {
	s := &snapshotRestore{}
	cmd := c.command("restore <name>", "Put a tenant back to a snapshot.", s, &s.adminFlags, &s.outputFlags, &s.tenantFlag)
	arguments(cmd, readText(&s.Name))
	return cmd
}

// Run restores a snapshot.
func (s *snapshotRestore) Run(ctx context.Context, c *cli, con console) error {
	api, err := s.client(c)
	if err != nil {
		return err
	}
	counts, err := client.Read[client.StateCounts](api.RestoreSnapshot(ctx, s.Tenant, s.Name))
	if err != nil {
		return err
	}
	return s.print(con, counts, countRows(counts))
}

type snapshotDiff struct {
	adminFlags
	outputFlags
	tenantFlag

	From string
	To   string
}

func newSnapshotDiff(c *cli) *cobra.Command {
	s := &snapshotDiff{}
	cmd := c.command("diff <from> [<to>]", "Show what changed between two snapshots, or since one.", s, &s.adminFlags, &s.outputFlags, &s.tenantFlag)
	arguments(cmd, readText(&s.From), readText(&s.To))
	return cmd
}

// Run shows what changed.
func (s *snapshotDiff) Run(ctx context.Context, c *cli, con console) error {
	api, err := s.client(c)
	if err != nil {
		return err
	}
	all, err := pages(func(after *string) (client.DiffList, error) {
		return client.Read[client.DiffList](api.DiffStates(ctx, s.Tenant, &client.DiffStatesParams{From: s.From, To: given(s.To), After: after}))
	}, func(l client.DiffList) ([]client.DiffEntry, *string) { return l.Value, l.NextLink })
	if err != nil {
		return err
	}
	rows := [][]string{{"CHANGE", "ENTITY", "ID", "BEFORE", "AFTER"}}
	for _, e := range all {
		before, after := differing(e.Before, e.After)
		rows = append(rows, []string{string(e.Change), string(e.Entity), e.Id, before, after})
	}
	return s.print(con, all, rows)
}

// differing shows of two objects those members in which they differ.
func differing(before, after *client.State) (string, string) {
	a, b := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if before != nil {
		_ = json.Unmarshal(*before, &a)
	}
	if after != nil {
		_ = json.Unmarshal(*after, &b)
	}
	for name := range a {
		if bytes.Equal(a[name], b[name]) {
			delete(a, name)
			delete(b, name)
		}
	}
	show := func(m map[string]json.RawMessage) string {
		if len(m) == 0 {
			return "-"
		}
		text, _ := json.Marshal(m) // it came from JSON
		return string(text)
	}
	return show(a), show(b)
}

type snapshotExport struct {
	adminFlags
	tenantFlag
	toFile

	Name string
}

func newSnapshotExport(c *cli) *cobra.Command {
	s := &snapshotExport{}
	cmd := c.command("export <name>", "Write a snapshot as a document.", s, &s.adminFlags, &s.tenantFlag, &s.toFile)
	arguments(cmd, readText(&s.Name))
	return cmd
}

// Run exports a snapshot.
func (s *snapshotExport) Run(ctx context.Context, c *cli, con console) error {
	api, err := s.client(c)
	if err != nil {
		return err
	}
	body, err := client.Body(api.ExportSnapshot(ctx, s.Tenant, s.Name, &client.ExportSnapshotParams{Format: given(client.ExportSnapshotParamsFormat(s.format()))}))
	return s.write(con, body, err)
}

type snapshotDelete struct {
	adminFlags
	tenantFlag

	Name string
}

func newSnapshotDelete(c *cli) *cobra.Command {
	s := &snapshotDelete{}
	cmd := c.command("delete <name>", "Remove a snapshot.", s, &s.adminFlags, &s.tenantFlag)
	arguments(cmd, readText(&s.Name))
	return cmd
}

// Run removes a snapshot.
func (s *snapshotDelete) Run(ctx context.Context, c *cli, _ console) error {
	api, err := s.client(c)
	if err != nil {
		return err
	}
	return client.Done(api.DeleteSnapshot(ctx, s.Tenant, s.Name))
}

type seedCreate struct {
	adminFlags
	outputFlags

	Name string
	File string
}

func seedRows(all ...client.Seed) [][]string {
	rows := [][]string{{"NAME", "MANAGER", "CREATED", "PARTNERS", "USERS", "APPLICATIONS"}}
	for _, s := range all {
		rows = append(rows, append([]string{s.Name, orDash(s.Manager), moment(&s.CreatedDateTime)}, countRows(s.Counts)[1]...))
	}
	return rows
}

func newSeedCreate(c *cli) *cobra.Command {
	s := &seedCreate{}
	cmd := c.command("create <name> <file>", "Keep a document under a name, to make tenants from.", s, &s.adminFlags, &s.outputFlags)
	cmd.Long = cmd.Short + documentHelp
	arguments(cmd, readText(&s.Name), readText(&s.File))
	completesFile(cmd)
	return cmd
}

// Run makes a seed.
func (s *seedCreate) Run(ctx context.Context, c *cli, con console) error {
	api, err := s.client(c)
	if err != nil {
		return err
	}
	file, body, err := openDocument(s.File, con)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	made, err := client.Read[client.Seed](api.CreateSeedWithBody(ctx, &client.CreateSeedParams{Name: s.Name}, documentType(s.File), body))
	if err != nil {
		return fmt.Errorf("%s: %w", s.File, err)
	}
	return s.print(con, made, seedRows(made))
}

type seedList struct {
	adminFlags
	outputFlags
}

func newSeedList(c *cli) *cobra.Command {
	s := &seedList{}
	return c.command("list", "List the seeds.", s, &s.adminFlags, &s.outputFlags)
}

// Run lists the seeds.
func (s *seedList) Run(ctx context.Context, c *cli, con console) error {
	api, err := s.client(c)
	if err != nil {
		return err
	}
	all, err := pages(func(after *string) (client.SeedList, error) {
		return client.Read[client.SeedList](api.ListSeeds(ctx, &client.ListSeedsParams{After: after}))
	}, func(l client.SeedList) ([]client.Seed, *string) { return l.Value, l.NextLink })
	if err != nil {
		return err
	}
	return s.print(con, all, seedRows(all...))
}

type seedExport struct {
	adminFlags
	toFile

	Name string
}

func newSeedExport(c *cli) *cobra.Command {
	s := &seedExport{}
	cmd := c.command("export <name>", "Write a seed as a document.", s, &s.adminFlags, &s.toFile)
	arguments(cmd, readText(&s.Name))
	return cmd
}

// Run exports a seed.
func (s *seedExport) Run(ctx context.Context, c *cli, con console) error {
	api, err := s.client(c)
	if err != nil {
		return err
	}
	body, err := client.Body(api.ExportSeed(ctx, s.Name, &client.ExportSeedParams{Format: given(client.ExportSeedParamsFormat(s.format()))}))
	return s.write(con, body, err)
}

type seedDelete struct {
	adminFlags

	Name string
}

func newSeedDelete(c *cli) *cobra.Command {
	s := &seedDelete{}
	cmd := c.command("delete <name>", "Remove a seed.", s, &s.adminFlags)
	arguments(cmd, readText(&s.Name))
	return cmd
}

// Run removes a seed.
func (s *seedDelete) Run(ctx context.Context, c *cli, _ console) error {
	api, err := s.client(c)
	if err != nil {
		return err
	}
	return client.Done(api.DeleteSeed(ctx, s.Name))
}
