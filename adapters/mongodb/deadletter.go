package mongodb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

var _ telemetry.LetterStore = (*DeadLetters)(nil)

// The collection of dead letters and the index that lets old ones disappear.
const (
	letterCollection = "dead_letters"
	letterRetention  = "retention"
)

// Codes of the server that setting up the letters expects.
const (
	codeNamespaceNotFound    = 26
	codeIndexNotFound        = 27
	codeIndexOptionsConflict = 85
	codeDuplicateKey         = 11000
)

// DeadLetters keeps dead letters in a collection of the archive's database. It
// answers fault Unavailable until the archive is set up.
type DeadLetters struct {
	archive   *Archive
	retention time.Duration
	dropped   atomic.Int64
}

// DeadLetters returns the dead letters beside the archive, kept for so long from
// their receipt on; 0 keeps them until newer ones push them out.
func (a *Archive) DeadLetters(retention time.Duration) *DeadLetters {
	return &DeadLetters{archive: a, retention: retention}
}

// letterRow is a letter as it is stored.
type letterRow struct {
	ID        bson.Binary          `bson:"_id"`
	Source    bson.Binary          `bson:"source"`
	At        time.Time            `bson:"at"`
	Kept      int                  `bson:"kept"` // bytes of raw
	Origin    string               `bson:"origin"`
	Topic     string               `bson:"topic"`
	Name      string               `bson:"name,omitempty"`
	SignedAt  *time.Time           `bson:"signedAt,omitempty"`
	Kind      telemetry.LetterKind `bson:"kind"`
	Reason    string               `bson:"reason"`
	Raw       []byte               `bson:"raw"`
	Size      int                  `bson:"size"`
	Truncated bool                 `bson:"truncated"`
}

func binaryID(id uuid.UUID) bson.Binary {
	return bson.Binary{Subtype: bson.TypeBinaryUUID, Data: id[:]}
}

func letterToRow(l telemetry.DeadLetter) letterRow {
	if l.ID == uuid.Nil {
		l.ID = uuid.New()
	}
	l = l.Bounded()
	row := letterRow{
		ID: binaryID(l.ID), Source: binaryID(l.SourceID), At: l.At, Kept: len(l.Raw), Origin: l.Origin, Topic: l.Topic, Name: l.Name,
		Kind: l.Kind, Reason: l.Reason, Raw: l.Raw, Size: l.Size, Truncated: l.Truncated,
	}
	if !l.SignedAt.IsZero() {
		row.SignedAt = &l.SignedAt
	}
	return row
}

func (r letterRow) letter() telemetry.DeadLetter {
	l := telemetry.DeadLetter{
		At: r.At.UTC(), Origin: r.Origin, Topic: r.Topic, Name: r.Name,
		Kind: r.Kind, Reason: r.Reason, Raw: r.Raw, Size: r.Size, Truncated: r.Truncated,
	}
	copy(l.ID[:], r.ID.Data)
	copy(l.SourceID[:], r.Source.Data)
	if r.SignedAt != nil {
		l.SignedAt = r.SignedAt.UTC()
	}
	return l
}

// Setup makes the collection's indexes and brings the retention to its setting.
// The archive must be set up before. It may be called again, and by several
// processes at once.
func (d *DeadLetters) Setup(ctx context.Context) error {
	return d.use(ctx, "preparing the dead letters", func(ctx context.Context, letters *mongo.Collection) error {
		// All that the bounds look at is in the index.
		_, err := letters.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{
			{Key: "source", Value: 1}, {Key: "at", Value: -1}, {Key: "_id", Value: -1}, {Key: "kept", Value: 1},
		}})
		if err != nil {
			return err
		}
		if err := expire(ctx, letters.Database(), removedCollection, removedField, int32(removedKept/time.Second)); err != nil {
			return err
		}
		if d.retention == 0 {
			err := letters.Indexes().DropOne(ctx, letterRetention)
			if hasCode(err, codeIndexNotFound) || hasCode(err, codeNamespaceNotFound) {
				return nil
			}
			return err
		}
		age := int32(min(seconds(d.retention), 1<<31-1)) //nolint:gosec // bounded
		_, err = letters.Indexes().CreateOne(ctx, mongo.IndexModel{
			Keys: bson.D{{Key: "at", Value: 1}}, Options: options.Index().SetName(letterRetention).SetExpireAfterSeconds(age),
		})
		if !hasCode(err, codeIndexOptionsConflict) {
			return err
		}
		return letters.Database().RunCommand(ctx, bson.D{
			{Key: "collMod", Value: letterCollection},
			{Key: "index", Value: bson.D{{Key: "name", Value: letterRetention}, {Key: "expireAfterSeconds", Value: age}}},
		}).Err()
	})
}

// Dropped counts the letters that others pushed out.
func (d *DeadLetters) Dropped() int64 { return d.dropped.Load() }

