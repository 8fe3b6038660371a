package db

import (
	"encoding/binary"
	"fmt"
	"time"
	"unsafe"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// partnerReader reads rows that begin with the columns of a partner, in the
// table's order. Where they come in binary, it reads them as they lie in the
// message, which takes a tenth of what the general way does.
type partnerReader struct {
	rows    pgx.Rows
	columns int // of a row, with what comes behind the partner; 0 before the first
	binary  bool
	texts   *[2]string // what the texts of the row at hand point to
	borrows bool       // the texts are the message's own, and gone with the next row
}

// partnerWidth is how many columns a partner has.
const partnerWidth = 14

// read reads the row at hand.
func (r *partnerReader) read(p *RemoteAssistancePartner) error {
	if r.columns == 0 {
		fields := r.rows.FieldDescriptions()
		if len(fields) < partnerWidth {
			return fmt.Errorf("a row of %d columns is no partner", len(fields))
		}
		r.columns, r.binary = len(fields), inBinary(fields[:partnerWidth])
	}
	if r.binary {
		return r.readBinary(p, r.rows.RawValues())
	}
	targets := make([]any, r.columns) // nil passes over a column
	copy(targets, []any{
		&p.TenantID, &p.ID, &p.Version, &p.DisplayName, &p.OnboardingUrl, &p.OnboardingStatus,
		&p.LastConnectionAt, &p.LastConnection100ns, &p.LastConnectionOffset,
		&p.RequestExpiryAt, &p.RequestExpiry100ns, &p.RequestExpiryOffset, &p.CreatedAt, &p.CreatedBy,
	})
	return r.rows.Scan(targets...)
}

// inBinary tells whether columns come in binary. Texts and the enumeration come as
// text, which is the same.
func inBinary(fields []pgconn.FieldDescription) bool {
	for i, f := range fields {
		if f.Format != pgtype.BinaryFormatCode && (i < 3 || i > 5) {
			return false
		}
	}
	return true
}

func (r *partnerReader) readBinary(p *RemoteAssistancePartner, raw [][]byte) error {
	for i, size := range [partnerWidth]int{0: 16, 1: 16, 2: 8, 6: 8, 7: 2, 8: 2, 9: 8, 10: 2, 11: 2, 12: 8, 13: 16} {
		if size != 0 && len(raw[i]) != size {
			return fmt.Errorf("column %d of a partner has %d bytes, want %d", i, len(raw[i]), size)
		}
	}
	p.TenantID, p.ID, p.CreatedBy = uuid.UUID(raw[0]), uuid.UUID(raw[1]), uuid.UUID(raw[13])
	p.Version = int64(binary.BigEndian.Uint64(raw[2]))
	p.DisplayName, p.OnboardingUrl = r.text(0, raw[3]), r.text(1, raw[4])
	p.OnboardingStatus = status(raw[5])
	p.LastConnectionAt, p.LastConnection100ns, p.LastConnectionOffset = timestamp(raw[6]), smallint(raw[7]), smallint(raw[8])
	p.RequestExpiryAt, p.RequestExpiry100ns, p.RequestExpiryOffset = timestamp(raw[9]), smallint(raw[10]), smallint(raw[11])
	p.CreatedAt = timestamp(raw[12])
	return nil
}

func (r *partnerReader) text(i int, raw []byte) *string {
	if raw == nil {
		return nil
	}
	if r.borrows {
		r.texts[i] = unsafe.String(unsafe.SliceData(raw), len(raw))
	} else {
		r.texts[i] = string(raw)
	}
	return &r.texts[i]
}

func status(raw []byte) OnboardingStatus {
	switch string(raw) { // of a few constants, no copies
	case string(OnboardingStatusNotOnboarded):
		return OnboardingStatusNotOnboarded
	case string(OnboardingStatusOnboarding):
		return OnboardingStatusOnboarding
	case string(OnboardingStatusOnboarded):
		return OnboardingStatusOnboarded
	}
	return OnboardingStatus(raw)
}

func smallint(raw []byte) int16 { return int16(binary.BigEndian.Uint16(raw)) }

// epoch is where Postgres counts its microseconds from, 2000-01-01, in those of
// Unix.
const epoch = 946_684_800_000_000

// timestamp reads a timestamptz. There is no infinity among ours.
func timestamp(raw []byte) time.Time {
	return time.UnixMicro(int64(binary.BigEndian.Uint64(raw)) + epoch).UTC()
}
