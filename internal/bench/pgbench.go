//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// pgbench runs the scripts equally often, with prepared statements. It returns the rate and
// the 99th percentile of the transactions.
func pgbench(ctx context.Context, url string, scripts []string, clients int, d time.Duration, variables ...string) (figures, error) {
	dir, err := os.MkdirTemp("", "mocktenant-pgbench-")
	if err != nil {
		return figures{}, err
	}
	defer os.RemoveAll(dir)
	args := []string{
		"-n", "-M", "prepared", "-c", strconv.Itoa(clients), "-j", strconv.Itoa(min(clients, 2)),
		"-T", strconv.Itoa(int(d.Seconds())), "-l", "--log-prefix", filepath.Join(dir, "log"),
	}
	for i, script := range scripts {
		file := filepath.Join(dir, fmt.Sprintf("script%d.sql", i))
		if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
			return figures{}, err
		}
		args = append(args, "-f", file)
	}
	for _, v := range variables {
		args = append(args, "-D", v)
	}
	command := exec.CommandContext(ctx, "pgbench", append(args, url)...)
	if out, err := command.CombinedOutput(); err != nil {
		return figures{}, fmt.Errorf("pgbench: %w\n%s", err, out)
	}
	latencies, err := transactions(dir)
	return summarize(latencies, d), err
}

// transactions reads the latencies, in microseconds, from pgbench's logs.
func transactions(dir string) ([]time.Duration, error) {
	logs, err := filepath.Glob(filepath.Join(dir, "log*"))
	if err != nil {
		return nil, err
	}
	var latencies []time.Duration
	for _, log := range logs {
		f, err := os.Open(log)
		if err != nil {
			return nil, err
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			n, err := strconv.Atoi(strings.Fields(lines.Text())[2])
			if err != nil {
				return nil, err
			}
			latencies = append(latencies, time.Duration(n)*time.Microsecond)
		}
		_ = f.Close()
	}
	return latencies, nil
}
