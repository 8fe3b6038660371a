package graph_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/server"
)

var update = flag.Bool("update", false, "rewrite the golden exchanges in testdata")

// The files in testdata/exchanges alternate requests and complete answers, each ended by a
// line of "----". Ids are written as {id-1}, {id-2}, … in the order of their first use, and
// requests may use these names. Everything else is as on the wire at 2026-01-02T03:04:05Z.
func TestExchanges(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s, err := server.Start(t.Context(), server.Config{
		HTTPAddr: "127.0.0.1:0", DatabaseURL: dbtest.NewDatabase(t), Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown(context.WithoutCancel(t.Context())) })
	files, err := filepath.Glob("testdata/exchanges/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no exchanges found: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(newClient(t, s), string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("%s (-want +got; -update rewrites it):\n%s", file, diff)
			}
		})
	}
}

const rule = "----\n"

// replay sends the requests of a file and returns the updated file.
func replay(c *client, file string) string {
	c.Helper()
	head, rest, _ := strings.Cut(file, rule)
	var out strings.Builder
	out.WriteString(head + rule)
	ids := &placeholders{}
	for rest != "" {
		var request string
		request, rest, _ = strings.Cut(rest, rule)
		_, rest, _ = strings.Cut(rest, rule) // the recorded answer
		out.WriteString(request + rule)
		answer := c.exchange(ids.fill(request))
		out.WriteString(ids.hide(strings.ReplaceAll(answer, c.server.URL(), "http://{host}")) + rule)
	}
	return out.String()
}

// exchange sends a request in HTTP's text form over a new connection. It returns the answer
// with LF as line ends, without the headers that net/http adds for the time and the
// connection.
func (c *client) exchange(text string) string {
	c.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	body = strings.TrimSuffix(body, "\n")
	method, path, _ := strings.Cut(strings.TrimSpace(head), " ")
	path, header, _ := strings.Cut(path, "\n")
	host := strings.TrimPrefix(c.server.URL(), "http://")
	if !strings.Contains(header, "Authorization: ") {
		header += "\nAuthorization: Bearer " + c.token
	}
	request := fmt.Sprintf("%s %s HTTP/1.1\nHost: %s\n%s\nContent-Length: %d\nConnection: close\n\n",
		method, path, host, strings.TrimSpace(header), len(body))
	conn, err := net.Dial("tcp", host)
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, strings.ReplaceAll(request, "\n", "\r\n")+body); err != nil {
		c.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		c.Fatal(err)
	}
	head, body, _ = strings.Cut(string(answer), "\r\n\r\n")
	head = incidental.ReplaceAllString(head, "")
	if body != "" {
		body = "\n" + body + "\n"
	}
	return strings.ReplaceAll(head, "\r\n", "\n") + "\n" + body
}

var incidental = regexp.MustCompile(`\r\n(Date|Connection): [^\r]*`)

var guid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// fixed lists ids that are part of the wire format or the files.
var fixed = []string{
	"00000000-0000-0000-0000-000000000000", "00000003-0000-0000-c000-000000000000",
	"11111111-2222-3333-4444-555555555555",
}

// placeholders maps ids to placeholders.
type placeholders struct{ ids []string }

func (p *placeholders) hide(text string) string {
	return guid.ReplaceAllStringFunc(text, func(id string) string {
		if slices.Contains(fixed, id) {
			return id
		}
		i := slices.Index(p.ids, id)
		if i < 0 {
			p.ids = append(p.ids, id)
			i = len(p.ids) - 1
		}
		return fmt.Sprintf("{id-%d}", i+1)
	})
}

func (p *placeholders) fill(text string) string {
	for i, id := range p.ids {
		text = strings.ReplaceAll(text, fmt.Sprintf("{id-%d}", i+1), id)
	}
	return text
}

// The request in Graph's documentation gets the documented answer, with every property as
// sent.
func TestDocumentationExample(t *testing.T) {
	t.Parallel()
	c := setup(t)

	a := c.want(http.StatusCreated, c.do("POST", "/v1.0"+partners, seedExample))
	id := decode[partner](c, a).ID

	want := `{"@odata.context":"` + c.server.URL() + `/v1.0/$metadata#deviceManagement/remoteAssistancePartners/$entity",` +
		`"@odata.type":"#microsoft.graph.remoteAssistancePartner",` +
		`"id":"` + id + `",` + documented(&entity.RemoteAssistancePartner, map[string]string{
		"displayName":            `"Display Name value"`,
		"onboardingUrl":          `"https://example.com/onboardingUrl/"`,
		"onboardingStatus":       `"onboarding"`,
		"lastConnectionDateTime": `"2016-12-31T23:58:36.6670033-08:00"`,
	}) + `}`
	if a.body != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	location := strings.TrimPrefix(a.header.Get("Location"), c.server.URL())
	if got := c.want(http.StatusOK, c.do("GET", location, "")); got.body != want {
		t.Errorf("at its Location:\ngot  %s\nwant %s", got.body, want)
	}
}

// documented writes the properties of v1.0 in their order: the values that Graph's page shows,
// as they are, and the defaults of properties that the page is older than.
func documented(t *entity.Type, shown map[string]string) string {
	var members []string
	for i := range t.Properties {
		p := &t.Properties[i]
		if p.BetaOnly {
			continue
		}
		value, ok := shown[p.Name]
		if !ok {
			value = string(p.AppendJSON(nil, p.Default(), entity.Form{}))
		}
		members = append(members, `"`+p.Name+`":`+value)
	}
	return strings.Join(members, ",")
}
