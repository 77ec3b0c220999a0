package mongodb

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Rows that the series refused of its own accord: there are none
// unless there is a fault of ours. Single ones are kept aside for a while, so
// that the others get on; with many the move stops, and all stay where queries find
// them.
const (
	refusedCollection = "readings_refused"
	refusedField      = "refusedAt"
	refusedKept       = 30 * 24 * time.Hour
	maxRefused        = 1000
)

// refused keeps one of them aside.

func (r *round) refused(ctx context.Context, p place, why error) error {
	kept, err := r.lease.db.Collection(refusedCollection).EstimatedDocumentCount(ctx)
	if err != nil {
		return fmt.Errorf("keeping a refused reading: %w", err)
	}
	if kept >= r.mostRefused {
		return fmt.Errorf("the time series has refused %d readings, which are in %s; nothing more is moved until they are looked at and removed: %w",
			kept, refusedCollection, why)
	}
	id := idOf(p.source, p.ms)
	row, err := r.lease.db.Collection(movingCollection).FindOne(ctx, bson.D{{Key: idField, Value: id.value()}}).Raw()
	if err != nil {
		return fmt.Errorf("keeping a refused reading: %w", err)
	}
	aside := append([]byte(nil), row[:len(row)-1]...) // without its end
	aside = endDocument(appendTime(aside, refusedField, time.Now().UnixMilli()), 0)
	if _, err := r.lease.db.Collection(refusedCollection).InsertOne(ctx, bson.Raw(aside)); err != nil && !hasCode(err, codeDuplicateKey) {
		return fmt.Errorf("keeping a refused reading: %w", err)
	}
	r.log.ErrorContext(ctx, "the time series refuses a reading: it is kept in "+refusedCollection,
		"source", uuid.UUID(p.source), "timestamp", time.UnixMilli(p.ms).UTC(), "error", why)
	return nil
}
