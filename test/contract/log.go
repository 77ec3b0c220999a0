package contract

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

func logTests(t *testing.T, open func(*testing.T, telemetry.Archive) JournalRig) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, *logSuite){
		"a log gives everything once, in the order of its positions": logOrder,
		"what was not committed comes again, the rest does not":      logCommit,
		"a batch ends at its bound, but for a single record":         logBound,
		"waiting for the first record ends with the context":         logWaits,
		"a fetch that was given up loses nothing":                    logGivenUp,
		"what can't be decoded is told and does not stop the log":    logGarbled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rig := open(t, nil)
			if rig.OpenLog == nil {
				t.Skip("this journal has no log")
			}
			background(t, "the journal", rig.Run)
			test(t, &logSuite{rig})
		})
	}
}

type logSuite struct{ JournalRig }

// append makes an entry durable.
func (s *logSuite) append(t *testing.T, source uuid.UUID, first, n int) []telemetry.Reading {
	t.Helper()
	entry := telemetry.Entry{SourceID: source}
	for i := first; i < first+n; i++ {
		r := power(source, noon().Add(time.Duration(i)*time.Second), float64(i))
		r.ReceivedAt = noon().Add(time.Hour)
		entry.Readings = append(entry.Readings, r)
	}
	answer := make(chan error, 1)
	if err := s.Journal.Append(t.Context(), entry, func(err error, _ []error) { answer <- err }); err != nil {
		t.Fatalf("appending: %v", err)
	}
	if err := <-answer; err != nil {
		t.Fatalf("not durable: %v", err)
	}
	return entry.Readings
}

func (s *logSuite) open(t *testing.T) telemetry.Log {
	t.Helper()
	log, stop := s.OpenLog(t)
	t.Cleanup(stop)
	return log
}

// fetch waits for a batch.
func fetch(t *testing.T, log telemetry.Log, max int) telemetry.Batch {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	batch, err := log.Fetch(ctx, max, 10*time.Millisecond)
	if err != nil {
		t.Fatalf("fetching: %v", err)
	}
	if len(batch.Readings)+len(batch.Undecodable) == 0 {
		t.Fatal("a batch is empty")
	}
	return batch
}

// fetchReadings gathers batches, commits them, until there are n readings.
func fetchReadings(t *testing.T, log telemetry.Log, n int) (found []telemetry.Placed) {
	t.Helper()
	for len(found) < n {
		batch := fetch(t, log, 100)
		found = append(found, batch.Readings...)
		if err := batch.Commit(t.Context()); err != nil {
			t.Fatalf("committing: %v", err)
		}
	}
	return found
}

func logOrder(t *testing.T, s *logSuite) {
	sources := []uuid.UUID{newSource(), newSource(), newSource(), newSource(), newSource()}
	want := map[uuid.UUID][]telemetry.Reading{}
	total := 0
	for i := range 12 {
		for _, source := range sources {
			want[source] = append(want[source], s.append(t, source, len(want[source]), i%3+1)...)
			total += i%3 + 1
		}
	}
	got := map[uuid.UUID][]telemetry.Reading{}
	partition := map[uuid.UUID]int32{}
	last := map[int32]telemetry.Position{}
	for _, r := range fetchReadings(t, s.open(t), total) {
		p := r.Position
		if before, ok := last[p.Partition]; p.Partition < 0 || (ok && !after(p, before)) {
			t.Fatalf("position %+v follows %+v", p, before)
		}
		last[p.Partition] = p
		if have, ok := partition[r.SourceID]; ok && have != p.Partition {
			t.Fatalf("a source is in partitions %d and %d", have, p.Partition)
		}
		partition[r.SourceID] = p.Partition
		got[r.SourceID] = append(got[r.SourceID], r.Reading)
	}
	for _, source := range sources {
		checkReadings(t, got[source], want[source])
	}
}

