package sqldb

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

var _ telemetry.LetterStore = (*DeadLetters)(nil)

// Bounds of the letters of all sources together; the oldest go first. They are
// looked at with every lettersPerLook-th Put.
const (
	lettersInAll     = 10_000
	letterBytesInAll = 256 << 20
	lettersPerLook   = 16
)

// DeadLetters keeps what came in and could not be read. A source's letters go
// with the source.
type DeadLetters struct {
	db             *DB
	inAll, perLook int
	puts, dropped  atomic.Int64
}

// NewDeadLetters returns the dead letters in db.
func NewDeadLetters(db *DB) *DeadLetters {
	return &DeadLetters{db: db, inAll: lettersInAll, perLook: lettersPerLook}
}

type deadLetterRow struct {
	bun.BaseModel `bun:"table:dead_letters,alias:dl"`

	ID        uuid.UUID            `bun:"id,pk"`
	SourceID  uuid.UUID            `bun:"source_id"`
	At        instant              `bun:"at"`
	Origin    string               `bun:"origin"`
	Topic     string               `bun:"topic"`
	Name      string               `bun:"name"`
	SignedAt  *instant             `bun:"signed_at"`
	Kind      telemetry.LetterKind `bun:"kind"`
	Reason    string               `bun:"reason"`
	Raw       []byte               `bun:"raw"`
	Size      int                  `bun:"size"`
	Truncated bool                 `bun:"truncated"`
}

func deadLetterToRow(l telemetry.DeadLetter) deadLetterRow {
	if l.ID == uuid.Nil {
		l.ID = uuid.New()
	}
	l = l.Bounded()
	row := deadLetterRow{
		ID: l.ID, SourceID: l.SourceID, At: at(l.At), Origin: l.Origin, Topic: l.Topic, Name: l.Name,
		Kind: l.Kind, Reason: l.Reason, Raw: l.Raw, Size: l.Size, Truncated: l.Truncated,
	}
	if !l.SignedAt.IsZero() {
		row.SignedAt = maybeAt(&l.SignedAt)
	}
	return row
}

func (r deadLetterRow) letter() telemetry.DeadLetter {
	l := telemetry.DeadLetter{
		ID: r.ID, SourceID: r.SourceID, At: r.At.at, Origin: r.Origin, Topic: r.Topic, Name: r.Name,
		Kind: r.Kind, Reason: r.Reason, Raw: r.Raw, Size: r.Size, Truncated: r.Truncated,
	}
	if r.SignedAt != nil {
		l.SignedAt = r.SignedAt.at
	}
	return l
}

// Dropped counts the letters that others pushed out.
func (d *DeadLetters) Dropped() int64 { return d.dropped.Load() }

