package console

import (
	"encoding/json"
	"time"

	g "maragu.dev/gomponents"

	"github.com/mocktenant/mocktenant/api"
)

// showCheckedToken shows what is in a token, whether Graph accepts it, and for which sets.
func showCheckedToken(v *visit, answer json.RawMessage) (g.Node, error) {
	var check api.TokenCheck
	if err := json.Unmarshal(answer, &check); err != nil {
		return nil, err
	}
	verdict := html.P(testID("verdict"), html.Span(html.Class("badge"), html.Data("value", "done"), html.Text("accepted")), html.Text(" Graph accepts this token now."))
	if !check.Accepted {
		reason := ""
		if check.Reason != nil {
			reason = *check.Reason
		}
		verdict = html.P(testID("verdict"), html.Span(html.Class("badge"), html.Data("value", "rejected"), html.Text("401")), html.Text(" Graph refuses this token: "+reason+"."))
	}
	rows := make([]g.Group, len(check.Access))
	for i, a := range check.Access {
		rows[i] = g.Group{html.Text(words(a.EntitySet)), yesNo(a.Read), yesNo(a.Write), nil}
		if a.Reason != nil {
			rows[i][3] = text(*a.Reason)
		}
	}
	return g.Group{
		verdict, v.tokenTimes(check.Claims),
		g.If(len(rows) > 0, table("access", []string{"Set", "Read", "Write", "Why not"}, rows)),
		tokenPart("Claims", "claims", check.Claims), tokenPart("Header", "header", check.Header),
		html.P(html.Class("buttons"), v.formLink("checkToken", "Check another", "button", params{"tenantId": v.PostForm(parameterField + "tenantId")})),
	}, nil
}

// tokenTimes shows when a token is valid, by the tenant's clock.
func (v *visit) tokenTimes(claims *map[string]any) g.Node {
	pairs := g.Group{}
	for _, name := range []string{"iat", "nbf", "exp"} {
		if claims == nil {
			return nil
		}
		if seconds, ok := (*claims)[name].(float64); ok {
			at := time.Unix(int64(seconds), 0)
			pairs = append(pairs, html.Text(map[string]string{"iat": "Issued", "nbf": "Valid from", "exp": "Expires"}[name]), v.when(&at))
		}
	}
	if len(pairs) == 0 {
		return nil
	}
	return facts(pairs...)
}

// tokenPart shows a part of a token, if it could be read.
func tokenPart(title, name string, part *map[string]any) g.Node {
	if part == nil {
		return nil
	}
	return html.Section(html.H2(html.Text(title)), block(indented(*part), testID("token-"+name)))
}
