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
	"ampra/core/telemetry"
)

// Latest returns the reading with the newest timestamp, or a fault NotFound.
func (a *Archive) Latest(ctx context.Context, source uuid.UUID) (telemetry.Reading, error) {
	found, err := a.find(ctx, telemetry.Span{SourceID: source, Order: telemetry.NewestFirst, Limit: 1})
	if err != nil {
		return telemetry.Reading{}, fmt.Errorf("reading the latest: %w", err)
	}
	if len(found) == 0 {
		return telemetry.Reading{}, fault.New(fault.NotFound, "There is no reading yet.")
	}
	return found[0], nil
}

// History returns the readings of a span, merged by identity. What was written
// before is found: it reads from the primary what a majority has.
func (a *Archive) History(ctx context.Context, query telemetry.Span) ([]telemetry.Reading, error) {
	found, err := a.find(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("reading history: %w", err)
	}
	return found, nil
}

// Blank reports whether there is no reading of any source.
func (a *Archive) Blank(ctx context.Context) (bool, error) {
	db, err := a.open()
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	// The way that a row goes, so that none is missed.
	for _, name := range []string{hotCollection, movingCollection, collection} {
		err := db.Collection(name).FindOne(ctx, bson.D{}).Err()
		if err == nil {
			return false, nil
		}
		if !errors.Is(err, mongo.ErrNoDocuments) {
			return false, fmt.Errorf("looking for a reading: %w", translate(err))
		}
	}
	return true, nil
}

func sourceValue(source uuid.UUID) bson.Binary {
	return bson.Binary{Subtype: bson.TypeBinaryUUID, Data: source[:]}
}

// find looks through a span until the limit is reached.
func (a *Archive) find(ctx context.Context, query telemetry.Span) ([]telemetry.Reading, error) {
	if query.Limit < 1 {
		return nil, fault.New(fault.Invalid, "A limit of %d: 1 is the least.", query.Limit)
	}
	db, err := a.open()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	whole := bounds(query)
	waiting, err := wait(ctx, db, whole)
	if err != nil {
		return nil, err
	}
	var found []telemetry.Reading
	for _, part := range split(whole, time.Now()) {
		part.Limit = query.Limit - len(found)
		if part.Limit == 0 || part.isEmpty() {
			continue
		}
		if found, err = scan(ctx, db, part, waiting, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// part is a span in Unix milliseconds, from inclusive, to exclusive.
type part struct {
	telemetry.Span
	from, to int64
}

// The bounds of a span that is open.
const (
	minMS = -1 << 50
	maxMS = 1 << 50
)

func (p part) isEmpty() bool { return p.from >= p.to }

func bounds(query telemetry.Span) part {
	whole := part{Span: query, from: minMS, to: maxMS}
	if !query.From.IsZero() {
		whole.from = ceilMS(query.From)
	}
	if !query.To.IsZero() {
		whole.to = ceilMS(query.To)
	}
	return whole
}

// split cuts a span in two: what probably is enough for the limit, and the rest.
// The server reads some megabytes of buckets ahead of what it is asked for,
// unless the question itself is bounded.
func split(whole part, now time.Time) []part {
	const usual = 5 * 60_000 // milliseconds between two readings
	near := max((24 * time.Hour).Milliseconds(), int64(min(whole.Limit, 1e6))*usual)
	var edge int64
	switch {
	case whole.Order == telemetry.NewestFirst && whole.to != maxMS:
		edge = slotOf(whole.to - near)
	case whole.Order == telemetry.NewestFirst:
		edge = slotOf(now.UnixMilli() - near)
	case whole.from != minMS:
		edge = slotOf(whole.from + near)
	default:
		return []part{whole}
	}
	edge = min(max(edge, whole.from), whole.to)
	older, newer := whole, whole
	older.to, newer.from = edge, edge
	if whole.Order == telemetry.NewestFirst {
		return []part{newer, older}
	}
	return []part{older, newer}
}

// ceilMS is the first millisecond that is not before t.
func ceilMS(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	return ms
}

// scan appends the readings of a span to found. It reads the series slot by slot,
// which is an index's order, and sorts and merges what is in each, together with
// what waits.
func scan(ctx context.Context, db *mongo.Database, p part, w *waiting, found []telemetry.Reading) ([]telemetry.Reading, error) {
	direction := 1
	if p.Order == telemetry.NewestFirst {
		direction = -1
	}
	cursor, err := db.Collection(collection).Find(ctx, filter(p), options.Find().
		SetSort(bson.D{{Key: "meta.slot", Value: direction}}).SetProjection(p.projection()).
		SetBatchSize(batchSize(p)))
	if err != nil {
		return nil, translate(err)
	}
	defer closeCursor(ctx, cursor)
	end := len(found) + p.Limit
	group := newGroup(p.Order, p.Limit)
	for cursor.Next(ctx) {
		if len(found) == cap(found) {
			found = slices.Grow(found, min(cursor.RemainingBatchLength()+1, p.Limit))
		}
		row, err := decodeRow(cursor.Current, p.SourceID)
		if err != nil {
			return nil, err
		}
		ms := row.Timestamp.UnixMilli()
		if ms < p.from || ms >= p.to {
			continue
		}
		if slot := slotOf(ms); slot != group.slot {
			w.give(p.edge(slot), group)
			if found = group.flush(found, end); len(found) == end {
				return found, nil
			}
			group.slot = slot
		}
		group.add(row)
	}
	if err := cursor.Err(); err != nil {
		return nil, translate(err)
	}
	w.give(p.end(), group)
	return group.flush(found, end), nil
}

// batchSize is how many rows come in one answer of the server.
func batchSize(p part) int32 { return int32(min(p.Limit+1, rowsAtOnce)) } //nolint:gosec // bounded

// projection leaves out what is not wanted, which spares the server the unpacking
// of its columns; nil for nothing.
func (p part) projection() any {
	if p.Fields == nil {
		return nil
	}
	wanted := bson.D{}
	for _, name := range []string{timeField, receivedField, partitionField, offsetField, indexField} {
		wanted = append(wanted, bson.E{Key: name, Value: 1})
	}
	for _, f := range p.Fields {
		wanted = append(wanted, bson.E{Key: fieldNames[f], Value: 1})
	}
	return wanted
}

// edge is where a slot begins for one who comes in the order of the span.
func (p part) edge(slot int64) int64 {
	if p.Order == telemetry.NewestFirst {
		return slot + slotLength.Milliseconds()
	}
	return slot
}

// end is where the part ends for one who comes in its order.
func (p part) end() int64 {
	if p.Order == telemetry.NewestFirst {
		return p.from
	}
	return p.to
}

// filter asks for whole slots. A bound of time in it would make the server sort
// all that it finds, before it returns the first.
func filter(p part) bson.D {
	query := bson.D{{Key: "meta.source", Value: sourceValue(p.SourceID)}}
	var slots bson.D
	if p.from != minMS {
		slots = append(slots, bson.E{Key: "$gte", Value: bson.DateTime(slotOf(p.from))})
	}
	if p.to != maxMS {
		slots = append(slots, bson.E{Key: "$lte", Value: bson.DateTime(slotOf(p.to - 1))})
	}
	if len(slots) > 0 {
		query = append(query, bson.E{Key: "meta.slot", Value: slots})
	}
	return query
}

// closeCursor frees the cursor on the server, also when the call's own context
// has ended.
func closeCursor(ctx context.Context, cursor *mongo.Cursor) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = cursor.Close(ctx) // the server forgets it by itself, later
}
