package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/core/sunsource"
)

var _ credential.AccessRecords = (*AccessRecords)(nil)

// AccessRecords reads what a device's sign-in needs.
type AccessRecords struct{ db *DB }

// NewAccessRecords returns the access records in db.
func NewAccessRecords(db *DB) *AccessRecords { return &AccessRecords{db} }

// The boxes of MQTT keys are not asked for: nobody opens them to let a device in.
const (
	accessColumns = "select s.id, s.owner_id, s.connection_type, s.is_active, c.id, c.version, c.valid_until, c.digest, " +
		"case when c.digest is null then c.key_id end, case when c.digest is null then c.box end from "
	accessTables = " join sun_sources as s on s.client_id = asked.client_id left join credentials as c " +
		"on c.source_id = s.id and (c.valid_until is null or c.valid_until > $2) order by s.id, c.version desc"
	// Joined to the ids, not compared with "= any": for that PostgreSQL reads all
	// credentials where it has no statistics yet.
	accessPostgres = accessColumns + "unnest($1::text[]) as asked(client_id)" + accessTables
	accessSQLite   = accessColumns + "(select value as client_id from json_each($1)) as asked" + accessTables
)

// AccessByClientKeys returns sources with the credentials that have not ended, in
// one query: thousands of devices that sign in at once come here.
func (a *AccessRecords) AccessByClientKeys(ctx context.Context, keys []sunsource.ClientKey, now time.Time) ([]credential.AccessRecord, error) {
	clientIDs := make([]string, len(keys))
	for i, key := range keys {
		clientIDs[i] = key.ClientID()
	}
	list, err := a.read(ctx, clientIDs, now)
	if err != nil {
		return nil, fmt.Errorf("reading access to sun sources: %w", translate(err))
	}
	return list, nil
}

func (a *AccessRecords) read(ctx context.Context, clientIDs []string, now time.Time) ([]credential.AccessRecord, error) {
	if len(clientIDs) == 0 {
		return nil, nil
	}
	query, ids := accessPostgres, any(clientIDs)
	if !a.db.IsPostgres() {
		query, ids = accessSQLite, `["`+strings.Join(clientIDs, `","`)+`"]` // they are letters and digits
	}
	rows, err := a.db.queryPrepared(ctx, query, []any{ids, a.db.parameter(now)})
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // what it would say, rows.Err has said
	list := make([]credential.AccessRecord, 0, len(clientIDs))
	for rows.Next() {
		if list, err = addAccess(list, rows); err != nil {
			return nil, errors.Join(err, rows.Err())
		}
	}
	return list, rows.Err()
}

// addAccess adds a row: a key of the last source in the list, or one more
// source, which may have no key.
func addAccess(list []credential.AccessRecord, row *sql.Rows) ([]credential.AccessRecord, error) {
	var (
		source     credential.AccessRecord
		id         uuid.NullUUID
		version    *int
		validUntil *instant
		digest     []byte
		keyID      *string
		box        []byte
	)
	err := row.Scan(&source.SourceID, &source.OwnerID, &source.Type, &source.Active, &id, &version, &validUntil, &digest, &keyID, &box)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 || list[len(list)-1].SourceID != source.SourceID {
		list = append(list, source)
	}
	if !id.Valid {
		return list, nil
	}
	key := credential.AccessKey{CredentialID: id.UUID, Version: *version, ValidUntil: validUntil.maybeTime()}
	last := &list[len(list)-1]
	switch {
	case source.Type == sunsource.MQTT && digest == nil: // it opens nothing
	case source.Type == sunsource.MQTT:
		if key.Digest, err = digestOf(digest); err != nil {
			return nil, err
		}
	case keyID == nil:
		return nil, fmt.Errorf("credential %s of a webhook source has a digest", id.UUID)
	default:
		last.Sealed = append(last.Sealed, credential.Sealed{KeyID: *keyID, Box: box})
	}
	last.Keys = append(last.Keys, key)
	return list, nil
}
