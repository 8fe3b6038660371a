package admin

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/mocktenant/mocktenant/api"
	"github.com/mocktenant/mocktenant/internal/db"
)

// listAudit lists the audit log, latest first.
func listAudit(ctx context.Context, x *call, p api.ListAuditParams) (list api.AuditList, err error) {
	before := uuid.Max
	if p.After != nil {
		if before, err = parseAfter(p.After); err != nil {
			return list, err
		}
	}
	rows, err := x.admin.queries.ListAuditEntries(ctx, db.ListAuditEntriesParams{
		Before: before, TenantID: p.TenantId, Who: p.Who, Since: p.Since, Until: p.Until, RowLimit: limit(p.Top) + 1,
	})
	rows, list.NextLink = page(x, rows, p.Top, func(e db.AuditEntry) string { return e.ID.String() })
	list.Value = each(rows, newAuditEntry)
	return list, err
}

func newAuditEntry(e db.AuditEntry) api.AuditEntry {
	return api.AuditEntry{
		Id: e.ID, DateTime: e.At.UTC(), KeyId: e.KeyID, KeyName: e.KeyName, Action: e.Action, TenantId: e.TenantID,
		Target: e.Target, Outcome: api.AuditEntryOutcome(e.Outcome), Status: int(e.Status), Count: int(e.Count), Address: e.Address,
	}
}

func auditEntry(x *call, target string, outcome db.AuditOutcome, status int) db.CreateAuditEntryParams {
	e := db.CreateAuditEntryParams{
		ID: uuid.Must(uuid.NewV7()), At: x.Arrived, Action: auditText(x.Request.Method+" "+x.Request.URL.Path, maxAuditText),
		Outcome: outcome, Status: int32(status), Address: x.ClientIP(),
	}
	if x.op != nil {
		e.Action = x.op.name
	}
	if x.caller.id != uuid.Nil {
		e.KeyID, e.KeyName = &x.caller.id, &x.caller.name
	}
	if x.tenant.ID != uuid.Nil {
		e.TenantID = &x.tenant.ID
	}
	if target != "" {
		target = auditText(target, maxAuditText)
		e.Target = &target
	}
	return e
}

// maxAuditText bounds a path or a name in the audit log, in bytes.
const maxAuditText = 1000

// auditText returns a text that Postgres can store, up to most bytes. Denied callers can
// send anything.
func auditText(text string, most int) string {
	text = strings.ReplaceAll(text[:min(len(text), most)], "\x00", "\uFFFD")
	return strings.ToValidUTF8(text, "\uFFFD")
}
