package mongodb

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/test/stack"
)

// An index that numbers do not fit makes the server refuse rows with an error that
// is in no table of ours: readings that meet it are tried again, and not buried.
func TestAnErrorThatNobodyKnowsIsNoReasonToBuryAReading(t *testing.T) {
	t.Parallel()
	url, name := stack.Mongo(t)
	a := opened(t, url, name, nil)
	hot := a.db.Load().Collection(hotCollection)
	index, err := hot.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: fieldNames[telemetry.SolarPowerWatts], Value: "2dsphere"}}})
	if err != nil {
		t.Fatalf("making the index: %v", err)
	}
	source := uuid.New()
	readings := numbered(source, 0, 6)
	for _, fits := range []int{0, 2, 3} {
		readings[fits].Values = telemetry.Values{}
		readings[fits].Values.Set(telemetry.LoadPowerWatts, 1)
	}
	errs := a.Write(t.Context(), readings)
	for i, want := range []bool{false, true, false, false, true, true} {
		if (errs[i] != nil) != want || want && !fault.Passing(errs[i]) {
			t.Errorf("reading %d is answered with %v", i, errs[i])
		}
	}
	if err := hot.Indexes().DropOne(t.Context(), index); err != nil {
		t.Fatalf("dropping the index: %v", err)
	}
	put(t, a, readings...)
	if found, err := numbers(t.Context(), a, source, telemetry.OldestFirst, 100); err != nil || len(found) != 6 {
		t.Errorf("%d readings are found, %v", len(found), err)
	}
}

// What was erased in a day is more than one command's time is enough for.
func TestAMoveEndsHoweverManySourcesWereErased(t *testing.T) {
	t.Parallel()
	url, name := stack.Mongo(t)
	a := opened(t, url, name, nil)
	stays, gone := uuid.New(), uuid.New()
	put(t, a, append(numbered(stays, 0, 50), numbered(gone, 0, 50)...)...)
	moved(t, a)
	noted := []any{bson.D{{Key: idField, Value: sourceValue(gone)}, {Key: erasedField, Value: time.Now()}}}
	for range 20_000 {
		noted = append(noted, bson.D{{Key: idField, Value: sourceValue(uuid.New())}, {Key: erasedField, Value: time.Now()}})
	}
	if _, err := a.db.Load().Collection(erasedCollection).InsertMany(t.Context(), noted); err != nil {
		t.Fatalf("noting erased sources: %v", err)
	}
	a.cfg.Timeout = time.Second
	put(t, a, numbered(stays, 50, 50)...)
	moved(t, a)
	wantNumbers(t, a, stays, 100)
	wantNumbers(t, a, gone, 0)
}

func TestFewRefusedRowsAreKeptAsideAndManyStopTheMove(t *testing.T) {
	t.Parallel()
	url, name := stack.Mongo(t)
	a := opened(t, url, name, nil)
	source := uuid.New()
	put(t, a, numbered(source, 0, 20)...)
	dead(a, "read", 1) // they are in moving then
	if err := a.mover.move(t.Context(), a.db.Load()); !errors.Is(err, errKilled) {
		t.Fatalf("the move ended with %v", err)
	}
	a.mover.mostRefused = 10
	r := &round{mover: a.mover, lease: &lease{db: a.db.Load()}}
	why := mongo.WriteError{Code: 2, Message: "not today"}
	begin := numbered(source, 0, 1)[0].Timestamp.UnixMilli()
	for i := range 12 {
		err := r.refused(t.Context(), place{source: source, ms: begin + int64(i)*1000}, why)
		if stopped := err != nil; stopped != (i >= 10) {
			t.Errorf("refused row %d is answered with %v", i, err)
		} else if stopped && !strings.Contains(err.Error(), refusedCollection) {
			t.Errorf("the error does not say where they are: %v", err)
		}
	}
	if n := count(t, a, refusedCollection); n != 10 {
		t.Errorf("%d rows are kept aside, want 10", n)
	}
	var kept bson.Raw
	if err := a.db.Load().Collection(refusedCollection).FindOne(t.Context(), bson.D{{Key: idField, Value: idOf(source, begin).value()}}).Decode(&kept); err != nil {
		t.Fatal(err)
	}
	if at, ok := kept.Lookup(refusedField).TimeOK(); !ok || time.Since(at) > time.Minute || kept.Validate() != nil {
		t.Errorf("it was refused at %s: %s", at, kept)
	}
	specs, err := a.db.Load().Collection(refusedCollection).Indexes().ListSpecifications(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	expires := false
	for _, spec := range specs {
		expires = expires || spec.ExpireAfterSeconds != nil && *spec.ExpireAfterSeconds == int32(refusedKept/time.Second)
	}
	if !expires {
		t.Error("nothing removes old rows")
	}
}
