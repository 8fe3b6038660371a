package admin

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/bearer"
	"github.com/mocktenant/mocktenant/internal/entity"
)

// checkToken decodes a token, and says whether Graph accepts it now.
func checkToken(ctx context.Context, x *call, r api.TokenCheckRequest) (api.TokenCheck, error) {
	check := api.TokenCheck{Access: []api.TokenAccess{}}
	token := strings.TrimSpace(r.Token)
	if scheme, rest, ok := strings.Cut(token, " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(rest)
	}
	header, claims, err := decodeToken(token)
	if err != nil {
		check.Reason = textOr(err.Error())
		return check, nil
	}
	check.Header, check.Claims = &header, &claims
	if tid, _ := claims["tid"].(string); !strings.EqualFold(tid, x.tenant.ID.String()) { // whatever is true of another tenant's
		check.Reason = textOr(fmt.Sprintf("from another tenant, %q", tid))
		return check, nil
	}
	caller, settings, err := x.admin.identity.VerifyAccessToken(ctx, token)
	if err != nil {
		check.Reason = textOr(err.Error())
		if !bearer.Refused(err) {
			return check, err
		}
		return check, nil
	}
	check.Accepted, check.Access = true, accessOf(caller, settings.ApplicationPermissions)
	return check, nil
}

// accessOf says what a token may do with each set.
func accessOf(c *bearer.Claims, applications bool) (all []api.TokenAccess) {
	for _, t := range entity.Served {
		read, write := c.Denial(t.Read, applications), "Clients only read this set."
		if !t.ReadOnly {
			write = c.Denial(t.Write, applications)
		}
		a := api.TokenAccess{EntitySet: t.SetName(), Read: read == "", Write: write == "", Reason: textOr(cmp.Or(read, write))}
		all = append(all, a)
	}
	return all
}

// decodeToken returns the header and the claims of a JSON Web Token, without verifying it.
func decodeToken(token string) (header, claims map[string]any, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, nil, fmt.Errorf("%w: it has %d dots, want 2", bearer.ErrMalformed, len(parts)-1)
	}
	for i, into := range []*map[string]any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[i], "="))
		if err != nil {
			return nil, nil, fmt.Errorf("%w: part %d isn't base64url", bearer.ErrMalformed, i+1)
		}
		d := json.NewDecoder(strings.NewReader(string(text)))
		d.UseNumber()
		if err := d.Decode(into); err != nil || *into == nil {
			return nil, nil, fmt.Errorf("%w: part %d isn't a JSON object", bearer.ErrMalformed, i+1)
		}
	}
	return header, claims, nil
}
