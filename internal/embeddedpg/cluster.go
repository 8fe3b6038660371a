//go:build unix

package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

const (
	superuser = "postgres"
)

// initdbFlags returns the flags of initdb except the folder. Trust is safe because only the
// server's user and root can enter the socket's folder.
func initdbFlags() []string {
	return []string{"-U", superuser, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions"}
}

// throwAwayFlags sets the WAL segment size to 1 MB instead of 16, which leaves less to
// copy.
func throwAwayFlags() []string {
	return append(initdbFlags(), "--wal-segsize=1")
}

// clusterMajor returns the PostgreSQL version of the cluster in dir, or 0 if dir is empty
// or missing. It fails if dir has files but isn't a cluster.
func clusterMajor(dir string) (int, error) {
	text, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if err == nil {
		return strconv.Atoi(strings.TrimSpace(string(text)))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err == nil && len(entries) > 0 {
		err = errors.New("the folder has files but no PG_VERSION; move it away")
	}
	return 0, err
}

// makeKept makes the kept cluster: as a copy of the given base if its version fits,
// otherwise with initdb.
func (i *instance) makeKept(ctx context.Context) error {
	if i.base != "" {
		err := i.makeWhole(i.home.cluster(), i.copyBase)
		if err == nil {
			go syncDisk(i.home.dir) // initdb does the same, but the start would have to wait for it
			return nil
		}
		i.log.Warn("can't copy the base cluster; making a new one with initdb", "error", err)
	}
	i.log.Info("making a new PostgreSQL cluster", "directory", i.home.cluster(), "version", i.bin.version)
	return i.makeCluster(ctx, i.home.cluster(), initdbFlags(), nil)
}

func (i *instance) copyBase(dir string) error {
	major, err := clusterMajor(i.base)
	if err != nil {
		return fmt.Errorf("copy %s: %w", i.base, err)
	}
	if major != i.bin.major {
		return fmt.Errorf("copy %s: it has version %d of PostgreSQL, want %d", i.base, major, i.bin.major)
	}
	if err := i.copyCluster(dir, i.base); err != nil {
		return fmt.Errorf("copy %s: %w", i.base, err)
	}
	return nil
}

// makeCluster makes a cluster at target with initdb. It builds the cluster in a folder next
// to target, calls finish on it unless finish is nil, and moves it to target only when
// complete. It also removes what interrupted calls left behind.
func (i *instance) makeCluster(ctx context.Context, target string, flags []string, finish func(dir string) error) error {
	return i.makeWhole(target, func(dir string) error {
		if err := i.run(ctx, "initdb", dir, "", append([]string{"-D", dir}, flags...)...); err != nil {
			return fmt.Errorf("run initdb: %w", err)
		}
		if finish == nil {
			return nil
		}
		return finish(dir)
	})
}

// makeWhole calls fill to make a cluster in an empty folder next to target, and moves the
// folder to target.
func (i *instance) makeWhole(target string, fill func(dir string) error) error {
	dir, err := makeBeside(target)
	if err != nil {
		return fmt.Errorf("make a cluster: %w", err)
	}
	defer os.RemoveAll(dir) // already gone on success
	if err := i.account.own(dir); err != nil {
		return fmt.Errorf("make a cluster: %w", err)
	}
	if err := fill(dir); err != nil {
		return err
	}
	if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) { // empty: clusterMajor has checked
		return fmt.Errorf("make a cluster: %w", err)
	}
	if err := os.Rename(dir, target); err != nil {
		return fmt.Errorf("make a cluster: %w", err)
	}
	return syncDir(filepath.Dir(target))
}

// makeBeside makes a folder in which to build target, and removes those of interrupted
// calls. The caller must hold a lock on target.
func makeBeside(target string) (string, error) {
	parent, prefix := filepath.Dir(target), filepath.Base(target)+".new-"
	entries, err := os.ReadDir(parent)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(parent, e.Name())); err != nil {
			return "", err
		}
	}
	return os.MkdirTemp(parent, prefix)
}

// syncDir fsyncs dir so that a rename in it survives a crash.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// fillThrowAway makes the throw-away cluster: a copy of a cached template or, if that fails
// for any reason, with initdb.
func (i *instance) fillThrowAway(ctx context.Context) error {
	err := i.copyTemplate(ctx)
	if err == nil {
		i.hasDB = true
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	i.log.Warn("can't make a template for throw-away PostgreSQL clusters; starts will be slower", "error", err)
	if err := os.RemoveAll(i.home.cluster()); err != nil {
		return err
	}
	return i.makeCluster(ctx, i.home.cluster(), append(throwAwayFlags(), "--no-sync"), nil)
}

// ensureDatabase creates our database, with the template's content, if the running cluster
// lacks it.
func (i *instance) ensureDatabase(ctx context.Context) error {
	if i.hasDB {
		return nil
	}
	if err := i.createDatabase(ctx); err != nil || !i.throwAway || i.template.Fill == nil {
		return err
	}
	return i.template.Fill(ctx, databaseURL(i.home.socketDir, databaseName))
}

func (i *instance) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, databaseURL(i.home.socketDir, "template1"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", databaseName).Scan(&exists); err != nil {
		return err
	}
	if !exists {
		create := "CREATE DATABASE " + databaseName + " OWNER " + superuser
		if i.fresh {
			create = renameDatabase
		}
		if _, err := conn.Exec(ctx, create); err != nil {
			return err
		}
	}
	_, err = conn.Exec(ctx, closeOthers)
	return err
}

// renameDatabase makes our database of the empty one that initdb made for administrators,
// which saves a tenth of a second.
const renameDatabase = "ALTER DATABASE postgres RENAME TO " + databaseName + "; COMMENT ON DATABASE " + databaseName + " IS NULL"

// closeOthers denies everybody but the superuser the databases that initdb made. A role
// with few rights in our database could otherwise fill the disk there.
const closeOthers = `DO $$
DECLARE
	open name;
BEGIN
	FOR open IN SELECT datname FROM pg_database WHERE datname IN ('postgres', 'template1') AND has_database_privilege('public', oid, 'CONNECT, TEMPORARY') LOOP
		EXECUTE format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', open);
	END LOOP;
END $$`
