//go:build integration

package images_test

import (
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Without a database, the service names the missing setting and never looks for a Postgres
// to run.
func TestWantsADatabase(t *testing.T) {
	t.Parallel()
	run(t, serviceImage, nil).ends("1", "DATABASE_URL is not set", "mocktenant:standalone")
	run(t, serviceImage, nil, "token").ends("1", "DATABASE_URL is not set")
	run(t, serviceImage, nil, "version").ends("0", "mocktenant ")
	run(t, serviceImage, nil, "nonsense").ends("2", "nonsense")
	run(t, serviceImage, []string{"-e", "MOCKTENANT_HTTP_ADDR=8080"}).ends("2", `MOCKTENANT_HTTP_ADDR "8080": want HOST:PORT`)
}

// If the service starts before the database, it waits and says so.
func TestDatabaseComesLate(t *testing.T) {
	t.Parallel()
	name := network(t) + "-late"
	c := run(t, serviceImage, service(t, "postgres://mocktenant:secret@"+name+"/mocktenant?sslmode=disable", "-e", "MOCKTENANT_DATABASE_WAIT=2m"))
	c.eventually("it waits", func() bool { return strings.Contains(c.logs(), `msg="waiting for the database"`) })
	late := docker(t, append([]string{"run", "-d", "--network", network(t)}, postgresOptions(name)...)...)
	t.Cleanup(func() { _, _ = tryDocker("rm", "-fv", late) })
	c.ready().create("{}")
	c.stop()
}

// The wait ends if the database doesn't appear.
func TestDatabaseNeverComes(t *testing.T) {
	t.Parallel()
	run(t, serviceImage, service(t, "postgres://mocktenant:secret@nowhere.invalid/x", "-e", "MOCKTENANT_DATABASE_WAIT=2s")).
		ends("1", `msg="waiting for the database"`, "reach the database", "nowhere.invalid")
}

// An error that waiting can't cure ends the start at once, without revealing the password.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	url := strings.Replace(newDatabase(t), ":secret@", ":not-the-password@", 1)
	c := run(t, serviceImage, service(t, url))
	c.ends("1", "reach the database", "password authentication failed")
	if log := c.logs(); strings.Contains(log, "waiting") || strings.Contains(log, "not-the-password") {
		t.Error(log)
	}
}

// An old schema is migrated with its data; one that becomes old under a running service
// makes it unready.
func TestOldSchema(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	first := run(t, serviceImage, service(t, url)).ready()
	body := first.create(`{"displayName":"kept"}`)
	run(t, serviceImage, service(t, url), "migrate", "down", "--yes").ends("0", `msg="migrated down"`)
	status, text, err := get("http://" + first.at("8080") + "/readyz")
	if err != nil || status != http.StatusServiceUnavailable || !strings.Contains(text, "run mocktenant migrate up") {
		t.Errorf("%d %s %v", status, text, err)
	}
	first.stop()

	second := run(t, serviceImage, service(t, url)).ready()
	if !strings.Contains(second.logs(), "msg=migrated") {
		t.Errorf("it migrated nothing:\n%s", second.logs())
	}
	id := parse[struct{ ID string }](t, body).ID
	status, text, err = call(http.DefaultClient, "GET", "http://"+second.at("8080")+partners+"/"+id, second.token(), "")
	if err != nil || status != http.StatusOK || !strings.Contains(text, `"displayName":"kept"`) {
		t.Errorf("%d %s %v", status, text, err)
	}
}

// Replicas that start concurrently on an empty database migrate it once.
func TestReplicasMigrateAtOnce(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	var replicas []*container
	for range 3 {
		replicas = append(replicas, run(t, serviceImage, service(t, url)))
	}
	logs := ""
	for _, c := range replicas {
		logs += c.ready().logs()
	}
	if n := strings.Count(logs, "msg=migrated to=1 "); n != 1 {
		t.Errorf("the first migration ran %d times:\n%s", n, logs)
	}
	token := replicas[0].token()
	for _, c := range replicas { // each accepts the other's token
		if status, text, err := call(http.DefaultClient, "POST", "http://"+c.at("8080")+partners, token, "{}"); err != nil || status != http.StatusCreated {
			t.Errorf("%d %s %v", status, text, err)
		}
	}
}

// With a read-only file system, without capabilities, as a user without a name.
func TestConfined(t *testing.T) {
	t.Parallel()
	for _, options := range [][]string{
		{"--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"},
		{"--user=4242:4242"},
		{"--user=4242:0", "--read-only"},
	} {
		c := run(t, serviceImage, service(t, newDatabase(t), options...)).ready()
		c.create("{}")
		if ca := c.exec("mocktenant", "ca"); !strings.HasPrefix(ca, "-----BEGIN CERTIFICATE-----") {
			t.Errorf("%q: %s", options, ca)
		}
		c.stop()
	}
}

