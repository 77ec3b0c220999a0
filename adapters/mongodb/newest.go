package mongodb

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"ampra/core/telemetry"
)

// How the newest readings of many sources are looked for: for those that are
// heard, which are most, in what is recent, many at a time; for the rest one by
// one, some side by side.
const (
	newestTogether = 500
	newestBeside   = 8
	recently       = 2 * time.Minute
	lately         = 16 * time.Minute
)

// Newest returns the newest reading of each source.
func (a *Archive) Newest(ctx context.Context, sources []uuid.UUID, since time.Time) ([]telemetry.Reading, error) {
	db, err := a.open()
	if err != nil {
		return nil, err
	}
	newest := map[uuid.UUID]telemetry.Reading{}
	left, now := sources, time.Now()
	for _, reach := range []time.Duration{recently, lately} {
		from := now.Add(-reach)
		if from.Before(since) {
			from = since
		}
		for some := range slices.Chunk(left, newestTogether) {
			if err := a.recent(ctx, db, some, ceilMS(from), newest); err != nil {
				return nil, fmt.Errorf("reading the newest: %w", err)
			}
		}
		left = slices.DeleteFunc(slices.Clone(left), func(source uuid.UUID) bool { _, found := newest[source]; return found })
		if from.Equal(since) {
			left = nil
		}
	}
	if err := a.oneByOne(ctx, left, since, newest); err != nil {
		return nil, fmt.Errorf("reading the newest: %w", err)
	}
	found := make([]telemetry.Reading, 0, len(newest))
	for _, source := range sources {
		if r, ok := newest[source]; ok {
			found = append(found, r)
		}
	}
	return found, nil
}

// recent adds the newest of what some sources have from a moment on. It looks the
// way that a row goes, so that none is missed.
func (a *Archive) recent(ctx context.Context, db *mongo.Database, some []uuid.UUID, from int64, newest map[uuid.UUID]telemetry.Reading) error {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	rows := newestRows{}
	for _, name := range []string{hotCollection, movingCollection} {
		err := despiteMoves(ctx, func() error {
			return rows.look(ctx, db.Collection(name), anyOf(some, func(source uuid.UUID) (low, high bson.Binary) {
				return idOf(source, from).value(), idOf(source, maxMS).value()
			}))
		})
		if err != nil {
			return fmt.Errorf("looking into %s: %w", name, err)
		}
	}
	values := make(bson.A, len(some))
	for i, source := range some {
		values[i] = sourceValue(source)
	}
	err := rows.look(ctx, db.Collection(collection), bson.D{
		{Key: "meta.source", Value: bson.D{{Key: "$in", Value: values}}},
		{Key: "meta.slot", Value: bson.D{{Key: "$gte", Value: bson.DateTime(slotOf(from))}}},
		{Key: timeField, Value: bson.D{{Key: "$gte", Value: bson.DateTime(from)}}},
	})
	if err != nil {
		return fmt.Errorf("looking into %s: %w", collection, err)
	}
	for source, one := range rows {
		newest[source] = merge(one).Reading
	}
	return nil
}

// newestRows are the rows of each source's newest moment.
type newestRows map[uuid.UUID][]telemetry.Placed

func (n newestRows) look(ctx context.Context, from *mongo.Collection, filter bson.D) error {
	cursor, err := from.Find(ctx, filter, options.Find().SetBatchSize(rowsAtOnce))
	if err != nil {
		return translate(err)
	}
	defer closeCursor(ctx, cursor)
	for cursor.Next(ctx) {
		source, ms, err := identityOf(cursor.Current)
		if err != nil {
			return err
		}
		there := n[source]
		if len(there) > 0 && there[0].Timestamp.UnixMilli() > ms {
			continue // before it is read in full
		}
		row, err := decodeRow(cursor.Current, source)
		if err != nil {
			return err
		}
		switch {
		case len(there) == 0 || there[0].Timestamp.Before(row.Timestamp):
			there = append(there[:0], row)
		case len(there) == maxCopies:
			there = append(there[:0], merge(append(there, row)))
		default:
			there = append(there, row)
		}
		n[source] = there
	}
	return translate(cursor.Err())
}

// identityOf is whose a stored row is, and of when.
func identityOf(row bson.Raw) (source uuid.UUID, ms int64, err error) {
	if id, hot := hotIDOf(row.Lookup(idField)); hot {
		return id.source(), id.ms(), nil
	}
	_, data, ok := row.Lookup(metaField, "source").BinaryOK()
	at, timed := row.Lookup(timeField).DateTimeOK()
	if !ok || !timed || len(data) != len(source) {
		return source, 0, fmt.Errorf("%w: no source or time", errRow)
	}
	return uuid.UUID(data), at, nil
}

// oneByOne adds the newest of sources that are not heard of late.
func (a *Archive) oneByOne(ctx context.Context, sources []uuid.UUID, since time.Time, newest map[uuid.UUID]telemetry.Reading) error {
	found := make([][]telemetry.Reading, len(sources))
	err := beside(ctx, len(sources), func(ctx context.Context, i int) (err error) {
		found[i], err = a.find(ctx, telemetry.Span{SourceID: sources[i], From: since, Order: telemetry.NewestFirst, Limit: 1})
		return err
	})
	for i, one := range found {
		if len(one) > 0 {
			newest[sources[i]] = one[0]
		}
	}
	return err
}

// beside calls act for each of n, some at a time, until one fails.
func beside(ctx context.Context, n int, act func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(newestBeside)
	for i := range n {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return act(ctx, i)
		})
	}
	return group.Wait()
}
