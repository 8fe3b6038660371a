//go:build integration

package images_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The time from creating a container until it answers 201 to a create.
func BenchmarkStandalone(b *testing.B) {
	for b.Loop() {
		c := run(b, standaloneImage, whole())
		firstCreated(b, "http://"+c.at("8080"), func() string { return c.token() })
		b.StopTimer()
		docker(b, "rm", "-fv", c.id)
		b.StartTimer()
	}
}

// The same for docker compose up: Postgres, two replicas and a proxy.
func BenchmarkCompose(b *testing.B) {
	for b.Loop() {
		p := compose(b)
		firstCreated(b, "http://"+p.at("proxy", "8080"), func() string { return p.exec("token") })
		b.StopTimer()
		p.run("down", "--volumes", "--timeout=1")
		b.StartTimer()
	}
}

// For comparison, the time until the Postgres image alone answers a statement.
func BenchmarkPostgres(b *testing.B) {
	for b.Loop() {
		c := run(b, postgresImage, []string{"-e", "POSTGRES_PASSWORD=secret"})
		for { // over TCP, because it listens only on its socket during initialization
			if _, err := tryDocker("exec", "-e", "PGPASSWORD=secret", c.id, "psql", "-h", "127.0.0.1", "-U", "postgres", "-c", "SELECT 1"); err == nil {
				break
			}
		}
		b.StopTimer()
		docker(b, "rm", "-fv", c.id)
		b.StartTimer()
	}
}

// The memory of an idle container, with and without Postgres, and the compressed size of
// the images in bytes.
func BenchmarkSizes(b *testing.B) {
	service := run(b, serviceImage, service(b, newDatabase(b))).ready()
	whole := run(b, standaloneImage, whole()).ready()
	time.Sleep(5 * time.Second) // idle
	for b.Loop() {
		b.ReportMetric(memory(service), "MB-service")
		b.ReportMetric(memory(whole), "MB-standalone")
	}
	b.ReportMetric(float64(compressed(b, serviceImage))/1e6, "MB-image")
	b.ReportMetric(float64(compressed(b, standaloneImage))/1e6, "MB-standalone-image")
}

// memory returns the resident memory of the program in the container, in MB.
func memory(c *container) float64 {
	out := docker(c, "top", c.id, "-eo", "pid,rss,args")
	for line := range strings.Lines(out) {
		if m := regexp.MustCompile(`^\s*\d+\s+(\d+)\s+mocktenant serve`).FindStringSubmatch(line); m != nil {
			return float64(parse[int](c, m[1])) * 1024 / 1e6
		}
	}
	c.Fatalf("no service in\n%s", out)
	return 0
}

// firstCreated creates a partner as soon as the service accepts it.
func firstCreated(b *testing.B, base string, token func() string) {
	b.Helper()
	for deadline := time.Now().Add(patience); ; {
		if status, _, err := get(base + "/readyz"); err == nil && status == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			b.Fatal("it never became ready")
		}
		time.Sleep(time.Millisecond)
	}
	status, text, err := call(http.DefaultClient, "POST", base+partners, token(), "{}")
	if err != nil || status != http.StatusCreated {
		b.Fatalf("%d %s %v", status, text, err)
	}
}
