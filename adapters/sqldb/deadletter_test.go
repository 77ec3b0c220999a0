package sqldb

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
	"ampra/test/contract"
)

func TestTheDeadLettersKeepTheirContract(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(*testing.T) *DB) {
		contract.LetterStore(t, func(t *testing.T) telemetry.LetterStore { return NewDeadLetters(open(t)) })
	})
}

// letterOf is a letter of a source, i seconds into the test.
func letterOf(source uuid.UUID, i int) telemetry.DeadLetter {
	at := time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC)
	return telemetry.DeadLetter{ID: uuid.New(), SourceID: source, At: at, Origin: "webhook", Topic: "/", Reason: "no JSON"}
}

func putLetters(t *testing.T, d *DeadLetters, letters ...telemetry.DeadLetter) {
	t.Helper()
	if err := d.Put(t.Context(), letters...); err != nil {
		t.Fatalf("putting letters: %v", err)
	}
}

func countLetters(t *testing.T, d *DeadLetters, source uuid.UUID) int {
	t.Helper()
	found, err := d.Count(t.Context(), source)
	if err != nil {
		t.Fatalf("counting letters: %v", err)
	}
	return found
}

func TestOverTheBoundOfAllTheOldestLetterGoesWhosesoeverItIs(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(*testing.T) *DB) {
		letters := NewDeadLetters(open(t))
		letters.inAll, letters.perLook = 10, 1
		old, young := uuid.New(), uuid.New()
		for i := range 6 {
			putLetters(t, letters, letterOf(old, i))
		}
		for i := range 7 {
			putLetters(t, letters, letterOf(young, 100+i))
		}
		if a, b := countLetters(t, letters, old), countLetters(t, letters, young); a != 3 || b != 7 {
			t.Errorf("%d old and %d young letters are kept, want 3 and 7", a, b)
		}
		if n := letters.Dropped(); n != 3 {
			t.Errorf("%d letters count as dropped, want 3", n)
		}
	})
}

func TestASourcesLettersGoWithIt(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(*testing.T) *DB) {
		db := open(t)
		letters := NewDeadLetters(db)
		gone, stays := storeSource(t, db, storeUser(t, db)).ID, storeSource(t, db, storeUser(t, db)).ID
		putLetters(t, letters, letterOf(gone, 1), letterOf(stays, 1), letterOf(uuid.Nil, 1))
		if _, err := db.write.ExecContext(t.Context(), "delete from sun_sources where id = ?", gone); err != nil {
			t.Fatal(err)
		}
		if n := countLetters(t, letters, gone); n != 0 {
			t.Errorf("%d letters of the deleted source are left", n)
		}
		if a, b := countLetters(t, letters, stays), countLetters(t, letters, uuid.Nil); a != 1 || b != 1 {
			t.Errorf("%d and %d other letters are left, want 1 of each", a, b)
		}
	})
}

func TestALetterWithoutAnIDGetsOne(t *testing.T) {
	t.Parallel()
	letters := NewDeadLetters(migrated(t, openSQLite(t)))
	source := uuid.New()
	one, two := letterOf(source, 1), letterOf(source, 2)
	one.ID, two.ID = uuid.Nil, uuid.Nil
	putLetters(t, letters, one, two)
	if n := countLetters(t, letters, source); n != 2 {
		t.Errorf("%d letters are kept, want 2", n)
	}
}

func TestLettersDisappearWhenTheyAreOld(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(*testing.T) *DB) {
		letters, source := NewDeadLetters(open(t)), uuid.New()
		putLetters(t, letters, letterOf(source, 1), letterOf(source, 2), letterOf(source, 3))
		if err := letters.Expire(t.Context(), letterOf(source, 2).At); err != nil {
			t.Fatal(err)
		}
		if n := countLetters(t, letters, source); n != 2 {
			t.Errorf("%d letters are left, want the 2 that are not older", n)
		}
		if n := letters.Dropped(); n != 0 {
			t.Errorf("%d letters count as dropped", n)
		}
	})
}
