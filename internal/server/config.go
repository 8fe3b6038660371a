package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"
)

// Config is how the service runs. The tags make each field a flag with an
// environment variable as its default.
type Config struct {
	HTTPAddr string `name:"http-addr" env:"MOCKTENANT_HTTP_ADDR" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where to listen for HTTP; port 0 picks a free one."`

	PublicURL string `env:"MOCKTENANT_PUBLIC_URL" placeholder:"URL" help:"What links in answers start with, as clients see the service. By default they follow each request's scheme and Host."`

	// DatabaseWait is how long Start waits for a database that can't be
	// reached yet.
	DatabaseWait time.Duration `env:"MOCKTENANT_DATABASE_WAIT" default:"30s" help:"How long to wait at the start for a database that can't be reached yet."`

	NoGathering bool `env:"MOCKTENANT_NO_GATHERING" help:"Give each create a statement of its own, rather than letting those that come at the same time share one."`

	// DatabaseURL is filled by the caller, who may start a database first.
	DatabaseURL string `kong:"-"`

	// Demo makes the demo tenant.
	Demo bool `kong:"-"`

	Now func() time.Time `kong:"-"` // the clock; nil means time.Now
	Log *slog.Logger     `kong:"-"` // nil discards
}

// Validate says which setting is wrong, and how.
func (c *Config) Validate() error {
	return errors.Join(c.validateHTTPAddr(), c.validatePublicURL())
}

// Loopback tells whether only this machine can reach the service.
func (c *Config) Loopback() bool {
	host, _, err := net.SplitHostPort(c.HTTPAddr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *Config) validateHTTPAddr() error {
	_, port, err := net.SplitHostPort(c.HTTPAddr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("MOCKTENANT_HTTP_ADDR %q: want HOST:PORT: %w", c.HTTPAddr, err)
	}
	return nil
}

func (c *Config) validatePublicURL() error {
	if c.PublicURL == "" {
		return nil
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("MOCKTENANT_PUBLIC_URL %q: want http(s)://HOST[:PORT] with no path", c.PublicURL)
	}
	return nil
}
