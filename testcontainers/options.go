package mocktenant

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/oapi-codegen/nullable"
	"github.com/testcontainers/testcontainers-go"

	"github.com/mocktenant/mocktenant/client"
)

// Folders in the container.
const (
	seedDir = "/seed"
	tlsDir  = "/tls"
)

// readable is the mode of files in the container, where the service runs as a user
// of its own.
const readable = 0o644

// WithSeeds has the service start with documents, files of JSON or YAML as mocktenant
// export writes them: each is kept as the seed of its name, without the extension,
// and made a tenant.
func WithSeeds(files ...string) testcontainers.CustomizeRequestOption {
	return func(req *testcontainers.GenericContainerRequest) error {
		for _, file := range files {
			if !slices.Contains([]string{".json", ".yaml", ".yml"}, filepath.Ext(file)) {
				return fmt.Errorf("seed %q: want a file *.json, *.yaml or *.yml", file)
			}
			if err := copyFile(req, file, path.Join(seedDir, filepath.Base(file))); err != nil {
				return err
			}
		}
		return nil
	}
}

// WithCertificate has the service speak TLS by a certificate of the test's own, with
// the chain behind it if there is one, and its key, both files of PEM. What the
// test reaches the service by, localhost as a rule, must be in it. Microsoft's hosts
// need not: if they are, set MOCKTENANT_MICROSOFT_HOSTS to have that checked.
func WithCertificate(certFile, keyFile string) testcontainers.CustomizeRequestOption {
	return func(req *testcontainers.GenericContainerRequest) error {
		cert, key := path.Join(tlsDir, "tls.crt"), path.Join(tlsDir, "tls.key")
		if err := copyFile(req, certFile, cert); err != nil {
			return err
		}
		if err := copyFile(req, keyFile, key); err != nil {
			return err
		}
		return testcontainers.WithEnv(map[string]string{
			"MOCKTENANT_TLS_CERT_FILE": cert, "MOCKTENANT_TLS_KEY_FILE": key, "MOCKTENANT_MICROSOFT_HOSTS": "false",
		})(req)
	}
}

func copyFile(req *testcontainers.GenericContainerRequest, from, to string) error {
	for _, f := range req.Files {
		if f.ContainerFilePath == to {
			return fmt.Errorf("%q and %q: both would be %s in the container", f.HostFilePath, from, to)
		}
	}
	return testcontainers.WithFiles(testcontainers.ContainerFile{HostFilePath: from, ContainerFilePath: to, FileMode: readable})(req)
}

// WithDemo says whether there is the demo tenant, whose credentials everybody knows.
// In mocktenant:standalone there is unless told otherwise.
func WithDemo(demo bool) testcontainers.CustomizeRequestOption {
	return testcontainers.WithEnv(map[string]string{"MOCKTENANT_DEMO": strconv.FormatBool(demo)})
}

// WithAdminKey is the key by which the service is administered, of 20 characters or
// more, for others than Container.Admin. By default it is a random one.
func WithAdminKey(key string) testcontainers.CustomizeRequestOption {
	return testcontainers.WithEnv(map[string]string{"MOCKTENANT_ADMIN_KEY": key})
}

// WithDatabaseURL makes the service use the Postgres (15 or later) that a URL leads to
// from the container, on one of its networks, say.
func WithDatabaseURL(url string) testcontainers.CustomizeRequestOption {
	return testcontainers.WithEnv(map[string]string{"DATABASE_URL": url})
}

// TenantOption changes what a tenant is made with. Whatever has no option here can
// be set by a function of one's own.
type TenantOption func(*client.TenantCreate)

// WithState makes the tenant start with a document: settings, users, applications
// and partners, in JSON or YAML, as exports have it and as the administration
// describes it at /schemas/state-v1.json. To reset the tenant is to go back to its
// partners.
func WithState(document []byte) TenantOption {
	return func(t *client.TenantCreate) {
		state := client.State(document)
		t.Source = &client.TenantSource{Document: &state}
	}
}

// WithSeed makes the tenant start with a seed that the service keeps, such as one of
// WithSeeds.
func WithSeed(name string) TenantOption {
	return func(t *client.TenantCreate) { t.Source = &client.TenantSource{Seed: &name} }
}

// WithIDSeed makes the ids of what is created in the tenant the same each time,
// for one seed.
func WithIDSeed(seed string) TenantOption {
	return func(t *client.TenantCreate) { t.IdSeed = &seed }
}

// WithPageSize makes pages hold that many partners at most, 1 to 1000, to see that
// a program follows links.
func WithPageSize(partners int32) TenantOption {
	return func(t *client.TenantCreate) { settings(t).PageSize = &partners }
}

// WithPermissionRule says who may manage partners: by PermissionRuleSeed, the
// default, users alone, as Graph's documentation had it in 2018; by
// PermissionRuleCurrent applications in their own name too.
func WithPermissionRule(rule client.PermissionRule) TenantOption {
	return func(t *client.TenantCreate) { settings(t).PermissionRule = &rule }
}

// WithPartnerQuota makes creates fail once the tenant has that many partners.
func WithPartnerQuota(partners int32) TenantOption {
	return func(t *client.TenantCreate) { quota(t).Partners = nullable.NewNullableWithValue(partners) }
}

// WithRequestRate makes Graph answer 429 to more requests than that, to see that a
// program waits.
func WithRequestRate(perSecond int32) TenantOption {
	return func(t *client.TenantCreate) { quota(t).RequestsPerSecond = nullable.NewNullableWithValue(perSecond) }
}

func settings(t *client.TenantCreate) *client.TenantSettings {
	if t.Settings == nil {
		t.Settings = &client.TenantSettings{}
	}
	return t.Settings
}

func quota(t *client.TenantCreate) *client.TenantQuota {
	if t.Quota == nil {
		t.Quota = &client.TenantQuota{}
	}
	return t.Quota
}
