package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/mocktenant/mocktenant/internal/certs"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/identity"
)

// preparationPeriod is how long a result of Prepare may be copied: less than the 30 days
// after which a signing key is rotated.
const preparationPeriod = 20 * 24 * time.Hour

// pageKeyName is the name of the secret with which the service signs the links to the next
// page.
const pageKeyName = "skip tokens"

// Prepare makes in an empty database everything that a service makes at its first start:
// the schema, the signing key, the certificate authority. A service that finds a copy of it
// starts in milliseconds.
func Prepare(ctx context.Context, databaseURL string) error {
	log := slog.New(slog.DiscardHandler)
	pool, err := db.Open(ctx, databaseURL, 0, log)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := db.MigrateUp(ctx, pool, log); err != nil {
		return err
	}
	if _, err := identity.New(ctx, identity.Config{DB: pool}); err != nil {
		return err
	}
	if _, err := certs.Open(ctx, db.New(pool), nil, append(machine(), certs.MicrosoftHosts...), time.Now()); err != nil {
		return err
	}
	for _, name := range []string{pageKeyName, consoleKeyName} {
		if _, err := db.New(pool).ServiceSecret(ctx, name, time.Now()); err != nil {
			return err
		}
	}
	return nil
}

// Preparation returns the name of what Prepare makes at a time. It changes with the
// migrations and, because keys age, from time to time. Names sort by their times, and can
// be part of a database's name.
func Preparation(now time.Time) string {
	return now.UTC().Truncate(preparationPeriod).Format("20060102") + "_" + db.SchemaHash()
}
