package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/embeddedpg"
)

func newMigrate(c *cli) *cobra.Command {
	return family("migrate", "Show or change the database's schema revision.", newMigrateUp(c), newMigrateDown(c), newMigrateStatus(c))
}

type (
	migrateUpCommand   struct{}
	migrateDownCommand struct {
		Yes bool
	}
	migrateStatusCommand struct{}
)

func newMigrateUp(c *cli) *cobra.Command {
	return c.command("up", "Apply what is missing. The service does so itself when it starts.", migrateUpCommand{})
}

// Run applies the missing migrations.
func (migrateUpCommand) Run(ctx context.Context, c *cli, con console) error {
	return c.Database.use(ctx, con, func(pool *db.Pool) error {
		return db.MigrateUp(ctx, pool, con.log)
	})
}

func newMigrateDown(c *cli) *cobra.Command {
	m := &migrateDownCommand{}
	cmd := c.command("down", "Take the last migration back, with the data in what it made.", m)
	truthFlag(cmd.Flags(), &m.Yes, "yes", "Really do it: data is lost.")
	return cmd
}

// Run takes one migration back.
func (m migrateDownCommand) Run(ctx context.Context, c *cli, con console) error {
	if !m.Yes {
		return errors.New("migrate down takes the last migration back and drops what it made, with the data in it: say --yes if that is meant. " +
			"To go back to an older version of mocktenant it isn't needed: that serves on the newer schema")
	}
	return c.Database.use(ctx, con, func(pool *db.Pool) error {
		down, err := db.MigrateDown(ctx, pool, con.log)
		if err == nil && !down {
			err = errors.New("no migration is applied")
		}
		return err
	})
}

func newMigrateStatus(c *cli) *cobra.Command {
	return c.command("status", "List the migrations and when each was applied.", migrateStatusCommand{})
}

// Run lists the migrations.
func (migrateStatusCommand) Run(ctx context.Context, c *cli, con console) error {
	return c.Database.use(ctx, con, func(pool *db.Pool) error {
		list, err := db.Migrations(ctx, pool)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(con.out, 0, 0, 2, ' ', 0)
		newer := false
		for _, m := range list {
			applied := "pending"
			if m.AppliedAt != nil {
				applied = m.AppliedAt.UTC().Format(time.RFC3339)
			}
			newer = newer || m.Name == ""
			_, _ = fmt.Fprintf(w, "%s\t%s\n", cmp.Or(m.Name, fmt.Sprintf("%05d, by a newer version of mocktenant", m.Version)), applied)
		}
		if newer {
			_, _ = fmt.Fprintln(w, "\nThis version serves on the newer schema. Only the newer one can migrate it down.")
		}
		return w.Flush()
	})
}

// use calls f with the database: the one that is named, the one of the service
// that runs, or the service's own, started for it.
func (f databaseFlags) use(ctx context.Context, con console, do func(*db.Pool) error) error {
	dir, err := f.dataDir()
	if err != nil {
		return err
	}
	url, running := embeddedpg.Running(dir)
	stop := func() error { return nil }
	if !f.embedded() || !running {
		if url, stop, err = f.start(ctx, dir, con.log); err != nil {
			return err
		}
	}
	pool, err := db.Open(ctx, url, 0, con.log)
	if err == nil {
		err = do(pool)
		pool.Close()
	}
	return errors.Join(err, stop())
}
