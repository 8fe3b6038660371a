//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// phases is a trial of a fault on several layouts, each repeatedly.
func phases(f fault, layouts ...layout) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		for _, o := range layouts {
			r.on(o)
			if err := r.phasesOn(ctx, o, r.size.rounds, f); err != nil {
				return fmt.Errorf("%s: %w", o, err)
			}
		}
		return nil
	}
}

// held is like phases, with a fault that lasts a while.
func held(f func(time.Duration) fault, layouts ...layout) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error { return phases(f(r.size.hold), layouts...)(ctx, r) }
}

// phasesOn repeats faults on one cluster. What earlier phases stored must survive later ones.
func (r *run) phasesOn(ctx context.Context, o layout, rounds int, faults ...fault) error {
	c, err := r.cluster(ctx, o)
	if err != nil {
		return err
	}
	defer c.end()
	stored := kept{}
	for range rounds {
		for _, f := range faults {
			e, err := c.phase(ctx, r.tag(), 0, f)
			if err == nil {
				err = r.check(e)
			}
			if err != nil {
				return err
			}
			stored.before = append(stored.before, e.history.final[0]...)
			r.say("    %d calls, %d of unknown result, out for %s", len(e.history.calls), unknowns(e.history), e.outages[0].Round(time.Millisecond))
		}
	}
	if stored.after, err = c.replicas[0].all(ctx, "p"); err != nil {
		return err
	}
	if err := r.check(evidence{kept: &stored}); err != nil {
		return err
	}
	return c.stop()
}

func unknowns(h *history) int {
	_, n := h.count()
	return n
}

// diskFull fills a small file system that only Postgres uses.
func diskFull(ctx context.Context, r *run) error {
	dir, err := r.newDir()
	if err != nil {
		return err
	}
	options := fmt.Sprintf("size=256m,mode=711,uid=%d", os.Geteuid())
	if err := mount(ctx, "-t", "tmpfs", "-o", options, "mocktenant-chaos", dir); err != nil {
		return fmt.Errorf("%w: a small file system can't be mounted here: %w", errNotHere, err)
	}
	defer func() { _ = umount(dir) }()
	o := layout{replicas: 1, dir: dir}
	r.on("1 replica, 256 MB of tmpfs")
	return r.phasesOn(ctx, o, r.size.rounds, func(ctx context.Context, c *cluster) error {
		ballast := filepath.Join(dir, "ballast")
		if err := fill(ballast); err != nil {
			return err
		}
		c.wait(ctx, r.size.hold)
		return os.Remove(ballast)
	})
}

// fill writes a file until the disk is full.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for range 1 << 14 {
		if _, err := f.Write(make([]byte, 64<<10)); errors.Is(err, syscall.ENOSPC) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return fmt.Errorf("%s isn't on a small file system", path)
}

// mount mounts a file system, which only root may.
func mount(ctx context.Context, args ...string) error {
	name := "mount"
	if os.Geteuid() != 0 {
		name, args = "sudo", append([]string{"-n", "mount"}, args...)
	}
	_, err := output(ctx, "", name, args...)
	return err
}

func umount(dir string) error {
	if os.Geteuid() != 0 {
		return exec.Command("sudo", "-n", "umount", "-l", dir).Run()
	}
	return exec.Command("umount", "-l", dir).Run()
}

// majors kills the postmaster and the service on each major version.
func majors(ctx context.Context, r *run) error {
	found, err := r.majors(ctx)
	if err != nil {
		return err
	}
	for major := 15; major <= 18; major++ {
		version, err := output(ctx, "", filepath.Join(found[major], "postgres"), "--version")
		if err != nil {
			return err
		}
		r.on(strings.TrimPrefix(version, "postgres (PostgreSQL) "))
		for _, o := range everyLayout[:2] {
			o.binDir = found[major]
			if err := r.phasesOn(ctx, o, (r.size.rounds+3)/4, killPostmaster, killService); err != nil {
				return fmt.Errorf("%s, %s: %w", version, o, err)
			}
		}
	}
	return nil
}
