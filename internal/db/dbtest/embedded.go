//go:build !integration

package dbtest

import (
	"context"
	"os"

	"github.com/mocktenant/mocktenant/internal/embeddedpg"
)

// startPostgres starts a throw-away server from the machine's own binaries.
func startPostgres(ctx context.Context) (url string, stop func(), err error) {
	server, err := embeddedpg.Start(ctx, embeddedpg.Options{BinDir: os.Getenv("MOCKTENANT_PG_BINDIR")})
	if err != nil {
		return "", nil, err
	}
	return server.DatabaseURL(), func() { _ = server.Stop() }, nil
}
