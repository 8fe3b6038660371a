package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/mocktenant/mocktenant/internal/certs"
	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/identity"
)

// preparationPeriod is how long what Prepare makes is good to copy: shorter than
// the 30 days after which a signing key is due to change.
const preparationPeriod = 20 * 24 * time.Hour

// pageKeyName is what the service's secret is called by which it signs the links
// to the next page.
const pageKeyName = "skip tokens"

// Prepare makes all in an empty database that a service makes at its first start:
// the schema, the signing key, the certificate authority. A service that finds a
// copy of it starts in milliseconds.
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
	_, err = db.New(pool).ServiceSecret(ctx, pageKeyName, time.Now())
	return err
}

// Preparation names what Prepare makes at a time: it changes with the migrations
// and, as keys age, now and then. Names are in the order of their times, and may
// be part of a database's.
func Preparation(now time.Time) string {
	return now.UTC().Truncate(preparationPeriod).Format("20060102") + "_" + db.SchemaHash()
}
