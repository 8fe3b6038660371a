package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/embeddedpg"
)

func newMigrate(c *cli) *cobra.Command {
	return family("migrate", "Show or change the revision of the database's schema.", newMigrateUp(c), newMigrateDown(c), newMigrateStatus(c), newMigrateDistribute(c))
}

func newMigrateUp(c *cli) *cobra.Command {
	return c.command("up", "Apply the pending migrations. The service also does this when it starts.", runFunc(migrateUp))
}

func migrateUp(ctx context.Context, c *cli, con console) error {
	return c.Database.use(ctx, con, func(pool *db.Pool) error {
		return db.MigrateUp(ctx, pool, con.log)
	})
}

func newMigrateDown(c *cli) *cobra.Command {
	yes := false
	cmd := c.command("down", "Revert the last migration, and delete the data in what it made.", runFunc(func(ctx context.Context, c *cli, con console) error {
		if !yes {
			return errors.New("migrate down reverts the last migration and drops what it made, with all data in it. Add --yes to do that. " +
				"You don't need it to go back to an older version of mocktenant, which works with the newer schema")
		}
		return migrateDown(ctx, c, con)
	}))
	truthFlag(cmd.Flags(), &yes, "yes", "Confirm that data will be lost.")
	return cmd
}

func migrateDown(ctx context.Context, c *cli, con console) error {
	return c.Database.use(ctx, con, func(pool *db.Pool) error {
		down, err := db.MigrateDown(ctx, pool, con.log)
		if err == nil && !down {
			err = errors.New("no migration is applied")
		}
		return err
	})
}

func newMigrateDistribute(c *cli) *cobra.Command {
	cmd := c.command("distribute", "Distribute the tables by tenant over a Citus cluster.", runFunc(migrateDistribute))
	cmd.Long = cmd.Short + " The database needs the extension citus on every server and its workers added. " +
		"Distributed tables stay distributed; later migrations distribute their new tables."
	return cmd
}

func migrateDistribute(ctx context.Context, c *cli, con console) error {
	return c.Database.use(ctx, con, func(pool *db.Pool) error {
		if err := db.MigrateUp(ctx, pool, con.log); err != nil {
			return err
		}
		return db.Distribute(ctx, pool, con.log)
	})
}

func newMigrateStatus(c *cli) *cobra.Command {
	return c.command("status", "List the migrations and when each was applied.", runFunc(migrateStatus))
}

func migrateStatus(ctx context.Context, c *cli, con console) error {
	if err := c.Database.check(); err != nil {
		return err
	}
	dir, err := c.Database.dataDir()
	if err != nil {
		return err
	}
	if c.Database.embedded() && !embeddedpg.Exists(dir) {
		list, err := db.KnownMigrations()
		if err != nil {
			return err
		}
		return printMigrations(con, list, nil)
	}
	return c.Database.use(ctx, con, func(pool *db.Pool) error {
		list, err := db.Migrations(ctx, pool)
		if err != nil {
			return err
		}
		local, err := db.Undistributed(ctx, pool)
		if err != nil {
			return err
		}
		return printMigrations(con, list, local)
	})
}

// printMigrations prints the migrations, and the tables that should be distributed but
// aren't.
func printMigrations(con console, list []db.MigrationStatus, local []string) error {
	w := tabwriter.NewWriter(con.out, 0, 0, 2, ' ', 0)
	newer := false
	for _, m := range list {
		applied := "pending"
		if m.AppliedAt != nil {
			applied = cell(*m.AppliedAt)
		}
		newer = newer || m.Name == ""
		_, _ = fmt.Fprintf(w, "%s\t%s\n", cmp.Or(m.Name, fmt.Sprintf("%05d, by a newer version of mocktenant", m.Version)), applied)
	}
	if newer {
		_, _ = fmt.Fprintln(w, "\nThis version works with the newer schema. Only the newer one can migrate it down.")
	}
	if len(local) > 0 {
		_, _ = fmt.Fprintf(w, "\nThe cluster doesn't distribute %s. Run mocktenant migrate distribute.\n", strings.Join(local, ", "))
	}
	return w.Flush()
}

// use calls f with the database: the named one, the running service's, or the service's
// own, which it starts.
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
