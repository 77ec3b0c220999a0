package contract

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/test/fake"
)

// patience is how long a suite waits for what must come. It is long because a
// consumer group of a real Kafka takes seconds to its first record.
const patience = 60 * time.Second

// JournalRig is a journal under test with what it needs.
type JournalRig struct {
	Journal telemetry.Journal
	// Run is what must run for the journal to work until its context ends, or nil.
	Run func(ctx context.Context) error
	// OpenLog opens the journal's reading end as a process does that starts: it
	// begins behind the last commit. stop ends it. Nil for a journal that writes to
	// the archive itself.
	OpenLog func(t *testing.T) (log telemetry.Log, stop func())
	// Garble puts a record that can't be decoded into the journal, or is nil where
	// that can't be.
	Garble func(t *testing.T, record []byte)
}

// Journal runs what every telemetry.Journal promises, and, where it has a Log,
// what that promises. open is called for each test with the archive that a
// journal without a Log has to write to; what it opens is closed by t.Cleanup.
// The tests run in parallel.
func Journal(t *testing.T, open func(t *testing.T, archive telemetry.Archive) JournalRig) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, *journalSuite){
		"every acknowledged reading is found, once":               everyReading,
		"an entry of 10,000 readings is one answer":               largeEntry,
		"every field of a reading passes":                         everyField,
		"a later reading of one moment stands":                    laterStands,
		"a lasting error refuses one reading, not its neighbours": lastingError,
		"passing errors of the archive lose nothing":              passingErrors,
		"answers that get lost lose and double nothing":           lostAnswers,
		"a slow archive holds up and loses nothing":               slowArchive,
		"an orderly stop answers everything that was taken":       orderlyStop,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newJournalSuite(t, open))
		})
	}
	logTests(t, open)
}

type journalSuite struct {
	JournalRig
	archive *fake.Archive
	ledger  *Ledger
	// stopJournal ends Run and waits for it.
	stopJournal func()
}

// newJournalSuite opens a rig with its journal running and, where it has a Log, a
// writer that carries the log into the archive.
func newJournalSuite(t *testing.T, open func(*testing.T, telemetry.Archive) JournalRig) *journalSuite {
	t.Helper()
	s := &journalSuite{archive: &fake.Archive{}, ledger: NewLedger()}
	s.JournalRig = open(t, s.archive)
	s.stopJournal = background(t, "the journal", s.Run)
	if s.OpenLog != nil {
		log, stop := s.OpenLog(t)
		t.Cleanup(stop)
		background(t, "the writer", func(ctx context.Context) error { return carry(ctx, log, s.archive) })
	}
	return s
}

// background runs a part until the test ends or stop is called, and fails the
// test when the part ends with an error of its own.
func background(t *testing.T, name string, run func(context.Context) error) (stop func()) {
	t.Helper()
	if run == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var done sync.WaitGroup
	done.Go(func() {
		if err := run(ctx); err != nil && ctx.Err() == nil {
			t.Errorf("%s ended with %v", name, err)
		}
	})
	stop = func() {
		cancel()
		done.Wait()
	}
	t.Cleanup(stop)
	return stop
}

