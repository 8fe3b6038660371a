package graph

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/gather"
	"github.com/mocktenant/mocktenant/internal/odata"
)

// resource serves the set of one entity, by its description and its generated queries.
type resource struct {
	*entity.Type
	s         *server
	typeName  string              // as a member of the answer, with a comma
	names     []string            // of the properties, as JSON, with a colon
	queryable [2][]odata.Property // names for query options, in v1.0 and in beta
	pages     *gather.Shared[pageKey, page]

	parent   *resource   // its entities contain the set; nil if none do
	children []*resource // the sets that its entities contain
}

// newResources returns the resources of entities, each with those that it contains.
func newResources(all []*entity.Type, s *server) (resources []*resource) {
	for _, t := range all {
		r := newResource(t, s)
		if i := slices.IndexFunc(resources, func(p *resource) bool { return p.Type == t.Parent }); i >= 0 {
			r.parent = resources[i]
			r.parent.children = append(r.parent.children, r)
		}
		resources = append(resources, r)
	}
	return resources
}

func newResource(t *entity.Type, s *server) *resource {
	r := &resource{Type: t, s: s, typeName: `"@odata.type":"#` + t.QualifiedName() + `",`}
	for i := range t.Properties {
		r.names = append(r.names, `"`+t.Properties[i].Name+`":`)
	}
	r.queryable = [2][]odata.Property{t.Queryable(false), t.Queryable(true)}
	if s != nil && s.queries != nil {
		r.pages = db.NewShared[pageKey, page](s.queries, "List"+strings.ToUpper(t.SetName()[:1])+t.SetName()[1:])
	}
	return r
}

// route adds the routes of the set in one version. of makes their handlers.
func (r *resource) route(g *gin.RouterGroup, of func(handler) gin.HandlerFunc) {
	read := func(f handler) gin.HandlerFunc { return of(permit(r.Read, r.current(f))) }
	write := func(f handler) gin.HandlerFunc { return of(permit(r.Write, r.current(r.s.repeatable(f)))) }
	get := getter(g)
	set := "/" + r.Set
	if r.Singleton {
		get(set, read(r.getSingleton))
		g.PATCH(set, write(r.updateSingleton))
		return
	}
	if r.parent != nil {
		set = "/" + r.parent.Set + "/:id/" + r.Set
	}
	get(set, read(r.list))
	get(set+"/$count", read(r.count))
	item := set + "/:" + r.keyName()
	get(item, read(r.get))
	get(item+"/:property", read(r.getProperty))
	get(item+"/:property/$value", read(r.getPropertyValue))
	r.routeFunctions(set, get, read)
	if r.ReadOnly {
		return
	}
	g.POST(set, write(r.create))
	g.PATCH(item, write(r.update))
	g.DELETE(item, write(r.delete))
	for i := range r.Actions {
		if a := &r.Actions[i]; !a.ByPartner {
			g.POST(item+"/"+a.Name, write(func(x *exchange) error { return r.act(x, a) }))
		}
	}
}

// keyName is the name of the key in routes; the outermost set has id.
func (r *resource) keyName() string {
	if r.parent != nil {
		return "childId"
	}
	return "id"
}

// keyParam returns the key in the path of a request.
func (r *resource) keyParam(x *exchange) string { return x.Param(r.keyName()) }

// current makes f see the present state of the entities: it first ends expired onboardings.
func (r *resource) current(f handler) handler {
	if r.Type != &entity.RemoteAssistancePartner {
		return f
	}
	return func(x *exchange) error {
		if ends := x.Tenant.OnboardingEnds; !ends.IsZero() && !x.Now.Before(ends) {
			if err := x.queries.ExpireOnboardings(x.Request.Context(), x.Tenant.ID, x.Now); err != nil {
				return err
			}
		}
		return f(x)
	}
}

// shown reports whether the requested version has a property.
func (x *exchange) shown(p *entity.Property) bool { return p.In(x.version.beta) }

