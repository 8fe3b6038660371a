package graph

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/odata"
)

const (
	partnerType     = "microsoft.graph.remoteAssistancePartner"
	partnerSet      = "deviceManagement/remoteAssistancePartners"
	partnerIntuneNS = "microsoft.management.services.api.remoteAssistancePartner"

	// Limits of ours: the metadata names none.
	maxDisplayName   = 1024 // characters
	maxOnboardingURL = 2048 // characters

	// onboardingPeriod is how long a partner may take to confirm an onboarding;
	// the length is ours, no source names one.
	onboardingPeriod = 7 * 24 * time.Hour
)

// partner is the entity as a request gives it: the properties to write, and
// which of them it names.
type partner = db.UpdateRemoteAssistancePartnerParams

// partnerProperty is one property of the entity.
type partnerProperty struct {
	name     string
	edm      odata.Type
	enum     *odata.EnumType
	nullable bool
	betaOnly bool
	append   func([]byte, *db.RemoteAssistancePartner) []byte
	read     func(*partner, value) error
}

// onboardingStatus is the enumeration, its members in the order of their values.
var onboardingStatus = func() *odata.EnumType {
	t := &odata.EnumType{Name: "microsoft.graph.remoteAssistanceOnboardingStatus"}
	for _, member := range db.AllOnboardingStatusValues() {
		t.Members = append(t.Members, string(member))
	}
	return t
}()

// partnerProperties are the entity's properties, in the order of an answer.
// What can be selected, is sent and is taken all comes from here.
var partnerProperties = []partnerProperty{
	{
		name: "id", edm: odata.String,
		append: func(b []byte, p *db.RemoteAssistancePartner) []byte {
			return appendUUID(b, p.ID)
		},
		read: readPartnerID,
	},
	{
		name: "displayName", edm: odata.String, nullable: true,
		append: func(b []byte, p *db.RemoteAssistancePartner) []byte {
			return appendNullableString(b, p.DisplayName)
		},
		read: func(p *partner, v value) (err error) {
			p.SetDisplayName = true
			p.DisplayName, err = v.nullableString(maxDisplayName)
			return err
		},
	},
	{
		name: "onboardingUrl", edm: odata.String, nullable: true,
		append: func(b []byte, p *db.RemoteAssistancePartner) []byte {
			return appendNullableString(b, p.OnboardingUrl)
		},
		read: func(p *partner, v value) (err error) {
			p.SetOnboardingUrl = true
			p.OnboardingUrl, err = v.nullableURL(maxOnboardingURL)
			return err
		},
	},
	{
		name: "onboardingStatus", edm: odata.Enum, enum: onboardingStatus,
		append: func(b []byte, p *db.RemoteAssistancePartner) []byte {
			return appendString(b, string(p.OnboardingStatus))
		},
		read: func(p *partner, v value) error {
			p.SetOnboardingStatus = true
			name, err := v.enum(onboardingStatus.Name, func(name string) bool {
				return db.OnboardingStatus(name).Valid()
			})
			p.OnboardingStatus = db.OnboardingStatus(name)
			return err
		},
	},
	{
		name: "lastConnectionDateTime", edm: odata.DateTimeOffset,
		append: func(b []byte, p *db.RemoteAssistancePartner) []byte {
			return appendTime(b, p.LastConnectionAt, p.LastConnection100ns, p.LastConnectionOffset)
		},
		read: func(p *partner, v value) error {
			t, err := v.dateTimeOffset()
			p.SetLastConnection = true
			p.LastConnectionAt, p.LastConnection100ns, p.LastConnectionOffset = db.SplitTime(t)
			return err
		},
	},
	{
		name: "onboardingRequestExpiryDateTime", edm: odata.DateTimeOffset, betaOnly: true,
		append: func(b []byte, p *db.RemoteAssistancePartner) []byte {
			return appendTime(b, p.RequestExpiryAt, p.RequestExpiry100ns, p.RequestExpiryOffset)
		},
		read: func(p *partner, v value) error {
			t, err := v.dateTimeOffset()
			p.SetRequestExpiry = true
			p.RequestExpiryAt, p.RequestExpiry100ns, p.RequestExpiryOffset = db.SplitTime(t)
			return err
		},
	},
}

// The query options of a list, and those of its count.
var (
	listOptions  = []string{odata.Count, odata.Filter, odata.Format, odata.OrderBy, odata.Select, odata.Skip, odata.SkipToken, odata.Top}
	countOptions = []string{odata.Filter}
)

