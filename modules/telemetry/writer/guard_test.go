package writer_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"ampra/core/telemetry"
	"ampra/modules/telemetry/writer"
)

// refusing makes the archive refuse for good what these sources send, nil: all.
func (r *rig) refusing(sources map[uuid.UUID]bool) {
	r.archive.Refuse(func(reading telemetry.Reading) error {
		if sources == nil || sources[reading.SourceID] {
			return errors.New("a fault in the encoding")
		}
		return nil
	})
}

// fill makes n readings of a source durable, ten in a record.
func (r *rig) fill(t *testing.T, source uuid.UUID, n int) {
	t.Helper()
	for i := 0; i < n; i += 10 {
		seconds := make([]int, 10)
		for k := range seconds {
			seconds[k] = i + k
		}
		r.append(t, entry(source, seconds...))
	}
}

func TestAWriterStopsBeforeItBuriesMostOfTheJournal(t *testing.T) {
	r := newRig()
	one, two := uuid.New(), uuid.New()
	r.refusing(nil)
	r.fill(t, one, 200)
	r.fill(t, two, 200)
	var halt *writer.Halt
	if err := r.writer.Run(t.Context()); !errors.As(err, &halt) {
		t.Fatalf("it ends with %v, want a halt", err)
	}
	if halt.Seen < 200 || halt.Bad != halt.Seen || halt.Last != "a fault in the encoding" {
		t.Errorf("the halt is %+v", halt)
	}
	if r.committed(t) {
		t.Error("all is committed")
	}
	// After a fix another writer finds what was not buried.
	r.archive.Refuse(nil)
	run(t, r.open().writer.Run)
	eventually(t, "it is committed", func() bool { return r.committed(t) })
	buried := 0
	for _, source := range []uuid.UUID{one, two} {
		letters, err := r.letters.List(t.Context(), source)
		if err != nil {
			t.Fatal(err)
		}
		buried += len(letters)
	}
	stored := found(t, &r.archive, one) + found(t, &r.archive, two)
	if stored+buried != 400 || buried >= halt.Seen {
		t.Errorf("%d readings are stored and %d are dead letters, want 400 in all", stored, buried)
	}
}

func TestOneSourceAmongOthersStopsNoWriter(t *testing.T) {
	r := newRig()
	rogue, good := uuid.New(), uuid.New()
	copy(rogue[:2], good[:2]) // one partition, so that both are read in the order they came
	r.refusing(map[uuid.UUID]bool{rogue: true})
	r.fill(t, rogue, 600)
	r.fill(t, good, 20)
	run(t, r.writer.Run)
	eventually(t, "its neighbour's last readings are stored", func() bool { return found(t, &r.archive, good) == 20 })
	eventually(t, "it is committed", func() bool { return r.committed(t) })
}

func TestFewThatCannotBeKeptStopNoWriter(t *testing.T) {
	r := newRig()
	bad, worse, good := uuid.New(), uuid.New(), uuid.New()
	copy(bad[:2], good[:2]) // one partition, so that all are read in the order they came
	copy(worse[:2], good[:2])
	r.refusing(map[uuid.UUID]bool{bad: true, worse: true})
	for range 10 {
		r.fill(t, good, 30)
		r.fill(t, bad, 10)
		r.fill(t, worse, 10)
	}
	run(t, r.writer.Run)
	eventually(t, "it is committed", func() bool { return r.committed(t) })
}
