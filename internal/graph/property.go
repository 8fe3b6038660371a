package graph

import (
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mocktenant/mocktenant/internal/db"
)

// getRemoteAssistancePartnerProperty answers one property (Protocol 11.2.4); one
// that is null has no content.
func (s *server) getRemoteAssistancePartnerProperty(x *exchange) error {
	value, err := s.partnerProperty(x)
	if err != nil || string(value) == "null" {
		if err == nil {
			x.writeNoContent()
		}
		return err
	}
	b := []byte{'{'}
	if x.format.metadata != "none" {
		context := x.versionURL() + "$metadata#" + partnerSet + "('" + x.Param("id") + "')/" + x.Param("property")
		b = append(appendString(append(b, `"@odata.context":`...), context), ',')
	}
	b = append(append(append(b, `"value":`...), value...), '}')
	x.writeJSON(http.StatusOK, b)
	return nil
}

// getRemoteAssistancePartnerPropertyValue answers the bare value of a property
// (Protocol 11.2.4.1).
func (s *server) getRemoteAssistancePartnerPropertyValue(x *exchange) error {
	value, err := s.partnerProperty(x)
	if err != nil {
		return err
	}
	x.setHeader("OData-Version", "4.0")
	if string(value) == "null" {
		x.writeNoContent()
		return nil
	}
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return err
	}
	x.Data(http.StatusOK, "text/plain;charset=utf-8", text)
	return nil
}

// partnerProperty reads the value of the property that the path names, as JSON.
func (s *server) partnerProperty(x *exchange) ([]byte, error) {
	i := slices.IndexFunc(partnerProperties, func(p partnerProperty) bool {
		return p.name == x.Param("property") && (x.version.beta || !p.betaOnly)
	})
	if name := x.Param("property"); i < 0 && (name == "beginOnboarding" || name == "disconnect") {
		return nil, noMethod(x)
	} else if i < 0 {
		return nil, errBadRequest("Resource not found for the segment '%s'.", name)
	}
	if strings.HasSuffix(x.FullPath(), "/$value") {
		if err := x.acceptsText(); err != nil {
			return nil, err
		}
		x.Request.Header.Del("Accept")
	}
	id, _, err := x.partnerKey()
	if err != nil {
		return nil, err
	}
	row, err := s.queries.GetRemoteAssistancePartner(x.Request.Context(), db.GetRemoteAssistancePartnerParams{TenantID: x.caller.TenantID, ID: id})
	if err != nil {
		return nil, err
	}
	return partnerProperties[i].append(nil, &row), nil
}