func (s *server) listRemoteAssistancePartners(x *exchange) error {
	q, err := x.partnerQuery(listOptions...)
	if err != nil {
		return err
	}
	token, err := parseSkipToken(s.pageKey, x.caller.TenantID, q)
	if err != nil {
		return err
	}
	key := pageKey{
		tenant: x.caller.TenantID, base: x.base, version: x.version.name, format: x.format,
		query: q.Encode(), size: x.pageSize(q, &token), omitNulls: x.omitsNulls(),
	}
	key.preferredSize, key.most = token.Size, x.maxPage()
	return buffered(func(b *[]byte) error {
		page, err := s.pages.Do(x.Request.Context(), key, func(ctx context.Context, alone bool) (page, error) {
			page, err := s.readPage(ctx, x, key, q, token, b)
			if !alone { // the buffer is this caller's own
				page.items = bytes.Clone(page.items)
			}
			return page, err
		})
		if err != nil {
			return err
		}
		x.writeJSON(http.StatusOK, page.head, page.items)
		return nil
	})
}

// pageKey is all that an answer to a list depends on, besides the partners. What
// now() means is in the query.
type pageKey struct {
	tenant        uuid.UUID
	base, version string
	format        format
	query         string
	size          int64 // partners at most
	most          int   // bytes, about, at most
	preferredSize int64 // as the links go on with it
	omitNulls     bool
}

// pageSize is how many partners a page holds: what the tenant allows, $top asks
// for, or the client prefers, whichever is least. A preference goes on in the
// links, whose requests don't repeat it.
func (x *exchange) pageSize(q odata.Query, token *skipToken) int64 {
	size := x.caller.PageSize
	if q.Top >= 0 {
		size = min(size, q.Top)
	}
	if p := x.preferences().maxPageSize; p > 0 {
		token.Size = p
		x.applied("odata.maxpagesize=" + strconv.FormatInt(p, 10))
	}
	if token.Size > 0 {
		size = min(size, token.Size)
	}
	return size
}

// maxPage is the size of a page, in bytes, from which on it takes no further partner; the
// link leads to the rest. A thousand partners of usual names take a sixth of it, of the
// longest five times as much.
const maxPage = 2 << 20

// maxPage is what a page may take: in a batch, which has the answers of all its requests
// in memory at once, a share of what they may take together.
func (x *exchange) maxPage() int {
	if n, ok := x.Request.Context().Value(batchSizeKey{}).(int); ok {
		return min(maxPage, maxBatchAnswers/n)
	}
	return maxPage
}

// page is the body of a list's answer: its frame up to the items, and these with
// the frame's end.
type page struct{ head, items []byte }

// readPage reads a page, and its list's count if that is asked for. The items go into
// the buffer.
func (s *server) readPage(ctx context.Context, x *exchange, key pageKey, q odata.Query, token skipToken, b *[]byte) (page, error) {
	next, err := s.appendItems(ctx, x, key, q, token, b)
	if err != nil {
		return page{}, err
	}
	list := collection{format: x.format, context: x.contextURL(partnerSet, q.Select, false)}
	if q.Count {
		total, err := s.queries.CountPartners(ctx, x.caller.TenantID, q.Filter)
		if err != nil {
			return page{}, err
		}
		list.count = &total
	}
	if next != nil {
		next.Size = token.Size
		list.nextLink = x.nextLink(partnerSet, q, next.encode(s.pageKey, x.caller.TenantID, q))
	}
	*b = append(*b, tail...)
	return page{list.head(), *b}, nil
}

// appendItems appends the partners of one page, each as it comes from the database,
// and returns where the next page starts, if there is more. Nothing is sent before
// the last has come: so the link stands in front of them, as Graph's does, and what
// fails is answered as a failure.
func (s *server) appendItems(ctx context.Context, x *exchange, key pageKey, q odata.Query, token skipToken, b *[]byte) (next *skipToken, err error) {
	params := db.ListParams{
		TenantID: key.tenant, Filter: q.Filter, OrderBy: q.OrderBy, After: token.position(), Skip: q.Skip, Limit: key.size + 1,
	}
	var last skipToken
	n, full, more := int64(0), key.size == 0, false
	err = s.queries.ListPartners(ctx, params, func(p *db.Listed) (err error) {
		if more = full; more { // one more than the page would be the next
			return nil
		}
		if n++; n > 1 {
			*b = append(*b, ',')
		}
		*b = x.appendPartner(*b, &p.RemoteAssistancePartner, "", q.Select, key.omitNulls)
		if full = n == key.size || len(*b) >= key.most; full {
			last.ID = p.ID
			last.Keys, err = p.Keys()
		}
		return err
	})
	if err != nil || !more || key.size == 0 {
		return nil, err
	}
	return &last, nil
}

