//go:build unix

package embeddedpg

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	templatePrefix = "pgtemplate-"

	// templateLifetime is how long an unused template is kept.
	templateLifetime = 30 * 24 * time.Hour
)

// createScript creates our database and drops those that only initdb and psql's defaults
// need, because a larger cluster takes longer to copy.
const createScript = "CREATE DATABASE " + databaseName + " OWNER " + superuser + ` STRATEGY file_copy
DROP DATABASE postgres
UPDATE pg_database SET datistemplate = false WHERE datname = 'template0'
DROP DATABASE template0
REVOKE CONNECT, TEMPORARY ON DATABASE template1 FROM PUBLIC
`

// copyTemplate makes the cluster as a copy of the template.
func (i *instance) copyTemplate(ctx context.Context) error {
	template, err := i.templateDir(ctx)
	if err != nil {
		return fmt.Errorf("make the template: %w", err)
	}
	if err := i.copyCluster(i.home.cluster(), template); err != nil {
		return fmt.Errorf("copy the template: %w", err)
	}
	return nil
}

func (i *instance) copyCluster(to, from string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	return i.account.ownAll(to)
}

// templateDir returns the folder of a cached cluster that contains our database and isn't
// running. The first call makes it and syncs it to disk.
func (i *instance) templateDir(ctx context.Context) (string, error) {
	if i.template.Fill == nil {
		return i.cached(ctx, "", func(dir string) error {
			return i.makeCluster(ctx, dir, throwAwayFlags(), func(dir string) error { return i.createOffline(ctx, dir) })
		})
	}
	return i.cached(ctx, i.template.Name, func(dir string) error { return i.makeFilled(ctx, dir) })
}

// cached returns the cache folder of the template with this content, and calls make if it
// doesn't exist.
func (i *instance) cached(ctx context.Context, content string, make func(dir string) error) (string, error) {
	if i.host.cacheDir == "" {
		return "", errors.New("this user has no cache folder")
	}
	key := sha256.Sum256([]byte(strings.Join(append(throwAwayFlags(), createScript, i.bin.dir, i.bin.version, content), "\n")))
	number, _, _ := strings.Cut(i.bin.version, " ")
	dir := filepath.Join(i.host.cacheDir, fmt.Sprintf("%s%s-%x", templatePrefix, number, key[:8]))
	if major, err := clusterMajor(dir); major != 0 || err != nil {
		now := time.Now()
		_ = os.Chtimes(dir, now, now) // for removeUnused
		return dir, err
	}
	unlock, err := i.host.lockCache(ctx, filepath.Base(dir), i.account)
	if err != nil {
		return "", err
	}
	defer unlock()
	if major, err := clusterMajor(dir); major != 0 || err != nil {
		return dir, err // another process made it while this one waited
	}
	i.log.Info("making a template for throw-away PostgreSQL clusters", "directory", dir, "version", i.bin.version)
	i.host.removeUnused(time.Now().Add(-templateLifetime))
	return dir, make(dir)
}

// createOffline makes the databases of a cluster that isn't running.
func (i *instance) createOffline(ctx context.Context, dir string) error {
	err := i.run(ctx, "postgres", dir, createScript, "--single", "-D", dir, "-c", "exit_on_error=on", "template1")
	if err != nil {
		return fmt.Errorf("create database %s: %w", databaseName, err)
	}
	return nil
}

// makeFilled makes a template at target: Fill works on a throw-away server, whose cluster
// is kept.
func (i *instance) makeFilled(ctx context.Context, target string) (err error) {
	w := &instance{host: i.host, account: i.account, bin: i.bin, throwAway: true, log: i.log}
	if w.home, err = openThrowAway(i.host.scratch, i.account, i.log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.copyTemplate(ctx); err != nil {
		return err
	}
	p, err := w.start(ctx)
	if err != nil {
		return err
	}
	err = i.template.Fill(ctx, databaseURL(w.home.socketDir, databaseName))
	if err := errors.Join(err, p.end(syscall.SIGINT)); err != nil { // SIGINT leaves a clean cluster
		return err
	}
	return i.makeWhole(target, func(dir string) error {
		if err := i.copyCluster(dir, w.home.cluster()); err != nil {
			return err
		}
		return i.run(ctx, "initdb", dir, "", "-D", dir, "--sync-only")
	})
}

// removeUnused removes the templates unused since then. A process that is copying one of
// them falls back to initdb.
func (h host) removeUnused(since time.Time) {
	dirs, _ := filepath.Glob(filepath.Join(h.cacheDir, templatePrefix+"*"))
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err == nil && info.IsDir() && info.ModTime().Before(since) {
			_ = os.RemoveAll(dir)
		}
	}
}
