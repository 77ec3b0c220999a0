package sqldb

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"ampra/core/telemetry"
)

var _ telemetry.DeadLetters = (*DeadLetters)(nil)

// How many dead letters are kept, of one source and in all; the oldest go first.
// In all they take some 170 MB at the very most.
const (
	lettersPerSource = 1_000
	lettersInAll     = 10_000
)

// maxLetterText bounds a letter's topic and reason, in bytes.
const maxLetterText = 1_000

// DeadLetters keeps what came in and could not be read. A source's letters go
// with the source.
type DeadLetters struct {
	db               *DB
	perSource, inAll int
}

// NewDeadLetters returns the dead letters in db.
func NewDeadLetters(db *DB) *DeadLetters {
	return &DeadLetters{db: db, perSource: lettersPerSource, inAll: lettersInAll}
}

type deadLetterRow struct {
	bun.BaseModel `bun:"table:dead_letters,alias:dl"`

	ID        uuid.UUID `bun:"id,pk"`
	SourceID  uuid.UUID `bun:"source_id"`
	At        instant   `bun:"at"`
	Origin    string    `bun:"origin"`
	Topic     string    `bun:"topic"`
	Reason    string    `bun:"reason"`
	Raw       []byte    `bun:"raw"`
	Truncated bool      `bun:"truncated"`
}

func deadLetterToRow(l telemetry.DeadLetter) deadLetterRow {
	if l.ID == uuid.Nil {
		l.ID = uuid.New()
	}
	if len(l.Raw) > telemetry.MaxRaw {
		l.Raw, l.Truncated = l.Raw[:telemetry.MaxRaw], true
	}
	if l.Raw == nil {
		l.Raw = []byte{}
	}
	return deadLetterRow{
		ID: l.ID, SourceID: l.SourceID, At: at(l.At), Origin: storable(l.Origin), Topic: storable(l.Topic),
		Reason: storable(l.Reason), Raw: l.Raw, Truncated: l.Truncated,
	}
}

// storable makes a text that every database takes of one that a device had a hand
// in.
func storable(text string) string {
	const unreadable = string(utf8.RuneError)
	if len(text) > maxLetterText {
		text = text[:maxLetterText]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, unreadable), "\x00", unreadable)
}

func (r deadLetterRow) letter() telemetry.DeadLetter {
	return telemetry.DeadLetter{
		ID: r.ID, SourceID: r.SourceID, At: r.At.at, Origin: r.Origin, Topic: r.Topic,
		Reason: r.Reason, Raw: r.Raw, Truncated: r.Truncated,
	}
}

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
	err := d.db.Run(ctx, func(ctx context.Context) error {
		for chunk := range slices.Chunk(rows, 50) {
			if _, err := d.db.conn(ctx).NewInsert().Model(&chunk).On("conflict (id) do nothing").Exec(ctx); err != nil {
				return err
			}
		}
		for _, source := range slices.Compact(sources) {
			if err := d.bound(ctx, d.perSource, "source_id = ?", source); err != nil {
				return err
			}
		}
		return d.bound(ctx, d.inAll, "true")
	})
	if err != nil {
		return fmt.Errorf("storing dead letters: %w", translate(err))
	}
	return nil
}

// bound deletes all but the newest letters of a set.
func (d *DeadLetters) bound(ctx context.Context, most int, where string, args ...any) error {
	const all = 1 << 40 // SQLite has no offset without a limit
	old := d.db.conn(ctx).NewSelect().Model((*deadLetterRow)(nil)).Column("id").
		Where(where, args...).OrderExpr("at desc, id desc").Limit(all).Offset(int64(most))
	_, err := d.db.conn(ctx).NewDelete().Model((*deadLetterRow)(nil)).Where("id in (?)", old).Exec(ctx)
	return err
}

// List returns at most limit letters of a source, the newest first. Those whose
// source can't be told are under uuid.Nil.
func (d *DeadLetters) List(ctx context.Context, source uuid.UUID, limit int) ([]telemetry.DeadLetter, error) {
	var rows []deadLetterRow
	err := d.db.reader(ctx).NewSelect().Model(&rows).Where("source_id = ?", source).
		OrderExpr("at desc, id desc").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing dead letters: %w", translate(err))
	}
	letters := make([]telemetry.DeadLetter, len(rows))
	for i, row := range rows {
		letters[i] = row.letter()
	}
	return letters, nil
}
