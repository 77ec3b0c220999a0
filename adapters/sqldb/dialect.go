package sqldb

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"time"

	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/schema"
)

// sqliteDialect is Bun's, but writes times as whole microseconds since 1970:
// they sort and compare as numbers, as exactly as PostgreSQL keeps them.
type sqliteDialect struct{ *sqlitedialect.Dialect }

func newSQLiteDialect() sqliteDialect { return sqliteDialect{sqlitedialect.New()} }

// AppendTime writes a time into a statement.
func (sqliteDialect) AppendTime(b []byte, at time.Time) []byte {
	return strconv.AppendInt(b, at.UnixMicro(), 10)
}

// instant is a time as a column keeps it: microseconds, in UTC. Rows use it
// where the domain has time.Time, because the two databases hand times out in
// different types.
type instant struct{ at time.Time }

var (
	_ schema.QueryAppender = instant{}
	_ driver.Valuer        = instant{}
)

func at(t time.Time) instant { return instant{at: t} }

// maybeAt is at for a time that may be missing.
func maybeAt(t *time.Time) *instant {
	if t == nil {
		return nil
	}
	return &instant{at: *t}
}

// maybeTime is the time of an instant that may be null.
func (i *instant) maybeTime() *time.Time {
	if i == nil {
		return nil
	}
	t := i.at
	return &t
}

// AppendQuery writes the instant as the dialect keeps times.
func (i instant) AppendQuery(gen schema.QueryGen, b []byte) ([]byte, error) {
	return gen.Dialect().AppendTime(b, i.at), nil
}

// Value is for code that does not ask for AppendQuery.
func (i instant) Value() (driver.Value, error) { return i.at.UTC(), nil }

// Scan reads either database's form.
func (i *instant) Scan(src any) error {
	switch v := src.(type) {
	case nil: // the empty side of an outer join
		i.at = time.Time{}
	case int64:
		i.at = time.UnixMicro(v).UTC()
	case time.Time:
		i.at = v.UTC()
	default:
		return fmt.Errorf("a time can't be read from a %T", src)
	}
	return nil
}