// property finds a property of the requested version by name; ok is false if it has none.
func (r *resource) property(x *exchange, name string) (i int, ok bool) {
	i = r.Index(name)
	return i, i >= 0 && x.shown(&r.Properties[i])
}

func (r *resource) create(x *exchange) error {
	if _, err := r.query(x); err != nil {
		return err
	}
	body, err := r.readBody(x, uuid.Nil)
	if err != nil {
		return err
	}
	if err := r.contain(x, &body); err != nil {
		return err
	}
	r.stamp(x, body, true)
	row, err := r.insert(x, db.Create{
		TenantID: x.caller.TenantID, ID: body.id, Values: body.values,
		CreatedAt: x.Now, CreatedBy: x.caller.ObjectID, CreatedWith: x.application(), CreatedRequest: x.requestID(),
	})
	if err != nil {
		return err
	}
	location := r.url(x, row)
	x.setHeader("Location", location)
	if x.answerMinimal(location) {
		return nil
	}
	return r.write(x, x.statusOf(http.StatusCreated, r.Observed.Create), row, odata.Query{})
}

// stamp sets the dates that the service sets, in microseconds.
func (r *resource) stamp(x *exchange, b body, created bool) {
	for i := range r.Properties {
		if p := &r.Properties[i]; p.Stamped && (created || p.Restamped) {
			b.values[i], b.named[i] = entity.DateValue(x.Now.UTC().Truncate(time.Microsecond)), true
		}
	}
}

// insert inserts an entity, within the tenant's quota.
func (r *resource) insert(x *exchange, c db.Create) (db.Row, error) {
	row, err := x.queries.Entity(r.Type).CreateNew(x.Request.Context(), c, x.Tenant.IDSeed, x.Tenant.EntityQuota)
	switch {
	case errors.Is(err, db.ErrQuota):
		return nil, errQuota(r.Noun)
	case c.ID != uuid.Nil && errors.Is(db.Classify(err), db.ErrTaken):
		return nil, errConflict("A " + r.Noun + " with the id '" + r.Key(c.ID, func(p int) entity.Value { return c.Values[p] }) + "' already exists")
	}
	return row, err
}

func (r *resource) get(x *exchange) error {
	key, q, err := r.key(x, odata.Expand, odata.Format, odata.Select)
	if err != nil {
		return err
	}
	row, err := r.read(x, key)
	if err != nil {
		return err
	}
	return r.write(x, http.StatusOK, row, q)
}

// read returns an entity, as it is or as of the time in a rule.
func (r *resource) read(x *exchange, key db.Key) (db.Row, error) {
	if at := x.asOf(); !at.IsZero() {
		return x.queries.Entity(r.Type).GetAsOf(x.Request.Context(), key, at)
	}
	return x.queries.Entity(r.Type).Get(x.Request.Context(), key)
}

func (r *resource) update(x *exchange) error {
	key, _, err := r.key(x)
	if err != nil {
		return err
	}
	body, err := r.readBody(x, key.ID)
	if err != nil {
		return err
	}
	if err := r.refuseBuiltIn(x, key); err != nil {
		return err
	}
	if err := r.checkPart(x, key.ID, &body); err != nil {
		return err
	}
	r.keepContained(&body)
	if !slices.Contains(body.named, true) {
		return r.get(x) // the new version would be equal
	}
	r.stamp(x, body, false)
	row, err := x.queries.Entity(r.Type).Update(x.Request.Context(), db.Update{
		TenantID: key.TenantID, ID: key.ID, Values: body.values, Named: body.named,
		ChangedAt: x.Now, ChangedBy: x.caller.ObjectID, ChangedWith: x.application(), ChangedRequest: x.requestID(),
	})
	if err != nil {
		return err
	}
	if x.answerMinimal(r.url(x, row)) {
		return nil
	}
	return r.write(x, http.StatusOK, row, odata.Query{})
}