// carry is the least that a writer does: batches go to the archive until each
// reading is stored or refused for good, then the batch is committed.
func carry(ctx context.Context, log telemetry.Log, archive telemetry.Archive) error {
	for {
		batch, err := log.Fetch(ctx, 500, time.Millisecond)
		if err != nil {
			return err
		}
		left := batch.Readings
		for len(left) > 0 && ctx.Err() == nil {
			var again []telemetry.Placed
			for i, err := range archive.Write(ctx, left) {
				if fault.Passing(err) {
					again = append(again, left[i])
				}
			}
			left = again
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := batch.Commit(ctx); err != nil && !fault.Passing(err) {
			return fmt.Errorf("committing: %w", err)
		}
	}
}

// send hands an entry over until it is answered without a passing error, as a
// device does that gets no acknowledgement.
func (s *journalSuite) send(ctx context.Context, entry telemetry.Entry) error {
	for {
		answer := make(chan error, 1)
		err := s.ledger.Send(ctx, s.Journal, entry, func(err error, _ []error) { answer <- err })
		if err == nil {
			err = <-answer
		}
		if !fault.Passing(err) || ctx.Err() != nil {
			return err
		}
		pause(ctx, 5*time.Millisecond)
	}
}

// fleet sends the readings of several sources at once, each source one entry
// after another, and returns when all are answered.
func (s *journalSuite) fleet(t *testing.T, sources, entries, each int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var devices sync.WaitGroup
	for n := range sources {
		source := newSource()
		devices.Go(func() {
			for e := range entries {
				entry := telemetry.Entry{SourceID: source}
				for i := range each {
					r := power(source, noon().Add(time.Duration(e*each+i)*time.Second), float64(n*1000+e))
					r.ReceivedAt = noon().Add(24 * time.Hour)
					entry.Readings = append(entry.Readings, r)
				}
				if err := s.send(ctx, entry); err != nil && fault.Passing(err) {
					t.Errorf("source %d, entry %d: %v", n, e, err)
				}
			}
		})
	}
	devices.Wait()
}

// check verifies the ledger and that all but the refused were acknowledged.
func (s *journalSuite) check(t *testing.T, rightly func(telemetry.Reading) bool) {
	t.Helper()
	s.ledger.Wait(t, patience)
	s.ledger.Verify(t, s.archive, rightly, patience)
	if sent, stored, refused := s.ledger.Counts(); sent != stored+refused {
		t.Errorf("%d sent, %d acknowledged, %d refused", sent, stored, refused)
	}
}

func everyReading(t *testing.T, s *journalSuite) {
	s.fleet(t, 40, 10, 3)
	s.check(t, nil)
	if sent, stored, _ := s.ledger.Counts(); sent != 1200 || stored != sent {
		t.Errorf("%d sent, %d acknowledged, want 1200 of both", sent, stored)
	}
}

func largeEntry(t *testing.T, s *journalSuite) {
	s.fleet(t, 2, 1, telemetry.MaxReadings)
	s.check(t, nil)
}

func everyField(t *testing.T, s *journalSuite) {
	source := newSource()
	entry := telemetry.Entry{SourceID: source}
	for i := range 3 {
		r := complete(source, noon().Add(time.Duration(i)*time.Millisecond), float64(i)+0.1)
		r.ReceivedAt = noon()
		entry.Readings = append(entry.Readings, r)
	}
	old := power(source, telemetry.Earliest(), 0)
	old.ReceivedAt = noon()
	entry.Readings = append(entry.Readings, old)
	if err := s.send(t.Context(), entry); err != nil {
		t.Fatalf("sending: %v", err)
	}
	s.check(t, nil)
}

func laterStands(t *testing.T, s *journalSuite) {
	source := newSource()
	all := three(source)
	for i := range all {
		all[i].ReceivedAt = noon().Add(time.Duration(i/2) * time.Second) // two share a millisecond
	}
	for _, entry := range []telemetry.Entry{{SourceID: source, Readings: all[:2]}, {SourceID: source, Readings: all[2:]}} {
		answer := make(chan error, 1)
		if err := s.Journal.Append(t.Context(), entry, func(err error, _ []error) { answer <- err }); err != nil {
			t.Fatalf("appending: %v", err)
		}
		if err := <-answer; err != nil {
			t.Fatalf("not durable: %v", err)
		}
	}
	want := merged(all...)
	deadline := time.Now().Add(patience)
	for {
		got, err := s.archive.Latest(t.Context(), source)
		if err == nil && Difference(got, want) == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("found %v (%v): %s", got, err, Difference(got, want))
		}
		pause(t.Context(), 10*time.Millisecond)
	}
}
