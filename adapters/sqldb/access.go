package sqldb

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

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

const accessQuery = "select s.id, s.owner_id, s.client_id, s.name, s.description, s.icon_url, s.power_group_id, " +
	"s.connection_type, s.latitude, s.longitude, s.is_active, s.installed_capacity_watts, s.currency, s.system_cost, " +
	"s.maintenance_cost_per_year, s.installation_date, s.created_at, s.updated_at, " +
	"c.id as c_id, c.source_id as c_source_id, c.kind as c_kind, c.version as c_version, " +
	"c.digest as c_digest, c.key_id as c_key_id, c.box as c_box, c.created_at as c_created_at, " +
	"c.valid_until as c_valid_until, c.last_used_at as c_last_used_at " +
	"from sun_sources as s left join credentials as c " +
	"on c.source_id = s.id and (c.valid_until is null or c.valid_until > $2) " +
	"where s.id = $1 order by c.version desc"

// AccessBySource returns the source's row and the credentials that have not
// ended, the newest first, in one query: each sign-in of a device comes here.
func (a *AccessRecords) AccessBySource(ctx context.Context, source uuid.UUID, now time.Time) (sunsource.SunSource, []credential.Credential, error) {
	var rows []accessRow
	err := a.db.selectPrepared(ctx, &rows, accessQuery, source, now)
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
	if !utf8.ValidString(clientID) || strings.ContainsRune(clientID, 0) {
		return uuid.Nil, missing("client id") // no text that a database would take
	}
	var ids []uuid.UUID
	err := a.db.selectPrepared(ctx, &ids, "select id from sun_sources where client_id = $1", clientID)
	if err == nil && len(ids) == 0 {
		err = missing("client id")
	}
	if err != nil {
		return uuid.Nil, fmt.Errorf("finding a client id: %w", translate(err))
	}
	return ids[0], nil
}
