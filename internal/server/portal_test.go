package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/mocktenant/mocktenant/internal/db/dbtest"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/server"
)

// portal is the demo tenant with the partner's page.
type portal struct{ *demo }

func newPortal(t *testing.T) portal {
	t.Helper()
	p := portal{newDemo(t)}
	p.set(`{"settings":{"partnerPortal":true}}`)
	return p
}

func (p portal) set(body string) {
	p.Helper()
	if w := p.administer("PATCH", "", body); w.Code != 200 {
		p.Fatalf("%s: %d %s", body, w.Code, w.Body)
	}
}

// partner is a partner as the tenant's clients see it.
type partner struct {
	ID, OnboardingURL, OnboardingStatus string
}

func (p portal) read(method, path, body string) (got partner) {
	p.Helper()
	r, text := call(p.T, method, p.URL()+strings.Replace(partners, "v1.0", "beta", 1)+path, p.token, body)
	if r.StatusCode > 204 {
		p.Fatalf("%s %s: %d %s", method, path, r.StatusCode, text)
	}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			p.Fatal(err)
		}
	}
	return got
}

// begin creates a partner, begins its onboarding and returns it.
func (p portal) begin(body string) partner {
	p.Helper()
	id := p.read("POST", "", body).ID
	p.act(id, "beginOnboarding")
	return p.read("GET", "/"+id, "")
}

func (p portal) act(id, action string) {
	p.Helper()
	p.read("POST", "/"+id+"/"+action, "")
}

// visit requests a link, with a form for POST, as a browser does.
func (p portal) visit(method, link, form string, headers ...string) (int, http.Header, string) {
	p.Helper()
	r, err := http.NewRequestWithContext(p.Context(), method, link, strings.NewReader(form))
	if err != nil {
		p.Fatal(err)
	}
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

func (p portal) want(status int, text, method, link, form string, headers ...string) string {
	p.Helper()
	got, _, page := p.visit(method, link, form, headers...)
	if got != status || !strings.Contains(page, text) {
		p.Errorf("%s %s %s: %d, want %d and %q in\n%s", method, link, form, got, status, text, page)
	}
	return page
}

func secretOf(link string) string { return link[strings.LastIndexByte(link, '/')+1:] }

func decision(link, what string) string {
	return url.Values{"decision": {what}, "link": {secretOf(link)}}.Encode()
}

// history returns who made which changes of a partner, the newest first.
func (p portal) history(id string) (all []string) {
	p.Helper()
	w := p.administer("GET", "/entities/remoteAssistancePartners/"+id+"/versions", "")
	var list struct {
		Value []struct{ Replaced struct{ Change, By string } }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &list); w.Code != 200 || err != nil {
		p.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, v := range list.Value[1:] {
		all = append(all, v.Replaced.Change+" "+v.Replaced.By)
	}
	return all
}

// A person accepts at the link; to do so twice is harmless. The history names the partner.
func TestPartnerPortal(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	got := p.begin(`{"displayName":"TeamViewer"}`)
	form := regexp.MustCompile("^" + p.URL() + "/mocktenant/partner/" + server.DemoTenantID.String() + "/" + got.ID + "/[A-Z2-7]{26}$")
	if got.OnboardingStatus != "onboarding" || !form.MatchString(got.OnboardingURL) {
		t.Fatalf("%+v", got)
	}
	p.act(got.ID, "beginOnboarding") // it is onboarding already
	if again := p.read("GET", "/"+got.ID, ""); again != got {
		t.Errorf("begun twice: %+v", again)
	}
	status, header, page := p.visit("GET", got.OnboardingURL, "")
	if status != 200 || strings.Contains(page, "<script") || !strings.Contains(page, "TeamViewer") || !strings.Contains(page, "You can decide until ") {
		t.Errorf("%d %s", status, page)
	}
	if policy := header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "unsafe") || header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", header)
	}
	if status, _, page := p.visit("HEAD", got.OnboardingURL, ""); status != 200 || page != "" {
		t.Errorf("HEAD: %d %s", status, page)
	}
	for range 2 {
		p.want(200, "Accepted", "POST", got.OnboardingURL, decision(got.OnboardingURL, "accept"))
	}
	p.want(200, "Accepted", "GET", got.OnboardingURL, "")
	p.want(409, "Accepted", "POST", got.OnboardingURL, decision(got.OnboardingURL, "decline"))
	if now := p.read("GET", "/"+got.ID, ""); now.OnboardingStatus != "onboarded" || now.OnboardingURL != got.OnboardingURL {
		t.Errorf("%+v", now)
	}
	if all := p.history(got.ID); len(all) != 2 || all[0] != "confirmOnboarding "+entity.PartnerID.String() || !strings.HasPrefix(all[1], "beginOnboarding ") {
		t.Errorf("%q", all)
	}
}

