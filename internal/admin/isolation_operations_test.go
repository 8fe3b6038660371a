package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
)

// operate does one random thing that a client can do, or a few that belong together. Slow
// operations are rare.
func (r *resident) operate() {
	type kind struct {
		weight int
		name   string
		do     func(*resident)
	}
	kinds := []kind{
		{200, "create", (*resident).create},
		{200, "get", (*resident).get},
		{60, "property", (*resident).property},
		{80, "list", (*resident).list},
		{80, "count", (*resident).count},
		{120, "change", (*resident).change},
		{40, "forbidden", (*resident).forbidden},
		{60, "batch of reads", (*resident).batchOfReads},
		{40, "batch of changes", (*resident).batchOfChanges},
		{25, "another's link", (*resident).followAnothersLink},
		{15, "another's tenant", (*resident).manageAnothers},
		{6, "partner's side", (*resident).act},
		{6, "partners", (*resident).managePartners},
		{4, "settings", (*resident).set},
		{6, "guests", (*resident).guest},
		{6, "portal", (*resident).portal},
		{3, "snapshots", (*resident).snapshot},
		{2, "documents", (*resident).transfer},
		{1, "reset", (*resident).reset},
		{3, "reports", (*resident).report},
		{4, "SQL", (*resident).reportPartners},
		{2, "sign in", (*resident).signIn},
		{5, "sign in at another's", (*resident).signInAtAnothers},
		{3, "pages of another's", (*resident).browseAnothers},
		{3, "lists", (*resident).lists},
		{4, "journal", (*resident).journal},
	}
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	at := r.rng.IntN(total)
	for _, k := range kinds {
		if at -= k.weight; at < 0 {
			r.doing = k.name
			k.do(r)
			break
		}
	}
	if r.rng.IntN(4000) == 0 {
		r.doing = "moving"
		r.moveOut()
		r.moveIn()
	}
}

// plan is a call of Graph with its expected answer. The model already includes its changes.
type plan struct {
	method, path, body string // the path is below the version
	status             int
	check              func(body []byte) string // returns what is wrong with the body, or ""
}

// send sends a planned call.
func (r *resident) send(p plan, token string) {
	r.Helper()
	r.doing = p.method + " " + p.path + " " + p.body
	got := r.checked(r.call(p.method, r.pick("/v1.0", "/v1.0", "/v1.0", "/beta")+p.path, p.body, token), p.status)
	if p.check != nil {
		if wrong := p.check([]byte(got.body)); wrong != "" {
			r.fail("%s: %s", wrong, got.body)
		}
	}
}

const partnersPath = "/deviceManagement/remoteAssistancePartners"

// isPartner checks that an answer is a partner.
func isPartner(want modelPartner) func([]byte) string {
	return func(body []byte) string {
		var got modelPartner
		if err := json.Unmarshal(body, &got); err != nil || got.String() != want.String() {
			return fmt.Sprintf("%v, want %v", err, want)
		}
		return ""
	}
}

// isMissing checks that an answer says only that the item doesn't exist.
func isMissing(body []byte) string {
	var got struct{ Error struct{ Code, Target string } }
	if err := json.Unmarshal(body, &got); err != nil || got.Error.Code != "ResourceNotFound" || got.Error.Target != "" {
		return "want ResourceNotFound"
	}
	return ""
}

func isEmpty(body []byte) string {
	if len(body) > 0 {
		return "want nothing"
	}
	return ""
}

// somebody returns a token that may write.
func (r *resident) somebody() string {
	if r.now.rule == "current" && r.chance(20) {
		return r.application
	}
	return r.writer
}

// random generates the body of a create or an update, and returns the partner that results.
func (r *resident) random(p modelPartner) (modelPartner, string) {
	body := map[string]any{}
	if r.chance(70) {
		p.DisplayName = nil
		switch {
		case r.chance(60):
			p.DisplayName = ptr(r.pick("n0", "n1", "n2", "n3"))
		case r.chance(70):
			p.DisplayName = ptr(r.own(r.pick("n0", "n1", "n2", "n3")))
		}
		body["displayName"] = p.DisplayName
	}
	if r.chance(70) || p.OnboardingURL == nil {
		p.OnboardingURL = ptr(r.ownURL(r.pick("a", "b")))
		body["onboardingUrl"] = p.OnboardingURL
	}
	if r.chance(50) {
		p.OnboardingStatus = r.pick(statuses...)
		body["onboardingStatus"] = p.OnboardingStatus
	}
	if r.chance(40) {
		p.LastConnectionDateTime = r.pick(moments...)
		body["lastConnectionDateTime"] = p.LastConnectionDateTime
	}
	if len(body) == 0 {
		body["onboardingStatus"] = p.OnboardingStatus
	}
	text, err := json.Marshal(body)
	if err != nil {
		r.fail("%v", err)
	}
	return p, string(text)
}

func (r *resident) planCreate() plan {
	p, body := r.random(modelPartner{OnboardingStatus: "notOnboarded", LastConnectionDateTime: never})
	p.ID = r.now.nextID()
	r.now.partners[p.ID] = p
	return plan{method: "POST", path: partnersPath, body: body, status: 201, check: isPartner(p)}
}

