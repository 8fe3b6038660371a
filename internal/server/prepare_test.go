package server_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
)

// A service that starts on a prepared database doesn't make the prepared items again.
func TestPrepare(t *testing.T) {
	t.Parallel()
	url := dbtest.NewEmptyDatabase(t)
	if err := server.Prepare(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	made := func() []string {
		rows, err := conn.Query(t.Context(), `SELECT kid FROM signing_keys UNION ALL SELECT encode(certificate, 'hex') FROM certificate_authorities
			UNION ALL SELECT encode(value, 'hex') FROM service_secrets UNION ALL SELECT tstamp::text FROM mocktenant_schema_versions ORDER BY 1`)
		if err != nil {
			t.Fatal(err)
		}
		all, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	before := made()
	s := start(t, server.Config{HTTPSAddr: "127.0.0.1:0", DatabaseURL: url})
	if r, body := call(t, "GET", s.URL()+"/readyz", "", ""); r.StatusCode != 200 {
		t.Errorf("%d %s", r.StatusCode, body)
	}
	if after := made(); !slices.Equal(before, after) || len(before) < 10 {
		t.Errorf("before the start:\n%q\nafter it:\n%q", before, after)
	}
}

// A preparation's name changes before the signing key does, and names sort by time.
func TestPreparation(t *testing.T) {
	t.Parallel()
	now, names := time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC), []string{}
	for day := range 365 {
		name := server.Preparation(now.AddDate(0, 0, day))
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
		if server.Preparation(now.AddDate(0, 0, day+25)) == name {
			t.Errorf("on day %d it is %s, and 25 days later", day, name)
		}
	}
	if !slices.IsSorted(names) || len(names) > 20 {
		t.Errorf("names %q", names)
	}
}

// Certificates are valid in real time, whatever the service's clock.
func TestCertificatesGoByTheRealTime(t *testing.T) {
	t.Parallel()
	for _, year := range []int{2016, 2060} {
		s := start(t, server.Config{HTTPSAddr: "127.0.0.1:0", DatabaseURL: dbtest.NewDatabase(t), Now: func() time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }})
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.SecureURL()+"/livez", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := trusting(t, s.CA(), true).Do(r)
		if err != nil {
			t.Errorf("in %d: %v", year, err)
			continue
		}
		_ = response.Body.Close()
	}
}
