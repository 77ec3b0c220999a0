package mongodb

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/rollup"
	"ampra/test/stack"
)

func TestNothingIsDeletedWhileReadingsAreMoved(t *testing.T) {
	t.Parallel()
	url, name := stack.Mongo(t)
	a := opened(t, url, name, nil)
	source := uuid.New()
	batch := numbered(source, 0, 3)
	put(t, a, batch...)
	moved(t, a)
	day := rollup.DayOf(batch[0].Timestamp.UnixMilli())
	db, err := a.open()
	if err != nil {
		t.Fatal(err)
	}
	another, _, err := takeLease(t.Context(), db, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if deleted, done, err := a.Rollups().Empty(t.Context(), source, day, day); err != nil || done || deleted != 0 {
		t.Errorf("during a move %d readings are deleted, %v, %v", deleted, done, err)
	}
	if err := another.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if deleted, done, err := a.Rollups().Empty(t.Context(), source, day, day); err != nil || !done || deleted != 3 {
		t.Errorf("after it %d readings are deleted, %v, %v", deleted, done, err)
	}
	moved(t, a) // the lease is free

	put(t, a, batch...)
	if deleted, done, err := a.Rollups().Empty(t.Context(), source, day, day); err != nil || done || deleted != 0 {
		t.Errorf("of what waits to be moved %d readings are deleted, %v, %v", deleted, done, err)
	}
}