func (r *resident) planUpdate(id string) plan {
	if r.now.partners[id].ID == "" {
		return plan{method: "PATCH", path: partnersPath + "/" + id, body: `{"displayName":"stolen"}`, status: 404, check: isMissing}
	}
	p, body := r.random(r.now.partners[id])
	r.now.partners[id] = p
	r.now.history[id]++
	return plan{method: "PATCH", path: partnersPath + "('" + id + "')", body: body, status: 200, check: isPartner(p)}
}

func (r *resident) planDelete(id string) plan {
	if r.now.partners[id].ID == "" {
		return plan{method: "DELETE", path: partnersPath + "/" + id, status: 404, check: isMissing}
	}
	delete(r.now.partners, id)
	r.now.history[id]++
	r.now.deleted++
	return plan{method: "DELETE", path: partnersPath + "/" + id, status: 204, check: isEmpty}
}

func (r *resident) planBegin(id string) plan {
	p := r.now.partners[id]
	path := partnersPath + "/" + id + "/microsoft.graph.beginOnboarding"
	switch {
	case p.ID == "":
		return plan{method: "POST", path: path, status: 404, check: isMissing}
	case p.OnboardingStatus == "onboarded":
		return plan{method: "POST", path: path, status: 400}
	case p.OnboardingStatus == "notOnboarded":
		p.OnboardingStatus = "onboarding"
		r.now.partners[id] = p
		r.now.history[id]++
	}
	return plan{method: "POST", path: path, status: 204, check: isEmpty}
}

func (r *resident) planDisconnect(id string) plan {
	p := r.now.partners[id]
	path := partnersPath + "/" + id + "/disconnect"
	switch {
	case p.ID == "":
		return plan{method: "POST", path: path, status: 404, check: isMissing}
	case p.OnboardingStatus != "notOnboarded":
		p.OnboardingStatus = "notOnboarded"
		r.now.partners[id] = p
		r.now.history[id]++
	}
	return plan{method: "POST", path: path, status: 204, check: isEmpty}
}

func (r *resident) planChange() plan {
	if len(r.now.partners) >= mostPartners {
		return r.planDelete(r.ownID())
	}
	id := r.anyID()
	switch r.rng.IntN(10) {
	case 0, 1, 2, 3:
		return r.planUpdate(id)
	case 4, 5, 6:
		return r.planDelete(id)
	case 7, 8:
		return r.planBegin(id)
	}
	return r.planDisconnect(id)
}

func (r *resident) planGet() plan {
	id := r.anyID()
	path := partnersPath + r.pick("/"+id, "('"+id+"')")
	if p := r.now.partners[id]; p.ID != "" {
		return plan{method: "GET", path: path, status: 200, check: isPartner(p)}
	}
	return plan{method: "GET", path: path, status: 404, check: isMissing}
}

func (r *resident) planCount() plan {
	f := filters()[r.rng.IntN(len(filters()))]
	path := partnersPath + "/$count"
	if f.text != "" {
		path += "?" + url.Values{"$filter": {f.text}}.Encode()
	}
	want := strconv.Itoa(len(r.now.list(f, orders()[0])))
	return plan{method: "GET", path: path, status: 200, check: func(body []byte) string {
		if string(body) != want {
			return "want " + want
		}
		return ""
	}}
}