func (s *server) countRemoteAssistancePartners(x *exchange) error {
	if err := x.acceptsText(); err != nil {
		return err
	}
	x.Request.Header.Del("Accept") // it is settled
	q, err := x.partnerQuery(countOptions...)
	if err != nil {
		return err
	}
	total, err := s.queries.CountPartners(x.Request.Context(), x.caller.TenantID, q.Filter)
	if err != nil {
		return err
	}
	x.setHeader("OData-Version", "4.0")
	x.Data(http.StatusOK, "text/plain", strconv.AppendInt(nil, total, 10))
	return nil
}

func (s *server) createRemoteAssistancePartner(x *exchange) error {
	if _, err := x.partnerQuery(); err != nil {
		return err
	}
	p, err := x.readPartner(nil)
	if err != nil {
		return err
	}
	now := s.now()
	params := db.CreateRemoteAssistancePartnerParams{
		TenantID:             x.caller.TenantID,
		DisplayName:          p.DisplayName,
		OnboardingUrl:        p.OnboardingUrl,
		OnboardingStatus:     p.OnboardingStatus,
		LastConnectionAt:     p.LastConnectionAt,
		LastConnection100ns:  p.LastConnection100ns,
		LastConnectionOffset: p.LastConnectionOffset,
		RequestExpiryAt:      p.RequestExpiryAt,
		RequestExpiry100ns:   p.RequestExpiry100ns,
		RequestExpiryOffset:  p.RequestExpiryOffset,
		CreatedAt:            now,
		CreatedBy:            x.caller.ObjectID,
	}
	row, err := s.insertPartner(x, params)
	if err != nil {
		return err
	}
	location := x.partnerURL(row.ID)
	x.setHeader("Location", location)
	if x.minimal(location) {
		return nil
	}
	return x.writePartner(http.StatusCreated, &row, nil)
}

// insertPartner gives a partner an id and inserts it. An id that comes of a seed
// may be taken by an import at the same time; then the next one is tried.
func (s *server) insertPartner(x *exchange, p db.CreateRemoteAssistancePartnerParams) (row db.RemoteAssistancePartner, err error) {
	for {
		if p.ID, err = s.newPartnerID(x); err != nil {
			return row, err
		}
		if quota := x.caller.PartnerQuota; quota != nil {
			row, err = x.queries.CreateWithinQuota(x.Request.Context(), p, *quota)
		} else {
			row, err = x.queries.CreateRemoteAssistancePartner(x.Request.Context(), p)
		}
		if x.caller.IDSeed == nil || !errors.Is(db.Classify(err), db.ErrTaken) {
			return row, err
		}
	}
}

// newPartnerID makes ids that ascend with time, or those of the tenant's seed. Of
// these, some are used where a document brought them.
func (s *server) newPartnerID(x *exchange) (uuid.UUID, error) {
	seed := x.caller.IDSeed
	if seed == nil {
		return uuid.NewV7()
	}
	for {
		n, err := x.queries.TakeID(x.Request.Context(), x.caller.TenantID)
		if errors.Is(err, pgx.ErrNoRows) {
			return uuid.Nil, db.ErrNoTenant
		}
		if err != nil {
			return uuid.Nil, err
		}
		id := db.SeededID(*seed, "partner", n)
		used, err := x.queries.PartnerIDWasUsed(x.Request.Context(), db.PartnerIDWasUsedParams{TenantID: x.caller.TenantID, ID: id})
		if err != nil || !used {
			return id, err
		}
	}
}

func (s *server) getRemoteAssistancePartner(x *exchange) error {
	id, q, err := x.partnerKey(odata.Format, odata.Select)
	if err != nil {
		return err
	}
	row, err := x.queries.GetRemoteAssistancePartner(x.Request.Context(), db.GetRemoteAssistancePartnerParams{
		TenantID: x.caller.TenantID, ID: id,
	})
	if err != nil {
		return err
	}
	return x.writePartner(http.StatusOK, &row, q.Select)
}

func (s *server) updateRemoteAssistancePartner(x *exchange) error {
	id, _, err := x.partnerKey()
	if err != nil {
		return err
	}
	p, err := x.readPartner(&id)
	if err != nil {
		return err
	}
	if !p.SetDisplayName && !p.SetOnboardingUrl && !p.SetOnboardingStatus && !p.SetLastConnection && !p.SetRequestExpiry {
		return s.getRemoteAssistancePartner(x) // names no property: there is no new version to make
	}
	p.TenantID, p.ID = x.caller.TenantID, id
	p.ChangedAt, p.ChangedBy = s.now(), x.caller.ObjectID
	row, err := x.queries.UpdateRemoteAssistancePartner(x.Request.Context(), p)
	if err != nil {
		return err
	}
	if x.minimal(x.partnerURL(row.ID)) {
		return nil
	}
	return x.writePartner(http.StatusOK, &row, nil)
}