func TestPartnerDeclines(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	got := p.begin(`{}`)
	p.want(200, "a partner without a name", "GET", got.OnboardingURL, "")
	p.want(200, "Declined", "POST", got.OnboardingURL, decision(got.OnboardingURL, "decline"))
	for _, what := range []string{"decline", "accept"} {
		p.want(410, "This link has ended", "POST", got.OnboardingURL, decision(got.OnboardingURL, what))
	}
	if now := p.read("GET", "/"+got.ID, ""); now.OnboardingStatus != "notOnboarded" {
		t.Errorf("%+v", now)
	}
	if all := p.history(got.ID); len(all) != 2 || all[0] != "refuseOnboarding "+entity.PartnerID.String() {
		t.Errorf("%q", all)
	}
}

// Only a partner without an onboardingUrl, or with a former link, gets a link, and only if the
// tenant wants that.
func TestPartnerLinks(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	const own = "https://partner.example/mocktenant/onboarding"
	if got := p.begin(`{"onboardingUrl":"` + own + `"}`); got.OnboardingURL != own {
		t.Errorf("%+v", got)
	}
	id := p.read("POST", "", `{}`).ID
	if w := p.administer("POST", "/entities/remoteAssistancePartners/"+id+"/beginOnboarding", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"`+p.URL()+"/mocktenant/partner/"+server.DemoTenantID.String()+"/"+id+"/") {
		t.Errorf("by the administration: %d %s", w.Code, w.Body)
	}
	p.set(`{"settings":{"partnerPortal":false}}`)
	if got := p.begin(`{}`); got.OnboardingURL != "" {
		t.Errorf("without the setting: %+v", got)
	}
	p.want(404, "This link is unknown", "GET", p.read("GET", "/"+id, "").OnboardingURL, "")
}

// A link ends with what it is for, and leads to nothing else.
func TestPartnerLinkEnds(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	w := p.administer("POST", "/snapshots", `{"name":"s"}`) // a row of another kind in the same table
	if w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	other := p.begin(`{}`)
	for _, end := range []struct {
		name   string
		status int
		run    func(partner) (link string)
	}{
		{"disconnected", 410, func(b partner) string { p.act(b.ID, "disconnect"); return b.OnboardingURL }},
		{"begun again", 404, func(b partner) string {
			p.act(b.ID, "disconnect")
			p.act(b.ID, "beginOnboarding")
			if now := p.read("GET", "/"+b.ID, ""); now.OnboardingURL == b.OnboardingURL {
				t.Error("begun again, it has the same link")
			} else {
				p.want(200, "Accept", "GET", now.OnboardingURL, "")
			}
			return b.OnboardingURL
		}},
		{"deleted", 404, func(b partner) string { p.read("DELETE", "/"+b.ID, ""); return b.OnboardingURL }},
		{"another URL", 404, func(b partner) string {
			p.read("PATCH", "/"+b.ID, `{"onboardingUrl":"https://partner.example"}`)
			return b.OnboardingURL
		}},
		{"another partner", 404, func(b partner) string { return strings.Replace(b.OnboardingURL, b.ID, other.ID, 1) }},
		{"another tenant", 404, func(b partner) string {
			return strings.Replace(b.OnboardingURL, server.DemoTenantID.String(), other.ID, 1)
		}},
		{"past when written", 410, func(b partner) string {
			p.read("PATCH", "/"+b.ID, `{"onboardingRequestExpiryDateTime":"2020-01-01T00:00:00Z"}`)
			return b.OnboardingURL
		}},
		{"expired", 410, func(b partner) string {
			p.setClock(`{"advanceSeconds":604800}`)
			return b.OnboardingURL
		}},
	} {
		link := end.run(p.begin(`{}`))
		p.want(end.status, "This link ", "GET", link, "")
		p.want(end.status, "This link ", "POST", link, decision(link, "accept"))
	}
	p.token = p.signIn()
	p.want(410, "This link has ended", "GET", other.OnboardingURL, "")
	if now := p.read("GET", "/"+other.ID, ""); now.OnboardingStatus != "notOnboarded" {
		t.Errorf("%+v", now)
	}
}

// A copy of a tenant has the link of the original, at which nothing happens to the copy. Begun
// again, it gets its own.
func TestPartnerLinkOfCopy(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	got := p.begin(`{}`)
	made := struct{ Tenant struct{ ID string } }{}
	p.atCopy("", `{"displayName":"copy","source":{"tenantId":"`+server.DemoTenantID.String()+`"}}`, &made)
	link := strings.Replace(got.OnboardingURL, server.DemoTenantID.String(), made.Tenant.ID, 1)
	p.want(404, "This link is unknown", "POST", link, decision(link, "accept"))
	at := "/" + made.Tenant.ID + "/entities/remoteAssistancePartners/" + got.ID
	var now struct{ Properties partner }
	p.atCopy(at+"/disconnect", "", &now)
	p.atCopy(at+"/beginOnboarding", "", &now)
	if now.Properties.OnboardingURL == got.OnboardingURL {
		t.Errorf("begun again: %+v", now)
	}
	p.want(200, "Accepted", "POST", now.Properties.OnboardingURL, decision(now.Properties.OnboardingURL, "accept"))
	p.want(200, "Accept", "GET", got.OnboardingURL, "")
	if was := p.read("GET", "/"+got.ID, ""); was != got {
		t.Errorf("the original: %+v", was)
	}
}

