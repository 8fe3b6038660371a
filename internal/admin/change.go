package admin

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mocktenant/mocktenant/internal/db"
)

// tries is how often a change is tried that Postgres rolled back because it and
// another one waited for each other.
const tries = 5

// change is a change under way: its transaction, and the tenant as it is in it,
// locked against other changes by administrators. What is left for later goes with
// the end of the change, or with send, which whoever reads it must call before.
type change struct {
	*db.Queries
	tx     pgx.Tx
	tenant db.Tenant
	later  *db.Batch
}

func (c *change) send(ctx context.Context) error { return c.later.Send(ctx, c.tx) }

// change makes a change, writes it into the audit log with what it was made to,
// and, if the client asks so, keeps the answer for another try: all or nothing.
func (a *API) change(x *call, target string, f func(ctx context.Context, c *change) (answer, error)) (result answer, err error) {
	ctx := x.Request.Context()
	if x.tenant.ID != uuid.Nil && !x.op.document() { // of which there are few, and which take long before they lock
		end, err := a.turns.Take(ctx, x.tenant.ID)
		if err != nil {
			return answer{}, err
		}
		defer end()
	}
	release, err := x.slots.take(ctx, a.patience)
	if err != nil {
		return answer{}, err
	}
	defer release()
	for range tries {
		err = pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
			result, err = a.attempt(ctx, x, target, tx, f)
			return err
		})
		if !rolledBack(err) {
			break
		}
	}
	a.identity.ForgetCallers()
	return result, err
}

func rolledBack(err error) bool {
	state := stateOf(err)
	return state == "40P01" || state == "40001" // deadlock, serialization
}

// stateOf is the SQLSTATE of an error of Postgres, or "".
func stateOf(err error) string {
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}

func (a *API) attempt(ctx context.Context, x *call, target string, tx pgx.Tx, f func(context.Context, *change) (answer, error)) (answer, error) {
	c := &change{Queries: db.New(tx), tx: tx, later: db.NewBatch()}
	idempotent, err := newIdempotent(x, c.Queries)
	if err != nil {
		return answer{}, err
	}
	if known, found, err := idempotent.find(ctx); found || err != nil {
		return known, err
	}
	if x.tenant.ID != uuid.Nil && !x.op.document() { // which is read first
		if err := c.lock(ctx, x, x.tenant.ID); err != nil {
			return answer{}, err
		}
	}
	result, err := f(ctx, c)
	if err != nil {
		return result, err
	}
	entry := auditEntry(x, target, db.AuditOutcomeDone, result.status)
	if c.tenant.ID != uuid.Nil { // also one that was just made
		entry.TenantID = &c.tenant.ID
	}
	if err := c.later.CreateAuditEntry(ctx, entry); err != nil {
		return result, err
	}
	if err := idempotent.keep(ctx, c.later, result); err != nil {
		return result, err
	}
	return result, c.send(ctx)
}

// lock takes the tenant for the rest of the change. It may have got another manager since
// the call began.
func (c *change) lock(ctx context.Context, x *call, tenant uuid.UUID) (err error) {
	if c.tenant, err = c.LockTenant(ctx, tenant); err != nil {
		return err
	}
	if m := x.caller.manager(); m != nil && (c.tenant.Manager == nil || *c.tenant.Manager != *m) {
		return orNoTenant(pgx.ErrNoRows, tenant)
	}
	return nil
}

func auditEntry(x *call, target string, outcome db.AuditOutcome, status int) db.CreateAuditEntryParams {
	e := db.CreateAuditEntryParams{
		ID: uuid.Must(uuid.NewV7()), At: x.now, Action: auditText(x.Request.Method+" "+x.Request.URL.Path, maxAuditText),
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

// maxAuditText is how much of a path or a name the audit log keeps, in bytes.
const maxAuditText = 1000

// auditText is a text as Postgres can keep it, up to most bytes: whoever is denied chose
// it.
func auditText(text string, most int) string {
	text = strings.ReplaceAll(text[:min(len(text), most)], "\x00", "\uFFFD")
	return strings.ToValidUTF8(text, "\uFFFD")
}

const idempotencyKey = "Idempotency-Key"

// idempotencyLifetime is how long an answer is kept for another try.
const idempotencyLifetime = 24 * time.Hour

// idempotent is a create that may be tried again.
// https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
type idempotent struct {
	x     *call
	q     *db.Queries
	key   string // "" for once
	begun hash.Hash
}

func newIdempotent(x *call, q *db.Queries) (*idempotent, error) {
	i := &idempotent{x: x, q: q}
	takes := x.op.route.Operation.Parameters.GetByInAndName("header", idempotencyKey) != nil
	if given := x.GetHeader(idempotencyKey); given != "" && takes {
		i.key = x.caller.id.String() + " " + given
		i.begun = sha256.New()
		i.begun.Write([]byte(x.op.name + " " + x.Request.URL.RequestURI() + "\n"))
		i.begun.Write(x.body)
		if x.document != nil {
			if _, err := io.Copy(i.begun, x.document.open()); err != nil {
				return nil, err
			}
		}
	}
	return i, nil
}

// find returns the answer of a try before. It waits for one that is under way.
func (i *idempotent) find(ctx context.Context) (answer, bool, error) {
	if i.key == "" {
		return answer{}, false, nil
	}
	fresh, err := i.q.CreateIdempotencyKey(ctx, db.CreateIdempotencyKeyParams{Hash: hashOf("find " + i.key), RequestHash: []byte{}, CreatedAt: i.x.now})
	if err != nil || fresh > 0 {
		return answer{}, false, err
	}
	row, err := i.q.GetIdempotencyKey(ctx, hashOf("find "+i.key))
	if err != nil {
		return answer{}, false, err
	}
	if subtle.ConstantTimeCompare(row.RequestHash, i.begun.Sum(nil)) == 0 {
		return answer{}, false, errConflict("The Idempotency-Key came before, with another request.")
	}
	var kept keptAnswer
	text, err := i.seal().Open(nil, nil, row.Answer, nil)
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	return answer{kept.Status, append([]byte(kept.Body), '\n')}, true, err
}

type keptAnswer struct {
	Status int
	Body   json.RawMessage
}

// keep keeps the answer, sealed: it may hold secrets.
func (i *idempotent) keep(ctx context.Context, later *db.Batch, result answer) error {
	if i.key == "" {
		return nil
	}
	body, err := marshal(result.value)
	if err != nil {
		return err
	}
	text, err := marshal(keptAnswer{result.status, body})
	if err != nil {
		return err
	}
	return later.SetIdempotentAnswer(ctx, db.SetIdempotentAnswerParams{
		Hash: hashOf("find " + i.key), RequestHash: i.begun.Sum(nil), Answer: i.seal().Seal(nil, nil, text, nil),
	})
}

func (i *idempotent) seal() cipher.AEAD {
	block, err := aes.NewCipher(hashOf("seal " + i.key))
	if err == nil {
		var aead cipher.AEAD
		if aead, err = cipher.NewGCMWithRandomNonce(block); err == nil {
			return aead
		}
	}
	panic(err) // the key has the right size
}