func after(a, b telemetry.Position) bool {
	return a.Offset > b.Offset || (a.Offset == b.Offset && a.Index > b.Index)
}

func logCommit(t *testing.T, s *logSuite) {
	source := newSource()
	for i := range 30 {
		s.append(t, source, i, 1)
	}
	first, stop := s.OpenLog(t)
	batch := fetch(t, first, 10)
	done := len(batch.Readings)
	if err := batch.Commit(t.Context()); err != nil {
		t.Fatalf("committing: %v", err)
	}
	lost := fetch(t, first, 10) // its process is killed before it commits
	stop()

	again := fetchReadings(t, s.open(t), 30-done)
	if len(again) != 30-done {
		t.Fatalf("%d readings come again, want %d", len(again), 30-done)
	}
	for i, r := range again {
		if want := noon().Add(time.Duration(done+i) * time.Second); !r.Timestamp.Equal(want) {
			t.Fatalf("reading %d is of %s, want %s", i, r.Timestamp, want)
		}
	}
	for i, r := range lost.Readings {
		if again[i].Position != r.Position {
			t.Errorf("a reading comes again at %+v, was at %+v", again[i].Position, r.Position)
		}
	}
}

func logBound(t *testing.T, s *logSuite) {
	source := newSource()
	total := 0
	for _, n := range []int{4, 4, 4, 25, 1, 4, 4} {
		s.append(t, source, total, n)
		total += n
	}
	log := s.open(t)
	for found := 0; found < total; {
		batch := fetch(t, log, 10)
		n := len(batch.Readings)
		found += n
		offset := batch.Readings[n-1].Position.Offset
		before := 0
		for _, r := range batch.Readings {
			if r.Position.Offset != offset {
				before++
			}
		}
		if n > 10 && before >= 10 {
			t.Errorf("a batch of at most 10 has %d readings, %d before its last record", n, before)
		}
	}
}

func logWaits(t *testing.T, s *logSuite) {
	log := s.open(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if batch, err := log.Fetch(ctx, 10, time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an empty log gave %d readings and %v, want the context's error", len(batch.Readings), err)
	}
}

func logGivenUp(t *testing.T, s *logSuite) {
	source := newSource()
	log := s.open(t)
	found := map[time.Time]int{}
	deadline := time.Now().Add(patience)
	for i := 0; len(found) < 40; i++ {
		if time.Now().After(deadline) {
			t.Fatalf("found %d readings, want 40", len(found))
		}
		if i < 40 {
			s.append(t, source, i, 1)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%5)*time.Millisecond)
		batch, err := log.Fetch(ctx, 3, time.Millisecond)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("fetching: %v", err)
		}
		if err == nil {
			for _, r := range batch.Readings {
				found[r.Timestamp]++
			}
		}
	}
	for at, n := range found {
		if n != 1 {
			t.Errorf("the reading of %s came %d times", at, n)
		}
	}
}

func logGarbled(t *testing.T, s *logSuite) {
	if s.Garble == nil {
		t.Skip("nothing that can't be decoded gets into this journal")
	}
	source := newSource()
	garbage := []byte("\xff\x00 this is no entry")
	s.append(t, source, 0, 1)
	s.Garble(t, garbage)
	s.append(t, source, 1, 1)
	log := s.open(t)
	var readings, letters int
	for readings < 2 || letters < 1 {
		batch := fetch(t, log, 100)
		readings += len(batch.Readings)
		for _, l := range batch.Undecodable {
			letters++
			if !bytes.Equal(l.Raw, garbage) || l.Reason == "" || l.Origin != "journal" || l.Topic == "" {
				t.Errorf("the letter is %+v", l)
			}
		}
		if err := batch.Commit(t.Context()); err != nil {
			t.Fatalf("committing: %v", err)
		}
	}
	if readings != 2 || letters != 1 {
		t.Errorf("%d readings and %d letters, want 2 and 1", readings, letters)
	}
}