func (s *server) deleteRemoteAssistancePartner(x *exchange) error {
	id, _, err := x.partnerKey()
	if err != nil {
		return err
	}
	_, err = x.queries.DeleteRemoteAssistancePartner(x.Request.Context(), db.DeleteRemoteAssistancePartnerParams{
		TenantID: x.caller.TenantID, ID: id, ChangedAt: s.now(), ChangedBy: x.caller.ObjectID,
	})
	if err != nil {
		return err
	}
	x.writeNoContent()
	return nil
}

// beginOnboardingRemoteAssistancePartner moves notOnboarded to onboarding and
// leaves onboarding as it is.
func (s *server) beginOnboardingRemoteAssistancePartner(x *exchange) error {
	id, _, err := x.partnerKey()
	if err != nil {
		return err
	}
	if err := readNoParameters(x.Request); err != nil {
		return err
	}
	now := s.now()
	params := db.BeginOnboardingRemoteAssistancePartnerParams{
		TenantID: x.caller.TenantID, ID: id, ChangedAt: now, ChangedBy: x.caller.ObjectID,
	}
	params.RequestExpiryAt, params.RequestExpiry100ns, params.RequestExpiryOffset = db.SplitTime(now.UTC().Add(onboardingPeriod))
	before, err := x.queries.BeginOnboardingRemoteAssistancePartner(x.Request.Context(), params)
	if err != nil {
		return err
	}
	if before == db.OnboardingStatusOnboarded {
		e := errBadRequest("The remote assistance partner is onboarded already. Disconnect it before it begins onboarding again")
		e.wrapped = true
		return e
	}
	x.writeNoContent()
	return nil
}

// disconnectRemoteAssistancePartner moves any status to notOnboarded.
func (s *server) disconnectRemoteAssistancePartner(x *exchange) error {
	id, _, err := x.partnerKey()
	if err != nil {
		return err
	}
	if err := readNoParameters(x.Request); err != nil {
		return err
	}
	params := db.DisconnectRemoteAssistancePartnerParams{
		TenantID: x.caller.TenantID, ID: id, ChangedAt: s.now(), ChangedBy: x.caller.ObjectID,
	}
	params.RequestExpiryAt, params.RequestExpiry100ns, params.RequestExpiryOffset = db.SplitTime(time.Time{})
	if _, err := x.queries.DisconnectRemoteAssistancePartner(x.Request.Context(), params); err != nil {
		return err
	}
	x.writeNoContent()
	return nil
}

// partnerKey reads the key and the query options, of which only the given ones
// are taken, and checks the preconditions. Keys are GUIDs: no other text is the key of any partner.
func (x *exchange) partnerKey(options ...string) (uuid.UUID, odata.Query, error) {
	q, err := x.partnerOptions(options...)
	if err != nil {
		return uuid.Nil, q, err
	}
	text := x.Param("id")
	id, err := uuid.Parse(text)
	if err != nil || len(text) != len(uuid.Nil.String()) {
		return uuid.Nil, q, db.ErrNotFound
	}
	return id, q, x.checkPartnerPreconditions(id)
}

// partnerQuery reads the query options of a request for the set, of which only
// the given ones are taken.
func (x *exchange) partnerQuery(options ...string) (odata.Query, error) {
	q, err := x.partnerOptions(options...)
	if err != nil {
		return q, err
	}
	return q, x.checkPreconditions()
}

// partnerOptions reads the query options, of which only the given ones are taken,
// and settles the form of the answer.
func (x *exchange) partnerOptions(options ...string) (odata.Query, error) {
	q := odata.Query{Top: -1}
	if x.Request.URL.RawQuery != "" {
		r := odata.Resource{Type: partnerType, Options: options, Properties: queryable, Now: x.now.UTC().Truncate(100 * time.Nanosecond)}
		if x.version.beta {
			r.Properties = queryableInBeta
		}
		var err error
		if q, err = odata.ParseQuery(x.Request.URL.RawQuery, r); err != nil {
			return q, err
		}
	}
	return q, x.negotiate(q.Format)
}

// What options may name, in either version.
var queryable, queryableInBeta = queryableIn(false), queryableIn(true)

func queryableIn(beta bool) (properties []odata.Property) {
	for _, p := range partnerProperties {
		if beta || !p.betaOnly {
			properties = append(properties, odata.Property{Name: p.name, Type: p.edm, Enum: p.enum, Nullable: p.nullable})
		}
	}
	return properties
}

