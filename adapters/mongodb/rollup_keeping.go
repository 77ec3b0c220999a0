package mongodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"ampra/core/fault"
	"ampra/core/rollup"
)

// Due returns rows that may go on, by day and source.
func (s *Rollups) Due(ctx context.Context, ask rollup.Due) (found []rollup.Day, err error) {
	idle := bson.E{Key: "rolledAt", Value: bson.D{{Key: "$lte", Value: time.Now().Add(-ask.Idle)}}}
	stage := bson.E{Key: "stage", Value: ask.Stage}
	days := bson.D{{Key: "$lt", Value: ask.Before}}
	var filters []bson.D
	if ask.After != nil { // the rest of its day, and then the days behind it
		filters = append(filters, bson.D{stage, {Key: "day", Value: ask.After.Day}, {Key: "_id", Value: bson.D{{
			Key: "$gt", Value: dayID(ask.After.SourceID, ask.After.Day),
		}}}, idle})
		days = append(days, bson.E{Key: "$gt", Value: ask.After.Day})
	}
	filters = append(filters, bson.D{stage, {Key: "day", Value: days}, idle})
	err = s.use(ctx, "looking for days that are over", func(ctx context.Context, db *mongo.Database) error {
		for _, filter := range filters {
			if len(found) == ask.Limit {
				break
			}
			o := options.Find().SetProjection(wanted(rollup.None)).SetSort(bson.D{{Key: "day", Value: 1}, {Key: "_id", Value: 1}}).
				SetLimit(int64(ask.Limit - len(found)))
			if err := eachDay(ctx, db, filter, o, func(day rollup.Day) { found = append(found, day) }); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}

// Advance brings a row to a stage.
func (s *Rollups) Advance(ctx context.Context, day rollup.Day, to rollup.Stage) error {
	set := bson.D{{Key: "stage", Value: to}}
	if to == rollup.Coarse {
		set = append(set, bson.E{Key: "minutes", Value: []byte{}})
	}
	return s.use(ctx, "bringing a day on", func(ctx context.Context, db *mongo.Database) error {
		done, err := db.Collection(daysCollection).UpdateOne(ctx, atRevision(day),
			bson.D{{Key: "$set", Value: set}, {Key: "$inc", Value: bson.D{{Key: "revision", Value: int64(1)}}}})
		if err == nil && done.MatchedCount == 0 {
			return errRevision()
		}
		return err
	})
}

// Remove erases a row.
func (s *Rollups) Remove(ctx context.Context, day rollup.Day) error {
	return s.use(ctx, "removing a day", func(ctx context.Context, db *mongo.Database) error {
		done, err := db.Collection(daysCollection).DeleteOne(ctx, atRevision(day))
		if err == nil && done.DeletedCount == 0 {
			return errRevision()
		}
		return err
	})
}

func atRevision(day rollup.Day) bson.D {
	return bson.D{{Key: "_id", Value: dayID(day.SourceID, day.Day)}, {Key: "revision", Value: day.Revision}}
}

func errRevision() error {
	return fault.New(fault.Conflict, "The day was rolled up by another process meanwhile.")
}

// Empty deletes the readings of days from the series, whole slots of the meta field
// at a time: a time series of version 6.0 deletes by nothing else.
//
// It holds the lease of moves meanwhile. What is written now goes into hot and
// stays there, so that once there is no mark nothing comes into the series that
// had one; a mover that lost its lease without knowing has only what was marked
// before.
func (s *Rollups) Empty(ctx context.Context, source uuid.UUID, from, to int32) (deleted int64, done bool, err error) {
	err = s.use(ctx, "deleting old readings", func(ctx context.Context, db *mongo.Database) error {
		l, err := waitForLease(ctx, db, s.archive.mover.lease)
		if err != nil {
			return err
		}
		defer func() { // a mover would wait for its end
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = l.release(ending)
		}()
		ready, err := mayBeEmptied(ctx, db, source, from, to)
		if err != nil || !ready {
			return err
		}
		result, err := db.Collection(collection).DeleteMany(ctx, bson.D{
			{Key: "meta.source", Value: sourceValue(source)},
			{Key: "meta.slot", Value: bson.D{{Key: "$gte", Value: bson.DateTime(rollup.Start(from))}, {Key: "$lt", Value: bson.DateTime(rollup.End(to))}}},
		})
		if err != nil {
			return err
		}
		deleted, done = result.DeletedCount, true
		return nil
	})
	if errors.Is(err, errLost) {
		return 0, false, nil
	}
	return deleted, done, err
}

// emptyWait is for how long a mover is waited for: one that moves much takes
// longer, and the days are tried again.
const emptyWait = 2 * time.Second

// waitForLease takes the lease of moves as soon as nobody has it.
func waitForLease(ctx context.Context, db *mongo.Database, length time.Duration) (*lease, error) {
	for began := time.Now(); ; {
		l, _, err := takeLease(ctx, db, length)
		if err == nil || !errors.Is(err, errLost) || time.Since(began) > emptyWait {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for a move to end: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// mayBeEmptied reports whether nothing of the days waits to be moved, and nothing
// up to them to be rolled up. Marks come last: see Empty.
func mayBeEmptied(ctx context.Context, db *mongo.Database, source uuid.UUID, from, to int32) (bool, error) {
	for _, look := range []struct {
		name   string
		filter bson.D
	}{
		{hotCollection, between(source, rollup.Start(from), rollup.End(to))},
		{movingCollection, between(source, rollup.Start(from), rollup.End(to))},
		{marksCollection, markRange([]uuid.UUID{source}, -1<<31, to)},
	} {
		err := despiteMoves(ctx, func() error { return db.Collection(look.name).FindOne(ctx, look.filter).Err() })
		if !errors.Is(err, mongo.ErrNoDocuments) {
			return false, err
		}
	}
	return true, nil
}
