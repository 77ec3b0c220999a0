package sqldb

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"ampra/core/credential"
	"ampra/core/sunsource"
)

var _ credential.AccessRecords = (*AccessRecords)(nil)

// AccessRecords reads what a device's sign-in needs.
type AccessRecords struct{ db *DB }

// NewAccessRecords returns the access records in db.
func NewAccessRecords(db *DB) *AccessRecords { return &AccessRecords{db} }

// accessRow is a source beside one of its credentials; a source without any has
// one row with an empty one.
type accessRow struct {
	bun.BaseModel `bun:"table:sun_sources,alias:s"`
	sourceRow

	Credential credentialRow `bun:"embed:c_"`
}

// accessColumns are the credential's, under the names that accessRow reads.
const accessColumns = "c.id as c_id, c.source_id as c_source_id, c.kind as c_kind, c.version as c_version, " +
	"c.digest as c_digest, c.key_id as c_key_id, c.box as c_box, c.created_at as c_created_at, " +
	"c.valid_until as c_valid_until, c.last_used_at as c_last_used_at"

// AccessBySource returns the source's row and the credentials that have not
// ended, the newest first, in one query: each sign-in of a device comes here.
func (a *AccessRecords) AccessBySource(ctx context.Context, source uuid.UUID, now time.Time) (sunsource.SunSource, []credential.Credential, error) {
	var rows []accessRow
	err := a.db.reader(ctx).NewSelect().Model(&rows).ColumnExpr("s.*").ColumnExpr(accessColumns).
		Join("left join credentials as c on c.source_id = s.id and (c.valid_until is null or c.valid_until > ?)", now).
		Where("s.id = ?", source).OrderExpr("c.version desc").Scan(ctx)
	if err == nil && len(rows) == 0 {
		err = missing("sun source")
	}
	if err != nil {
		return sunsource.SunSource{}, nil, fmt.Errorf("reading access to a sun source: %w", translate(err))
	}
	var list []credential.Credential
	for i := range rows {
		if rows[i].Credential.ID == uuid.Nil {
			continue
		}
		c, err := rows[i].Credential.credential()
		if err != nil {
			return sunsource.SunSource{}, nil, fmt.Errorf("reading access to a sun source: %w", err)
		}
		list = append(list, c)
	}
	return rows[0].source(), list, nil
}

// SourceByClientID returns the id that belongs to an MQTT client id, or NotFound.
func (a *AccessRecords) SourceByClientID(ctx context.Context, clientID string) (uuid.UUID, error) {
	var row sourceRow
	err := a.db.reader(ctx).NewSelect().Model(&row).Column("id").Where("s.client_id = ?", clientID).Scan(ctx)
	if err != nil {
		return uuid.Nil, fmt.Errorf("finding a client id: %w", found(err, "client id"))
	}
	return row.ID, nil
}