// Put stores letters, each id once. What is over a bound pushes out the oldest.
func (d *DeadLetters) Put(ctx context.Context, letters ...telemetry.DeadLetter) error {
	if len(letters) == 0 {
		return nil
	}
	rows := make([]deadLetterRow, len(letters))
	var sources []uuid.UUID
	for i, l := range letters {
		rows[i] = deadLetterToRow(l)
		sources = append(sources, l.SourceID)
	}
	// In one order, so that two that put at once wait and don't block each other.
	slices.SortFunc(sources, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	look := d.puts.Add(1)%int64(d.perLook) == 0
	var dropped int64
	err := d.db.Run(ctx, func(ctx context.Context) error {
		dropped = 0
		for chunk := range slices.Chunk(rows, 50) {
			if _, err := d.db.conn(ctx).NewInsert().Model(&chunk).On("conflict (id) do nothing").Exec(ctx); err != nil {
				return err
			}
		}
		for _, source := range slices.Compact(sources) {
			n, err := d.bound(ctx, telemetry.MaxLetters, telemetry.MaxLetterBytes, "source_id = ?", source)
			if err != nil {
				return err
			}
			dropped += n
		}
		if !look {
			return nil
		}
		n, err := d.bound(ctx, d.inAll, letterBytesInAll, "?", true)
		dropped += n
		return err
	})
	if err != nil {
		return fmt.Errorf("storing dead letters: %w", translate(err))
	}
	d.dropped.Add(dropped)
	return nil
}

// bound deletes all but the newest letters of a set, and says how many.
func (d *DeadLetters) bound(ctx context.Context, most, mostBytes int, where string, args ...any) (int64, error) {
	ranked := d.db.conn(ctx).NewSelect().Model((*deadLetterRow)(nil)).Column("id").
		ColumnExpr("row_number() over (order by at desc, id desc) as place").
		ColumnExpr("sum(length(raw)) over (order by at desc, id desc) as so_far").
		Where(where, args...)
	old := d.db.conn(ctx).NewSelect().TableExpr("(?) as ranked", ranked).Column("id").
		Where("place > ? or so_far > ?", most, mostBytes)
	result, err := d.db.conn(ctx).NewDelete().Model((*deadLetterRow)(nil)).Where("id in (?)", old).Exec(ctx)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// List returns letters of a source, in order. Those whose source can't be told
// are under uuid.Nil.
func (d *DeadLetters) List(ctx context.Context, span telemetry.LetterSpan) ([]telemetry.DeadLetter, error) {
	var rows []deadLetterRow
	query := d.db.reader(ctx).NewSelect().Model(&rows).Where("source_id = ?", span.SourceID).Limit(int64(span.Limit))
	order, beyond := "at desc, id desc", "(at, id) < (?, ?)"
	if span.Order == telemetry.OldestFirst {
		order, beyond = "at, id", "(at, id) > (?, ?)"
	}
	if span.After != nil {
		query = query.Where(beyond, at(span.After.At), span.After.ID)
	}
	if err := query.OrderExpr(order).Scan(ctx); err != nil {
		return nil, fmt.Errorf("listing dead letters: %w", translate(err))
	}
	letters := make([]telemetry.DeadLetter, len(rows))
	for i, row := range rows {
		letters[i] = row.letter()
	}
	return letters, nil
}

// Get returns a source's letter, or NotFound.
func (d *DeadLetters) Get(ctx context.Context, source, id uuid.UUID) (telemetry.DeadLetter, error) {
	var rows []deadLetterRow
	err := d.db.reader(ctx).NewSelect().Model(&rows).Where("source_id = ? and id = ?", source, id).Scan(ctx)
	switch {
	case err != nil:
		return telemetry.DeadLetter{}, fmt.Errorf("reading a dead letter: %w", translate(err))
	case len(rows) == 0:
		return telemetry.DeadLetter{}, fault.New(fault.NotFound, "There is no such dead letter.")
	}
	return rows[0].letter(), nil
}

// Count is how many letters of a source are kept.
func (d *DeadLetters) Count(ctx context.Context, source uuid.UUID) (int, error) {
	n, err := d.db.reader(ctx).NewSelect().Model((*deadLetterRow)(nil)).Where("source_id = ?", source).Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("counting dead letters: %w", translate(err))
	}
	return int(n), nil
}

// Amend gives a letter another reason.
func (d *DeadLetters) Amend(ctx context.Context, source, id uuid.UUID, kind telemetry.LetterKind, reason string) error {
	kept := telemetry.DeadLetter{Kind: kind, Reason: reason}.Bounded()
	_, err := d.db.conn(ctx).NewUpdate().Model((*deadLetterRow)(nil)).
		Set("kind = ?", kept.Kind).Set("reason = ?", kept.Reason).Where("source_id = ? and id = ?", source, id).Exec(ctx)
	if err != nil {
		return fmt.Errorf("changing a dead letter: %w", translate(err))
	}
	return nil
}

// Remove removes letters of a source and says how many of them were there.
func (d *DeadLetters) Remove(ctx context.Context, source uuid.UUID, ids ...uuid.UUID) (int, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	return d.delete(ctx, "source_id = ? and id in (?)", source, bun.List(ids))
}

// Erase removes all letters of a source.
func (d *DeadLetters) Erase(ctx context.Context, source uuid.UUID) error {
	_, err := d.delete(ctx, "source_id = ?", source)
	return err
}

// Expire removes the letters that were received before a time.
func (d *DeadLetters) Expire(ctx context.Context, before time.Time) error {
	_, err := d.delete(ctx, "at < ?", at(before))
	return err
}

func (d *DeadLetters) delete(ctx context.Context, where string, args ...any) (int, error) {
	var result sql.Result
	err := d.db.Run(ctx, func(ctx context.Context) error {
		var err error
		result, err = d.db.conn(ctx).NewDelete().Model((*deadLetterRow)(nil)).Where(where, args...).Exec(ctx)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("deleting dead letters: %w", translate(err))
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("deleting dead letters: %w", translate(err))
	}
	return int(n), nil
}
