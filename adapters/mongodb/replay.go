package mongodb

import (
	"context"
	"errors"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"ampra/core/telemetry"
)

var errBusy = errors.New("others are writing the same readings")

// mostTaken bounds how often an insert looks what is there. Once is the rule: more
// often it takes when others write the same readings at the same time.
const mostTaken = 8

// again goes on with rows of which the first, at least, is in hot already. What was
// written at the same position is a replay and done. A second reading of an
// identity, from another position, goes straight to the series: there, rows of one
// identity may lie beside each other until a query merges them.
func (ins *inserter) again(ctx context.Context, rows []span) {
	if ins.taken++; ins.taken > 1 {
		if ins.taken > mostTaken {
			ins.fail(rows, errBusy)
			return
		}
		select { // a row that is not safe yet is not found yet
		case <-ctx.Done():
		case <-time.After(time.Duration(ins.taken) * time.Millisecond):
		}
	}
	known, err := ins.positions(ctx, rows)
	if err != nil {
		ins.fail(rows, err)
		return
	}
	var left, beside []span
	for _, row := range rows {
		id := ins.id(row)
		position, isThere := known[id]
		switch {
		case !isThere:
			left = append(left, row)
		case position != positionOf(bson.Raw(ins.rows[row.from:row.to])):
			beside = append(beside, row)
		}
	}
	if len(left) > 0 {
		ins.insert(ctx, left)
	}
	if len(beside) > 0 {
		ins.insertBeside(ctx, beside)
	}
}

// insertBeside puts rows into the series.
func (ins *inserter) insertBeside(ctx context.Context, rows []span) {
	series := make([]span, len(rows))
	for i, row := range rows {
		from := len(ins.rows)
		ins.rows = appendSeriesRow(ins.rows, ins.rows[row.from:row.to])
		series[i] = span{from, len(ins.rows), row.of}
	}
	ins.into = collection
	ins.insert(ctx, series)
	ins.into = hotCollection
}

func (ins *inserter) id(row span) hotID {
	return hotID(ins.rows[row.from+hotHead-len(hotID{}) : row.from+hotHead])
}

// positions are those of the rows that are in hot, as far as they are safe.
func (ins *inserter) positions(ctx context.Context, rows []span) (map[hotID]telemetry.Position, error) {
	list, at := startDocument(nil)
	for i, row := range rows {
		id := ins.id(row)
		list = append(appendBinary(list, strconv.Itoa(i), bson.TypeBinaryGeneric, len(id)), id[:]...)
	}
	list = endDocument(list, at)
	cursor, err := ins.db.Collection(hotCollection).Find(ctx,
		bson.D{{Key: idField, Value: bson.D{{Key: "$in", Value: bson.RawValue{Type: bson.TypeArray, Value: list}}}}},
		options.Find().SetBatchSize(int32(len(rows)+1)). //nolint:gosec // a write is far smaller
									SetProjection(bson.D{{Key: partitionField, Value: 1}, {Key: offsetField, Value: 1}, {Key: indexField, Value: 1}}))
	if err != nil {
		return nil, err
	}
	defer closeCursor(ctx, cursor)
	known := make(map[hotID]telemetry.Position, len(rows))
	for cursor.Next(ctx) {
		if id, ok := hotIDOf(cursor.Current.Lookup(idField)); ok {
			known[id] = positionOf(cursor.Current)
		}
	}
	return known, cursor.Err()
}

// positionOf reads a row's position.
func positionOf(row bson.Raw) telemetry.Position {
	var p telemetry.Position
	p.Partition, _ = row.Lookup(partitionField).Int32OK()
	p.Offset, _ = row.Lookup(offsetField).Int64OK()
	p.Index, _ = row.Lookup(indexField).Int32OK()
	return p
}
