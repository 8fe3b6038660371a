package identity

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/db"
	"github.com/mocktenant/mocktenant/internal/tenant"
)

const (
	deviceCodeLifetime = 15 * time.Minute
	deviceCodeInterval = 5 * time.Second

	// Anybody may request device codes, so their number is limited: pending codes for an
	// address (for IPv6, a network of 64 bits), for a client at an authority, and for an
	// authority.
	maxDeviceCodesOfAddress   = 200
	maxDeviceCodesOfClient    = 2_000
	maxDeviceCodesOfAuthority = 10_000

	userCodeLength = 9
	// userCodeLetters can't be confused with one another and spell no words (RFC 8628
	// section 6.1); nine of the 20 make 39 bits.
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
)

// deviceAnswer is the answer to a device authorization request (RFC 8628 section 3.2).
type deviceAnswer struct {
	UserCode        string `json:"user_code"`
	DeviceCode      string `json:"device_code"`
	VerificationURI string `json:"verification_uri"`
	ExpiresIn       int    `json:"expires_in"` // seconds
	Interval        int    `json:"interval"`   // seconds
	Message         string `json:"message"`
}

// deviceAnswerV1 is the answer of the v1.0 endpoint.
type deviceAnswerV1 struct {
	UserCode        string `json:"user_code"`
	DeviceCode      string `json:"device_code"`
	VerificationURL string `json:"verification_url"`
	ExpiresIn       string `json:"expires_in"`
	Interval        string `json:"interval"`
	Message         string `json:"message"`
}

func (a deviceAnswer) v1() deviceAnswerV1 {
	return deviceAnswerV1{UserCode: a.UserCode, DeviceCode: a.DeviceCode, VerificationURL: a.VerificationURI, ExpiresIn: strconv.Itoa(a.ExpiresIn), Interval: strconv.Itoa(a.Interval), Message: a.Message}
}

// deviceAuthorization is the device authorization endpoint (RFC 8628 section
// 3.1).
// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code
func (p *Provider) deviceAuthorization(x *exchange) error {
	f, err := readForm(x.Request)
	if err != nil {
		return err
	}
	a, err := p.authority(x)
	if err != nil {
		return err
	}
	f["scope"] = []string{x.scopeOf(f)}
	r := tokenRequest{x, f, a}
	s, err := r.scopes()
	if err != nil {
		return err
	}
	app, err := p.deviceApplication(r)
	if err != nil {
		return err
	}
	if err := p.checkPendingDeviceCodes(x, a, app); err != nil {
		return err
	}
	code := make([]byte, 32)
	_, _ = rand.Read(code) // never fails
	deviceCode := base64.RawURLEncoding.EncodeToString(code)
	params := db.CreateDeviceCodeParams{
		Hash: hashOf(deviceCode), Authority: a.name, ClientID: app, Scope: s.text, Address: addressGroup(x.ClientIP()),
		CreatedAt: x.Now, ExpiresAt: x.Now.Add(deviceCodeLifetime), KeptUntil: x.Arrived.Add(deviceCodeLifetime + time.Minute),
	}
	for created := int64(0); created == 0; { // repeat if the user code already exists
		params.UserCode = newUserCode()
		if created, err = p.queries.CreateDeviceCode(x.Request.Context(), params); err != nil {
			return err
		}
	}
	uri := x.Base + "/" + common + "/oauth2/deviceauth"
	answer := deviceAnswer{
		UserCode: params.UserCode, DeviceCode: deviceCode, VerificationURI: uri,
		ExpiresIn: int(deviceCodeLifetime.Seconds()), Interval: int(deviceCodeInterval.Seconds()),
		Message: fmt.Sprintf("To sign in, use a web browser to open the page %s and enter the code %s to authenticate.", uri, params.UserCode),
	}
	if x.v1 {
		x.writeJSON(200, answer.v1())
		return nil
	}
	x.writeJSON(200, answer)
	return nil
}

// checkPendingDeviceCodes refuses another code if too many are pending.
func (p *Provider) checkPendingDeviceCodes(x *exchange, a authority, client uuid.UUID) error {
	n, err := p.queries.CountPendingDeviceCodes(x.Request.Context(), db.CountPendingDeviceCodesParams{
		Address: addressGroup(x.ClientIP()), Authority: a.name, ClientID: client, Now: x.Arrived,
		MostOfAddress: maxDeviceCodesOfAddress, MostOfClient: maxDeviceCodesOfClient, MostOfAuthority: maxDeviceCodesOfAuthority,
	})
	switch {
	case err != nil:
		return err
	case n.OfAddress >= maxDeviceCodesOfAddress:
		return errThrottled("Too many device codes of your address are pending. Use them, or wait until they expire.")
	case n.OfClient >= maxDeviceCodesOfClient || n.OfAuthority >= maxDeviceCodesOfAuthority:
		return errThrottled("Too many device codes of the application are pending. Try again later.")
	}
	return nil
}

