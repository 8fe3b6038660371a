package admin_test

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/testenv"
)

var manyPartners = flag.Int("partners", 100_000, "how many partners TestManyPartners has")

// generated returns a document that is generated while it is read, with n partners from its
// second line on, one per line, and last after them.
func generated(n int, last string) io.Reader {
	in, out := io.Pipe()
	go func() {
		_, _ = io.WriteString(out, "{\"version\": 1, \"remoteAssistancePartners\": [\n")
		for i := range n {
			if _, err := fmt.Fprintf(out, "{\"id\":\"00000000-0000-4000-8000-%012d\",\"displayName\":\"%0200d\"},\n", i, i); err != nil {
				return
			}
		}
		_, _ = io.WriteString(out, last+"\n]}")
		_ = out.Close()
	}()
	return in
}

// stream sends a request to the listener, and calls read with the answer's body.
func (c *client) stream(method, path string, body io.Reader, read func(io.Reader) error) reply {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), method, c.server.AdminURL()+path, body)
	if err != nil {
		c.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+c.key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var text strings.Builder
	if read == nil || answer.StatusCode >= 300 {
		read = func(in io.Reader) error { _, err := io.Copy(&text, in); return err }
	}
	if err := read(answer.Body); err != nil {
		c.Fatal(err)
	}
	return reply{answer.StatusCode, answer.Header, text.String()}
}

// peak returns by how many bytes the used heap grows at most while f runs.
func peak(f func()) int64 {
	inUse := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	inUse() // the second collection also frees what pools hold
	before, stop, most := inUse(), make(chan struct{}), make(chan int64)
	go func() {
		n := int64(0)
		for {
			select {
			case <-stop:
				most <- n
				return
			case <-time.After(5 * time.Millisecond):
				n = max(n, inUse()-before)
			}
		}
	}()
	f()
	close(stop)
	return <-most
}

// Documents of any size are read and written, and tenants of any size are deleted, in bounded
// memory, while others are served. A document with an error in its last line has no effect,
// and the error names the line.
//
// The test measures the heap of the whole process, so no other test may run concurrently.
func TestManyPartners(t *testing.T) { //nolint:paralleltest // see above
	testenv.Heavy(t)
	c := setup(t)
	const most = 22 << 20 // the smallest of the documents has 26 MB; on a busy machine a collection leaves what was allocated meanwhile
	inBounds := func(what string, f func()) {
		t.Helper()
		start := time.Now()
		n := peak(f)
		t.Logf("%s: %d kB at most, %s", what, n>>10, time.Since(start))
		if n > most {
			t.Errorf("%s: %d bytes were in use at once, want at most %d", what, n, most)
		}
	}
	made, other := c.newTenant(api.TenantCreate{}), c.newTenant(api.TenantCreate{})
	path := tenantPath(made.Tenant.Id)
	inBounds("import", func() {
		counts := decode[api.StateCounts](t, c.want(200, c.stream("PUT", path+"/state", generated(*manyPartners, `{"displayName":"last"}`), nil)))
		if counts.Entities["remoteAssistancePartners"] != int64(*manyPartners)+1 {
			t.Errorf("%+v", counts)
		}
	})

	for _, tt := range []struct {
		last, pointer, want string
	}{
		{`{"displayName":1}`, "/displayName", "a number is not what belongs here"},
		{`{"id":"00000000-0000-4000-8000-000000000007"}`, "", "two remote assistance partners have the id 00000000-0000-4000-8000-000000000007"},
	} {
		inBounds(tt.want, func() {
			r := c.stream("PUT", path+"/state", generated(*manyPartners, tt.last), nil)
			c.refused(400, fmt.Sprintf("/remoteAssistancePartners/%d%s", *manyPartners, tt.pointer), r)
			if p := decode[api.Problem](t, r); p.Line == nil || *p.Line != *manyPartners+2 || !strings.Contains(*p.Detail, tt.want) {
				t.Errorf("%s", r.body)
			}
		})
	}
	if got := c.rows("SELECT count(*)::text FROM remote_assistance_partners WHERE tenant_id = $1 AND display_name = 'last'", made.Tenant.Id); got[0] != "1" {
		t.Error("a wrong document has changed the tenant")
	}

	inBounds("export", func() {
		c.want(200, c.stream("GET", path+"/state", nil, func(in io.Reader) error { _, err := io.Copy(io.Discard, in); return err }))
	})

	served := 0
	inBounds("delete", func() {
		deleted := make(chan reply)
		go func() { deleted <- c.do("DELETE", path, nil) }()
		for {
			c.createPartner(other.Credentials.AccessToken, "other", "onboarding")
			select {
			case r := <-deleted:
				c.want(204, r)
				return
			default:
				served++
			}
		}
	})
	if served == 0 {
		t.Error("nobody else was served during the delete")
	}
	if left := c.rows("SELECT count(*)::text FROM remote_assistance_partners WHERE tenant_id = $1", made.Tenant.Id); left[0] != "0" {
		t.Errorf("%s partners are left", left[0])
	}
}
