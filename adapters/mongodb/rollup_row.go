package mongodb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"ampra/core/rollup"
)

// dayID is the _id of a day's row.
func dayID(source uuid.UUID, day int32) bson.Binary {
	return bson.Binary{Data: binary.BigEndian.AppendUint32(source[:16:16], uint32(day)^1<<31)} //nolint:gosec // the sign turned round for its order
}

// readDayID is the source and the day of an _id, and what is behind them.
func readDayID(id bson.Binary) (source uuid.UUID, day int32, rest []byte, err error) {
	if len(id.Data) < 20 {
		return uuid.Nil, 0, nil, errors.New("an _id that is no day's")
	}
	day = int32(binary.BigEndian.Uint32(id.Data[16:]) ^ 1<<31) //nolint:gosec // as above
	return uuid.UUID(id.Data[:16]), day, id.Data[20:], nil
}

// dayRow is a row as it is stored.
type dayRow struct {
	ID       bson.Binary `bson:"_id"`
	Revision int64       `bson:"revision"`
	Through  int64       `bson:"through"`
	RolledAt time.Time   `bson:"rolledAt"`
	// Day is the number of the day, by which those that are over are found.
	Day     int32        `bson:"day"`
	Stage   rollup.Stage `bson:"stage"`
	Before  []byte       `bson:"before"`
	State   []byte       `bson:"state"`
	Energy  []byte       `bson:"energy"`
	Hours   []byte       `bson:"hours"`
	Minutes []byte       `bson:"minutes"`
}

// readDay reads a dayRow, of which parts may be missing. The driver's own way takes
// three times as long: it makes a buffer of 4 KB for each row.
func readDay(row bson.Raw) (rollup.Day, error) {
	var day rollup.Day
	elements, err := row.Elements()
	if err != nil {
		return day, fmt.Errorf("%w: %w", errRow, err)
	}
	for _, element := range elements {
		name, value := element.Key(), element.Value()
		ok := true
		switch name {
		case idField:
			day.SourceID, day.Day, ok = dayIDOf(value)
		case "revision":
			day.Revision, ok = value.Int64OK()
		case "through":
			day.Through, ok = value.Int64OK()
		case "rolledAt":
			day.RolledAt, ok = moment(value)
		case "stage":
			var stage int32
			stage, ok = value.Int32OK()
			day.Stage = rollup.Stage(stage) //nolint:gosec // as it was stored
		case "before":
			var before []byte
			before, ok = blob(value)
			copy(day.Before[:], before)
		case "state":
			day.State, ok = blob(value)
		case "energy":
			day.Energy, ok = blob(value)
		case "hours":
			day.Hours, ok = blob(value)
		case "minutes":
			day.Minutes, ok = blob(value)
		}
		if !ok {
			return day, fmt.Errorf("%w: field %q", errRow, name)
		}
	}
	return day, nil
}

func dayIDOf(value bson.RawValue) (source uuid.UUID, day int32, ok bool) {
	subtype, data, ok := value.BinaryOK()
	if !ok {
		return source, 0, false
	}
	source, day, _, err := readDayID(bson.Binary{Subtype: subtype, Data: data})
	return source, day, err == nil
}

// blob copies bytes; null is none.
func blob(value bson.RawValue) ([]byte, bool) {
	if value.Type == bson.TypeNull {
		return nil, true
	}
	_, data, ok := value.BinaryOK()
	return append([]byte(nil), data...), ok
}

// wanted are the fields of a row with some parts.
func wanted(parts rollup.Parts) bson.D {
	fields := bson.D{}
	for _, name := range []string{"revision", "through", "rolledAt", "stage", "before"} {
		fields = append(fields, bson.E{Key: name, Value: 1})
	}
	for _, c := range []struct {
		part rollup.Parts
		name string
	}{{rollup.State, "state"}, {rollup.Energy, "energy"}, {rollup.Minutes, "minutes"}, {rollup.Hours, "hours"}} {
		if parts.Has(c.part) {
			fields = append(fields, bson.E{Key: c.name, Value: 1})
		}
	}
	return fields
}

// rowsAtOnce is how many rows come in one answer of the server.
const rowsAtOnce = 4000

func eachDay(ctx context.Context, db *mongo.Database, filter bson.D, o *options.FindOptionsBuilder, give func(rollup.Day)) error {
	cursor, err := db.Collection(daysCollection).Find(ctx, filter, o.SetBatchSize(rowsAtOnce))
	if err != nil {
		return err
	}
	defer closeCursor(ctx, cursor)
	for cursor.Next(ctx) {
		day, err := readDay(cursor.Current)
		if err != nil {
			return err
		}
		give(day)
	}
	return cursor.Err()
}
