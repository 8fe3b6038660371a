//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mocktenant/mocktenant/client"
	"github.com/mocktenant/mocktenant/internal/process"
	"github.com/mocktenant/mocktenant/internal/server"
)

const partnersPath = "/v1.0/deviceManagement/remoteAssistancePartners"

// addresses are where a process of the service listens, and a token of the demo tenant.
type addresses struct {
	process.Addresses
	replica int
}

// replica is a process of the service. It has other addresses after each start.
type replica struct {
	number   int
	binary   string
	settings []string
	log      *os.File

	cmd *exec.Cmd
	at  atomic.Pointer[addresses] // nil while clients shouldn't use it
}

// start starts the process and waits until it serves. The context limits the process's life
// too.
func (r *replica) start(ctx context.Context) error {
	cmd, at, err := process.Start(ctx, r.binary, r.log, append([]string{"MOCKTENANT_PROXY_ADDR=127.0.0.1:0"}, r.settings...)...)
	if err != nil {
		return fmt.Errorf("%w; its log is %s", err, r.log.Name())
	}
	r.cmd = cmd
	r.at.Store(&addresses{Addresses: at, replica: r.number})
	return nil
}

// kill ends the process at once.
func (r *replica) kill() error {
	err := r.cmd.Process.Kill()
	_ = r.cmd.Wait()
	return err
}

// stop ends the process like a supervisor does, and expects a clean exit.
func (r *replica) stop() error {
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	limit := time.AfterFunc(time.Minute, func() { _ = r.cmd.Process.Kill() })
	defer limit.Stop()
	if err := r.cmd.Wait(); err != nil {
		return fmt.Errorf("after SIGTERM: %w; its log is %s", err, r.log.Name())
	}
	return nil
}

// answer is what the service answered.
type answer struct {
	status     int
	retryAfter bool
	body       string
}

// send sends a request to Graph.
func (a *addresses) send(ctx context.Context, method, path, body string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, a.HTTP+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	if a.Token != "" { // the administration on loopback wants none
		r.Header.Set("Authorization", "Bearer "+a.Token)
	}
	response, err := clients.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	return answer{status: response.StatusCode, retryAfter: response.Header.Get("Retry-After") != "", body: string(text)}, nil
}

// clients keep a connection for each of a load's clients. An answer that takes half a minute
// counts as none.
var clients = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128}, Timeout: 30 * time.Second}

// serves reports whether the replica answers a list.
func (r *replica) serves(ctx context.Context) error {
	at := r.at.Load()
	if at == nil {
		return errors.New("it isn't running")
	}
	got, err := at.send(ctx, "GET", partnersPath+"?$top=1", "")
	if err == nil && got.status != http.StatusOK {
		err = fmt.Errorf("%d %s", got.status, got.body)
	}
	return err
}

// all reads all partners whose names begin with a prefix.
func (r *replica) all(ctx context.Context, prefix string) ([]item, error) {
	at := r.at.Load()
	var all []item
	for next := partnersPath + "?$top=1000&$filter=startswith(displayName,'" + prefix + "')"; next != ""; {
		got, err := at.send(ctx, "GET", next, "")
		if err == nil && got.status != http.StatusOK {
			err = fmt.Errorf("%d %s", got.status, got.body)
		}
		if err != nil {
			return nil, fmt.Errorf("list all: %w", err)
		}
		items, link, err := parseItems(got.body)
		if err != nil {
			return nil, err
		}
		all, next = append(all, items...), strings.TrimPrefix(link, at.HTTP)
	}
	return all, nil
}

// admin returns a client of the replica's administration.
func (r *replica) admin() (*client.Client, error) { return client.New(r.at.Load().Admin, "") }

// versions reads the versions of a partner, the newest first.
func (r *replica) versions(ctx context.Context, id string) ([]version, error) {
	var all []version
	next := "/v1/tenants/" + server.DemoTenantID.String() + "/entities/remoteAssistancePartners/" + id + "/versions"
	for next != "" {
		var page struct {
			NextLink string
			Value    []struct {
				Version    int64
				Properties partner
			}
		}
		if err := r.administer(ctx, next, &page); err != nil {
			return nil, err
		}
		for _, v := range page.Value {
			v.Properties.ID = id
			all = append(all, version{v.Version, v.Properties})
		}
		next = strings.TrimPrefix(page.NextLink, r.at.Load().Admin)
	}
	return all, nil
}

// administer reads an answer of the administration.
func (r *replica) administer(ctx context.Context, path string, into any) error {
	a := addresses{Addresses: process.Addresses{HTTP: r.at.Load().Admin}}
	got, err := a.send(ctx, "GET", path, "")
	if err == nil && got.status != http.StatusOK {
		err = fmt.Errorf("%s: %d %s", path, got.status, got.body)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(got.body), into)
}

// resident returns the process's resident memory, in bytes.
func (r *replica) resident() (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
	return kilobytes * 1024, err
}
