package sqldb

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
)

var _ credential.Repository = (*Credentials)(nil)

// Credentials keeps what devices sign in with.
type Credentials struct{ db *DB }

// NewCredentials returns the credentials in db.
func NewCredentials(db *DB) *Credentials { return &Credentials{db} }

type credentialRow struct {
	bun.BaseModel `bun:"table:credentials,alias:c"`

	ID         uuid.UUID                `bun:"id,pk"`
	SourceID   uuid.UUID                `bun:"source_id"`
	Kind       sunsource.ConnectionType `bun:"kind"`
	Version    int                      `bun:"version"`
	Digest     []byte                   `bun:"digest"` // null for a webhook secret
	KeyID      string                   `bun:"key_id"`
	Box        []byte                   `bun:"box"`
	CreatedAt  instant                  `bun:"created_at"`
	ValidUntil *instant                 `bun:"valid_until"`
	LastUsedAt *instant                 `bun:"last_used_at"`
}

func credentialToRow(c credential.Credential) *credentialRow {
	row := &credentialRow{
		ID: c.ID, SourceID: c.SourceID, Kind: c.Kind, Version: c.Version,
		KeyID: c.Sealed.KeyID, Box: c.Sealed.Box, CreatedAt: at(c.CreatedAt),
		ValidUntil: maybeAt(c.ValidUntil), LastUsedAt: maybeAt(c.LastUsedAt),
	}
	if c.Digest != (credential.Digest{}) {
		row.Digest = c.Digest[:]
	}
	return row
}

func (r *credentialRow) credential() (credential.Credential, error) {
	c := credential.Credential{
		ID: r.ID, SourceID: r.SourceID, Kind: r.Kind, Version: r.Version,
		Sealed:    credential.Sealed{KeyID: r.KeyID, Box: r.Box},
		CreatedAt: r.CreatedAt.at, ValidUntil: r.ValidUntil.maybeTime(), LastUsedAt: r.LastUsedAt.maybeTime(),
	}
	if r.Digest == nil {
		return c, nil
	}
	var err error
	c.Digest, err = digestOf(r.Digest)
	return c, err
}