// ids returns the ids of the tenant's partners.
func (r *resident) ids() []string {
	var ids []string
	for id := range r.now.partners {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (r *resident) ownID() string {
	ids := r.ids()
	return ids[r.rng.IntN(len(ids))]
}

// anyID returns the id of one of the tenant's partners, or one that other tenants are likely to
// have.
func (r *resident) anyID() string {
	if len(r.now.partners) > 0 && r.chance(60) {
		return r.ownID()
	}
	return partnerID(int64(1 + r.rng.IntN(int(r.now.idsMade)+mostPartners)))
}

func (r *resident) create() {
	if len(r.now.partners) >= mostPartners {
		r.send(r.planDelete(r.ownID()), r.somebody())
		return
	}
	r.send(r.planCreate(), r.somebody())
}

func (r *resident) get() { r.send(r.planGet(), r.pick(r.somebody(), r.reader)) }

func (r *resident) count() { r.send(r.planCount(), r.pick(r.somebody(), r.reader)) }

func (r *resident) change() { r.send(r.planChange(), r.somebody()) }

func (r *resident) property() {
	id := r.anyID()
	path := partnersPath + "/" + id + "/onboardingUrl" + r.pick("", "/$value")
	p := r.now.partners[id]
	switch {
	case p.ID == "":
		r.send(plan{method: "GET", path: path, status: 404, check: isMissing}, r.reader)
	case p.OnboardingURL == nil:
		r.send(plan{method: "GET", path: path, status: 204, check: isEmpty}, r.reader)
	default:
		r.send(plan{method: "GET", path: path, status: 200, check: func(body []byte) string {
			if !strings.Contains(string(body), *p.OnboardingURL) {
				return "want " + *p.OnboardingURL
			}
			return ""
		}}, r.reader)
	}
}

// forbidden makes calls that their token doesn't allow.
func (r *resident) forbidden() {
	before := r.now.clone()
	p := r.planChange()
	r.now = before // the call must change nothing
	token := r.reader
	if r.now.rule != "current" && r.chance(50) {
		token = r.application
	}
	p.status, p.check = 403, nil
	r.send(p, token)
}

func (r *resident) list() {
	f, o := filters()[r.rng.IntN(len(filters()))], orders()[r.rng.IntN(len(orders()))]
	r.walk(f, o, []int{0, 1, 2, 7, 100}[r.rng.IntN(5)])
}

// walk reads a list to its end and compares it with the model.
func (r *resident) walk(f modelFilter, o modelOrder, top int) {
	query := url.Values{"$count": {"true"}}
	if f.text != "" {
		query.Set("$filter", f.text)
	}
	if o.text != "" {
		query.Set("$orderby", o.text)
	}
	size := r.now.pageSize
	if top > 0 {
		query.Set("$top", strconv.Itoa(top))
		size = min(size, top)
	}
	want := r.now.list(f, o)
	got := []modelPartner{}
	token := r.pick(r.reader, r.somebody())
	for link := "/v1.0" + partnersPath + "?" + query.Encode(); link != ""; {
		r.doing = "list " + link
		page := decode[struct {
			Count    int    `json:"@odata.count"`
			NextLink string `json:"@odata.nextLink"`
			Value    []modelPartner
		}](r, r.checked(r.call("GET", link, "", token), 200))
		if page.Count != len(want) || len(page.Value) > size {
			r.fail("a count of %d, want %d; a page of %d, want %d at most", page.Count, len(want), len(page.Value), size)
		}
		got = append(got, page.Value...)
		link = strings.TrimPrefix(page.NextLink, "http://localhost")
		if link != "" && len(mentions(r.run, []byte(link))) == 0 {
			r.publish(func(p *published) { p.link = link })
		}
	}
	r.equal("the list", got, want)
}

// batchOfReads sends many reads in a batch.
func (r *resident) batchOfReads() {
	var plans []plan
	for range 2 + r.rng.IntN(19) {
		if r.chance(70) {
			plans = append(plans, r.planGet())
		} else {
			plans = append(plans, r.planCount())
		}
	}
	r.batch(plans, false)
}

// batchOfChanges sends a batch of changes, each of which depends on the previous one. The ones
// after a failed change fail too.
func (r *resident) batchOfChanges() {
	var plans []plan
	for range 2 + r.rng.IntN(8) {
		if len(r.now.partners) < mostPartners && r.chance(50) {
			plans = append(plans, r.planCreate())
		} else {
			plans = append(plans, r.planChange())
		}
		if plans[len(plans)-1].status >= 400 {
			break
		}
	}
	r.batch(plans, true)
}

func (r *resident) batch(plans []plan, chain bool) {
	type item struct {
		ID        string            `json:"id"`
		Method    string            `json:"method"`
		URL       string            `json:"url"`
		Headers   map[string]string `json:"headers,omitempty"`
		Body      json.RawMessage   `json:"body,omitempty"`
		DependsOn []string          `json:"dependsOn,omitempty"`
	}
	items := make([]item, len(plans))
	for i, p := range plans {
		items[i] = item{ID: strconv.Itoa(i), Method: p.method, URL: p.path, Headers: map[string]string{"client-request-id": r.mark(directoryMark, r.n)}}
		if p.body != "" {
			items[i].Body, items[i].Headers["Content-Type"] = json.RawMessage(p.body), "application/json"
		}
		if chain && i > 0 {
			items[i].DependsOn = []string{strconv.Itoa(i - 1)}
		}
	}
	text, err := json.Marshal(map[string]any{"requests": items})
	if err != nil {
		r.fail("%v", err)
	}
	r.doing = "batch " + string(text)
	got := decode[struct {
		Responses []struct {
			ID     string
			Status int
			Body   json.RawMessage
		}
	}](r, r.checked(r.call("POST", "/v1.0/$batch", string(text), r.somebody()), 200))
	r.operations.Add(int64(len(plans)))
	for i, p := range plans {
		a := got.Responses[i]
		if a.ID != items[i].ID || a.Status != p.status {
			r.fail("%s %s: %s %d %s, want %d", p.method, p.path, a.ID, a.Status, a.Body, p.status)
		}
		body := []byte(a.Body)
		var packed []byte
		if json.Unmarshal(body, &packed) == nil && len(body) > 0 && body[0] == '"' { // text is in base64
			body = packed
		}
		if p.check != nil {
			if wrong := p.check(body); wrong != "" {
				r.fail("%s %s: %s: %s", p.method, p.path, wrong, body)
			}
		}
	}
}

// followAnothersLink follows the link to another tenant's next page, which is refused.
func (r *resident) followAnothersLink() {
	p := r.other()
	if p == nil || p.link == "" {
		return
	}
	r.doing = "follow " + p.link
	if got := r.checked(r.call("GET", p.link, "", r.pick(r.reader, r.somebody())), 400, p.n); !strings.Contains(got.body, "$skiptoken") {
		r.fail("%s", got.body)
	}
}

// manageAnothers calls the administration about another manager's tenant, on any route. Every
// answer says that the tenant doesn't exist.
func (r *resident) manageAnothers() {
	p := r.other()
	if p == nil {
		return
	}
	reach := reaching()
	route := reach[r.rng.IntN(len(reach))]
	method, _, _ := strings.Cut(route, " ")
	template := strings.TrimPrefix(route, method+" ")
	path := strings.NewReplacer(":tenantId", p.tenant.String(), ":name", r.pick("s0", "s1"), ":entitySet", "remoteAssistancePartners", ":action", "confirm", ":report", "recent-changes", ":login", p.login,
		":userId", writerID.String(), ":clientId", portalID.String(), ":secretId", p.orSecret().String(), ":entityId", partnerID(1)).Replace(template)
	if template == "/v1/reports/:report" {
		path += "?tenantId=" + p.tenant.String()
	}
	if strings.HasSuffix(template, "/diff") {
		path += "?from=s0"
	}
	r.doing = method + " " + path
	got := r.checked(r.manager.do(method, path, body(route, p.tenant)), 404, p.n)
	want := "There is no tenant " + p.tenant.String() + "."
	if strings.Contains(route, ":login") {
		want = fmt.Sprintf("There is no report login %q.", p.login)
	}
	r.equal("the refusal", *decode[api.Problem](r, got).Detail, want)
}

// reaching lists the routes with which a manager may try to reach another's tenant, by its id
// in the path, query or body, or another's report login.
var reaching = sync.OnceValue(func() []string {
	other := []string{"GET /v1/reports/:report", "POST /v1/tenants", "POST /v1/report-logins"}
	var names []string
	for template, item := range contract().Paths.Map() {
		path := parameter.ReplaceAllString(template, ":$1")
		for method, op := range item.Operations() {
			route := method + " " + path
			if op.Extensions["x-role"] != "owner" && (reports || !strings.Contains(path, "report")) && (strings.Contains(path, ":tenantId") || strings.Contains(path, ":login") || slices.Contains(other, route)) {
				names = append(names, route)
			}
		}
	}
	slices.Sort(names)
	return names
})

func (p *published) orSecret() uuid.UUID {
	if id, err := uuid.Parse(p.secretID); err == nil {
		return id
	}
	return uuid.New()
}

// act does one of the partner's actions.
func (r *resident) act() {
	id := r.anyID()
	action := r.pick("confirm", "refuse", "expire", "heartbeat")
	from, to := "onboarding", map[string]string{"confirm": "onboarded", "refuse": "notOnboarded", "expire": "notOnboarded", "heartbeat": "onboarded"}[action]
	if action == "heartbeat" {
		from = "onboarded"
	}
	r.doing = action + " " + id
	path := "/entities/remoteAssistancePartners/" + id + "/" + action
	p := r.now.partners[id]
	switch {
	case p.ID == "":
		r.manage(404, "POST", path, nil)
	case p.OnboardingStatus != from:
		r.manage(409, "POST", path, nil)
	default:
		got := decode[modelEntity](r, r.manage(200, "POST", path, nil)).partner()
		p.OnboardingStatus = to
		if action == "heartbeat" { // which sets the date to the present time
			p.LastConnectionDateTime = got.LastConnectionDateTime
		}
		r.equal("the partner", got, p)
		r.now.partners[id] = p
		r.now.history[id]++
	}
}

// modelEntity is a partner as the administration shows it.
type modelEntity struct {
	ID         string
	Properties modelPartner
}

func (e modelEntity) partner() modelPartner {
	e.Properties.ID = e.ID
	return e.Properties
}

func (r *resident) managePartners() {
	if r.chance(50) {
		id := r.anyID()
		r.doing = "partner " + id
		if p := r.now.partners[id]; p.ID == "" {
			r.manage(404, "GET", "/entities/remoteAssistancePartners/"+id, nil)
		} else {
			r.equal("the partner", decode[modelEntity](r, r.manage(200, "GET", "/entities/remoteAssistancePartners/"+id, nil)).partner(), p)
		}
		return
	}
	got := []modelPartner{}
	for link := "/entities/remoteAssistancePartners?top=11"; link != ""; {
		r.doing = link
		page := decode[struct {
			Value    []modelEntity
			NextLink string
		}](r, r.manage(200, "GET", link, nil))
		for _, e := range page.Value {
			got = append(got, e.partner())
		}
		link = strings.TrimPrefix(page.NextLink, tenantPath(r.tenant))
	}
	r.equal("the partners", got, r.now.list(filters()[0], orders()[0]))
}

func (r *resident) set() {
	r.now.pageSize, r.now.rule = []int{3, 10, 1000}[r.rng.IntN(3)], r.pick("seed", "current", "current")
	got := decode[api.Tenant](r, r.manage(200, "PATCH", "", fmt.Sprintf(`{"settings":{"pageSize":%d,"permissionRule":%q}}`, r.now.pageSize, r.now.rule)))
	r.equal("the settings", []any{*got.Settings.PageSize, *got.Settings.PermissionRule, got.DisplayName}, []any{r.now.pageSize, r.now.rule, r.mark(directoryMark, r.n)})
	r.equal("the tenant", decode[api.Tenant](r, r.manage(200, "GET", "", nil)).Id, r.tenant)
}

// guest creates, changes or deletes a user, or signs one in.
func (r *resident) guest() {
	name := r.pick("g0", "g1", "g2")
	path := "/users/" + guestID(name).String()
	g, there := r.now.guests[name]
	r.doing = "guest " + name
	if token := r.guestTokens[name]; token != "" { // whatever happens to users with this name in other tenants
		status := 401
		if there && g.enabled {
			status = 200
		}
		r.checked(r.call("GET", "/v1.0"+partnersPath+"?$top=1", "", token), status)
	}
	switch {
	case !there:
		delete(r.guestTokens, name)
		r.manage(404, "GET", path, nil)
		r.keys++
		// Other callers use the same keys, but get their own answers.
		key := []string{"Idempotency-Key", fmt.Sprint("the same ", r.keys)}
		g = modelUser{r.own("guest"), r.own("password"), true}
		create := api.UserCreate{UserPrincipalName: named(name, r.tenant), DisplayName: &g.display, Password: &g.password}
		first := r.manage(201, "POST", "/users", create, key...)
		if r.chance(30) {
			r.equal("the answer to another try", r.manage(201, "POST", "/users", create, key...).body, first.body)
		}
		r.equal("the id", decode[api.UserCreated](r, first).User.Id, guestID(name))
	case r.chance(30):
		r.manage(204, "DELETE", path, nil)
		r.manage(404, "PATCH", path, "{}")
		delete(r.now.guests, name)
		return
	case r.chance(50):
		g.display, g.enabled = r.own(r.pick("guest", "visitor")), !g.enabled
		got := decode[api.User](r, r.manage(200, "PATCH", path, api.UserUpdate{DisplayName: &g.display, Enabled: &g.enabled}))
		r.equal("the guest", []any{got.DisplayName, got.Enabled}, []any{g.display, g.enabled})
		if !g.enabled {
			delete(r.guestTokens, name) // they never become valid again
		}
	default:
		r.signInGuest(name, g)
	}
	r.now.guests[name] = g
	r.checkUsers()
}

func (r *resident) checkUsers() {
	want := map[string]string{writerName: r.own(writerName), readerName: r.own(readerName), baitName: r.own(baitName)}
	for name, g := range r.now.guests {
		want[named(name, r.tenant)] = g.display
	}
	got := map[string]string{}
	for link := "/users?top=4"; link != ""; {
		page := decode[api.UserList](r, r.manage(200, "GET", link, nil))
		for _, u := range page.Value {
			got[u.UserPrincipalName] = u.DisplayName
		}
		link = strings.TrimPrefix(deref(page.NextLink), tenantPath(r.tenant))
	}
	r.equal("the users", got, want)
}

// portal changes the application that all tenants have, and its secrets.
func (r *resident) portal() {
	path := "/applications/" + portalID.String()
	switch {
	case r.chance(40):
		r.now.portalName = r.own(r.pick("Portal", "Gate"))
		r.manage(200, "PATCH", path, api.ApplicationUpdate{DisplayName: &r.now.portalName, RedirectUris: &[]string{"http://localhost", r.ownURL("back")}})
	case len(r.now.portalSecrets) > 0 && r.chance(60):
		last := len(r.now.portalSecrets) - 1
		r.manage(204, "DELETE", path+"/secrets/"+r.now.portalSecrets[last], nil)
		r.manage(404, "DELETE", path+"/secrets/"+r.now.portalSecrets[last], nil)
		r.now.portalSecrets = r.now.portalSecrets[:last]
	case len(r.now.portalSecrets) < 3:
		id := decode[api.ApplicationSecretCreated](r, r.manage(201, "POST", path+"/secrets", "{}")).Id.String()
		r.now.portalSecrets = append(slices.Clone(r.now.portalSecrets), id)
		r.publish(func(p *published) { p.secretID = id })
	}
	if r.chance(20) { // removes the consent of the gate, not of the portal
		r.manage(204, "DELETE", "/applications/"+gateID.String()+"/consents", nil)
		r.checked(r.call("GET", "/v1.0"+partnersPath, "", r.gate), 401)
		r.manage(204, "POST", "/applications/"+gateID.String()+"/consents", api.Consent{Roles: &[]string{"DeviceManagementServiceConfig.Read.All"}})
		r.gate = r.newToken(gateID, nil, "DeviceManagementServiceConfig.Read.All")
	}
	if r.now.rule == "current" {
		r.send(r.planGet(), r.gate)
	}
	got := decode[api.Application](r, r.manage(200, "GET", path, nil))
	r.equal("the application", []any{got.DisplayName, len(got.Secrets)}, []any{r.now.portalName, 1 + len(r.now.portalSecrets)})
}

// snapshot takes, compares, restores or deletes a snapshot. All tenants use the same names.
func (r *resident) snapshot() {
	name := r.pick("s0", "s1", "s2")
	path := "/snapshots/" + name
	kept, there := r.snapshots[name]
	r.doing = "snapshot " + name
	if !there {
		r.manage(404, "GET", path, nil)
		r.manage(404, "POST", path+"/restore", nil)
		r.manage(404, "GET", "/diff?from="+name, nil)
		got := decode[api.Snapshot](r, r.manage(201, "POST", "/snapshots", api.SnapshotCreate{Name: name}))
		r.equal("the partners kept", got.Counts.Entities["remoteAssistancePartners"], len(r.now.partners))
		r.snapshots[name] = r.now.clone()
		return
	}
	var changes []string
	for link := "/diff?top=13&from=" + name; link != ""; {
		page := decode[api.DiffList](r, r.manage(200, "GET", link, nil))
		for _, e := range page.Value {
			if e.Entity == "remoteAssistancePartner" {
				changes = append(changes, e.Id+" "+string(e.Change))
			}
		}
		link = strings.TrimPrefix(deref(page.NextLink), tenantPath(r.tenant))
	}
	slices.Sort(changes)
	for _, want := range r.now.differences(kept) { // the model lacks the date of onboarding requests, so there may be more
		if !slices.Contains(changes, want) {
			r.fail("%q lacks %s", changes, want)
		}
	}
	var exported struct{ RemoteAssistancePartners []modelPartner }
	if err := json.Unmarshal([]byte(r.manage(200, "GET", path+"/state", nil).body), &exported); err != nil || len(exported.RemoteAssistancePartners) != len(kept.partners) {
		r.fail("%d partners exported, %v", len(exported.RemoteAssistancePartners), err)
	}
	if r.chance(70) {
		counts := decode[api.StateCounts](r, r.manage(200, "POST", path+"/restore", nil))
		r.now = kept.clone()
		r.equal("what was restored", counts, holding(len(kept.partners), 3+len(kept.guests), 2))
		r.checkUsers()
		return
	}
	r.manage(204, "DELETE", path, nil)
	delete(r.snapshots, name)
}

// transfer exports the tenant, or imports an earlier export.
func (r *resident) transfer() {
	if len(r.exports) == 0 || r.chance(40) {
		s := r.now.clone()
		s.history, s.deleted = map[string]int{}, 0
		s.idsMade = int64(len(s.partners)) // imported partners count
		r.exports = append(r.exports, export{r.manage(200, "GET", "/state", nil).body, s})
		return
	}
	e := r.exports[r.rng.IntN(len(r.exports))]
	r.doing = "import"
	counts := decode[api.StateCounts](r, r.manage(200, "PUT", "/state", e.text))
	r.equal("what was imported", counts.Entities["remoteAssistancePartners"], len(e.state.partners))
	r.now = e.state.clone()
	r.checkUsers()
}

func (r *resident) reset() {
	r.manage(200, "POST", "/reset", nil)
	r.now.partners, r.now.history, r.now.deleted, r.now.idsMade = r.origin.clone().partners, map[string]int{}, 0, r.origin.idsMade
}

// report runs a report and compares it with the result of its SQL.
func (r *resident) report() {
	if !reports {
		return
	}
	list := decode[api.ReportList](r, r.checked(r.manager.do("GET", "/v1/reports", nil), 200)).Value
	report := list[r.rng.IntN(len(list))]
	r.doing = "report " + report.Name
	result := decode[api.ReportResult](r, r.checked(r.manager.do("GET", "/v1/reports/"+report.Name+"?tenantId="+r.tenant.String(), nil), 200))
	switch report.Name {
	case "entities-by-status":
		got := map[string]int{}
		for _, row := range result.Rows {
			n, _ := strconv.Atoi(row[2].MustGet())
			got[row[1].MustGet()] = n
		}
		r.equal("the report", got, r.now.byStatus())
	case "recent-changes":
		r.equal("the changes", len(result.Rows), min(100, r.now.changes()))
	case "deleted-entities":
		r.equal("the deleted partners", len(result.Rows), r.now.deleted)
	}
}

// reportPartners queries the views.
func (r *resident) reportPartners() {
	if !reports {
		return
	}
	want := []string{}
	for _, p := range r.now.list(filters()[0], orders()[0]) {
		want = append(want, strings.Join([]string{p.ID, deref(p.DisplayName), deref(p.OnboardingURL), p.OnboardingStatus}, " "))
	}
	r.doing = "SQL"
	r.equal("the view", r.sql("SELECT concat_ws(' ', id, coalesce(display_name, ''), onboarding_url, onboarding_status) FROM remote_assistance_partners ORDER BY id"), want)
	r.equal("the changes", r.sql("SELECT count(*)::text FROM remote_assistance_partner_changes"), []int{r.now.changes()})
	r.equal("the users", r.sql("SELECT count(*)::text FROM users"), []int{3 + len(r.now.guests)})
	if p := r.other(); p != nil {
		view := r.pick("remote_assistance_partners", "remote_assistance_partner_changes", "remote_assistance_partner_funnel", "remote_assistance_partner_staleness", "changes", "status_by_day", "time_in_status", "users", "applications", "requests", "request_gaps")
		r.equal("another's "+view, r.sql("SELECT tenant_id::text FROM "+view+" WHERE tenant_id = $1 OR tenant_id <> $2", p.tenant, r.tenant), []string{})
	}
}

// lists reads the lists over all of a manager's tenants.
func (r *resident) lists() {
	tenants := decode[api.TenantList](r, r.checked(r.manager.do("GET", "/v1/tenants", nil), 200)).Value
	if len(tenants) != 1 || tenants[0].Id != r.tenant {
		r.fail("%+v", tenants)
	}
	logins := decode[api.ReportLoginList](r, r.checked(r.manager.do("GET", "/v1/report-logins", nil), 200)).Value
	if reports && (len(logins) != 1 || logins[0].Login != r.login || *logins[0].Label != r.own("label")) {
		r.fail("%+v", logins)
	}
	want := []string{}
	for name := range r.snapshots {
		want = append(want, name)
	}
	slices.Sort(want)
	got := []string{}
	for _, s := range decode[api.SnapshotList](r, r.manage(200, "GET", "/snapshots", nil)).Value {
		got = append(got, s.Name)
	}
	r.equal("the snapshots", got, want)
	if apps := decode[api.ApplicationList](r, r.manage(200, "GET", "/applications", nil)).Value; len(apps) != 2 || apps[0].DisplayName != r.now.portalName {
		r.fail("%+v", apps)
	}
}

// journal reads, checks and clears the tenant's requests. They include sign-ins that others
// sent here by mistake. So the journal may contain ids of other tenants, but none of their
// data.
func (r *resident) journal() {
	got := r.manager.do("GET", tenantPath(r.tenant, "/requests?order=newest&top=100"), nil)
	for _, m := range mentions(r.run, []byte(got.body)) {
		if m.n != r.n && m.kind == dataMark {
			r.fail("it shows %v: %s", m, got.body)
		}
	}
	r.checked(reply{status: got.status}, 200)
	for _, e := range decode[api.RequestList](r, got).Value {
		if e.Front == api.RequestFrontGraph && deref(e.ClientRequestId) != r.mark(directoryMark, r.n) {
			r.fail("another's request: %+v", e)
		}
	}
	if reports {
		r.equal("another's requests by SQL", r.sql("SELECT count(*)::text FROM requests WHERE front = 'graph' AND client_request_id <> $1", r.mark(directoryMark, r.n)), []int{0})
	}
	front := api.RequestFrontGraph
	v := decode[api.Verification](r, r.manage(200, "POST", "/requests/verify", api.RequestVerify{Counts: &[]api.RequestCount{{Match: api.RequestMatch{Front: &front}, AtLeast: ptr(int64(0))}}}))
	if v.Verified != (len(v.Gaps) == 0) {
		r.fail("%+v", v)
	}
	if r.chance(30) {
		r.manage(200, "DELETE", "/requests"+r.pick("", "?method=GET", "?front=graph"), nil)
	}
}

const graphScope = "https://graph.microsoft.com/.default"

func (r *resident) tokenForm(grant string, more ...string) url.Values {
	form := url.Values{"grant_type": {grant}, "client_id": {portalID.String()}, "scope": {graphScope + " offline_access"}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

func tokenPath(authority string) string { return "/" + authority + "/oauth2/v2.0/token" }

// refusedBy checks that the identity platform refused a request with one of the numbers.
func (r *resident) refusedBy(a reply, n int, numbers ...string) {
	r.Helper()
	status := 400
	if a.status == http.StatusUnauthorized {
		status = a.status
	}
	r.checked(a, status, n)
	if !slices.ContainsFunc(numbers, func(number string) bool { return strings.Contains(a.body, "AADSTS"+number+":") }) {
		r.fail("want one of %q: %s", numbers, a.body)
	}
}

type grant struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
}

// signIn signs the writer in with a password, a refresh token or a code.
func (r *resident) signIn() {
	authority := r.pick(r.tenant.String(), r.domain)
	var g grant
	switch {
	case r.refresh == "" || r.chance(30):
		r.doing = "password at " + authority
		g = decode[grant](r, r.checked(r.ask("POST", tokenPath(authority), r.tokenForm("password", "username", writerName, "password", r.writerPassword, "client_secret", r.secret)), 200))
	case r.chance(50):
		r.doing = "refresh at " + authority
		g = decode[grant](r, r.checked(r.ask("POST", tokenPath(r.pick(authority, "organizations")), r.tokenForm("refresh_token", "refresh_token", r.refresh, "client_secret", r.secret)), 200))
	default:
		r.doing = "code at " + authority
		code, _ := r.authorize(authority)
		g = decode[grant](r, r.checked(r.ask("POST", tokenPath(authority), r.tokenForm("authorization_code", "code", code, "redirect_uri", "http://localhost", "client_secret", r.secret)), 200))
	}
	r.refresh = g.RefreshToken
	r.lend()
	r.send(r.planGet(), g.AccessToken)
	info := r.checked(r.ask("GET", "/oidc/userinfo", nil, "Authorization", "Bearer "+r.writer), 200)
	if !strings.Contains(info.body, r.own(writerName)) {
		r.fail("%s", info.body)
	}
	app := decode[grant](r, r.checked(r.ask("POST", tokenPath(authority), r.tokenForm("client_credentials", "client_secret", r.secret, "scope", graphScope)), 200))
	if r.now.rule == "current" {
		r.send(r.planGet(), app.AccessToken)
	}
}

// lend gives other tenants tokens and codes with which they must fail.
func (r *resident) lend() {
	r.doing = "lend"
	authority := r.tenant.String()
	code, cookie := r.authorize(authority)
	g := decode[grant](r, r.checked(r.ask("POST", tokenPath(authority), r.tokenForm("password", "username", writerName, "password", r.writerPassword, "client_secret", r.secret)), 200))
	r.publish(func(p *published) { p.code, p.cookie, p.refresh = code, cookie, g.RefreshToken })
}

func (r *resident) authorization() url.Values {
	return url.Values{"client_id": {portalID.String()}, "response_type": {"code"}, "redirect_uri": {"http://localhost"}, "scope": {graphScope}}
}

// authorize signs the writer in on the page, and returns the code and the browser's cookie.
func (r *resident) authorize(authority string) (code, cookie string) {
	path := "/" + authority + "/oauth2/v2.0/authorize?" + r.authorization().Encode()
	a := r.checked(r.ask("POST", path, url.Values{"user": {writerName}, "password": {r.writerPassword}}), 302)
	target, err := url.Parse(a.header.Get("Location"))
	if err != nil || target.Query().Get("code") == "" {
		r.fail("%v %s", err, a.header)
	}
	cookie, _, _ = strings.Cut(a.header.Get("Set-Cookie"), ";")
	return target.Query().Get("code"), cookie
}

func (r *resident) signInGuest(name string, g modelUser) {
	form := r.tokenForm("password", "username", named(name, r.tenant), "password", g.password)
	a := r.ask("POST", tokenPath(r.tenant.String()), form)
	if !g.enabled {
		r.refusedBy(a, r.n, "50057")
		return
	}
	token := decode[grant](r, r.checked(a, 200)).AccessToken
	r.guestTokens[name] = token
	r.send(r.planGet(), token)
}

// signInAtAnothers uses this tenant's credentials at another tenant's authority, and that
// tenant's here.
func (r *resident) signInAtAnothers() {
	p := r.other()
	if p == nil {
		return
	}
	const gone = "90002" // the other tenant may have been deleted
	there, here := r.pick(p.tenant.String(), p.domain), r.pick(r.tenant.String(), r.domain)
	secret := []string{"client_secret", r.secret}
	ask := func(authority, kind string, more ...string) reply {
		r.doing = kind + " at " + authority
		return r.ask("POST", tokenPath(authority), r.tokenForm(kind, more...))
	}
	switch r.rng.IntN(9) {
	case 0: // another user has the name there
		r.refusedBy(ask(there, "password", "username", baitName, "password", r.writerPassword), p.n, "50126", "50053", gone)
	case 1:
		r.refusedBy(ask(there, "password", append(secret, "username", writerName, "password", r.writerPassword)...), p.n, "7000215", gone)
	case 2:
		r.refusedBy(ask(there, "client_credentials", append(secret, "scope", graphScope)...), p.n, "7000215", gone)
	case 3:
		r.refusedBy(ask(here, "refresh_token", append(secret, "refresh_token", p.refresh)...), p.n, "700005", gone)
	case 4: // the other's application has another secret
		r.refusedBy(ask("organizations", "refresh_token", append(secret, "refresh_token", p.refresh)...), p.n, "7000215", "70000", gone)
	case 5:
		r.refusedBy(ask(here, "authorization_code", append(secret, "code", p.code, "redirect_uri", "http://localhost")...), p.n, "700005", gone)
	case 6:
		r.refusedBy(ask(there, "authorization_code", append(secret, "code", p.code, "redirect_uri", "http://localhost")...), p.n, "7000215", gone)
	case 7:
		if r.refresh != "" {
			r.refusedBy(ask(there, "refresh_token", append(secret, "refresh_token", r.refresh)...), p.n, "700005", gone)
		}
	case 8: // this tenant's token isn't an assertion there
		r.refusedBy(ask(there, "urn:ietf:params:oauth:grant-type:jwt-bearer", append(secret, "assertion", r.writer, "requested_token_use", "on_behalf_of")...), p.n, "700005", gone)
	}
}

// browseAnothers requests pages with another tenant's cookie, and another tenant's pages.
func (r *resident) browseAnothers() {
	p := r.other()
	if p == nil {
		return
	}
	here := r.pick(r.tenant.String(), r.domain)
	silent := r.authorization()
	silent.Set("prompt", "none")
	r.doing = "another's cookie"
	a := r.checked(r.ask("GET", "/"+here+"/oauth2/v2.0/authorize", silent, "Cookie", p.cookie), 302, p.n)
	if !strings.Contains(a.header.Get("Location"), "AADSTS50058") {
		r.fail("%s", a.header)
	}
	r.doing = "the page"
	page := r.checked(r.ask("GET", "/"+here+"/oauth2/v2.0/authorize", r.authorization(), "Cookie", p.cookie), 200, p.n)
	if !strings.Contains(page.body, r.own(writerName)) { // among the users to pick from
		r.fail("%s", page.body)
	}
	r.doing = "discovery"
	r.checked(r.ask("GET", "/"+here+"/v2.0/.well-known/openid-configuration", nil), 200)
	r.checked(r.ask("GET", "/"+here+"/discovery/v2.0/keys", nil), 200)
	r.doing = "the realm"
	r.checked(r.ask("GET", "/common/UserRealm/"+writerName, nil), 200)
}