// addressGroup returns the address under which anonymous callers are counted: for IPv6 its
// network, because a caller has all addresses of a network.
func addressGroup(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Unmap().Is4() {
		return address
	}
	network, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return network.String()
}

func newUserCode() string {
	code := make([]byte, 0, userCodeLength)
	for b := make([]byte, 1); len(code) < userCodeLength; {
		_, _ = rand.Read(b)
		if n := int(b[0]); n < 256-256%len(userCodeLetters) { // otherwise the first letters would occur more often
			code = append(code, userCodeLetters[n%len(userCodeLetters)])
		}
	}
	return string(code)
}

// grantDeviceCode answers a device that polls for its user's approval (RFC 8628 section
// 3.4).
func (p *Provider) grantDeviceCode(r tokenRequest) (tokenAnswer, error) {
	value := r.get("device_code")
	if value == "" && r.x.v1 {
		value = r.get("code")
	}
	if value == "" {
		return tokenAnswer{}, errMissing("device_code")
	}
	ctx, hash := r.x.Request.Context(), hashOf(value)
	code, err := p.queries.GetDeviceCode(ctx, hash)
	if errors.Is(err, pgx.ErrNoRows) {
		return tokenAnswer{}, refuse(70018, "bad_verification_code", "Invalid verification code: the device_code was not recognized.")
	}
	if err != nil {
		return tokenAnswer{}, err
	}
	now, err := p.clockOfCode(r.x, code)
	if err != nil {
		return tokenAnswer{}, err
	}
	if err := checkDeviceCode(r, code, now); err != nil {
		return tokenAnswer{}, err
	}
	if err := r.authority.admits(*code.TenantID); err != nil {
		return tokenAnswer{}, err
	}
	of, err := p.tenant(r.x, *code.TenantID)
	if err != nil {
		return tokenAnswer{}, err
	}
	c, err := p.authenticateClient(r.x, r.form, of, publicIfAllowed)
	if err != nil {
		return tokenAnswer{}, err
	}
	g := p.deviceGrant(code)
	if code.Status == db.DeviceCodeStatusRedeemed {
		return tokenAnswer{}, p.refuseSpent(ctx, g)
	}
	user, err := p.stillWelcome(ctx, of.ID, *code.UserID, *code.DecidedAt)
	if err != nil {
		return tokenAnswer{}, err
	}
	s, err := parseScopes(code.Scope)
	if err != nil {
		return tokenAnswer{}, err
	}
	return p.answer(r, signIn{client: c, user: user, scopes: s, grant: &g})
}

func (p *Provider) deviceGrant(code db.DeviceCode) redeemable {
	spent := refuse(54005, invalidGrant, "OAuth2 device code was already redeemed, please retry with a new valid code or use an existing refresh token.")
	// The family's id is derived from the code, so that a redemption that read the code
	// before another one still finds the tokens of that other.
	family := uuid.NewSHA1(uuid.NameSpaceOID, code.Hash)
	return redeemable{tenant: *code.TenantID, family: family, spent: spent, redeem: func(ctx context.Context, next db.CreateRefreshTokenParams) (int64, error) {
		return p.queries.RedeemDeviceCode(ctx, db.RedeemDeviceCodeParams{
			TenantID: *code.TenantID, RedeemedHash: code.Hash, FamilyID: family,
			Hash: next.Hash, ClientID: next.ClientID, UserID: next.UserID, Scope: next.Scope, CreatedAt: next.CreatedAt, ExpiresAt: next.ExpiresAt,
		})
	}}
}

// clockOfCode returns the time by the clock that a code follows: that of the tenant whose
// authority issued it, or the service's.
func (p *Provider) clockOfCode(x *exchange, code db.DeviceCode) (time.Time, error) {
	a, err := p.findAuthority(x.Request.Context(), code.Authority)
	if err != nil || a.tenant == nil {
		return x.Arrived, err
	}
	return tenant.SettingsOf(a.tenant).Clock.Now(x.Arrived), nil
}

// checkDeviceCode returns nil for a code that the user approved, redeemed or not.
func checkDeviceCode(r tokenRequest, code db.DeviceCode, now time.Time) error {
	switch {
	case !strings.EqualFold(r.get("client_id"), code.ClientID.String()):
		return errOtherClient()
	case code.Status == db.DeviceCodeStatusRedeemed:
		return nil // refused once the client has proved itself
	case !now.Before(code.ExpiresAt):
		return refuse(70020, "expired_token", "The provided value for the input parameter 'device_code' is not valid. This device code has expired.")
	case code.Status == db.DeviceCodeStatusDeclined:
		return refuse(65004, "authorization_declined", "User declined to consent to access the app.")
	case code.Status == db.DeviceCodeStatusPending:
		return refuse(70016, "authorization_pending", "OAuth 2.0 device flow error. Authorization is pending. Continue polling.")
	}
	return nil
}