func credentialsOf(rows []credentialRow) ([]credential.Credential, error) {
	list := make([]credential.Credential, len(rows))
	for i := range rows {
		var err error
		if list[i], err = rows[i].credential(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Add stores the first credential of a source.
func (c *Credentials) Add(ctx context.Context, first credential.Credential) error {
	n, err := affected(c.db.conn(ctx).NewInsert().Model(credentialToRow(first)).On("conflict do nothing").Exec(ctx))
	switch {
	case err == nil && n == 0:
		err = fault.New(fault.Conflict, "The sun source has this version of its credentials already.")
	case isForeignKey(err):
		err = missing("sun source")
	}
	if err != nil {
		return fmt.Errorf("storing a credential: %w", err)
	}
	return nil
}

// List returns a source's credentials, the newest version first.
func (c *Credentials) List(ctx context.Context, source uuid.UUID) ([]credential.Credential, error) {
	var rows []credentialRow
	err := c.db.reader(ctx).NewSelect().Model(&rows).
		Where("c.source_id = ?", source).OrderExpr("c.version desc").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing credentials: %w", translate(err))
	}
	return credentialsOf(rows)
}

// Replace stores next as the current credential and ends those before it.
func (c *Credentials) Replace(ctx context.Context, next credential.Credential, validUntil *time.Time) error {
	return c.db.Run(ctx, func(ctx context.Context) error {
		current, err := c.currentVersion(ctx, next.SourceID)
		if err != nil {
			return err
		}
		if next.Version != current+1 {
			return fault.New(fault.Conflict, "The credentials were replaced meanwhile.")
		}
		keepFrom := next.Version
		if validUntil != nil {
			keepFrom = current
			_, err := c.db.conn(ctx).NewUpdate().Model((*credentialRow)(nil)).Set("valid_until = ?", *validUntil).
				Where("source_id = ? and version = ?", next.SourceID, current).Exec(ctx)
			if err != nil {
				return fmt.Errorf("ending a credential: %w", translate(err))
			}
		}
		_, err = c.db.conn(ctx).NewDelete().Model((*credentialRow)(nil)).
			Where("source_id = ? and version < ?", next.SourceID, keepFrom).Exec(ctx)
		if err != nil {
			return fmt.Errorf("removing ended credentials: %w", translate(err))
		}
		return c.Add(ctx, next)
	})
}

// currentVersion is the highest version of a source's credentials, 0 for none,
// after keeping out every other transaction that would replace them.
func (c *Credentials) currentVersion(ctx context.Context, source uuid.UUID) (int, error) {
	var row sourceRow
	err := c.db.conn(ctx).NewSelect().Model(&row).Column("id").Where("s.id = ?", source).Apply(c.db.locking).Scan(ctx)
	if err != nil {
		return 0, fmt.Errorf("locking a sun source: %w", found(err, "sun source"))
	}
	var version int
	err = c.db.conn(ctx).NewSelect().Model((*credentialRow)(nil)).
		ColumnExpr("coalesce(max(c.version), 0)").Where("c.source_id = ?", source).Scan(ctx, &version)
	if err != nil {
		return 0, fmt.Errorf("reading the version of credentials: %w", translate(err))
	}
	return version, nil
}

// touchAtOnce bounds how many credentials one statement touches.
const touchAtOnce = 500

// Touch notes when credentials were last used.
func (c *Credentials) Touch(ctx context.Context, used map[uuid.UUID]time.Time) error {
	// In one order everywhere, so that two processes don't wait for each other.
	ids := slices.SortedFunc(maps.Keys(used), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	for part := range slices.Chunk(ids, touchAtOnce) {
		err := c.db.Run(ctx, func(ctx context.Context) error { return c.touch(ctx, part, used) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Credentials) touch(ctx context.Context, ids []uuid.UUID, used map[uuid.UUID]time.Time) error {
	var times []byte // the pairs of the statement's values
	value := "(?, ?)"
	if c.db.IsPostgres() {
		value = "(?::uuid, ?::timestamptz)"
	}
	args := make([]any, 0, 2*len(ids))
	for i, id := range ids {
		if i > 0 {
			times = append(times, ", "...)
		}
		times = append(times, value...)
		args = append(args, id, used[id])
	}
	_, err := c.db.conn(ctx).ExecContext(ctx, `with used (id, at) as (values `+string(times)+`)
		update credentials set last_used_at = used.at from used
		where credentials.id = used.id and (last_used_at is null or last_used_at < used.at)`, args...)
	if err != nil {
		return fmt.Errorf("noting the use of credentials: %w", translate(err))
	}
	return nil
}

// Sweep removes credentials that ended before the time.
func (c *Credentials) Sweep(ctx context.Context, before time.Time) error {
	_, err := c.db.conn(ctx).NewDelete().Model((*credentialRow)(nil)).Where("valid_until < ?", before).Exec(ctx)
	if err != nil {
		return fmt.Errorf("removing ended credentials: %w", translate(err))
	}
	return nil
}

// SealedWithout returns up to limit credentials that are not sealed with the key.
func (c *Credentials) SealedWithout(ctx context.Context, keyID string, limit int) ([]credential.Credential, error) {
	var rows []credentialRow
	err := c.db.reader(ctx).NewSelect().Model(&rows).
		Where("c.key_id <> ?", keyID).OrderExpr("c.key_id, c.id").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing credentials to seal again: %w", translate(err))
	}
	return credentialsOf(rows)
}

// Reseal replaces the box of a credential when it is still the old one.
func (c *Credentials) Reseal(ctx context.Context, id uuid.UUID, old, sealed credential.Sealed) error {
	_, err := c.db.conn(ctx).NewUpdate().Model((*credentialRow)(nil)).
		Set("key_id = ?, box = ?", sealed.KeyID, sealed.Box).
		Where("id = ? and key_id = ? and box = ?", id, old.KeyID, old.Box).Exec(ctx)
	if err != nil {
		return fmt.Errorf("storing a credential that was sealed again: %w", translate(err))
	}
	return nil
}