func (r *resource) delete(x *exchange) error {
	key, _, err := r.key(x)
	if err != nil {
		return err
	}
	if err := r.refuseBuiltIn(x, key); err != nil {
		return err
	}
	err = x.queries.Entity(r.Type).Delete(x.Request.Context(), r.change(x, key))
	if err != nil {
		return err
	}
	x.writeEmpty(x.statusOf(http.StatusNoContent, r.Observed.Delete))
	return nil
}

// statusOf returns the documented status, or, if the tenant wants that, the one that clients met
// instead. The latter is 0 if none is known.
func (x *exchange) statusOf(documented, observed int) int {
	if x.Tenant.ObservedStatuses && observed != 0 {
		return observed
	}
	return documented
}

// refuseBuiltIn refuses to change a built-in entity.
func (r *resource) refuseBuiltIn(x *exchange, key db.Key) error {
	if r.BuiltIn == "" {
		return nil
	}
	row, err := x.queries.Entity(r.Type).Get(x.Request.Context(), key)
	if err == nil && row.Value(r.Index(r.BuiltIn)).Bool() {
		e := errBadRequest("The %s '%s' is built in and can't be changed or deleted", r.Noun, r.KeyText(key.ID))
		e.wrapped = true
		return e
	}
	return err
}

// act runs an action, which does nothing in states other than its own.
func (r *resource) act(x *exchange, a *entity.Action) error {
	key, _, err := r.key(x)
	if err != nil {
		return err
	}
	if err := readNoParameters(x.Request); err != nil {
		return err
	}
	change := r.change(x, key)
	if x.Tenant.PartnerPortal {
		change.Portal = x.Base
	}
	before, err := x.queries.Entity(r.Type).Act(x.Request.Context(), a, change)
	if err != nil {
		return err
	}
	if slices.Contains(a.Refused, before) {
		e := errBadRequest("%s", a.Refusal)
		e.wrapped = true
		return e
	}
	x.writeNoContent()
	return nil
}

func (r *resource) change(x *exchange, k db.Key) db.Change {
	return db.Change{
		TenantID: k.TenantID, ID: k.ID,
		ChangedAt: x.Now, ChangedBy: x.caller.ObjectID, ChangedWith: x.application(), ChangedRequest: x.requestID(),
	}
}

// key reads the key and the query options, of which only the given ones are allowed, and
// checks the preconditions.
func (r *resource) key(x *exchange, options ...string) (db.Key, odata.Query, error) {
	q, err := r.options(x, options...)
	if err != nil {
		return db.Key{}, q, err
	}
	id, ok := r.ParseKey(r.keyParam(x))
	if !ok || !r.belongs(x) {
		return db.Key{}, q, db.ErrNotFound
	}
	k := db.Key{TenantID: x.caller.TenantID, ID: id}
	return k, q, r.checkPreconditions(x, k)
}

// query reads the query options of a request for the set, of which only the given ones are
// allowed.
func (r *resource) query(x *exchange, options ...string) (odata.Query, error) {
	q, err := r.options(x, options...)
	if err != nil {
		return q, err
	}
	return q, x.checkPreconditions()
}

// options reads the query options, of which only the given ones are allowed, and chooses
// the form of the answer.
func (r *resource) options(x *exchange, options ...string) (odata.Query, error) {
	q := odata.Query{Top: -1}
	if x.Request.URL.RawQuery != "" {
		resource := odata.Resource{Type: r.QualifiedName(), Options: options, Properties: r.queryable[0], Navigation: r.navigation(), Now: x.Now.UTC().Truncate(100 * time.Nanosecond)}
		if x.version.beta {
			resource.Properties = r.queryable[1]
		}
		var err error
		if q, err = odata.ParseQuery(x.Request.URL.RawQuery, resource); err != nil {
			return q, err
		}
	}
	return q, x.negotiate(q.Format)
}

// body is an entity in a request: the values of all properties, with defaults for those
// that the body omits; which properties it names; and its id, or zero.
type body struct {
	id     uuid.UUID
	values []entity.Value
	named  []bool
}

