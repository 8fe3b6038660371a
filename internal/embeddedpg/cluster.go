//go:build unix

package embeddedpg

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
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

// makeCluster makes a cluster at target by initdb. It is made beside target and
// moved there once it is whole and finish, if any, has worked on it; what an
// interrupted call left is removed.
func (i *instance) makeCluster(ctx context.Context, target string, flags []string, finish func(dir string) error) error {
	old, _ := filepath.Glob(target + ".new-*")
	for _, dir := range old {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove an unfinished cluster: %w", err)
		}
	}
	dir, err := os.MkdirTemp(filepath.Dir(target), filepath.Base(target)+".new-")
	if err != nil {
		return fmt.Errorf("make a cluster: %w", err)
	}
	defer os.RemoveAll(dir) // gone already if all went well
	if err := i.account.own(dir); err != nil {
		return fmt.Errorf("make a cluster: %w", err)
	}
	if err := i.run(ctx, "initdb", dir, "", append([]string{"-D", dir}, flags...)...); err != nil {
		return fmt.Errorf("run initdb: %w", err)
	}
	if finish != nil {
		if err := finish(dir); err != nil {
			return err
		}
	}
	if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) { // empty, see clusterMajor
		return fmt.Errorf("make a cluster: %w", err)
	}
	if err := os.Rename(dir, target); err != nil {
		return fmt.Errorf("make a cluster: %w", err)
	}
	return syncDir(filepath.Dir(target))
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

func (i *instance) copyTemplate(ctx context.Context) error {
	template, err := i.template(ctx)
	if err != nil {
		return fmt.Errorf("make the template: %w", err)
	}
	if err := os.CopyFS(i.home.cluster(), os.DirFS(template)); err != nil {
		return fmt.Errorf("copy the template: %w", err)
	}
	return i.account.ownAll(i.home.cluster())
}

// template returns the folder of a cluster in the cache, with our database in
// it and no server running. It is made, and synced to disk, at the first call.
func (i *instance) template(ctx context.Context) (string, error) {
	if i.host.cacheDir == "" {
		return "", errors.New("this user has no cache folder")
	}
	key := sha256.Sum256([]byte(strings.Join(append(throwAwayFlags(), databaseName, i.bin.dir, i.bin.version), "\n")))
	number, _, _ := strings.Cut(i.bin.version, " ")
	dir := filepath.Join(i.host.cacheDir, fmt.Sprintf("pgtemplate-%s-%x", number, key[:8]))
	if major, err := clusterMajor(dir); major != 0 || err != nil {
		return dir, err
	}
	unlock, err := i.host.lockCache(ctx, filepath.Base(dir), i.account)
	if err != nil {
		return "", err
	}
	defer unlock()
	if major, err := clusterMajor(dir); major != 0 || err != nil {
		return dir, err // made while we waited
	}
	i.log.Info("making a template for throw-away PostgreSQL clusters", "directory", dir, "version", i.bin.version)
	return dir, i.makeCluster(ctx, dir, throwAwayFlags(), func(dir string) error { return i.createOffline(ctx, dir) })
}

// createOffline creates our database in a cluster that no server runs.
func (i *instance) createOffline(ctx context.Context, dir string) error {
	create := "CREATE DATABASE " + databaseName + " OWNER " + superuser + " STRATEGY file_copy\n"
	if err := i.run(ctx, "postgres", dir, create, "--single", "-D", dir, "-c", "exit_on_error=on", "template1"); err != nil {
		return fmt.Errorf("create database %s: %w", databaseName, err)
	}
	return nil
}

// lockCache makes the cache folder, which the account must be able to reach,
// and waits for the lock on what is called name in it.
func (h host) lockCache(ctx context.Context, name string, a account) (unlock func(), err error) {
	if err := makeCacheDir(h.cacheDir, a); err != nil {
		return nil, fmt.Errorf("make the cache folder: %w", err)
	}
	lock := flock.New(filepath.Join(h.cacheDir, name+".lock"))
	if _, err := lock.TryLockContext(ctx, 20*time.Millisecond); err != nil {
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	return func() { _ = lock.Unlock() }, nil
}

func makeCacheDir(dir string, a account) error {
	if err := a.makeDir(dir); err != nil {
		return err
	}
	return a.reach(dir)
}

// ensureDatabase creates our database if the running cluster hasn't got it.
func (i *instance) ensureDatabase(ctx context.Context) error {
	if i.hasDB {
		return nil
	}
	conn, err := pgx.Connect(ctx, databaseURL(i.home.socketDir, superuser))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var exists bool
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", databaseName).Scan(&exists)
	if err != nil || exists {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+databaseName+" OWNER "+superuser)
	return err
}
