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
)

// copyTemplate makes the cluster as a copy of the template.
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
