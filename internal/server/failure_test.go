package server_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/server"
)

// On each front, the log line about a failure names the query that failed.
func TestLogNamesQuery(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	s := start(t, server.Config{DatabaseURL: dbtest.NewDatabase(t), AdminAddr: "127.0.0.1:0", Demo: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	demo := server.DemoTenantID.String()
	const others = "/v1.0/deviceManagement/deviceManagementPartners"
	token := token(t, s, dbtest.Tenant{ID: server.DemoTenantID, UserID: server.DemoUserID, ClientID: server.DemoClientID})
	for _, tt := range []struct {
		breaks string
		query  string
		call   func() int
	}{
		{"device_management_partners", "GetDeviceManagementPartner", func() int {
			r, _ := call(t, "GET", s.URL()+others+"/"+uuid.NewString(), token, "")
			return r.StatusCode
		}},
		{"", "CreateDeviceManagementPartner", func() int {
			r, _ := call(t, "POST", s.URL()+others, token, "{}")
			return r.StatusCode
		}},
		{"applications", "GetApplication", func() int {
			status, _, _ := signIn(t, s, demo, server.DemoPassword)
			return status
		}},
		{"", "ListApplications", func() int { return administer(t, s, "/v1/tenants/"+demo+"/applications").Code }},
	} {
		if tt.breaks != "" {
			if _, err := s.Pool().Exec(t.Context(), "ALTER TABLE "+tt.breaks+" RENAME TO gone_"+tt.breaks); err != nil {
				t.Fatal(err)
			}
		}
		before := len(log.String())
		if status := tt.call(); status != 500 {
			t.Errorf("%s: %d", tt.query, status)
		}
		if text := log.String()[before:]; !strings.Contains(text, "query "+tt.query+": ERROR: ") {
			t.Errorf("%s isn't named: %s", tt.query, text)
		}
	}
}
