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
	superuser    = "postgres"
	databaseName = "mocktenant"
)

// initdbFlags returns the flags of initdb besides the folder. Trust is safe as
// only the server's user and root can enter the folder of the socket.
func initdbFlags() []string {
	return []string{"-U", superuser, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions"}
}

// throwAwayFlags makes WAL files of 1 MB in place of 16: less to copy.
func throwAwayFlags() []string {
	return append(initdbFlags(), "--wal-segsize=1")
}

// clusterMajor returns the version of PostgreSQL that made the cluster in dir,
// 0 if there is none. Fails if dir has files but isn't a cluster.
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

// makeKept makes the kept cluster: a copy of the given one or, if there is none
// that fits, by initdb.
func (i *instance) makeKept(ctx context.Context) error {
	if i.base != "" {
		err := i.makeWhole(i.home.cluster(), i.copyBase)
		if err == nil {
			go syncDisk(i.home.dir) // as initdb does, but without making the start wait
			return nil
		}
		i.log.Warn("the cluster can't be made as a copy, and is made anew", "error", err)
	}
	i.log.Info("making a new PostgreSQL cluster", "directory", i.home.cluster(), "version", i.bin.version)
	return i.makeCluster(ctx, i.home.cluster(), initdbFlags(), nil)
}

func (i *instance) copyBase(dir string) error {
	major, err := clusterMajor(i.base)
	if err == nil && major != i.bin.major {
		err = fmt.Errorf("it is of PostgreSQL %d, and %d is needed", major, i.bin.major)
	}
	if err == nil {
		err = i.copyCluster(dir, i.base)
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", i.base, err)
	}
	return nil
}

// makeCluster makes a cluster at target by initdb. It is made beside target and
// moved there once it is whole and finish, if any, has worked on it; what an
// interrupted call left is removed.
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

// makeWhole lets fill make a cluster in an empty folder beside target, and moves
// that there.
func (i *instance) makeWhole(target string, fill func(dir string) error) error {
	dir, err := makeBeside(target)
	if err != nil {
		return fmt.Errorf("make a cluster: %w", err)
	}
	defer os.RemoveAll(dir) // gone already if all went well
	if err := i.account.own(dir); err != nil {
		return fmt.Errorf("make a cluster: %w", err)
	}
	if err := fill(dir); err != nil {
		return err
	}
	if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) { // empty, see clusterMajor
		return fmt.Errorf("make a cluster: %w", err)
	}
	if err := os.Rename(dir, target); err != nil {
		return fmt.Errorf("make a cluster: %w", err)
	}
	return syncDir(filepath.Dir(target))
}

// makeBeside makes a folder to build target in and removes those of interrupted
// calls. The caller holds a lock on target.
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

// syncDir makes a rename in dir last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// fillThrowAway makes the throw-away cluster: a copy of a template in the cache
// or, if that fails in any way, by initdb.
func (i *instance) fillThrowAway(ctx context.Context) error {
	err := i.copyTemplate(ctx)
	if err == nil {
		i.hasDB = true
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	i.log.Warn("no template for a throw-away PostgreSQL, which starts slower without", "error", err)
	if err := os.RemoveAll(i.home.cluster()); err != nil {
		return err
	}
	return i.makeCluster(ctx, i.home.cluster(), append(throwAwayFlags(), "--no-sync"), nil)
}

// ensureDatabase creates our database if the running cluster hasn't got it, as the
// template would have it.
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
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", databaseName).Scan(&exists)
	if err == nil && !exists {
		_, err = conn.Exec(ctx, "CREATE DATABASE "+databaseName+" OWNER "+superuser)
	}
	if err == nil {
		_, err = conn.Exec(ctx, closeOthers)
	}
	return err
}

// closeOthers keeps everybody but the superuser out of the databases that initdb made,
// where roles that may do little in ours could fill the disk.
const closeOthers = `DO $$
DECLARE
	open name;
BEGIN
	FOR open IN SELECT datname FROM pg_database WHERE datname IN ('postgres', 'template1') AND has_database_privilege('public', oid, 'CONNECT, TEMPORARY') LOOP
		EXECUTE format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', open);
	END LOOP;
END $$`