// atCopy posts to the administration, below all tenants.
func (p portal) atCopy(path, body string, into any) {
	p.Helper()
	r, text := call(p.T, "POST", p.AdminURL()+"/v1/tenants"+path, "", body)
	if err := json.Unmarshal([]byte(text), into); r.StatusCode > 201 || err != nil {
		p.Fatalf("%s: %d %s", path, r.StatusCode, text)
	}
}

func TestBadPartnerForms(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	const name = "<b>x</b> \" onload=y \u202e"
	body, err := json.Marshal(map[string]string{"displayName": name + strings.Repeat("n", 1000)})
	if err != nil {
		t.Fatal(err)
	}
	got := p.begin(string(body))
	if page := p.want(200, "&lt;b&gt;x&lt;/b&gt; &#34; onload=y", "GET", got.OnboardingURL, ""); strings.Contains(page, "<b>") {
		t.Errorf("%s", page)
	}
	link, accept := got.OnboardingURL, decision(got.OnboardingURL, "accept")
	for _, bad := range []struct {
		status             int
		method, link, form string
		headers            []string
	}{
		{status: 403, method: "POST", link: link, form: accept, headers: []string{"Sec-Fetch-Site", "cross-site"}},
		{status: 403, method: "POST", link: link, form: accept, headers: []string{"Sec-Fetch-Site", "", "Origin", "https://evil.example"}},
		{status: 400, method: "POST", link: link, form: accept, headers: []string{"Content-Type", "text/plain"}},
		{status: 400, method: "POST", link: link, form: "decision=accept"},
		{status: 400, method: "POST", link: link, form: "decision=accept&link=" + strings.Repeat("A", 26)},
		{status: 400, method: "POST", link: link, form: "decision=confirm&link=" + secretOf(link)},
		{status: 400, method: "POST", link: link, form: "link=" + secretOf(link)},
		{status: 400, method: "POST", link: link, form: "%zz"},
		{status: 413, method: "POST", link: link, form: accept + "&x=" + strings.Repeat("x", 5000)},
		{status: 405, method: "DELETE", link: link},
		{status: 404, method: "GET", link: link + "/x"},
		{status: 404, method: "GET", link: link[:len(link)-1]},
		{status: 404, method: "GET", link: link + "%00"},
		{status: 404, method: "GET", link: strings.TrimSuffix(link, secretOf(link)) + strings.Repeat("a", 9000)},
		{status: 404, method: "GET", link: p.URL() + entity.PortalPath},
		{status: 404, method: "GET", link: p.URL() + entity.PortalPath + "a/b/c"},
		{status: 404, method: "GET", link: p.URL() + entity.PortalPath + "%ff/%00/%3Cscript%3E"},
	} {
		if page := p.want(bad.status, "<h1", bad.method, bad.link, bad.form, bad.headers...); strings.Contains(page, "<script") {
			t.Errorf("%s", page)
		}
	}
	if now := p.read("GET", "/"+got.ID, ""); now != got {
		t.Errorf("%+v", now)
	}
}

// Of people who decide at once, one decides.
func TestPartnerDecidesOnce(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	got := p.begin(`{}`)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			status, _, page := p.visit("POST", got.OnboardingURL, decision(got.OnboardingURL, []string{"accept", "decline"}[i%2]))
			if status >= 500 || status == 404 {
				t.Errorf("%d %s", status, page)
			}
		})
	}
	all.Wait()
	if changes := p.history(got.ID); len(changes) != 2 {
		t.Error(fmt.Sprint(changes))
	}
}

// A person who decides while the onboarding begins again decides nothing: the link has ended.
func TestPartnerDecidesTooLate(t *testing.T) {
	t.Parallel()
	dbtest.SkipOnCluster(t, "the workers have the locks that it watches")
	p := newPortal(t)
	got := p.begin(`{}`)
	again, err := p.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Rollback(t.Context()) }()
	if _, err := again.Exec(t.Context(), "UPDATE remote_assistance_partners SET onboarding_url = onboarding_url || 'A' WHERE id = $1", got.ID); err != nil {
		t.Fatal(err)
	}
	done := make(chan string)
	go func() {
		_, _, page := p.visit("POST", got.OnboardingURL, decision(got.OnboardingURL, "accept"))
		done <- page
	}()
	for waiting := false; !waiting; {
		if err := p.Pool().QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')").Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	if err := again.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if page := <-done; !strings.Contains(page, "This link is unknown") {
		t.Errorf("%s", page)
	}
	if now := p.read("GET", "/"+got.ID, ""); now.OnboardingStatus != "onboarding" {
		t.Errorf("%+v", now)
	}
}
