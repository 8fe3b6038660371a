package db

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"
)

// registerUUID makes a connection read and write uuid.UUID in binary.
func registerUUID(types *pgtype.Map) {
	pgxuuid.Register(types)
	own := &pgtype.Type{Name: "uuid", OID: pgtype.UUIDOID, Codec: uuidCodec{}}
	types.RegisterType(own)
	types.RegisterType(&pgtype.Type{Name: "_uuid", OID: pgtype.UUIDArrayOID, Codec: &pgtype.ArrayCodec{ElementType: own}})
	// In modes that don't ask Postgres for the types of parameters, the Go type decides.
	types.RegisterDefaultPgType(uuid.UUID{}, "uuid")
	types.RegisterDefaultPgType([]uuid.UUID{}, "_uuid")
}

// uuidCodec is the codec of pgx-google-uuid with a shortcut for uuid.UUID. Without it, pgx
// would first try database/sql's Scanner and Valuer, which convert to text.
type uuidCodec struct{ pgxuuid.UUIDCodec }

func (c uuidCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.(uuid.UUID); ok && format == pgtype.BinaryFormatCode {
		return encodeUUID{}
	}
	return c.UUIDCodec.PlanEncode(m, oid, format, value)
}

func (c uuidCodec) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	if _, ok := target.(*uuid.UUID); ok && format == pgtype.BinaryFormatCode {
		return scanUUID{}
	}
	return c.UUIDCodec.PlanScan(m, oid, format, target)
}

type encodeUUID struct{}

func (encodeUUID) Encode(value any, b []byte) ([]byte, error) {
	id := value.(uuid.UUID)
	return append(b, id[:]...), nil
}

type scanUUID struct{}

// Scan refuses null and any value that isn't 16 bytes, with the error of UnmarshalBinary.
func (scanUUID) Scan(src []byte, target any) error { return target.(*uuid.UUID).UnmarshalBinary(src) }
