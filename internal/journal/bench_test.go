package journal

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/internal/front"
	"github.com/mocktenant/mocktenant/internal/tenant"
)

// BenchmarkRecord measures what the journal costs a create: on the request's path, where its
// row is made, and on the request's path when it is dropped.
func BenchmarkRecord(b *testing.B) {
	body := `{"@odata.type":"#microsoft.graph.remoteAssistancePartner","displayName":"Display Name value","onboardingUrl":"https://example.com/onboardingUrl/","onboardingStatus":"onboarding","lastConnectionDateTime":"2016-12-31T23:58:36.6670033-08:00"}`
	answer := `{"@odata.context":"http://127.0.0.1:8080/v1.0/$metadata#deviceManagement/remoteAssistancePartners/$entity","id":"8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44",` + body[1:]
	token := "Bearer " + strings.Repeat("eyJhbGciOiJSUzI1NiIs", 60)
	settings := &tenant.Settings{ID: uuid.New(), CreatedAt: time.Now(), JournalLimit: 10_000, JournalTime: time.Hour}
	record := func(j *Journal) {
		c, _ := gin.CreateTestContext(httptest.NewRecorder())
		r := httptest.NewRequest("POST", "/v1.0/deviceManagement/remoteAssistancePartners", strings.NewReader(body))
		r.Header.Set("Authorization", token)
		r.Header.Set("Content-Type", "application/json")
		c.Request = r
		x := &front.Exchange{Context: c, Front: "graph", ID: "8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44", ClientID: "8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44", Tenant: settings}
		j.begin(x)
		buffer := make([]byte, 512)
		for n := 1; n > 0; n, _ = x.Request.Body.Read(buffer) {
		}
		for name, value := range map[string]string{"Cache-Control": "no-cache", "Content-Type": "application/json;odata.metadata=minimal", "request-id": x.ID, "client-request-id": x.ID, "Vary": "Accept-Encoding", "OData-Version": "4.0", "Location": "http://127.0.0.1:8080/v1.0/deviceManagement/remoteAssistancePartners('8d0a2f0e-6c1b-4f57-9c29-0e3b7a1d5c44')"} {
			x.Writer.Header()[name] = []string{value}
		}
		x.Status(201)
		_, _ = x.Writer.Write([]byte(answer))
		j.after(x, front.Answer{Status: 201})
	}
	gin.SetMode(gin.ReleaseMode)
	fresh := func(rate int) *Journal { return New(Config{Rate: rate, Memory: 1 << 40, MaxBody: 16 << 10}) }
	for _, c := range []struct {
		name string
		rate int
	}{{"taken", 1 << 30}, {"dropped", 1}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			j := fresh(c.rate)
			for b.Loop() {
				record(j)
				j.pending = j.pending[:0]
			}
		})
	}
	b.Run("row", func(b *testing.B) {
		j := fresh(1 << 30)
		record(j)
		b.ReportAllocs()
		for b.Loop() {
			_ = j.row(j.pending[0])
		}
	})
}
