package mongodb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"ampra/core/fault"
)

// codeOtherCollection is the server's code for a collection that has another UUID
// than was said, or is not there.
const codeOtherCollection = 361

// move is one move: of what the last mover left, or of all that is in hot. It may
// end after any step, and the next one goes on.
func (m *mover) move(ctx context.Context, db *mongo.Database) (err error) {
	taking, cancel := context.WithTimeout(ctx, m.archive.cfg.Timeout)
	l, state, err := takeLease(taking, db, m.lease)
	cancel()
	if err != nil {
		return err
	}
	defer func() { // also of a move that failed: another process may fare better
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if released := l.release(ending); err == nil && !errors.Is(released, errLost) {
			err = released
		}
	}()
	if err := m.between("leased"); err != nil {
		return err
	}
	from, err := m.begin(ctx, l, state)
	if err != nil || from == nil {
		return err
	}
	if err := from.run(ctx); err != nil {
		return err
	}
	return from.finish(ctx)
}

// begin makes hot moving, unless there is something to go on with. Nil says that
// there is nothing to move. A mover that has lost its lease here makes a moving
// that the next one finds.
func (m *mover) begin(ctx context.Context, l *lease, state moveState) (*round, error) {
	ctx, cancel := context.WithTimeout(ctx, m.archive.cfg.Timeout)
	defer cancel()
	moving, there, err := uuidOf(ctx, l.db, movingCollection)
	if err != nil {
		return nil, err
	}
	if !there {
		rename := bson.D{
			{Key: "renameCollection", Value: l.db.Name() + "." + hotCollection},
			{Key: "to", Value: l.db.Name() + "." + movingCollection},
			{Key: "writeConcern", Value: bson.D{{Key: "w", Value: "majority"}}},
		}
		err := l.db.Client().Database("admin").RunCommand(ctx, rename).Err()
		if err != nil && !hasCode(err, codeNamespaceNotFound) && !hasCode(err, codeNamespaceExists) {
			return nil, fmt.Errorf("beginning a move: %w", err)
		}
		if err := m.between("renamed"); err != nil {
			return nil, err
		}
		if moving, there, err = uuidOf(ctx, l.db, movingCollection); err != nil || !there {
			return nil, err
		}
	}
	r := &round{mover: m, lease: l, moving: *moving}
	if state.Moving != nil && state.From != nil && state.Moving.Equal(*moving) {
		r.from = state.From
		return r, nil
	}
	return r, l.note(ctx, bson.E{Key: "moving", Value: moving}, bson.E{Key: "from", Value: nil},
		bson.E{Key: "begun", Value: "$$NOW"}, bson.E{Key: "asked", Value: false})
}

// round is a move that has begun.
type round struct {
	*mover
	lease  *lease
	moving bson.Binary
	from   *bson.Binary
	erased map[uuid.UUID]bool
	ins    inserter
}

// run moves batch after batch, and waits as long between two as one took, so that
// writes and queries find the server free; not so when hot fills faster.
func (r *round) run(ctx context.Context) error {
	var err error
	if r.erased, err = r.sources(ctx); err != nil {
		return err
	}
	pressed := false
	for n := 0; ; n++ {
		began := time.Now()
		more, err := r.step(ctx)
		if err != nil || !more {
			return err
		}
		if n%16 == 0 {
			state, err := r.look(ctx, r.lease.db)
			if err != nil {
				return err
			}
			pressed = state.pressed
		}
		if pressed {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(time.Since(began), r.mover.lease/4)):
		}
	}
}

// step moves one batch. A batch that is moved twice, by a mover that was killed
// before it noted that or by one that has lost its lease, is harmless: queries
// merge rows of one position.
func (r *round) step(ctx context.Context) (more bool, err error) {
	last, err := r.pass(ctx)
	if err != nil || last == nil {
		return false, err
	}
	if err := r.between("inserted"); err != nil {
		return false, err
	}
	if err := r.eraseAgain(ctx); err != nil {
		return false, err
	}
	r.from = last
	return true, r.note(ctx, bson.E{Key: "from", Value: last})
}

// note is the lease's, with a time of its own.
func (r *round) note(ctx context.Context, fields ...bson.E) error {
	ctx, cancel := context.WithTimeout(ctx, r.archive.cfg.Timeout)
	defer cancel()
	return r.lease.note(ctx, fields...)
}