// readPartner reads the entity from the body; id is the key of the one that is
// to be changed, nil for a new one. What the body doesn't name has the default.
func (x *exchange) readPartner(id *uuid.UUID) (partner, error) {
	p := partner{OnboardingStatus: db.OnboardingStatusNotOnboarded} // and dates of 0001-01-01, the zero time
	if id != nil {
		p.ID = *id
	}
	err := readObject(x.Request, func(name string, d *jsontext.Decoder) error {
		v := value{name: name, decoder: d}
		if strings.Contains(name, "@") {
			return v.annotation(partnerType)
		}
		i := slices.IndexFunc(partnerProperties, func(p partnerProperty) bool {
			return p.name == name && (x.version.beta || !p.betaOnly)
		})
		if i < 0 {
			return errModelValidation(name, "The property '%s' does not exist on type '%s'. Make sure to only use property names that are defined by the type.", name, partnerIntuneNS)
		}
		return partnerProperties[i].read(&p, v)
	})
	return p, err
}

// readPartnerID ignores the id of a new partner, as any read-only property,
// and holds that of a changed one against the key.
func readPartnerID(p *partner, v value) error {
	text, err := v.nullableString(utf8.UTFMax * maxDisplayName)
	if err != nil || text == nil || p.ID == uuid.Nil {
		return err
	}
	if id, err := uuid.Parse(*text); err != nil || id != p.ID {
		return errModelValidation(v.name, "The value '%s' of the property 'id' is not the key of the entity in the URL.", *text)
	}
	return nil
}

func (x *exchange) writePartner(status int, row *db.RemoteAssistancePartner, selected []string) error {
	return buffered(func(b *[]byte) error {
		*b = x.appendPartner(*b, row, x.contextURL(partnerSet, selected, true), selected, x.omitsNulls())
		x.writeJSON(status, *b)
		return nil
	})
}

// partnerURL is the canonical URL of a partner.
func (x *exchange) partnerURL(id uuid.UUID) string {
	return x.versionURL() + partnerSet + "('" + id.String() + "')"
}

// appendPartner appends the entity as JSON: its context, if it stands alone,
// and the selected properties, or all, but for nulls that are to be omitted.
func (x *exchange) appendPartner(b []byte, row *db.RemoteAssistancePartner, context string, selected []string, omitNulls bool) []byte {
	b = append(b, '{')
	if context != "" && x.format.metadata != "none" {
		b = append(b, `"@odata.context":`...)
		b = append(appendString(b, context), ',')
	}
	if x.format.metadata != "none" {
		b = append(b, `"@odata.type":"#`+partnerType+`",`...)
	}
	if x.format.metadata == "full" {
		b = x.appendLinks(b, row)
	}
	for i := range partnerProperties {
		p := &partnerProperties[i]
		if p.betaOnly && !x.version.beta || selected != nil && !slices.Contains(selected, p.name) {
			continue
		}
		before := len(b)
		if x.format.metadata == "full" {
			b = p.appendType(b)
		}
		b = append(append(append(b, '"'), p.name...), `":`...)
		at := len(b)
		if b = p.append(b, row); omitNulls && p.nullable && string(b[at:]) == "null" {
			b = b[:before]
			continue
		}
		b = append(b, ',')
	}
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return append(b, '}')
}

// appendLinks appends what only full metadata shows: where the entity is, and its
// actions (JSON Format 4.5.8, 4.5.9, 17).
func (x *exchange) appendLinks(b []byte, row *db.RemoteAssistancePartner) []byte {
	at := x.partnerURL(row.ID)
	b = append(appendString(append(b, `"@odata.id":`...), at), ',')
	b = append(appendString(append(b, `"@odata.editLink":`...), partnerSet+"('"+row.ID.String()+"')"), ',')
	for _, action := range []string{"beginOnboarding", "disconnect"} {
		b = append(b, `"#`+namespace+action+`":{"title":"`+namespace+action+`","target":`...)
		b = append(appendString(b, at+"/"+namespace+action), "},"...)
	}
	return b
}

// appendType appends the type of a value that doesn't show it by itself (JSON
// Format 4.5.3).
func (p *partnerProperty) appendType(b []byte) []byte {
	switch {
	case p.enum != nil:
		return append(b, `"`+p.name+`@odata.type":"#`+p.enum.Name+`",`...)
	case p.edm != odata.String:
		return append(b, `"`+p.name+`@odata.type":"#`+strings.TrimPrefix(p.edm.String(), "Edm.")+`",`...)
	}
	return b
}

// absoluteURL tells whether text is an http or https URL with a host.
func absoluteURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
