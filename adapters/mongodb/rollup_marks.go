package mongodb

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"ampra/core/rollup"
)

// markRow is a mark as it is stored. Its times are the server's.
type markRow struct {
	ID       bson.Binary `bson:"_id"`
	Earliest int64       `bson:"earliest"`
	Ripe     time.Time   `bson:"ripe"`
	Leased   time.Time   `bson:"leased"`
	Version  int64       `bson:"version"`
}

func markID(m rollup.Mark) bson.Binary {
	id := dayID(m.SourceID, m.Day)
	id.Data = binary.BigEndian.AppendUint64(id.Data, uint64(m.Slot)^1<<63) //nolint:gosec // the sign turned round for its order
	return id
}

func (r markRow) mark() (rollup.Mark, error) {
	source, day, slot, err := readDayID(r.ID)
	if err != nil || len(slot) != 8 {
		return rollup.Mark{}, errors.Join(err, errors.New("an _id that is no mark's"))
	}
	m := rollup.Mark{SourceID: source, Day: day, Earliest: r.Earliest}
	m.Slot = int64(binary.BigEndian.Uint64(slot) ^ 1<<63) //nolint:gosec // as above
	return m, nil
}

// markRange asks for marks of days.
func markRange(sources []uuid.UUID, from, to int32) bson.D {
	return anyOf(sources, func(source uuid.UUID) (low, high bson.Binary) {
		return markID(rollup.Mark{SourceID: source, Day: from, Slot: -1 << 63}), markID(rollup.Mark{SourceID: source, Day: to, Slot: 1<<63 - 1})
	})
}

// marksAtOnce is how many marks go into one command.
const marksAtOnce = 1000

