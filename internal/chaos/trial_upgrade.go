//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/internal/server"
)

// ancestors returns earlier commits from which this one can be upgraded: those since a migration
// was last rewritten, the newest and the oldest of them included, and all tagged ones.
func (l *lab) ancestors(ctx context.Context) ([]string, error) {
	rewritten, err := output(ctx, "", "git", "log", "-1", "--format=%H", "--diff-filter=MDR", "--", ":/migrations")
	if err != nil {
		return nil, fmt.Errorf("%w: this isn't a checkout of git: %w", errNotHere, err)
	}
	list, err := output(ctx, "", "git", "rev-list", "--first-parent", "HEAD~1", "^"+rewritten+"~1")
	if err != nil {
		return nil, err
	}
	commits := strings.Fields(list)
	if len(commits) == 0 {
		return nil, fmt.Errorf("%w: the last commit rewrote a migration", errNotHere)
	}
	tags, err := output(ctx, "", "git", "tag", "--contains", rewritten, "--merged", "HEAD~1")
	return append(spread(commits, l.size.commits), strings.Fields(tags)...), err
}

// spread returns at most n of the commits, the first and the last included if n is at least 2.
func spread(commits []string, n int) []string {
	if len(commits) <= n {
		return commits
	}
	if n == 1 {
		return commits[:1]
	}
	var some []string
	for i := range n {
		some = append(some, commits[i*(len(commits)-1)/(n-1)])
	}
	return some
}

// former builds the program of a commit, once.
func (l *lab) former(ctx context.Context, commit string) (string, error) {
	program := filepath.Join(l.dir, "mocktenant-"+strings.ReplaceAll(commit, "/", "-"))
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	source := program + "-source"
	if _, err := output(ctx, "", "git", "worktree", "add", "--quiet", "--detach", source, commit); err != nil {
		return "", err
	}
	defer func() { _, _ = output(context.WithoutCancel(ctx), "", "git", "worktree", "remove", "--force", source) }()
	return program, build(ctx, source, program)
}

// upgrades runs a trial for each earlier commit.
func (r *run) upgrades(ctx context.Context, replicas int, change func(context.Context, *cluster, string) error) error {
	commits, err := r.ancestors(ctx)
	if err != nil {
		return err
	}
	for _, commit := range commits {
		old, err := r.former(ctx, commit)
		if err != nil {
			return err
		}
		r.on(commit[:min(len(commit), 10)])
		if err := r.upgrade(ctx, layout{replicas: replicas, binary: old}, change); err != nil {
			return fmt.Errorf("from %s: %w", commit, err)
		}
	}
	return nil
}

func (r *run) upgrade(ctx context.Context, o layout, change func(context.Context, *cluster, string) error) error {
	c, err := r.cluster(ctx, o)
	if err != nil {
		return err
	}
	defer c.end()
	stored := kept{}
	for _, binary := range []string{r.binary, o.binary} {
		e, err := c.phase(ctx, r.tag(), time.Millisecond, func(ctx context.Context, c *cluster) error { return change(ctx, c, binary) })
		if err == nil {
			err = r.check(e)
		}
		if err != nil {
			return err
		}
		stored.before = append(stored.before, e.history.final[0]...)
	}
	if stored.after, err = c.replicas[0].all(ctx, "p"); err != nil {
		return err
	}
	if err := r.check(evidence{kept: &stored}); err != nil {
		return err
	}
	return c.stop()
}

