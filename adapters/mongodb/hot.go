package mongodb

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"ampra/core/telemetry"
)

// Readings come into a plain collection, hot, and are moved from there into the
// time series, many of a source at a time: a time series takes the server as much
// work for one reading of a source as for twenty. While a move is under way, what
// is moved lies in a third collection, moving, which is hot under another name.
//
// A row of hot has the reading's identity as its _id, so that what comes twice is
// found out by itself. These collections have no options and no further index: the
// server makes hot by itself with the first insert after a move has begun, and what
// it makes must be right.
const (
	hotCollection    = "readings_hot"
	movingCollection = "readings_moving"
	idField          = "_id"
)

// hotID is the _id of a row in hot: the source and the time, whose order is theirs.
type hotID [24]byte

func idOf(source uuid.UUID, ms int64) hotID {
	var id hotID
	copy(id[:], source[:])
	binary.BigEndian.PutUint64(id[16:], uint64(ms)^1<<63) //nolint:gosec // two's complement, the sign turned round for its order
	return id
}

func (id hotID) source() uuid.UUID { return uuid.UUID(id[:16]) }

func (id hotID) ms() int64 {
	return int64(binary.BigEndian.Uint64(id[16:]) ^ 1<<63) //nolint:gosec // as above
}

func (id hotID) value() bson.Binary { return bson.Binary{Data: id[:]} }

// hotIDOf reads an _id; false is another collection's.
func hotIDOf(value bson.RawValue) (hotID, bool) {
	_, data, ok := value.BinaryOK()
	if !ok || len(data) != len(hotID{}) {
		return hotID{}, false
	}
	return hotID(data), true
}

// hotHead is how many bytes of a row in hot come before what it shares with a row
// of the series: its length and its _id.
const hotHead = 4 + 1 + len(idField) + 1 + 4 + 1 + len(hotID{})

// appendHotRow appends a reading as a document of hot.
func appendHotRow(dst []byte, r *telemetry.Placed) []byte {
	id := idOf(r.SourceID, r.Timestamp.UnixMilli())
	dst, at := startDocument(dst)
	dst = append(appendBinary(dst, idField, bson.TypeBinaryGeneric, len(id)), id[:]...)
	return endDocument(appendMeasured(dst, r), at)
}

// appendSeriesRow appends the row of the series that a row of hot becomes.
func appendSeriesRow(dst []byte, hot []byte) []byte {
	id := hotID(hot[hotHead-len(hotID{}) : hotHead])
	dst, at := startDocument(dst)
	dst = appendIdentity(dst, id.source(), id.ms())
	dst = append(dst, hot[hotHead:len(hot)-1]...)
	return endDocument(dst, at)
}

// isHotRow reports whether a document is laid out as appendHotRow does.
func isHotRow(row bson.Raw) bool {
	if len(row) <= hotHead {
		return false
	}
	first, err := row.IndexErr(0)
	if err != nil || first.Key() != idField {
		return false
	}
	_, ok := hotIDOf(first.Value())
	return ok
}

// waiting are the rows of a span that are not in the series yet, or were not when
// they were looked for. They are given in the order of the span.
type waiting struct{ *group }

// wait looks for rows in hot and then in moving: the way that a row goes, so that
// none is missed. Of each collection it takes the first moments of the span, as
// many as the limit.
func wait(ctx context.Context, db *mongo.Database, p part) (*waiting, error) {
	w := &waiting{group: newGroup(p.Order, p.Limit)}
	for _, name := range []string{hotCollection, movingCollection} {
		// What a move took away from under the query is found in the next place.
		err := despiteMoves(ctx, func() error { return w.look(ctx, db.Collection(name), p) })
		if err != nil {
			return nil, fmt.Errorf("looking into %s: %w", name, err)
		}
	}
	w.settle()
	return w, nil
}

func (w *waiting) look(ctx context.Context, from *mongo.Collection, p part) error {
	direction := 1
	if p.Order == telemetry.NewestFirst {
		direction = -1
	}
	cursor, err := from.Find(ctx, between(p.SourceID, p.from, p.to), options.Find().
		SetSort(bson.D{{Key: idField, Value: direction}}).SetLimit(int64(p.Limit)).
		SetProjection(p.projection()).SetBatchSize(batchSize(p)))
	if err != nil {
		return translate(err)
	}
	defer closeCursor(ctx, cursor)
	for cursor.Next(ctx) {
		row, err := decodeRow(cursor.Current, p.SourceID)
		if err != nil {
			return err
		}
		w.add(row)
	}
	return translate(cursor.Err())
}

// give adds to a group what comes before an edge, in the order of the query: after
// it when that is the newest first, from it on included.
func (w *waiting) give(edge int64, to *group) {
	n := slices.IndexFunc(w.rows, func(row telemetry.Placed) bool {
		ms := row.Timestamp.UnixMilli()
		if w.order == telemetry.NewestFirst {
			return ms < edge
		}
		return ms >= edge
	})
	if n < 0 {
		n = len(w.rows)
	}
	for _, row := range w.rows[:n] {
		to.add(row)
	}
	w.rows = w.rows[n:]
}

// between asks for the rows of a source in hot or moving.
func between(source uuid.UUID, from, to int64) bson.D {
	return bson.D{{Key: idField, Value: bson.D{
		{Key: "$gte", Value: idOf(source, from).value()}, {Key: "$lt", Value: idOf(source, to).value()},
	}}}
}

// Codes of the server for what a move does to others who are reading.
const (
	codeCursorNotFound  = 43
	codeQueryPlanKilled = 175
)

// despiteMoves acts again when the collection was renamed or dropped meanwhile.
func despiteMoves(ctx context.Context, act func() error) error {
	const often = 20
	for attempt := 1; ; attempt++ {
		err := act()
		if err == nil || attempt == often || !hasCode(err, codeQueryPlanKilled) && !hasCode(err, codeCursorNotFound) {
			return err
		}
		select {
		case <-ctx.Done():
			return translate(ctx.Err())
		case <-time.After(time.Duration(attempt) * time.Millisecond):
		}
	}
}
