package testenv_test

import (
	"os"
	"testing"

	"github.com/mocktenant/mocktenant/internal/testenv"
)

// Clean unsets foreign variables and keeps those for tests and for Go.
func TestClean(t *testing.T) {
	stays := map[string]bool{
		"DATABASE_URL": false, "MOCKTENANT_HTTP_ADDR": false, "MOCKTENANT_URL_FILE": false, "PGHOST": false, "PGSERVICE": false,
		"OTEL_EXPORTER_OTLP_ENDPOINT": false, "AZURE_TENANT_ID": false, "GRAPH_BASE_URL": false, "SSL_CERT_FILE": false,
		"HTTPS_PROXY": false, "https_proxy": false, "no_proxy": false, "all_proxy": false, "DATABASE_URL_FILE": false,
		"MOCKTENANT_NO_GATHERING": true, "MOCKTENANT_PG_BINDIR": true, "GOFLAGS": true, "TZ": true, "PATH": true,
	}
	for name := range stays {
		t.Setenv(name, os.Getenv(name)) // restored after the test, whatever Clean does
	}
	testenv.Clean()
	for name, want := range stays {
		if _, got := os.LookupEnv(name); got != want {
			t.Errorf("%s stays: %t", name, got)
		}
	}
}