// pass reads the next rows and writes them. It returns the last one's _id.
func (r *round) pass(ctx context.Context) (last *bson.Binary, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.archive.cfg.Timeout)
	defer cancel()
	if last, err = r.read(ctx); err != nil || last == nil {
		return nil, err
	}
	if err := r.between("read"); err != nil {
		return nil, err
	}
	return last, r.write(ctx)
}

// read fetches the next rows and makes them rows of the series, without those of
// erased sources. It returns the last one's _id, nil when there is none.
func (r *round) read(ctx context.Context) (last *bson.Binary, err error) {
	filter := bson.D{}
	if r.from != nil {
		filter = bson.D{{Key: idField, Value: bson.D{{Key: "$gt", Value: *r.from}}}}
	}
	cursor, err := r.lease.db.Collection(movingCollection).Find(ctx, filter, options.Find().
		SetSort(bson.D{{Key: idField, Value: 1}}).SetLimit(int64(r.batch)).SetBatchSize(int32(r.batch+1))) //nolint:gosec // a setting
	if err != nil {
		return nil, fmt.Errorf("reading what is to be moved: %w", err)
	}
	defer closeCursor(ctx, cursor)
	r.ins.rows, r.ins.spans, r.ins.order = r.ins.rows[:0], r.ins.spans[:0], r.ins.order[:0]
	for cursor.Next(ctx) && len(r.ins.rows) < maxInsertBytes-maxRowBytes {
		row := cursor.Current
		if !isHotRow(row) {
			return nil, fmt.Errorf("reading what is to be moved: %w", errRow)
		}
		id := hotID(row[hotHead-len(hotID{}) : hotHead])
		last = &bson.Binary{Data: append([]byte(nil), id[:]...)}
		if r.erased[id.source()] {
			continue
		}
		from := len(r.ins.rows)
		r.ins.rows = appendSeriesRow(r.ins.rows, row)
		r.ins.order = append(r.ins.order, place{id.source(), id.ms(), len(r.ins.order)})
		r.ins.spans = append(r.ins.spans, span{from: from, to: len(r.ins.rows)})
	}
	if err := cursor.Err(); err != nil {
		return nil, fmt.Errorf("reading what is to be moved: %w", err)
	}
	for i := range r.ins.spans {
		r.ins.spans[i].of = r.ins.order[i : i+1]
	}
	return last, nil
}

// write inserts them. What the series does not take for a reason of its own is kept
// aside and does not hold up the others.
func (r *round) write(ctx context.Context) error {
	if len(r.ins.spans) == 0 {
		return nil
	}
	r.ins.db, r.ins.into = r.lease.db, collection
	r.ins.result = &answers{n: len(r.ins.spans)}
	r.ins.insert(ctx, r.ins.spans)
	for i, err := range r.ins.result.errs {
		switch {
		case err == nil:
		case fault.Passing(err) || !ofDocument(err): // not the row's own fault: it stays where it is
			return fmt.Errorf("moving readings: %w", err)
		default:
			if err := r.refused(ctx, r.ins.order[i], err); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish drops what was moved. It names the collection itself beside its name: a
// mover that was stopped meanwhile must not drop what another has just begun with.
func (r *round) finish(ctx context.Context) error {
	// A mover that was killed between its insert and its look at what was erased
	// may have left something.
	if err := r.eraseAll(ctx, slices.Collect(maps.Keys(r.erased))); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.archive.cfg.Timeout)
	defer cancel()
	if err := r.between("emptied"); err != nil {
		return err
	}
	err := r.lease.db.RunCommand(ctx, bson.D{
		{Key: "drop", Value: movingCollection}, {Key: "collectionUUID", Value: r.moving}, {Key: "writeConcern", Value: bson.D{{Key: "w", Value: "majority"}}},
	}).Err()
	if err != nil && !hasCode(err, codeOtherCollection) && !hasCode(err, codeNamespaceNotFound) {
		return fmt.Errorf("ending a move: %w", err)
	}
	if err := r.between("dropped"); err != nil {
		return err
	}
	return r.lease.note(ctx, bson.E{Key: "done", Value: "$$NOW"})
}
