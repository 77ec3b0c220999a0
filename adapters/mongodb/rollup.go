package mongodb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"ampra/core/fault"
	"ampra/core/rollup"
)

var _ rollup.Store = (*Rollups)(nil)

// The collections of roll-ups. A row's _id is its source and its day, in the order
// of days, and a mark's has the slot behind them.
const (
	daysCollection  = "rollup_days"
	marksCollection = "rollup_marks"
	notesCollection = "rollup_notes"
)

// Rollups keeps marks and the rows of days in collections of the archive's
// database. It answers fault Unavailable until the archive is set up.
type Rollups struct{ archive *Archive }

// Rollups returns the roll-ups beside the archive.
func (a *Archive) Rollups() *Rollups { return &Rollups{archive: a} }

// Setup makes the indexes. The archive must be set up before. It may be
// called again, and by several processes at once.
func (s *Rollups) Setup(ctx context.Context) error {
	return s.use(ctx, "preparing the roll-ups", func(ctx context.Context, db *mongo.Database) error {
		_, err := db.Collection(marksCollection).Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "ripe", Value: 1}}})
		if err != nil {
			return err
		}
		_, err = db.Collection(daysCollection).Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{
			{Key: "stage", Value: 1}, {Key: "day", Value: 1}, {Key: "_id", Value: 1}, {Key: "rolledAt", Value: 1},
		}})
		return err
	})
}

// use bounds an act in time and translates its error; faults stay as they are.
func (s *Rollups) use(ctx context.Context, what string, act func(context.Context, *mongo.Database) error) error {
	db, err := s.archive.open()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.archive.cfg.Timeout)
	defer cancel()
	err = act(ctx, db)
	if err == nil || fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound) {
		return err
	}
	return fmt.Errorf("%s: %w", what, translate(err))
}

// Load returns rows, by source as asked and by day.
func (s *Rollups) Load(ctx context.Context, sources []uuid.UUID, from, to int32, parts rollup.Parts) ([]rollup.Day, error) {
	var found []rollup.Day
	for some := range slices.Chunk(sources, sourcesAtOnce) {
		of := map[uuid.UUID][]rollup.Day{}
		err := s.use(ctx, "loading days", func(ctx context.Context, db *mongo.Database) error {
			return eachDay(ctx, db, daysOf(some, from, to), options.Find().SetProjection(wanted(parts)).SetSort(bson.D{{Key: "_id", Value: 1}}),
				func(day rollup.Day) { of[day.SourceID] = append(of[day.SourceID], day) })
		})
		if err != nil {
			return nil, err
		}
		for _, source := range some {
			found = append(found, of[source]...)
		}
	}
	return found, nil
}

// dayRange asks for rows of days.
func dayRange(sources []uuid.UUID, from, to int32) bson.D {
	return anyOf(sources, func(source uuid.UUID) (low, high bson.Binary) { return dayID(source, from), dayID(source, to) })
}

// anyOf asks for what lies between two _ids, both included, for any of the
// sources.
func anyOf(sources []uuid.UUID, bounds func(source uuid.UUID) (low, high bson.Binary)) bson.D {
	ranges := make(bson.A, len(sources))
	for i, source := range sources {
		low, high := bounds(source)
		one := bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: low}, {Key: "$lte", Value: high}}}}
		if len(sources) == 1 {
			return one
		}
		ranges[i] = one
	}
	return bson.D{{Key: "$or", Value: ranges}}
}

// Before returns the last row before a day.
func (s *Rollups) Before(ctx context.Context, source uuid.UUID, day int32, parts rollup.Parts) (rollup.Day, bool, error) {
	return s.neighbour(ctx, parts, -1, bson.D{{Key: "$gte", Value: dayID(source, -1<<31)}, {Key: "$lt", Value: dayID(source, day)}})
}

// After returns the first row behind a day.
func (s *Rollups) After(ctx context.Context, source uuid.UUID, day int32, parts rollup.Parts) (rollup.Day, bool, error) {
	return s.neighbour(ctx, parts, 1, bson.D{{Key: "$gt", Value: dayID(source, day)}, {Key: "$lte", Value: dayID(source, 1<<31-1)}})
}

// SealedAfter returns the first row behind a day that is not Whole.
func (s *Rollups) SealedAfter(ctx context.Context, source uuid.UUID, day int32, parts rollup.Parts) (found rollup.Day, ok bool, err error) {
	filter := bson.D{
		{Key: "_id", Value: bson.D{{Key: "$gt", Value: dayID(source, day)}, {Key: "$lte", Value: dayID(source, 1<<31-1)}}},
		{Key: "stage", Value: bson.D{{Key: "$gt", Value: rollup.Whole}}},
	}
	err = s.use(ctx, "looking for the next sealed day", func(ctx context.Context, db *mongo.Database) error {
		o := options.Find().SetProjection(wanted(parts)).SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(1).SetHint(bson.D{{Key: "_id", Value: 1}})
		return eachDay(ctx, db, filter, o, func(day rollup.Day) { found, ok = day, true })
	})
	return found, ok, err
}