// Put stores letters, each id once. What is over a bound pushes out the oldest.
func (d *DeadLetters) Put(ctx context.Context, letters ...telemetry.DeadLetter) error {
	if len(letters) == 0 {
		return nil
	}
	rows := make([]letterRow, len(letters))
	var sources []uuid.UUID
	for i, l := range letters {
		rows[i] = letterToRow(l)
		sources = append(sources, l.SourceID)
	}
	slices.SortFunc(sources, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return d.use(ctx, "storing dead letters", func(ctx context.Context, to *mongo.Collection) error {
		_, err := to.InsertMany(ctx, rows, options.InsertMany().SetOrdered(false))
		if err != nil && !knownAlready(err) {
			return err
		}
		if err := forgetRemoved(ctx, to, rows); err != nil {
			return err
		}
		for _, source := range slices.Compact(sources) {
			if err := d.bound(ctx, to, source); err != nil {
				return err
			}
		}
		return nil
	})
}

// knownAlready reports whether nothing is wrong but that letters are there.
func knownAlready(err error) bool {
	refused, ok := errors.AsType[mongo.BulkWriteException](err)
	return ok && refused.WriteConcernError == nil && !slices.ContainsFunc(refused.WriteErrors, func(e mongo.BulkWriteError) bool {
		return e.Code != codeDuplicateKey
	})
}

// bound deletes all but the newest letters of a source.
func (d *DeadLetters) bound(ctx context.Context, letters *mongo.Collection, source uuid.UUID) error {
	own := bson.E{Key: "source", Value: binaryID(source)}
	found, err := letters.Find(ctx, bson.D{own}, options.Find().
		SetSort(bson.D{{Key: "at", Value: -1}, {Key: "_id", Value: -1}}).
		SetProjection(bson.D{{Key: "_id", Value: 1}, {Key: "at", Value: 1}, {Key: "kept", Value: 1}}).
		SetBatchSize(2*telemetry.MaxLetters))
	if err != nil {
		return err
	}
	defer func() { _ = found.Close(ctx) }()
	for n, size := 1, 0; found.Next(ctx); n++ {
		var row letterRow
		if err := found.Decode(&row); err != nil {
			return err
		}
		if size += row.Kept; n <= telemetry.MaxLetters && size <= telemetry.MaxLetterBytes {
			continue
		}
		gone, err := letters.DeleteMany(ctx, bson.D{own, {Key: "$or", Value: bson.A{
			bson.D{{Key: "at", Value: bson.D{{Key: "$lt", Value: row.At}}}},
			bson.D{{Key: "at", Value: row.At}, {Key: "_id", Value: bson.D{{Key: "$lte", Value: row.ID}}}},
		}}})
		if err != nil {
			return err
		}
		d.dropped.Add(gone.DeletedCount)
		return nil
	}
	return found.Err()
}

// List returns letters of a source, in order. Those whose source can't be told
// are under uuid.Nil.
func (d *DeadLetters) List(ctx context.Context, span telemetry.LetterSpan) ([]telemetry.DeadLetter, error) {
	direction, beyond := -1, "$lt"
	if span.Order == telemetry.OldestFirst {
		direction, beyond = 1, "$gt"
	}
	filter := bson.D{{Key: "source", Value: binaryID(span.SourceID)}}
	if after := span.After; after != nil {
		filter = append(filter, bson.E{Key: "$or", Value: bson.A{
			bson.D{{Key: "at", Value: bson.D{{Key: beyond, Value: after.At}}}},
			bson.D{{Key: "at", Value: after.At}, {Key: "_id", Value: bson.D{{Key: beyond, Value: binaryID(after.ID)}}}},
		}})
	}
	var letters []telemetry.DeadLetter
	err := d.use(ctx, "listing dead letters", func(ctx context.Context, from *mongo.Collection) error {
		found, err := from.Find(ctx, filter, options.Find().
			SetSort(bson.D{{Key: "at", Value: direction}, {Key: "_id", Value: direction}}).SetLimit(int64(span.Limit)))
		if err != nil {
			return err
		}
		var rows []letterRow
		if err := found.All(ctx, &rows); err != nil {
			return err
		}
		letters = make([]telemetry.DeadLetter, len(rows))
		for i, row := range rows {
			letters[i] = row.letter()
		}
		return nil
	})
	return letters, err
}

// Get returns a source's letter, or NotFound.
func (d *DeadLetters) Get(ctx context.Context, source, id uuid.UUID) (telemetry.DeadLetter, error) {
	var row letterRow
	err := d.use(ctx, "reading a dead letter", func(ctx context.Context, from *mongo.Collection) error {
		return from.FindOne(ctx, oneLetter(source, id)).Decode(&row)
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		return telemetry.DeadLetter{}, fault.New(fault.NotFound, "There is no such dead letter.")
	}
	if err != nil {
		return telemetry.DeadLetter{}, err
	}
	return row.letter(), nil
}

func oneLetter(source, id uuid.UUID) bson.D {
	return bson.D{{Key: "_id", Value: binaryID(id)}, {Key: "source", Value: binaryID(source)}}
}

// Count is how many letters of a source are kept.
func (d *DeadLetters) Count(ctx context.Context, source uuid.UUID) (int, error) {
	var n int64
	err := d.use(ctx, "counting dead letters", func(ctx context.Context, in *mongo.Collection) (err error) {
		n, err = in.CountDocuments(ctx, bson.D{{Key: "source", Value: binaryID(source)}})
		return err
	})
	return int(n), err
}

// Amend gives a letter another reason.
func (d *DeadLetters) Amend(ctx context.Context, source, id uuid.UUID, kind telemetry.LetterKind, reason string) error {
	kept := telemetry.DeadLetter{Kind: kind, Reason: reason}.Bounded()
	return d.use(ctx, "changing a dead letter", func(ctx context.Context, in *mongo.Collection) error {
		change := bson.D{{Key: "$set", Value: bson.D{{Key: "kind", Value: kept.Kind}, {Key: "reason", Value: kept.Reason}}}}
		_, err := in.UpdateOne(ctx, oneLetter(source, id), change)
		return err
	})
}

// use bounds an act on the collection in time and translates its error.
func (d *DeadLetters) use(ctx context.Context, what string, act func(context.Context, *mongo.Collection) error) error {
	db, err := d.archive.open()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, d.archive.cfg.Timeout)
	defer cancel()
	err = act(ctx, db.Collection(letterCollection))
	if err == nil || errors.Is(err, mongo.ErrNoDocuments) {
		return err
	}
	return fmt.Errorf("%s: %w", what, translate(err))
}
