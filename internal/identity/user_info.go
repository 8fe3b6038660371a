package identity

import (
	"errors"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/mocktenant/mocktenant/internal/bearer"
	"github.com/mocktenant/mocktenant/internal/db"
)

// userInfoAnswer describes the user to an application (OpenID Connect Core 5.3), as Graph's
// endpoint does. https://learn.microsoft.com/entra/identity-platform/userinfo
type userInfoAnswer struct {
	Subject    string `json:"sub"`
	Name       string `json:"name,omitempty"`
	FamilyName string `json:"family_name,omitempty"`
	GivenName  string `json:"given_name,omitempty"`
	Email      string `json:"email,omitempty"`
}

// userInfo describes the user of an access token for Graph that has the scope openid.
func (p *Provider) userInfo(x *exchange) error {
	scheme, raw, _ := strings.Cut(x.GetHeader("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		raw = ""
	}
	claims, settings, err := p.VerifyAccessToken(x.Request.Context(), strings.TrimSpace(raw))
	if settings != nil {
		x.Name(settings)
	}
	if err != nil && !bearer.Refused(err) {
		return err
	}
	if err != nil || !claims.HasScope("openid") || claims.Personal() {
		return x.refuseUserInfo(err)
	}
	if err := x.Enter(settings); err != nil {
		return err
	}
	user, err := p.queries.GetUser(x.Request.Context(), db.GetUserParams{TenantID: claims.TenantID, ID: claims.ObjectID})
	if errors.Is(err, pgx.ErrNoRows) {
		return x.refuseUserInfo(err)
	}
	if err != nil {
		return err
	}
	answer := userInfoAnswer{Subject: pairwise(claims.AppID, user.ID.String())}
	if claims.HasScope("profile") {
		answer.Name, answer.FamilyName, answer.GivenName = user.DisplayName, deref(user.Surname), deref(user.GivenName)
	}
	if claims.HasScope("email") {
		answer.Email = user.UserPrincipalName
	}
	x.writeJSON(200, answer)
	return nil
}

func (x *exchange) refuseUserInfo(cause error) error {
	x.Header("WWW-Authenticate", `Bearer error="invalid_token"`)
	e := refuse(50027, "invalid_token", "JWT token is invalid or malformed.")
	e.status, e.cause = http.StatusUnauthorized, cause
	return e
}