func (s *Rollups) neighbour(ctx context.Context, parts rollup.Parts, order int, bounds bson.D) (found rollup.Day, ok bool, err error) {
	err = s.use(ctx, "looking for a day's neighbour", func(ctx context.Context, db *mongo.Database) error {
		o := options.Find().SetProjection(wanted(parts)).SetSort(bson.D{{Key: "_id", Value: order}}).SetLimit(1)
		return eachDay(ctx, db, bson.D{{Key: "_id", Value: bounds}}, o, func(day rollup.Day) { found, ok = day, true })
	})
	return found, ok, err
}

// Save stores a row under the next revision. An erased source is noted before its
// rows are deleted: who saves looks for the note afterwards, and deletes again what
// came too late.
func (s *Rollups) Save(ctx context.Context, day rollup.Day) error {
	return s.use(ctx, "saving a day", func(ctx context.Context, db *mongo.Database) error {
		if err := saveDay(ctx, db, day); err != nil {
			return err
		}
		gone, err := isErased(ctx, db, day.SourceID)
		if err == nil && gone {
			_, err = db.Collection(daysCollection).DeleteOne(ctx, bson.D{{Key: "_id", Value: dayID(day.SourceID, day.Day)}})
		}
		if err == nil && gone {
			return fault.New(fault.NotFound, "The source was erased.")
		}
		return err
	})
}

func isErased(ctx context.Context, db *mongo.Database, source uuid.UUID) (bool, error) {
	err := db.Collection(erasedCollection).FindOne(ctx, bson.D{{Key: idField, Value: sourceValue(source)}}).Err()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, nil
	}
	return err == nil, err
}

func saveDay(ctx context.Context, db *mongo.Database, day rollup.Day) error {
	conflict := fault.New(fault.Conflict, "The day was rolled up by another process meanwhile.")
	row := dayRow{
		ID: dayID(day.SourceID, day.Day), Revision: day.Revision + 1, Through: day.Through, RolledAt: time.Now().UTC(), Day: day.Day, Stage: day.Stage,
		Before: day.Before[:], State: day.State, Energy: day.Energy, Hours: day.Hours, Minutes: day.Minutes,
	}
	if day.Revision == 0 {
		_, err := db.Collection(daysCollection).InsertOne(ctx, row)
		if mongo.IsDuplicateKeyError(err) {
			return conflict
		}
		return err
	}
	done, err := db.Collection(daysCollection).ReplaceOne(ctx, bson.D{{Key: "_id", Value: row.ID}, {Key: "revision", Value: day.Revision}}, row)
	if err == nil && done.MatchedCount == 0 {
		return conflict
	}
	return err
}

// Noted reports whether a name is noted.
func (s *Rollups) Noted(ctx context.Context, name string) (noted bool, err error) {
	err = s.use(ctx, "looking for a note", func(ctx context.Context, db *mongo.Database) error {
		err := db.Collection(notesCollection).FindOne(ctx, bson.D{{Key: "_id", Value: name}}).Err()
		if noted = err == nil; errors.Is(err, mongo.ErrNoDocuments) {
			return nil
		}
		return err
	})
	return noted, err
}

// Note remembers a name.
func (s *Rollups) Note(ctx context.Context, name string) error {
	return s.use(ctx, "noting", func(ctx context.Context, db *mongo.Database) error {
		_, err := db.Collection(notesCollection).UpdateOne(ctx, bson.D{{Key: "_id", Value: name}},
			bson.D{{Key: "$currentDate", Value: bson.D{{Key: "at", Value: true}}}}, options.UpdateOne().SetUpsert(true))
		if mongo.IsDuplicateKeyError(err) {
			return nil
		}
		return err
	})
}

// eraseRollups removes a source's rows and marks.
func eraseRollups(ctx context.Context, db *mongo.Database, source uuid.UUID) error {
	if _, err := db.Collection(marksCollection).DeleteMany(ctx, markRange([]uuid.UUID{source}, -1<<31, 1<<31-1)); err != nil {
		return err
	}
	_, err := db.Collection(daysCollection).DeleteMany(ctx, dayRange([]uuid.UUID{source}, -1<<31, 1<<31-1))
	return err
}
