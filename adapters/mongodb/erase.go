package mongodb

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Erased sources are noted in a collection of their own before their readings are
// deleted: a mover may have some of them in its hands. It leaves them out or, when
// it was too late for that, deletes them again.
const (
	erasedCollection = "readings_erased"
	erasedField      = "at"
	// erasedKept is how long they are noted, which is far longer than a mover can
	// hold a batch.
	erasedKept = 24 * time.Hour
)

// Erase removes all readings of a source.
func (a *Archive) Erase(ctx context.Context, source uuid.UUID) error {
	db, err := a.open()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	if err := erase(ctx, db, source); err != nil {
		return fmt.Errorf("erasing readings: %w", translate(err))
	}
	return nil
}

// erase goes the way that a reading goes: what is moved on meanwhile is met again.
func erase(ctx context.Context, db *mongo.Database, source uuid.UUID) error {
	_, err := db.Collection(erasedCollection).UpdateOne(ctx, bson.D{{Key: idField, Value: sourceValue(source)}},
		bson.D{{Key: "$currentDate", Value: bson.D{{Key: erasedField, Value: true}}}}, options.UpdateOne().SetUpsert(true))
	if err != nil {
		return fmt.Errorf("noting it: %w", err)
	}
	for _, name := range []string{hotCollection, movingCollection, refusedCollection} {
		err := despiteMoves(ctx, func() error {
			_, err := db.Collection(name).DeleteMany(ctx, between(source, minMS, maxMS))
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := eraseRollups(ctx, db, source); err != nil {
		return err
	}
	return eraseMoved(ctx, db, source)
}

// eraseMoved removes what is in the series.
func eraseMoved(ctx context.Context, db *mongo.Database, sources ...uuid.UUID) error {
	values := make(bson.A, len(sources))
	for i, source := range sources {
		values[i] = sourceValue(source)
	}
	_, err := db.Collection(collection).DeleteMany(ctx, bson.D{{Key: "meta.source", Value: bson.D{{Key: "$in", Value: values}}}})
	return err
}

// erasedSources are those that are noted.
func erasedSources(ctx context.Context, db *mongo.Database) (map[uuid.UUID]bool, error) {
	cursor, err := db.Collection(erasedCollection).Find(ctx, bson.D{}, options.Find().SetProjection(bson.D{{Key: idField, Value: 1}}))
	if err != nil {
		return nil, fmt.Errorf("looking for erased sources: %w", err)
	}
	defer closeCursor(ctx, cursor)
	found := map[uuid.UUID]bool{}
	for cursor.Next(ctx) {
		if _, data, ok := cursor.Current.Lookup(idField).BinaryOK(); ok && len(data) == len(uuid.UUID{}) {
			found[uuid.UUID(data)] = true
		}
	}
	if err := cursor.Err(); err != nil {
		return nil, fmt.Errorf("looking for erased sources: %w", err)
	}
	return found, nil
}
