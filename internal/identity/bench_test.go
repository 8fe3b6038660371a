package identity_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/internal/identity"
)

// benchClients is the number of concurrent clients.
const benchClients = 8

// BenchmarkToken measures whole token requests, by grant.
func BenchmarkToken(b *testing.B) {
	c := setup(b)
	for name, form := range map[string]url.Values{"password": c.passwordForm(), "client_credentials": c.secretForm()} {
		b.Run(name, func(b *testing.B) {
			c.many(b, func(client *http.Client) error {
				_, err := c.ask(client, form)
				return err
			})
		})
	}
	b.Run("refresh_token", func(b *testing.B) {
		var mu sync.Mutex
		var held []string
		for range benchClients {
			held = append(held, c.redeem(c.passwordForm()).RefreshToken)
		}
		c.many(b, func(client *http.Client) error {
			mu.Lock()
			token := held[0]
			held = held[1:]
			mu.Unlock()
			got, err := c.ask(client, fields("grant_type", "refresh_token", "client_id", c.public.String(), "refresh_token", token, "scope", signInScopes))
			mu.Lock()
			held = append(held, got)
			mu.Unlock()
			return err
		})
	})
	for name, prepare := range map[string]func() url.Values{
		"authorization_code": func() url.Values { return c.codeForm(c.authorize(c.authorizeForm())) },
		"device_code": func() url.Values {
			d := c.device()
			c.approve(d, "allow")
			return fields("grant_type", "device_code", "client_id", c.public.String(), "device_code", d.DeviceCode)
		},
	} {
		b.Run(name, func(b *testing.B) {
			forms := make(chan url.Values, b.N)
			for range b.N {
				forms <- prepare()
			}
			c.many(b, func(client *http.Client) error {
				_, err := c.ask(client, <-forms)
				return err
			})
		})
	}
	b.Run("on_behalf_of", func(b *testing.B) {
		user := c.redeem(with(c.passwordForm(), "scope", "api://"+c.app.String()+"/access_as_user"))
		form := fields("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", "client_id", c.app.String(), "client_secret", secret,
			"assertion", user.AccessToken, "requested_token_use", "on_behalf_of", "scope", graphScope)
		c.many(b, func(client *http.Client) error {
			_, err := c.ask(client, form)
			return err
		})
	})
}

// ask sends a token request and returns the answer's refresh token.
func (c *tenant) ask(client *http.Client, form url.Values) (string, error) {
	response, err := client.Post(c.server.URL()+"/"+c.id.String()+"/oauth2/v2.0/token", "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	var got tokens
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil || got.AccessToken == "" {
		return "", fmt.Errorf("%s: %w", response.Status, err)
	}
	return got.RefreshToken, nil
}

// many calls do b.N times in total, from several clients concurrently, and reports calls
// per second and the 99th percentile of a call.
func (c *tenant) many(b *testing.B, do func(*http.Client) error) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchClients}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var took []time.Duration
	var wg sync.WaitGroup
	work := make(chan struct{}, b.N)
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	b.ResetTimer()
	for range benchClients {
		wg.Go(func() {
			for range work {
				start := time.Now()
				err := do(client)
				d := time.Since(start)
				mu.Lock()
				took = append(took, d)
				mu.Unlock()
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkVerifyAccessToken measures the cost of the token in a call to Graph, for tokens
// seen before and new ones.
func BenchmarkVerifyAccessToken(b *testing.B) {
	c := setup(b)
	verify := func(p *identity.Provider, token string) {
		if _, _, err := p.VerifyAccessToken(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("seen", func(b *testing.B) {
		token := c.redeem(c.passwordForm()).AccessToken
		for b.Loop() {
			verify(c.server.Identity(), token)
		}
	})
	b.Run("new", func(b *testing.B) {
		all := make([]string, 1000)
		for i := range all {
			all[i] = c.redeem(c.secretForm()).AccessToken
		}
		var p *identity.Provider
		b.ResetTimer()
		for i := range b.N {
			if i%len(all) == 0 { // a Provider that has seen none of them
				b.StopTimer()
				var err error
				if p, err = identity.New(context.Background(), identity.Config{DB: c.server.Pool()}); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			verify(p, all[i%len(all)])
		}
	})
}
