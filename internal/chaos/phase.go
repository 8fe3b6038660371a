//go:build linux

package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// fault does something to a cluster. If it stops what Postgres or the service don't start again
// by themselves, it also starts that again.
type fault func(context.Context, *cluster) error

// phase lets the clients work, causes a fault at a random moment, waits until everything serves
// again, lets the clients work some more, and returns everything that they saw. The outage is the
// longest time in which a replica served nobody, without the time that the fault was meant to
// last.
func (c *cluster) phase(ctx context.Context, tag string, pace time.Duration, f fault) (evidence, error) {
	l, err := c.newLoad(ctx, tag, pace)
	if err != nil {
		return evidence{}, err
	}
	l.start(ctx)
	defer l.stop() // after an error
	if err := l.more(ctx, 200+rand.Int64N(1000)); err != nil {
		return evidence{}, err
	}
	c.lasts, c.others = 0, others{}
	if err := f(ctx, c); err != nil {
		return evidence{}, err
	}
	if err := c.heal(ctx); err != nil {
		return evidence{}, err
	}
	if err := l.more(ctx, 300); err != nil {
		return evidence{}, err
	}
	l.stop()
	h, err := l.history(ctx)
	if err != nil {
		return evidence{}, err
	}
	return evidence{history: h, outages: []time.Duration{max(0, h.outage()-c.lasts)}, others: c.others}, nil
}

func nothing(context.Context, *cluster) error { return nil }

// killService kills a random replica and starts it again.
func killService(ctx context.Context, c *cluster) error {
	r := c.replicas[rand.IntN(len(c.replicas))]
	if err := r.kill(); err != nil {
		return err
	}
	return r.start(ctx)
}

// killPostmaster kills Postgres's first process, and waits until Postgres was started again,
// which whoever runs it does.
func killPostmaster(ctx context.Context, c *cluster) error {
	pid, err := c.postmaster()
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	for start := time.Now(); ; sleep(ctx, 5*time.Millisecond) {
		if next, err := c.postmaster(); err == nil && next != pid {
			return nil
		}
		if time.Since(start) > patience {
			return errors.New("nobody started Postgres again")
		}
	}
}

// killBackend kills a session's process, which makes Postgres end all sessions and recover, and
// waits until they have ended.
func killBackend(ctx context.Context, c *cluster) error {
	pids, err := c.backends(ctx)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
		return err
	}
	for start := time.Now(); ; sleep(ctx, 5*time.Millisecond) {
		if !slices.ContainsFunc(pids, func(pid int) bool { return syscall.Kill(pid, 0) == nil }) {
			return nil
		}
		if time.Since(start) > patience {
			return errors.New("sessions of a Postgres that must recover didn't end")
		}
	}
}

// killBoth kills the service and Postgres, one shortly after the other.
func killBoth(ctx context.Context, c *cluster) error {
	pids, err := c.backends(ctx)
	if err != nil {
		return err
	}
	postmaster, err := c.postmaster()
	if err != nil {
		return err
	}
	if err := syscall.Kill([]int{postmaster, pids[0]}[rand.IntN(2)], syscall.SIGKILL); err != nil {
		return err
	}
	sleep(ctx, rand.N(300*time.Millisecond))
	for _, r := range c.replicas {
		if err := r.kill(); err != nil {
			return err
		}
	}
	for _, r := range c.replicas {
		if err := r.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// pause stops all processes of Postgres for a while.
func pause(d time.Duration) fault {
	return func(ctx context.Context, c *cluster) error {
		if err := c.signalPostgres(syscall.SIGSTOP); err != nil {
			return err
		}
		c.wait(ctx, d)
		return c.signalPostgres(syscall.SIGCONT)
	}
}

// pauseService stops a random replica's process for a while, and calls the others meanwhile.
func pauseService(d time.Duration) fault {
	return func(ctx context.Context, c *cluster) error {
		stopped := c.replicas[rand.IntN(len(c.replicas))]
		if err := stopped.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		since := time.Now()
		for time.Since(since) < d && ctx.Err() == nil {
			for _, r := range c.replicas {
				if r != stopped {
					c.others.call(ctx, r)
				}
			}
			sleep(ctx, 20*time.Millisecond)
		}
		c.lasts += time.Since(since)
		return stopped.cmd.Process.Signal(syscall.SIGCONT)
	}
}

// call creates a partner, which no client of the load looks for, and lists.
func (o *others) call(ctx context.Context, r *replica) {
	o.called++
	made, err := r.at.Load().send(ctx, "POST", partnersPath, `{"displayName":"meanwhile"}`)
	if err == nil && made.status == http.StatusCreated && r.serves(ctx) == nil {
		o.served++
	}
}

// outage stops Postgres for a while.
func outage(d time.Duration) fault {
	return func(ctx context.Context, c *cluster) error {
		if err := c.postgres.Stop(); err != nil {
			return err
		}
		c.wait(ctx, d)
		return c.startPostgres(ctx)
	}
}

// exhaust takes every connection that Postgres has left, ends the service's own sessions, and
// takes their connections too, as far as the service isn't faster. That lasts for a while.
func exhaust(d time.Duration) fault {
	return func(ctx context.Context, c *cluster) error {
		taken := c.takeAll(ctx)
		defer func() {
			for _, conn := range taken {
				_ = conn.Close(ctx)
			}
		}()
		if len(taken) == 0 {
			return errors.New("no connection was left")
		}
		if _, err := taken[0].Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mocktenant'"); err != nil {
			return err
		}
		taken = append(taken, c.takeAll(ctx)...)
		c.wait(ctx, d)
		return nil
	}
}

// takeAll connects until Postgres refuses.
func (c *cluster) takeAll(ctx context.Context) (taken []*pgx.Conn) {
	for {
		conn, err := c.connect(ctx)
		if err != nil {
			return taken
		}
		taken = append(taken, conn)
	}
}

// wait lets a fault last.
func (c *cluster) wait(ctx context.Context, d time.Duration) {
	c.lasts += d
	sleep(ctx, d)
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