// upgradeAtRest stops every replica before it starts other ones.
func upgradeAtRest(ctx context.Context, r *run) error {
	return r.upgrades(ctx, 1, func(ctx context.Context, c *cluster, binary string) error {
		for _, p := range c.replicas {
			if err := p.stop(); err != nil {
				return err
			}
			p.binary = binary
		}
		for _, p := range c.replicas {
			if err := p.start(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// rollingUpgrade replaces replicas one by one. Before one is stopped, clients no longer use it,
// as a load balancer would do.
func rollingUpgrade(ctx context.Context, r *run) error {
	return r.upgrades(ctx, 2, func(ctx context.Context, c *cluster, binary string) error {
		for _, p := range c.replicas {
			p.at.Store(nil)
			c.wait(ctx, 500*time.Millisecond) // for calls that have begun to connect
			if err := p.stop(); err != nil {
				return err
			}
			p.binary = binary
			if err := p.start(ctx); err != nil {
				return err
			}
			c.wait(ctx, time.Second) // both versions serve
		}
		return nil
	})
}

// dumpAndRestore dumps a database during load and again at rest, and serves both copies.
func dumpAndRestore(ctx context.Context, r *run) error {
	c, err := r.cluster(ctx, layout{replicas: 1})
	if err != nil {
		return err
	}
	defer c.end()
	r.on("1 replica")
	during, rest, err := r.dumpBoth(ctx, c)
	if err != nil {
		return err
	}
	original, err := c.replicas[0].export(ctx, server.DemoTenantID)
	if err != nil {
		return err
	}
	if _, err := r.serveCopy(ctx, c, "during", during); err != nil {
		return err
	}
	restored, err := r.serveCopy(ctx, c, "rest", rest)
	if err != nil {
		return err
	}
	return r.check(evidence{states: &states{original, restored}})
}

// dumpBoth makes two copies of the database. It returns what was stored before each of them, of
// the first only what no client changes.
func (r *run) dumpBoth(ctx context.Context, c *cluster) (during, rest *kept, err error) {
	tag := r.tag()
	during = &kept{}
	e, err := c.phase(ctx, tag, time.Millisecond, func(ctx context.Context, c *cluster) (err error) {
		if during.before, err = c.replicas[0].all(ctx, tag+"-r-"); err != nil {
			return err
		}
		return c.copyTo(ctx, "during")
	})
	if err == nil {
		err = r.check(e)
	}
	if err != nil {
		return nil, nil, err
	}
	return during, &kept{before: e.history.final[0]}, c.copyTo(ctx, "rest")
}

// copyTo dumps the database, and restores the dump into a new one.
func (c *cluster) copyTo(ctx context.Context, name string) error {
	dir, err := c.lab.newDir()
	if err != nil {
		return err
	}
	dump := filepath.Join(dir, "mocktenant.dump")
	if _, err := output(ctx, "", "pg_dump", "-Fc", "--dbname="+c.postgres.DatabaseURL(), "--file="+dump); err != nil {
		return err
	}
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		return err
	}
	_, err = output(ctx, "", "pg_restore", "--no-owner", "--exit-on-error", "--dbname="+c.urlOf(name), dump)
	return err
}

// urlOf returns the URL of another database on the same Postgres.
func (c *cluster) urlOf(name string) string {
	return strings.Replace(c.postgres.DatabaseURL(), "/mocktenant?", "/"+name+"?", 1)
}

// serveCopy serves a copy of the database, checks that it has what was stored before, and
// returns the demo tenant's document.
func (r *run) serveCopy(ctx context.Context, c *cluster, name string, k *kept) (string, error) {
	p, err := c.add("")
	if err != nil {
		return "", err
	}
	p.settings = []string{"DATABASE_URL=" + c.urlOf(name)}
	if err := p.start(ctx); err != nil {
		return "", err
	}
	if k.after, err = p.all(ctx, "p"); err != nil {
		return "", err
	}
	if err := r.check(evidence{kept: k}); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return p.export(ctx, server.DemoTenantID)
}

// export returns a tenant's document.
func (r *replica) export(ctx context.Context, tenant api.TenantId) (string, error) {
	var document json.RawMessage
	err := r.administer(ctx, "/v1/tenants/"+tenant.String()+"/state", &document)
	return string(document), err
}

// exportAndImport makes a tenant from the document of another one.
func exportAndImport(ctx context.Context, r *run) error {
	c, err := r.cluster(ctx, layout{replicas: 2})
	if err != nil {
		return err
	}
	defer c.end()
	r.on("2 replicas")
	if _, err := c.phase(ctx, r.tag(), time.Millisecond, nothing); err != nil {
		return err
	}
	original, err := c.replicas[0].export(ctx, server.DemoTenantID)
	if err != nil {
		return err
	}
	admin, err := c.replicas[1].admin()
	if err != nil {
		return err
	}
	state, no := api.State(original), false
	made, err := client.Read[api.TenantCreated](admin.CreateTenant(ctx, nil, api.TenantCreate{DisplayName: "Copy", Credentials: &no, Source: &api.TenantSource{Document: &state}}))
	if err != nil {
		return err
	}
	replica, err := c.replicas[0].export(ctx, made.Tenant.Id)
	if err == nil {
		err = r.check(evidence{states: &states{original, replica}})
	}
	return err
}
