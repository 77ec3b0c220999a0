package mongodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// The one document that movers share.
const (
	stateCollection = "readings_moves"
	stateID         = "move"
)

// moveState is that document. All times are the server's.
type moveState struct {
	// Term counts the movers that held the lease: whoever writes names its own.
	Term    int64     `bson:"term"`
	Expires time.Time `bson:"expires"`
	// Begun is when hot became moving last, Done when all of it was moved last.
	Begun time.Time `bson:"begun"`
	Done  time.Time `bson:"done"`
	// Asked says that a move shall begin now.
	Asked bool `bson:"asked"`
	// From is the last row that was moved out of the collection Moving.
	Moving *bson.Binary `bson:"moving"`
	From   *bson.Binary `bson:"from"`
	// Now is the server's time when this was read.
	Now time.Time `bson:"now"`
}

// errLost says that another mover has the lease.
var errLost = errors.New("another process moves readings")

// states is the movers' collection. Losing its last entries in a failure of the
// server only makes rows move twice, so nobody waits for a majority.
func states(db *mongo.Database) *mongo.Collection {
	return db.Collection(stateCollection, options.Collection().
		SetWriteConcern(writeconcern.W1()).SetReadConcern(readconcern.Local()))
}

func readState(ctx context.Context, db *mongo.Database) (moveState, error) {
	cursor, err := states(db).Aggregate(ctx, mongo.Pipeline{
		{{Key: "$match", Value: bson.D{{Key: idField, Value: stateID}}}},
		{{Key: "$set", Value: bson.D{{Key: "now", Value: "$$NOW"}}}},
	})
	if err != nil {
		return moveState{}, fmt.Errorf("reading the state of moves: %w", err)
	}
	var found []moveState
	if err := cursor.All(ctx, &found); err != nil {
		return moveState{}, fmt.Errorf("reading the state of moves: %w", err)
	}
	if len(found) == 0 {
		return moveState{}, makeState(ctx, db)
	}
	return found[0], nil
}

// makeState makes the document where it is missing.
func makeState(ctx context.Context, db *mongo.Database) error {
	_, err := states(db).UpdateOne(ctx, bson.D{{Key: idField, Value: stateID}},
		mongo.Pipeline{{{Key: "$set", Value: bson.D{
			{Key: "term", Value: bson.D{{Key: "$ifNull", Value: bson.A{"$term", int64(0)}}}},
			{Key: "expires", Value: bson.D{{Key: "$ifNull", Value: bson.A{"$expires", "$$NOW"}}}},
			{Key: "begun", Value: bson.D{{Key: "$ifNull", Value: bson.A{"$begun", "$$NOW"}}}},
			{Key: "done", Value: bson.D{{Key: "$ifNull", Value: bson.A{"$done", "$$NOW"}}}},
		}}}}, options.UpdateOne().SetUpsert(true))
	if err != nil && !hasCode(err, codeDuplicateKey) {
		return fmt.Errorf("preparing the state of moves: %w", err)
	}
	return nil
}

// lease is a mover's right to move until it expires, which each of its writes puts
// off. It keeps two movers from doing the same work; what keeps one that has lost
// it without knowing from doing harm is said at each of its acts.
type lease struct {
	db     *mongo.Database
	term   int64
	length time.Duration
}

// takeLease is errLost when somebody has it.
func takeLease(ctx context.Context, db *mongo.Database, length time.Duration) (*lease, moveState, error) {
	var state moveState
	err := states(db).FindOneAndUpdate(ctx,
		bson.D{{Key: idField, Value: stateID}, {Key: "$expr", Value: bson.D{{Key: "$lte", Value: bson.A{"$expires", "$$NOW"}}}}},
		mongo.Pipeline{{{Key: "$set", Value: bson.D{
			{Key: "term", Value: bson.D{{Key: "$add", Value: bson.A{"$term", int64(1)}}}}, {Key: "expires", Value: fromNow(length)},
		}}}}, options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&state)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, state, errLost
	}
	if err != nil {
		return nil, state, fmt.Errorf("taking the lease of moves: %w", err)
	}
	return &lease{db: db, term: state.Term, length: length}, state, nil
}

// note sets fields and puts off the lease's end; errLost when it is another's.
func (l *lease) note(ctx context.Context, fields ...bson.E) error {
	return l.set(ctx, append(bson.D{{Key: "expires", Value: fromNow(l.length)}}, fields...))
}

// release gives the lease back.
func (l *lease) release(ctx context.Context) error {
	return l.set(ctx, bson.D{{Key: "expires", Value: "$$NOW"}})
}

func (l *lease) set(ctx context.Context, fields bson.D) error {
	done, err := states(l.db).UpdateOne(ctx, bson.D{{Key: idField, Value: stateID}, {Key: "term", Value: l.term}},
		mongo.Pipeline{{{Key: "$set", Value: fields}}})
	if err != nil {
		return fmt.Errorf("noting the state of moves: %w", err)
	}
	if done.MatchedCount == 0 {
		return errLost
	}
	return nil
}

func fromNow(d time.Duration) bson.D {
	return bson.D{{Key: "$add", Value: bson.A{"$$NOW", d.Milliseconds()}}}
}
