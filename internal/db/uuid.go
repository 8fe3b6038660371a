package db

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"
)

// registerUUID lets a connection read and write uuid.UUID in binary.
func registerUUID(types *pgtype.Map) {
	pgxuuid.Register(types)
	own := &pgtype.Type{Name: "uuid", OID: pgtype.UUIDOID, Codec: uuidCodec{}}
	types.RegisterType(own)
	types.RegisterType(&pgtype.Type{Name: "_uuid", OID: pgtype.UUIDArrayOID, Codec: &pgtype.ArrayCodec{ElementType: own}})
	// Where Postgres isn't asked first what a parameter is, its type in Go tells.
	types.RegisterDefaultPgType(uuid.UUID{}, "uuid")
	types.RegisterDefaultPgType([]uuid.UUID{}, "_uuid")
}

// uuidCodec is that of pgx-google-uuid, but for what nearly all are: that one's is
// asked only after database/sql's Scanner and Valuer, which go by way of text.
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

// Scan refuses null, as any other length, as UnmarshalBinary says it.
func (scanUUID) Scan(src []byte, target any) error { return target.(*uuid.UUID).UnmarshalBinary(src) }
