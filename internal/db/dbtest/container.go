//go:build integration

package dbtest

import (
	"cmp"
	"context"
	"os"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/postgres"
)

// startPostgres starts a container of the image that TEST_POSTGRES_IMAGE names.
func startPostgres(ctx context.Context) (url string, stop func(), err error) {
	container, err := postgres.Run(ctx, cmp.Or(os.Getenv("TEST_POSTGRES_IMAGE"), "postgres:15"),
		postgres.WithDatabase("mocktenant"),
		postgres.WithUsername("mocktenant"),
		postgres.WithPassword("mocktenant"),
		postgres.BasicWaitStrategies(),
		testcontainers.WithCmdArgs("-c", "fsync=off", "-c", "max_connections=200"),
	)
	stop = func() { _ = testcontainers.TerminateContainer(container) }
	if err == nil {
		url, err = container.ConnectionString(ctx, "sslmode=disable", "connect_timeout=60") // a busy machine may take more than five seconds
	}
	if err != nil {
		stop()
		return "", nil, err
	}
	return url, stop, nil
}