// readBody reads an entity from the body. key is the entity to change, or zero for a new
// one.
func (r *resource) readBody(x *exchange, key uuid.UUID) (b body, err error) {
	b = body{values: r.Defaults(), named: make([]bool, len(r.Properties))}
	err = readObject(x.Request, func(name string, d *jsontext.Decoder) (err error) {
		v := value{name: name, decoder: d, beta: x.version.beta}
		if strings.Contains(name, "@") {
			return v.annotation(r.QualifiedName())
		}
		if name == "id" {
			b.id, err = r.readID(v, key)
			return err
		}
		i, ok := r.property(x, name)
		if !ok && slices.Contains(r.navigation(), name) {
			return errNavigation(x, name, r.Service)
		}
		if !ok {
			return errUnknownProperty(name, r.Service)
		}
		p := &r.Properties[i]
		read, err := v.read(p)
		if !p.ReadOnly {
			b.named[i], b.values[i] = true, read
		}
		return err
	})
	return b, err
}

// maxID bounds the id in a body, in characters.
const maxID = utf8.UTFMax * 1024

// readID reads the id in a body. For a change, the id must equal the key. For a new entity
// it is ignored, like every read-only property, unless clients choose the keys of the set.
func (r *resource) readID(v value, key uuid.UUID) (brought uuid.UUID, err error) {
	v.nullable = true
	read, err := v.nullableString(maxID)
	if err != nil || read.Null || key == uuid.Nil && r.Keys != entity.ClientKeys {
		return uuid.Nil, err
	}
	id, ok := r.ParseKey(read.Text)
	switch {
	case key == uuid.Nil && (!ok || id == uuid.Nil):
		return uuid.Nil, errModelValidation(v.name, "The value '%s' of the property 'id' is not a GUID.", read.Text)
	case key != uuid.Nil && (!ok || id != key):
		return uuid.Nil, errModelValidation(v.name, "The value '%s' of the property 'id' is not the key of the entity in the URL.", read.Text)
	case key != uuid.Nil:
		return uuid.Nil, nil
	}
	return id, nil
}

func (r *resource) count(x *exchange) error {
	if err := x.negotiateText(); err != nil {
		return err
	}
	q, err := r.query(x, countOptions...)
	if err != nil {
		return err
	}
	parents, err := r.parents(x)
	if err != nil {
		return err
	}
	total, err := x.queries.Entity(r.Type).Count(x.Request.Context(), db.ListParams{TenantID: x.caller.TenantID, Filter: q.Filter, AsOf: x.asOf(), Parents: parents})
	if err != nil {
		return err
	}
	x.setHeader("OData-Version", "4.0")
	x.Data(http.StatusOK, "text/plain", strconv.AppendInt(nil, total, 10))
	return nil
}

func (r *resource) write(x *exchange, status int, row db.Row, q odata.Query) error {
	return buffered(func(b *[]byte) (err error) {
		omit := x.applyOmitValues()
		*b = r.append(x, *b, row, x.contextURL(r.setOf(row), q, true), q.Select, omit)
		if q.Expand != nil {
			item := []listed{{row: row, end: len(*b)}}
			if *b, _, err = r.expand(x.Request.Context(), x, *b, item, pageKey{asOf: x.asOf(), omitNulls: omit, most: maxExpanded}); err != nil {
				return err
			}
		}
		x.writeJSON(status, *b)
		return nil
	})
}

// url returns the canonical URL of an entity.
func (r *resource) url(x *exchange, row db.Row) string {
	return x.versionURL() + r.path(row)
}

// path returns the path of an entity below the version.
func (r *resource) path(row db.Row) string {
	key := r.Key(row.Key().ID, row.Value)
	if r.Keys == entity.ComposedKeys {
		key = url.PathEscape(strings.ReplaceAll(key, "'", "''"))
	}
	if r.Singleton {
		return r.Set
	}
	return r.setOf(row) + "('" + key + "')"
}

