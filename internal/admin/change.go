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
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mocktenant/mocktenant/internal/db"
)

// tries is how often a change is tried if Postgres rolls it back because of a concurrent
// one.
const tries = 5

// change is a change in progress: its call, its transaction, and the current row of its
// tenant, locked against other administrators. Queued statements run at the end of the
// change or with send, which must be called before reading what they change.
type change struct {
	x       *call
	queries *db.Queries
	tx      pgx.Tx
	tenant  db.Tenant
	target  string // the changed item, for the audit log
	later   *db.Batch
	then    func(context.Context, *API) error // called after the commit; may be nil
}

func (c *change) send(ctx context.Context) error { return c.later.Send(ctx, c.tx) }

// change makes a change, writes it into the audit log and, for an Idempotency-Key, stores
// the answer: all of it or nothing.
func (x *call) change(ctx context.Context, f func(context.Context, *change) (answer, error)) (result answer, err error) {
	if turn := x.turnOf(); turn != uuid.Nil {
		end, err := x.admin.turns.Take(ctx, turn)
		if err != nil {
			return answer{}, err
		}
		defer end()
	}
	release, err := x.slots.Take(ctx, x.admin.patience)
	if err != nil {
		return answer{}, err
	}
	defer release()
	c, result, err := x.try(ctx, f)
	x.admin.identity.ForgetCallers()
	if err == nil && x.tenant.ID != uuid.Nil {
		err = x.admin.everywhere(ctx)
	}
	if err == nil && c.then != nil {
		err = c.then(ctx, x.admin)
	}
	return result, err
}

// try makes a change in a transaction, several times if Postgres rolls it back because of a
// concurrent change. It returns the last change.
func (x *call) try(ctx context.Context, f func(context.Context, *change) (answer, error)) (c *change, result answer, err error) {
	for range tries {
		err = pgx.BeginFunc(ctx, x.admin.pool, func(tx pgx.Tx) error {
			c = &change{x: x, queries: db.New(tx), tx: tx, target: x.target, later: db.NewBatch()}
			result, err = c.make(ctx, f)
			return err
		})
		if !rolledBack(err) {
			break
		}
	}
	return c, result, err
}

// turnOf returns the tenant in whose queue the change waits: the first one that it locks,
// if any. Imports are few, and take long before they lock.
func (x *call) turnOf() uuid.UUID {
	if x.op.document == documentAsBody {
		return uuid.Nil
	}
	if x.copied != uuid.Nil {
		return x.copied
	}
	return x.tenant.ID
}

// amongTransfers bounds concurrent imports, because each has a connection while it reads
// its document, and most connections are for others.
func amongTransfers[R any](_ context.Context, x *call, _ *R) error {
	x.slots = x.admin.transfers
	return nil
}

// amongCopies bounds concurrent copies within the database.
func amongCopies[R any](_ context.Context, x *call, _ *R) error {
	x.slots = x.admin.copies
	return nil
}

func rolledBack(err error) bool {
	var refusal *pgconn.PgError
	return errors.As(err, &refusal) && (refusal.Code == "40P01" || refusal.Code == "40001") // deadlock, serialization
}

// make makes the change, unless it was made before with the same Idempotency-Key.
func (c *change) make(ctx context.Context, f func(context.Context, *change) (answer, error)) (answer, error) {
	idempotent, err := newIdempotent(c.x, c.queries)
	if err != nil {
		return answer{}, err
	}
	if known, found, err := idempotent.find(ctx); found || err != nil {
		return known, err
	}
	if c.x.tenant.ID != uuid.Nil && c.x.op.document != documentAsBody { // an import reads its document first
		if err := c.lock(ctx); err != nil {
			return answer{}, err
		}
	}
	result, err := f(ctx, c)
	if err != nil {
		return result, err
	}
	if err := c.audit(ctx, result.status); err != nil {
		return result, err
	}
	if err := idempotent.keep(ctx, c.later, result); err != nil {
		return result, err
	}
	return result, c.send(ctx)
}

// audit queues the change's entry in the audit log.
func (c *change) audit(ctx context.Context, status int) error {
	entry := auditEntry(c.x, c.target, db.AuditOutcomeDone, status)
	if c.tenant.ID != uuid.Nil { // even if it was just made
		entry.TenantID = &c.tenant.ID
	}
	return c.later.Queries.CreateAuditEntry(ctx, entry)
}

// lock locks the path's tenant for the rest of the change. Its manager may have changed
// since the call began.
func (c *change) lock(ctx context.Context) (err error) {
	id := c.x.tenant.ID
	if c.tenant, err = c.queries.LockTenant(ctx, id); err != nil {
		return err
	}
	if m := c.x.caller.manager(); m != nil && (c.tenant.Manager == nil || *c.tenant.Manager != *m) {
		return orNoTenant(pgx.ErrNoRows, id)
	}
	return nil
}

const idempotencyKey = "Idempotency-Key"

// idempotencyLifetime is how long an answer is stored for another try.
const idempotencyLifetime = 24 * time.Hour

// idempotent is a create that can be repeated.
// https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
type idempotent struct {
	x     *call
	q     *db.Queries
	key   string // "" if it can't be repeated
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
			if _, err := io.Copy(i.begun, x.document.Open()); err != nil {
				return nil, err
			}
		}
	}
	return i, nil
}

// find returns the stored answer. It waits for a concurrent try.
func (i *idempotent) find(ctx context.Context) (answer, bool, error) {
	if i.key == "" {
		return answer{}, false, nil
	}
	fresh, err := i.q.CreateIdempotencyKey(ctx, db.CreateIdempotencyKeyParams{Hash: hashOf("find " + i.key), RequestHash: []byte{}, CreatedAt: i.x.Arrived})
	if err != nil || fresh > 0 {
		return answer{}, false, err
	}
	row, err := i.q.GetIdempotencyKey(ctx, hashOf("find "+i.key))
	if err != nil {
		return answer{}, false, err
	}
	if subtle.ConstantTimeCompare(row.RequestHash, i.begun.Sum(nil)) == 0 {
		return answer{}, false, errConflict("The Idempotency-Key was already used with a different request.")
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

// keep stores the answer encrypted, because it may contain secrets.
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
	return later.Queries.SetIdempotentAnswer(ctx, db.SetIdempotentAnswerParams{
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
