package sqldb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"ampra/core/change"
)

var _ change.Outbox = (*Outbox)(nil)

// changeLock is the key of the PostgreSQL advisory lock that a transaction takes
// before it draws a seq and holds until it commits. Without it a later seq could
// be seen before an earlier one.
const changeLock = 0x616d707262

// changesChannel is notified of every commit with changes.
const changesChannel = "ampra_changes"

type changeRow struct {
	bun.BaseModel `bun:"table:changes,alias:ch"`

	Seq      int64       `bun:"seq,pk,autoincrement"`
	Kind     change.Kind `bun:"kind"`
	SourceID uuid.UUID   `bun:"source_id"`
	At       instant     `bun:"at"`
}

// Outbox takes changes into the transactions that make them.
type Outbox struct {
	db *DB
	// committed is called after each commit with changes.
	committed func()
}

// NewOutbox returns an outbox for a process that runs no feed. One that does uses
// the feed's own, which hears of a commit at once.
func NewOutbox(db *DB) *Outbox { return &Outbox{db: db, committed: func() {}} }

// Outbox returns the outbox of the process that runs the feed.
func (f *Feed) Outbox() *Outbox { return &Outbox{db: f.db, committed: f.kick} }

// Append writes a change in the context's transaction and returns its seq. An act
// appends last: other acts that append wait until it commits.
func (o *Outbox) Append(ctx context.Context, c change.Change) (int64, error) {
	open, ok := o.db.open(ctx)
	if !ok {
		return 0, errors.New("appending a change: there is no transaction")
	}
	seq, err := o.append(ctx, open.tx, c)
	if err != nil {
		return 0, fmt.Errorf("appending a change: %w", translate(err))
	}
	o.db.onCommit(ctx, o.committed)
	return seq, nil
}

func (o *Outbox) append(ctx context.Context, tx bun.Tx, c change.Change) (seq int64, err error) {
	if !o.db.IsPostgres() {
		row := changeRow{Kind: c.Kind, SourceID: c.SourceID, At: at(time.Now())}
		err = tx.NewInsert().Model(&row).Returning("seq").Scan(ctx, &seq)
		return seq, err
	}
	if _, err := tx.ExecContext(ctx, "select pg_advisory_xact_lock(?)", changeLock); err != nil {
		return 0, err
	}
	var notified string
	err = tx.QueryRowContext(ctx, `with added as (
			insert into changes (kind, source_id) values (?, ?) returning seq
		) select seq, pg_notify(?, '')::text from added`,
		c.Kind, c.SourceID, changesChannel).Scan(&seq, &notified)
	return seq, err
}

// Old changes are swept: nobody who is not cut off needs them for long.
const (
	keepChanges = time.Hour
	sweepEvery  = 10 * time.Minute
)

// sweep removes old changes, in the order of seq, and never the newest: so what
// is left are all changes from some seq on.
func (f *Feed) sweep(ctx context.Context) error {
	remove := func(old string, args ...any) error {
		_, err := f.db.write.ExecContext(ctx, `delete from changes where seq < (select max(seq) from changes)
			and seq <= (select max(seq) from changes where `+old+`)`, args...)
		return err
	}
	var err error
	if f.db.IsPostgres() { // by the clock that set the times
		err = remove("at < clock_timestamp() - ? * interval '1 second'", keepChanges.Seconds())
		if err == nil {
			_, err = f.db.write.ExecContext(ctx, "delete from feed_members where lease_until < clock_timestamp() - interval '1 hour'")
		}
	} else {
		err = remove("at < ?", at(time.Now().Add(-keepChanges)))
	}
	if err != nil {
		return fmt.Errorf("sweeping old changes: %w", translate(err))
	}
	return nil
}
