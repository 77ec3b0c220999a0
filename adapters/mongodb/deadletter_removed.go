package mongodb

import (
	"context"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"ampra/core/telemetry"
)

// Letters that were removed are noted before they are deleted: the way in may bring
// them once more.
const (
	removedCollection = "dead_letters_removed"
	removedField      = "at"
	removedKept       = 7 * 24 * time.Hour
)

// Remove removes letters of a source and says how many of them were there.
func (d *DeadLetters) Remove(ctx context.Context, source uuid.UUID, ids ...uuid.UUID) (int, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	wanted := make(bson.A, len(ids))
	for i, id := range ids {
		wanted[i] = binaryID(id)
	}
	return d.remove(ctx, bson.D{
		{Key: "_id", Value: bson.D{{Key: "$in", Value: wanted}}}, {Key: "source", Value: binaryID(source)},
	})
}

// Erase removes all letters of a source.
func (d *DeadLetters) Erase(ctx context.Context, source uuid.UUID) error {
	_, err := d.remove(ctx, bson.D{{Key: "source", Value: binaryID(source)}})
	return err
}

// remove notes what there is of some letters, and deletes that.
func (d *DeadLetters) remove(ctx context.Context, which bson.D) (int, error) {
	var n int64
	err := d.use(ctx, "deleting dead letters", func(ctx context.Context, in *mongo.Collection) error {
		cursor, err := in.Find(ctx, which, options.Find().SetProjection(bson.D{{Key: idField, Value: 1}}).SetBatchSize(2*telemetry.MaxLetters))
		if err != nil {
			return err
		}
		var found []struct {
			ID bson.Binary `bson:"_id"`
		}
		if err := cursor.All(ctx, &found); err != nil || len(found) == 0 {
			return err
		}
		ids, notes := make(bson.A, len(found)), make([]any, len(found))
		for i, one := range found {
			ids[i], notes[i] = one.ID, bson.D{{Key: idField, Value: one.ID}, {Key: removedField, Value: time.Now()}}
		}
		_, err = in.Database().Collection(removedCollection).InsertMany(ctx, notes, options.InsertMany().SetOrdered(false))
		if err != nil && !knownAlready(err) {
			return err
		}
		gone, err := in.DeleteMany(ctx, bson.D{{Key: idField, Value: bson.D{{Key: "$in", Value: ids}}}})
		if err == nil {
			n = gone.DeletedCount
		}
		return err
	})
	return int(n), err
}

// forgetRemoved deletes again, of letters that were just stored, those that had been
// removed. It looks after they are stored: a removal notes first and deletes then,
// so one of the two sees the other.
func forgetRemoved(ctx context.Context, letters *mongo.Collection, rows []letterRow) error {
	ids := make(bson.A, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	cursor, err := letters.Database().Collection(removedCollection).Find(ctx, bson.D{{Key: idField, Value: bson.D{{Key: "$in", Value: ids}}}})
	if err != nil {
		return err
	}
	var found []struct {
		ID bson.Binary `bson:"_id"`
	}
	if err := cursor.All(ctx, &found); err != nil || len(found) == 0 {
		return err
	}
	back := make(bson.A, len(found))
	for i, one := range found {
		back[i] = one.ID
	}
	_, err = letters.DeleteMany(ctx, bson.D{{Key: idField, Value: bson.D{{Key: "$in", Value: back}}}})
	return err
}
