package mongodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// The time series. Its meta field is {source, slot}: the source as a binary UUID,
// by which its readings are erased, and the start of the reading's slot.
const (
	collection = "readings"
	timeField  = "timestamp"
	metaField  = "meta"
)

// slotLength is the span of a slot, the most that one bucket of the server
// covers: a bucket gets dearer to add to as it fills, so a new slot begins a new
// one. Rows of one moment are looked for in one slot, so that this may not
// change once there are readings.
const slotLength = 10 * time.Minute

// slotOf is the start of the slot that a moment lies in, in Unix milliseconds.
func slotOf(ms int64) int64 {
	length := slotLength.Milliseconds()
	slot := ms - ms%length
	if slot > ms {
		slot -= length // before 1970
	}
	return slot
}

// MongoDB 6.0 says that it speaks this version of the wire protocol.
const wireVersion60 = 17

// Codes of the server that setup expects.
const (
	codeNamespaceExists      = 48
	codeConflictingOperation = 117
)

// setup brings the database to what the archive needs.
func setup(ctx context.Context, db *mongo.Database) error {
	if err := checkServer(ctx, db); err != nil {
		return err
	}
	if err := makeCollection(ctx, db); err != nil {
		return err
	}
	// Buckets are found by source and slot, whose order is that of time. An index
	// by time itself would be written anew with each reading, since a bucket's last
	// time moves.
	_, err := db.Collection(collection).Indexes().CreateOne(ctx, mongo.IndexModel{
		Keys: bson.D{{Key: "meta.source", Value: 1}, {Key: "meta.slot", Value: -1}},
	})
	if err != nil {
		return fmt.Errorf("making the index: %w", translate(err))
	}
	if err := expire(ctx, db, erasedCollection, erasedField, int32(erasedKept/time.Second)); err != nil {
		return err
	}
	if err := expire(ctx, db, refusedCollection, refusedField, int32(refusedKept/time.Second)); err != nil {
		return err
	}
	return translate(makeState(ctx, db))
}

// expire has the server remove what is older than so many seconds by its field.
func expire(ctx context.Context, db *mongo.Database, name, field string, seconds int32) error {
	_, err := db.Collection(name).Indexes().CreateOne(ctx, mongo.IndexModel{
		Keys: bson.D{{Key: field, Value: 1}}, Options: options.Index().SetExpireAfterSeconds(seconds),
	})
	if err != nil {
		return fmt.Errorf("making the index of %s: %w", name, translate(err))
	}
	return nil
}

// checkServer refuses a server that cannot keep the archive's promises.
func checkServer(ctx context.Context, db *mongo.Database) error {
	var hello struct {
		SetName        string `bson:"setName"`
		Msg            string `bson:"msg"`
		MaxWireVersion int32  `bson:"maxWireVersion"`
	}
	if err := db.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return fmt.Errorf("asking for the server's version: %w", translate(err))
	}
	if hello.MaxWireVersion < wireVersion60 {
		return errors.New("the server is older than MongoDB 6.0, whose time-series collections are needed")
	}
	if sharded := hello.Msg == "isdbgrid"; hello.SetName == "" && !sharded {
		return errors.New("the server is not a member of a replica set, which writes that survive a failure need " +
			"(one node is enough: start mongod with --replSet and run rs.initiate())")
	}
	return nil
}

// makeCollection makes the collection. The server may not delete from it by itself:
// it knows no days that are not rolled up, and would take what was imported of
// years ago within a minute. One that an older version told to do so stops here.
func makeCollection(ctx context.Context, db *mongo.Database) error {
	err := db.RunCommand(ctx, bson.D{
		{Key: "create", Value: collection},
		{Key: "timeseries", Value: bson.D{
			{Key: "timeField", Value: timeField}, {Key: "metaField", Value: metaField}, {Key: "granularity", Value: "seconds"},
		}},
	}).Err()
	switch {
	case err == nil:
		return nil
	case !hasCode(err, codeNamespaceExists):
		return fmt.Errorf("making the collection: %w", translate(err))
	}
	found, err := describe(ctx, db)
	if err != nil {
		return err
	}
	if found.Timeseries.TimeField != timeField || found.Timeseries.MetaField != metaField {
		return fmt.Errorf("the collection %s.%s exists and is not a time series of %s by %s: it is another program's, choose another database",
			db.Name(), collection, metaField, timeField)
	}
	if found.ExpireAfterSeconds == 0 {
		return nil
	}
	return keepForEver(ctx, db)
}

// described is what the server tells of the collection.
type described struct {
	ExpireAfterSeconds int64 `bson:"expireAfterSeconds"`
	Timeseries         struct {
		TimeField string `bson:"timeField"`
		MetaField string `bson:"metaField"`
	} `bson:"timeseries"`
}

func describe(ctx context.Context, db *mongo.Database) (described, error) {
	specs, err := db.ListCollectionSpecifications(ctx, bson.D{{Key: "name", Value: collection}})
	if err != nil {
		return described{}, fmt.Errorf("looking at the collection: %w", translate(err))
	}
	if len(specs) != 1 {
		return described{}, errors.New("looking at the collection: it was there and is gone")
	}
	var found described
	if err := bson.Unmarshal(specs[0].Options, &found); err != nil {
		return described{}, fmt.Errorf("looking at the collection: %w", err)
	}
	return found, nil
}

// keepForEver ends the server's own deleting. Another process may be doing so too,
// which the server answers with a conflict.
func keepForEver(ctx context.Context, db *mongo.Database) error {
	change := bson.D{{Key: "collMod", Value: collection}, {Key: "expireAfterSeconds", Value: "off"}}
	for {
		err := db.RunCommand(ctx, change).Err()
		if err == nil {
			return nil
		}
		if !hasCode(err, codeConflictingOperation) {
			return fmt.Errorf("changing the retention: %w", translate(err))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("changing the retention: %w", translate(ctx.Err()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// seconds is a retention in the server's unit, 0 for none.
func seconds(d time.Duration) int64 { return int64(d / time.Second) }
