package mongodb

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"ampra/core/rollup"
)

// sourcesAtOnce is for how many sources one query asks, daysNamed up to how many
// days of each it names every one: the server looks up what is named in less time
// than it takes to plan for a range.
const (
	sourcesAtOnce = 500
	daysNamed     = 8
)

// daysOf asks for rows of days of some sources.
func daysOf(sources []uuid.UUID, from, to int32) bson.D {
	if len(sources) == 1 || int64(to)-int64(from) >= daysNamed {
		return dayRange(sources, from, to)
	}
	ids := make(bson.A, 0, len(sources)*daysNamed)
	for _, source := range sources {
		for day := int64(from); day <= int64(to); day++ {
			ids = append(ids, dayID(source, int32(day))) //nolint:gosec // between two of them
		}
	}
	return bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}
}

// Last returns the last row of each source before a day: most often it is one of
// the days before.
func (s *Rollups) Last(ctx context.Context, sources []uuid.UUID, day int32, parts rollup.Parts) ([]rollup.Day, error) {
	if day == -1<<31 {
		return nil, nil // nothing is before it
	}
	var found []rollup.Day
	for some := range slices.Chunk(sources, sourcesAtOnce) {
		last := map[uuid.UUID]rollup.Day{}
		near := int32(max(int64(day)-daysNamed, -1<<31)) //nolint:gosec // not below it
		rows, err := s.Load(ctx, some, near, day-1, parts)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			last[row.SourceID] = row
		}
		if err := s.farBefore(ctx, some, near, parts, last); err != nil {
			return nil, err
		}
		for _, source := range some {
			if row, ok := last[source]; ok {
				found = append(found, row)
			}
		}
	}
	return found, nil
}

// farBefore looks one by one for those that have no row yet, unless none of them
// has one.
func (s *Rollups) farBefore(ctx context.Context, sources []uuid.UUID, day int32, parts rollup.Parts, last map[uuid.UUID]rollup.Day) error {
	left := slices.DeleteFunc(slices.Clone(sources), func(source uuid.UUID) bool { _, found := last[source]; return found })
	if len(left) == 0 || day == -1<<31 {
		return nil
	}
	if _, any, err := s.firstBefore(ctx, left, day); err != nil || !any {
		return err
	}
	rows := make([]rollup.Day, len(left))
	err := beside(ctx, len(left), func(ctx context.Context, i int) (err error) {
		rows[i], _, err = s.Before(ctx, left[i], day, parts)
		return err
	})
	for _, row := range rows {
		if row.Revision > 0 {
			last[row.SourceID] = row
		}
	}
	return err
}

// First is the first day that any of the sources has.
func (s *Rollups) First(ctx context.Context, sources []uuid.UUID) (first int32, ok bool, err error) {
	first = 1<<31 - 1
	for some := range slices.Chunk(sources, sourcesAtOnce) {
		// What comes first in the order of _id is the first of its source: it may only
		// be another's that is earlier still, and each time fewer are.
		for {
			earlier, any, err := s.firstBefore(ctx, some, first)
			if err != nil {
				return 0, false, err
			}
			if !any {
				break
			}
			first, ok = earlier, true
			if len(some) == 1 {
				break
			}
		}
	}
	if !ok {
		first = 0
	}
	return first, ok, nil
}

// firstBefore is the first day of one of those sources that have one before day.
func (s *Rollups) firstBefore(ctx context.Context, sources []uuid.UUID, day int32) (first int32, ok bool, err error) {
	if day == -1<<31 {
		return 0, false, nil
	}
	err = s.use(ctx, "looking for the first day", func(ctx context.Context, db *mongo.Database) error {
		o := options.Find().SetProjection(bson.D{{Key: "_id", Value: 1}}).SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(1)
		return eachDay(ctx, db, dayRange(sources, -1<<31, day-1), o, func(row rollup.Day) { first, ok = row.Day, true })
	})
	return first, ok, err
}
