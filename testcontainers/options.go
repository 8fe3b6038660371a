package mocktenant

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/testcontainers/testcontainers-go"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/session"
)

// Folders in the container.
const (
	seedDir = "/seed"
	tlsDir  = "/tls"
)

// readable is the mode of files in the container, where the service runs as its own user.
const readable = 0o644

// WithSeeds makes the service start with documents: JSON or YAML files as mocktenant export
// writes them. Each becomes a seed, named like its file without the extension, and a
// tenant.
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

// WithCertificate makes the service use the test's own TLS certificate and key, two PEM
// files; the certificate file may include the chain. The certificate must name the host
// through which the test connects, usually localhost. It needn't name Microsoft's hosts; if
// it does, MOCKTENANT_MICROSOFT_HOSTS makes the service check that.
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
			return fmt.Errorf("%q and %q would both be %s in the container", f.HostFilePath, from, to)
		}
	}
	return testcontainers.WithFiles(testcontainers.ContainerFile{HostFilePath: from, ContainerFilePath: to, FileMode: readable})(req)
}

// WithDemo says whether the service has the demo tenant, whose credentials are public. By
// default mocktenant:standalone has it.
func WithDemo(demo bool) testcontainers.CustomizeRequestOption {
	return testcontainers.WithEnv(map[string]string{"MOCKTENANT_DEMO": strconv.FormatBool(demo)})
}

// WithAdminKey sets the administration's key, at least 20 characters, for callers other
// than Container.Admin. By default it is random.
func WithAdminKey(key string) testcontainers.CustomizeRequestOption {
	return testcontainers.WithEnv(map[string]string{"MOCKTENANT_ADMIN_KEY": key})
}

// WithDatabaseURL makes the service use an existing Postgres (15 or later), by a URL that
// is valid in the container, for example on one of its networks.
func WithDatabaseURL(url string) testcontainers.CustomizeRequestOption {
	return testcontainers.WithEnv(map[string]string{"DATABASE_URL": url})
}

// TenantOption changes how a tenant is made. Write your own function for anything that has
// no option here.
type TenantOption = session.Option

// WithState makes the tenant start with a document, see [session.WithState].
func WithState(document []byte) TenantOption { return session.WithState(document) }

// WithSeed makes the tenant start with a seed that the service has, such as one of WithSeeds.
func WithSeed(name string) TenantOption { return session.WithSeed(name) }

// WithIDSeed makes the tenant's new ids reproducible, see [session.WithIDSeed].
func WithIDSeed(seed string) TenantOption { return session.WithIDSeed(seed) }

// WithPageSize limits pages, see [session.WithPageSize].
func WithPageSize(partners int32) TenantOption { return session.WithPageSize(partners) }

// WithPermissionRule says who may manage partners, see [session.WithPermissionRule].
func WithPermissionRule(rule api.PermissionRule) TenantOption {
	return session.WithPermissionRule(rule)
}

// WithPartnerPortal lets onboardings be accepted at a link, see [session.WithPartnerPortal].
func WithPartnerPortal() TenantOption { return session.WithPartnerPortal() }

// WithStatusCodes says which statuses to answer, see [session.WithStatusCodes].
func WithStatusCodes(codes api.StatusCodes) TenantOption { return session.WithStatusCodes(codes) }

// WithEntityQuota limits the number of entities of each set, see [session.WithEntityQuota].
func WithEntityQuota(entities int32) TenantOption { return session.WithEntityQuota(entities) }

// WithRequestRate limits the rate of requests, see [session.WithRequestRate].
func WithRequestRate(perSecond int32) TenantOption { return session.WithRequestRate(perSecond) }