// By default the program runs as an unprivileged user, and the image contains little else.
func TestImage(t *testing.T) {
	t.Parallel()
	if user := docker(t, "image", "inspect", "-f", "{{.Config.User}}", serviceImage); user != "65532:65532" {
		t.Errorf("user %s", user)
	}
	if user := docker(t, "image", "inspect", "-f", "{{.Config.User}}", standaloneImage); user != "65532:65532" {
		t.Errorf("user %s", user)
	}
	if _, err := tryDocker("run", "--rm", "--entrypoint=/bin/sh", serviceImage, "-c", "true"); err == nil {
		t.Error("there is a shell")
	}
	const most = 15_000_000
	if size := compressed(t, serviceImage); size > most {
		t.Errorf("%s has %d bytes, compressed; want %d at most", serviceImage, size, most)
	}
}

// compressed returns the compressed size of an image in bytes, ignoring the few thousand of
// its manifest.
func compressed(t testing.TB, image string) int {
	t.Helper()
	save := exec.Command("docker", "save", image)
	out, err := save.StdoutPipe()
	if err == nil {
		err = save.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var n counter
	z := gzip.NewWriter(&n)
	if _, err := io.Copy(z, out); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := save.Wait(); err != nil {
		t.Fatal(err)
	}
	return int(n)
}

type counter int

func (n *counter) Write(b []byte) (int, error) {
	*n += counter(len(b))
	return len(b), nil
}

// Docker's health check reports whether the service is ready, also while its database is
// unavailable.
func TestHealth(t *testing.T) {
	t.Parallel()
	name := network(t) + "-health"
	docker(t, append([]string{"run", "-d", "--network", network(t)}, postgresOptions(name)...)...)
	t.Cleanup(func() { _, _ = tryDocker("rm", "-fv", name) })
	c := run(t, serviceImage, service(t, "postgres://mocktenant:secret@"+name+"/mocktenant?sslmode=disable"))
	health := func(want string) {
		t.Helper()
		c.eventually("its health is "+want, func() bool { return c.inspect("{{.State.Health.Status}}") == want })
	}
	health("healthy")
	docker(t, "stop", name)
	health("unhealthy")
	docker(t, "start", name)
	health("healthy")
	c.create("{}")
}

// One log line reports that the service is ready; it serves from then on.
func TestReadyLine(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{
		"text": "level=INFO msg=ready url=http://localhost:8080 https=https://localhost:8443 admin=http://127.0.0.1:8081 demo=true\n",
		"json": `"level":"INFO","msg":"ready","url":"http://localhost:8080","https":"https://localhost:8443","admin":"http://127.0.0.1:8081","demo":true}` + "\n",
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			c := run(t, serviceImage, service(t, newDatabase(t), "-e", "MOCKTENANT_LOG_FORMAT="+format))
			c.eventually("the line is logged", func() bool { return strings.Contains(c.logs(), want) })
			c.create("{}")
			if format == "json" {
				for line := range strings.Lines(c.logs()) {
					parse[map[string]any](t, line)
				}
			}
			c.stop()
		})
	}
}

// Secrets, and the user's own certificate, are read from files.
func TestFiles(t *testing.T) {
	t.Parallel()
	certificate, key := selfSigned(t)
	dir := folder(t, map[string]string{"url": newDatabase(t) + "\n", "admin-key": "a-key-of-more-than-20-characters\n", "tls.crt": certificate, "tls.key": key})
	c := run(t, serviceImage, []string{
		"--network", network(t), "-p", "127.0.0.1::8080", "-p", "127.0.0.1::8443", "-p", "127.0.0.1::8081", "-v", dir + ":/run/secrets:ro",
		"-e", "DATABASE_URL_FILE=/run/secrets/url", "-e", "MOCKTENANT_ADMIN_KEY_FILE=/run/secrets/admin-key", "-e", "MOCKTENANT_ADMIN_ADDR=:8081",
		"-e", "MOCKTENANT_TLS_CERT_FILE=/run/secrets/tls.crt", "-e", "MOCKTENANT_TLS_KEY_FILE=/run/secrets/tls.key",
	}).ready()
	if status, text, err := call(trusting(t, certificate), "GET", "https://"+c.at("8443")+"/livez", "", ""); err != nil || status != http.StatusOK {
		t.Errorf("by HTTPS: %d %s %v", status, text, err)
	}
	for key, want := range map[string]int{"a-key-of-more-than-20-characters": 200, "another-key-of-more-than-20-characters": 401, "": 401} {
		if status, text, err := call(http.DefaultClient, "GET", "http://"+c.at("8081")+"/v1/tenants", key, ""); err != nil || status != want {
			t.Errorf("key %q: %d %s %v", key, status, text, err)
		}
	}
	if list := c.exec("mocktenant", "tenant", "list"); strings.Contains(list, demoTenant) {
		t.Errorf("unrequested demo tenant:\n%s", list)
	}
}

func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "of my own"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}))
}