// setOf returns the path, below the version, of the set that contains an entity.
func (r *resource) setOf(row db.Row) string {
	if r.parent == nil {
		return r.Set
	}
	return r.containedIn(row.Value(r.Index(r.ParentID)).Text)
}

// containedIn returns the path of the set in the parent with a key.
func (r *resource) containedIn(parent string) string {
	return r.parent.Set + "('" + parent + "')/" + r.Set
}

// appendKey appends the key of an entity as JSON.
func (r *resource) appendKey(b []byte, row db.Row) []byte {
	if r.Keys == entity.CounterKeys || r.Keys == entity.ComposedKeys {
		return entity.AppendString(b, r.Key(row.Key().ID, row.Value))
	}
	return appendUUID(b, row.Key().ID)
}

// append appends an entity as JSON: its context, unless it is in a list, and the selected
// properties, or all, without nulls if the client prefers that.
func (r *resource) append(x *exchange, b []byte, row db.Row, context string, selected []string, omitNulls bool) []byte {
	b = append(b, '{')
	if context != "" && x.format.metadata != "none" {
		b = append(b, `"@odata.context":`...)
		b = append(entity.AppendString(b, context), ',')
	}
	if r.Typed && x.format.metadata != "none" || x.format.metadata == "full" {
		b = append(b, r.typeName...)
	}
	if x.format.metadata == "full" {
		b = r.appendLinks(x, b, row)
	}
	if selected == nil || slices.Contains(selected, "id") {
		b = append(r.appendKey(append(b, `"id":`...), row), ',')
	}
	for i := range r.Properties {
		p := &r.Properties[i]
		if !x.shown(p) || selected != nil && !slices.Contains(selected, p.Name) {
			continue
		}
		v := row.Value(i)
		if omitNulls && v.Null {
			continue
		}
		if x.format.metadata == "full" {
			b = appendType(b, p)
		}
		b = append(x.appendValue(append(b, r.names[i]...), p, v), ',')
	}
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return append(b, '}')
}

// appendLinks appends the links that only full metadata has: the entity's URL and its
// actions (JSON Format 4.5.8, 4.5.9, 17).
func (r *resource) appendLinks(x *exchange, b []byte, row db.Row) []byte {
	at := r.url(x, row)
	b = append(entity.AppendString(append(b, `"@odata.id":`...), at), ',')
	b = append(entity.AppendString(append(b, `"@odata.editLink":`...), r.path(row)), ',')
	for _, c := range r.children {
		b = append(append(b, '"'), c.Set+`@odata.navigationLink":`...)
		b = append(entity.AppendString(b, at+"/"+c.Set), ',')
	}
	for _, a := range r.Actions {
		if !a.ByPartner {
			b = append(b, `"#`+namespace+a.Name+`":{"title":"`+namespace+a.Name+`","target":`...)
			b = append(entity.AppendString(b, at+"/"+namespace+a.Name), "},"...)
		}
	}
	return b
}

// appendType appends the type of a value whose JSON form doesn't show it (JSON Format
// 4.5.3).
func appendType(b []byte, p *entity.Property) []byte {
	switch p.Kind {
	case entity.TextKind, entity.URLKind, entity.BooleanKind:
		return b
	case entity.StringsKind:
		return append(b, `"`+p.Name+`@odata.type":"#Collection(String)",`...)
	case entity.EnumKind, entity.FlagsKind:
		return append(b, `"`+p.Name+`@odata.type":"#`+p.Enum.Name+`",`...)
	case entity.ObjectKind:
		return append(b, `"`+p.Name+`@odata.type":"#`+entity.Namespace+"."+p.Object.Name+`",`...)
	case entity.ObjectsKind:
		return append(b, `"`+p.Name+`@odata.type":"#Collection(`+entity.Namespace+"."+p.Object.Name+`)",`...)
	default:
		return append(b, `"`+p.Name+`@odata.type":"#`+strings.TrimPrefix(p.TypeName(), "Edm.")+`",`...)
	}
}
