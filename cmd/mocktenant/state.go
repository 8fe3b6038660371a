package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.yaml.in/yaml/v4"

	"github.com/mocktenant/mocktenant/client"
)

type snapshotCommand struct {
	Create  snapshotCreate  `cmd:"" help:"Keep what a tenant holds now under a name."`
	List    snapshotList    `cmd:"" help:"List the snapshots of a tenant."`
	Restore snapshotRestore `cmd:"" help:"Put a tenant back to a snapshot."`
	Diff    snapshotDiff    `cmd:"" help:"Show what changed between two snapshots, or since one."`
	Export  snapshotExport  `cmd:"" help:"Write a snapshot as a document."`
	Delete  snapshotDelete  `cmd:"" help:"Remove a snapshot."`
}

type seedCommand struct {
	Create seedCreate `cmd:"" help:"Keep a document under a name, to make tenants from."`
	List   seedList   `cmd:"" help:"List the seeds."`
	Export seedExport `cmd:"" help:"Write a seed as a document."`
	Delete seedDelete `cmd:"" help:"Remove a seed."`
}

const (
	jsonType = "application/json"
	yamlType = "application/yaml"
)

// documentType is what a file is, by its name.
func documentType(name string) string {
	if ext := strings.ToLower(filepath.Ext(name)); ext == ".yaml" || ext == ".yml" {
		return yamlType
	}
	return jsonType
}

// readDocument reads a file as JSON.
func readDocument(name string) (json.RawMessage, error) {
	text, err := os.ReadFile(name)
	if err != nil || documentType(name) == jsonType {
		return text, err
	}
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return json.Marshal(v)
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
	File   string `short:"f" default:"-" placeholder:"FILE" help:"Where to write it (default: to the standard output)."`
	Format string `enum:"json,yaml," default:"" help:"json or yaml (default: by the file's name, else json)."`
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
	adminFlags `embed:""`
	toFile     `embed:""`

	ID uuid.UUID `arg:"" name:"tenant" help:"The tenant."`
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
	adminFlags  `embed:""`
	outputFlags `embed:""`

	ID   uuid.UUID `arg:"" name:"tenant" help:"The tenant, whose state is replaced."`
	File string    `arg:"" help:"The document, JSON or YAML (by .yaml, .yml); - is the standard input, as JSON."`
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
	adminFlags  `embed:""`
	outputFlags `embed:""`
	tenantFlag  `embed:""`

	Name string `arg:"" help:"Its name."`
}

func snapshotRows(all ...client.Snapshot) [][]string {
	rows := [][]string{{"NAME", "CREATED", "PARTNERS", "USERS", "APPLICATIONS"}}
	for _, s := range all {
		rows = append(rows, append([]string{s.Name, moment(&s.CreatedDateTime)}, countRows(s.Counts)[1]...))
	}
	return rows
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
	adminFlags  `embed:""`
	outputFlags `embed:""`
	tenantFlag  `embed:""`
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
	adminFlags  `embed:""`
	outputFlags `embed:""`
	tenantFlag  `embed:""`

	Name string `arg:"" help:"The snapshot."`
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
	adminFlags  `embed:""`
	outputFlags `embed:""`
	tenantFlag  `embed:""`

	From string `arg:"" help:"The earlier snapshot."`
	To   string `arg:"" optional:"" help:"The later snapshot (default: now)."`
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
	adminFlags `embed:""`
	tenantFlag `embed:""`
	toFile     `embed:""`

	Name string `arg:"" help:"The snapshot."`
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
	adminFlags `embed:""`
	tenantFlag `embed:""`

	Name string `arg:"" help:"The snapshot."`
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
	adminFlags  `embed:""`
	outputFlags `embed:""`

	Name string `arg:"" help:"Its name."`
	File string `arg:"" help:"The document, JSON or YAML (by .yaml, .yml); - is the standard input, as JSON."`
}

func seedRows(all ...client.Seed) [][]string {
	rows := [][]string{{"NAME", "CREATED", "PARTNERS", "USERS", "APPLICATIONS"}}
	for _, s := range all {
		rows = append(rows, append([]string{s.Name, moment(&s.CreatedDateTime)}, countRows(s.Counts)[1]...))
	}
	return rows
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
	adminFlags  `embed:""`
	outputFlags `embed:""`
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
	adminFlags `embed:""`
	toFile     `embed:""`

	Name string `arg:"" help:"The seed."`
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
	adminFlags `embed:""`

	Name string `arg:"" help:"The seed."`
}

// Run removes a seed.
func (s *seedDelete) Run(ctx context.Context, c *cli, _ console) error {
	api, err := s.client(c)
	if err != nil {
		return err
	}
	return client.Done(api.DeleteSeed(ctx, s.Name))
}
