// Package portal is the partner's side of an onboarding in a browser: at the link that
// beginOnboarding fills in, a person accepts or declines as the partner would. They need no
// account, because nobody can guess the link.
package portal

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/entity"
	"github.com/mocktenant/mocktenant/internal/front"
	"github.com/mocktenant/mocktenant/internal/odata"
	"github.com/mocktenant/mocktenant/internal/tenant"
)

const (
	requestTimeout = 10 * time.Second
	maxForm        = 4 << 10 // bytes
)

// Config configures New. DB is required.
type Config struct {
	DB    *db.Pool
	Now   func() time.Time // nil means time.Now
	Log   *slog.Logger     // nil discards
	Hooks []front.Hook     // see every request
}

// Serves reports whether the portal answers requests with this path.
func Serves(path string) bool { return strings.HasPrefix(path, entity.PortalPath) }

// New returns the handler of the links that db.PortalPath makes.
func New(c Config) http.Handler {
	p := &portal{pool: c.DB, sameOrigin: http.NewCrossOriginProtection()}
	engine, page := front.New(front.Config[*exchange]{
		Name: "portal", Timeout: requestTimeout, MaxBody: maxForm, Now: c.Now, Log: c.Log, Hooks: c.Hooks,
		Open: open, Fail: (*exchange).fail,
	})
	unknown := page(func(*exchange) error { return errUnknown })
	const link = entity.PortalPath + ":tenantId/:partnerId/:secret"
	engine.GET(link, page(p.show))
	engine.HEAD(link, page(p.show))
	engine.POST(link, page(p.decide))
	engine.NoRoute(unknown)
	engine.NoMethod(page(func(*exchange) error { return errMethod }))
	return engine
}

type portal struct {
	pool       *db.Pool
	sameOrigin *http.CrossOriginProtection
}

// exchange is a request and its answer.
type exchange struct{ *front.Exchange }

// onboarding is what a link leads to.
type onboarding struct {
	tenant  db.Tenant
	partner db.RemoteAssistancePartner
	now     time.Time // by the tenant's clock
}

// pending reports whether the partner can still decide.
func (o *onboarding) pending() bool {
	expiry := o.partner.RequestExpiryTicks
	return o.partner.OnboardingStatus == db.OnboardingStatusOnboarding && (expiry == 0 || odata.Ticks(o.now) < expiry)
}

func (o *onboarding) accepted() bool {
	return o.partner.OnboardingStatus == db.OnboardingStatusOnboarded
}

// show shows the request for an onboarding, or how it ended.
func (p *portal) show(x *exchange) error {
	q := db.New(p.pool)
	o, err := x.find(q, func(ctx context.Context, k db.Key) (db.RemoteAssistancePartner, error) {
		return q.GetRemoteAssistancePartner(ctx, db.GetRemoteAssistancePartnerParams(k))
	})
	if err != nil {
		return err
	}
	return x.answer(o, http.StatusOK)
}

// answer shows an onboarding as it is now.
func (x *exchange) answer(o *onboarding, status int) error {
	switch {
	case o.pending():
		x.write(status, o.question(x.Param("secret")))
	case o.accepted():
		x.write(status, o.outcome("Accepted", "The tenant's administrator sees it as onboarded."))
	default:
		return errEnded
	}
	return nil
}

// decisions maps what a person decides to the partner's action.
var decisions = map[string]string{"accept": "confirm", "decline": "refuse"}

// decide accepts or declines an onboarding. To accept twice changes nothing.
func (p *portal) decide(x *exchange) error {
	decision, err := p.readForm(x)
	if err != nil {
		return err
	}
	var o *onboarding
	declined := false
	err = pgx.BeginFunc(x.Request.Context(), p.pool, func(tx pgx.Tx) (err error) {
		q := db.New(tx)
		if o, err = x.find(q, func(ctx context.Context, k db.Key) (db.RemoteAssistancePartner, error) {
			return q.LockOnboarding(ctx, db.LockOnboardingParams(k))
		}); err != nil || !o.pending() {
			return err
		}
		declined = decision == "decline"
		return o.act(x.Request.Context(), q, decisions[decision])
	})
	switch {
	case err != nil:
		return err
	case declined:
		x.write(http.StatusOK, o.outcome("Declined", "Nothing was connected. The tenant's administrator can begin again."))
		return nil
	case decision == "decline":
		return x.answer(o, http.StatusConflict) // accepted before, if it isn't over
	}
	return x.answer(o, http.StatusOK)
}

// readForm returns the decision in a form of this page, which repeats the link's secret.
func (p *portal) readForm(x *exchange) (string, error) {
	if err := p.sameOrigin.Check(x.Request); err != nil {
		return "", errForeign
	}
	if err := x.Request.ParseForm(); err != nil {
		return "", errForm.because(err)
	}
	decision := x.Request.PostForm.Get("decision")
	if decisions[decision] == "" || !same(x.Request.PostForm.Get("link"), x.Param("secret")) {
		return "", errForm
	}
	return decision, nil
}

// act runs an action of the partner, which the history names as who did it.
func (o *onboarding) act(ctx context.Context, q *db.Queries, name string) error {
	t := &entity.RemoteAssistancePartner
	action, ok := t.FindAction(name)
	if !ok {
		return errors.New("partners can't " + name)
	}
	_, err := db.Act(ctx, q, t, action, db.Change{TenantID: o.tenant.ID, ID: o.partner.ID, ChangedAt: o.now, ChangedBy: entity.PartnerID})
	if err == nil && name == "confirm" {
		o.partner.OnboardingStatus = db.OnboardingStatusOnboarded
	}
	return err
}

// find returns the onboarding of the request's link, after ending expired ones. get reads the
// partner.
func (x *exchange) find(q *db.Queries, get func(context.Context, db.Key) (db.RemoteAssistancePartner, error)) (*onboarding, error) {
	ctx := x.Request.Context()
	k, err := x.key()
	if err != nil {
		return nil, err
	}
	t, err := q.GetTenant(ctx, k.TenantID)
	if err != nil {
		return nil, orUnknown(err)
	}
	if !t.PartnerPortal || t.ExpiresAt != nil && !x.Arrived.Before(*t.ExpiresAt) {
		return nil, errUnknown
	}
	if err := x.Enter(tenant.SettingsOf(&t)); err != nil {
		return nil, err
	}
	if err := db.ExpireOnboardings(ctx, q, k.TenantID, x.Now); err != nil {
		return nil, err
	}
	partner, err := get(ctx, k)
	if err != nil {
		return nil, orUnknown(err)
	}
	if !leadsTo(partner.OnboardingUrl, db.PortalPath(k, x.Param("secret"))) {
		return nil, errUnknown
	}
	return &onboarding{t, partner, x.Now}, nil
}

// key reads the ids in the link.
func (x *exchange) key() (k db.Key, err error) {
	var errs [2]error
	k.TenantID, errs[0] = uuid.Parse(x.Param("tenantId"))
	k.ID, errs[1] = uuid.Parse(x.Param("partnerId"))
	if errors.Join(errs[:]...) != nil {
		return k, errUnknown
	}
	return k, nil
}

// leadsTo reports whether a partner's present link has a path. A link that was replaced has
// another secret.
func leadsTo(link *string, path string) bool {
	if link == nil {
		return false
	}
	i := strings.Index(*link, entity.PortalPath)
	return i >= 0 && same((*link)[i:], path)
}

// same compares in constant time.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func orUnknown(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return errUnknown
	}
	return err
}