// Raise makes marks durable. The server's clock says when they are ripe.
func (s *Rollups) Raise(ctx context.Context, settle time.Duration, marks ...rollup.Mark) error {
	for some := range slices.Chunk(marks, marksAtOnce) {
		version := rand.Int64() //nolint:gosec // it only has to differ
		updates := make([]mongo.WriteModel, len(some))
		for i, m := range some {
			wait := settle
			if m.Slot == rollup.AtOnce {
				wait = 0
			}
			updates[i] = mongo.NewUpdateOneModel().SetUpsert(true).SetFilter(bson.D{{Key: "_id", Value: markID(m)}}).
				SetUpdate(mongo.Pipeline{{{Key: "$set", Value: bson.D{
					{Key: "earliest", Value: bson.D{{Key: "$min", Value: bson.A{"$earliest", m.Earliest}}}},
					{Key: "ripe", Value: fromNow(wait)},
					{Key: "leased", Value: "$$NOW"},
					{Key: "version", Value: version},
				}}}})
		}
		err := s.use(ctx, "raising marks", func(ctx context.Context, db *mongo.Database) error {
			return raise(ctx, db, updates)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// raise writes, and again what another process made at the same moment.
func raise(ctx context.Context, db *mongo.Database, updates []mongo.WriteModel) error {
	for {
		_, err := db.Collection(marksCollection).BulkWrite(ctx, updates, options.BulkWrite().SetOrdered(false))
		if err == nil || !knownAlready(err) {
			return err
		}
		refused, _ := errors.AsType[mongo.BulkWriteException](err)
		again := make([]mongo.WriteModel, len(refused.WriteErrors))
		for i, e := range refused.WriteErrors {
			again[i] = updates[e.Index]
		}
		updates = again
	}
}

// serverTime is the primary's clock.
func serverTime(ctx context.Context, db *mongo.Database) (time.Time, error) {
	var hello struct {
		LocalTime time.Time `bson:"localTime"`
	}
	if err := db.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return time.Time{}, fmt.Errorf("asking for the server's time: %w", err)
	}
	return hello.LocalTime, nil
}

// Take gives the caller marks: it looks for some, claims those that are still
// free, and reads what it got.
func (s *Rollups) Take(ctx context.Context, limit int, lease time.Duration) (taken []rollup.Taken, err error) {
	err = s.use(ctx, "taking marks", func(ctx context.Context, db *mongo.Database) error {
		now, err := serverTime(ctx, db)
		if err != nil {
			return err
		}
		free := bson.D{
			{Key: "ripe", Value: bson.D{{Key: "$lte", Value: now}}}, {Key: "leased", Value: bson.D{{Key: "$lte", Value: now}}},
		}
		rows, err := findMarks(ctx, db, free, options.Find().SetSort(bson.D{{Key: "ripe", Value: 1}, {Key: "_id", Value: 1}}).SetLimit(int64(limit)))
		if err != nil || len(rows) == 0 {
			return err
		}
		ids := make(bson.A, len(rows))
		for i, row := range rows {
			ids[i] = row.ID
		}
		version := rand.Int64() //nolint:gosec // it only has to differ
		chosen := bson.E{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}
		_, err = db.Collection(marksCollection).UpdateMany(ctx, append(bson.D{chosen}, free...), mongo.Pipeline{{{Key: "$set", Value: bson.D{
			{Key: "leased", Value: fromNow(lease)}, {Key: "version", Value: version},
		}}}})
		if err != nil {
			return err
		}
		rows, err = findMarks(ctx, db, bson.D{chosen, {Key: "version", Value: version}}, options.Find())
		if err != nil {
			return err
		}
		slices.SortFunc(rows, func(a, b markRow) int { return a.Ripe.Compare(b.Ripe) })
		for _, row := range rows {
			m, err := row.mark()
			if err != nil {
				return err
			}
			taken = append(taken, rollup.Taken{Mark: m, Version: row.Version, Age: now.Sub(row.Ripe)})
		}
		return nil
	})
	return taken, err
}

func findMarks(ctx context.Context, db *mongo.Database, filter bson.D, o *options.FindOptionsBuilder) ([]markRow, error) {
	cursor, err := db.Collection(marksCollection).Find(ctx, filter, o.SetBatchSize(rowsAtOnce))
	if err != nil {
		return nil, err
	}
	var rows []markRow
	err = cursor.All(ctx, &rows)
	return rows, err
}

// Drop removes marks that are still the caller's.
func (s *Rollups) Drop(ctx context.Context, taken ...rollup.Taken) error {
	for some := range slices.Chunk(taken, marksAtOnce) {
		of := map[int64]bson.A{} // by version: one for all that were taken together
		for _, m := range some {
			of[m.Version] = append(of[m.Version], markID(m.Mark))
		}
		err := s.use(ctx, "dropping marks", func(ctx context.Context, db *mongo.Database) error {
			for version, ids := range of {
				_, err := db.Collection(marksCollection).DeleteMany(ctx,
					bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}, {Key: "version", Value: version}})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Waiting returns all marks of sources.
func (s *Rollups) Waiting(ctx context.Context, sources []uuid.UUID, from, to int32) ([]rollup.Mark, error) {
	var found []rollup.Mark
	for some := range slices.Chunk(sources, sourcesAtOnce) {
		of := map[uuid.UUID][]rollup.Mark{}
		err := s.use(ctx, "looking for marks", func(ctx context.Context, db *mongo.Database) error {
			rows, err := findMarks(ctx, db, markRange(some, from, to), options.Find())
			for _, row := range rows {
				m, err := row.mark()
				if err != nil {
					return err
				}
				of[m.SourceID] = append(of[m.SourceID], m)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, source := range some {
			slices.SortFunc(of[source], func(a, b rollup.Mark) int { return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Slot, b.Slot)) })
			found = append(found, of[source]...)
		}
	}
	return found, nil
}

// Backlog counts the marks.
func (s *Rollups) Backlog(ctx context.Context) (backlog rollup.Backlog, err error) {
	err = s.use(ctx, "counting marks", func(ctx context.Context, db *mongo.Database) error {
		now, err := serverTime(ctx, db)
		if err != nil {
			return err
		}
		if backlog.Marks, err = db.Collection(marksCollection).EstimatedDocumentCount(ctx); err != nil {
			return err
		}
		oldest, err := findMarks(ctx, db, bson.D{}, options.Find().SetSort(bson.D{{Key: "ripe", Value: 1}}).SetLimit(1))
		if err == nil && len(oldest) > 0 {
			backlog.Oldest = max(0, now.Sub(oldest[0].Ripe))
		}
		return err
	})
	return backlog, err
}
