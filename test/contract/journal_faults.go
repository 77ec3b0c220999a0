package contract

import (
	"context"
	"errors"
	"testing"
	"time"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

func away() error { return fault.Retry(fault.Unavailable, time.Second, "The archive is away.") }

// poisoned says which readings the archive refuses for good.
func poisoned(r telemetry.Reading) bool { return r.Timestamp.Second()%7 == 3 }

func lastingError(t *testing.T, s *journalSuite) {
	refusal := errors.New("this reading can't be stored")
	s.archive.Refuse(func(r telemetry.Reading) error {
		if poisoned(r) {
			return refusal
		}
		return nil
	})
	s.fleet(t, 10, 5, 8)
	s.check(t, poisoned)
	if s.OpenLog != nil {
		return // the journal takes them all; its writer refuses
	}
	if _, _, refused := s.ledger.Counts(); refused == 0 {
		t.Error("no reading was refused")
	}
}

func passingErrors(t *testing.T, s *journalSuite) {
	for range 5 {
		s.archive.FailNext(2, away())
		s.archive.PassNext(1)
	}
	s.fleet(t, 10, 5, 3)
	s.check(t, nil)
	if sent, stored, _ := s.ledger.Counts(); sent != 150 || stored != sent {
		t.Errorf("%d sent, %d acknowledged, want 150 of both", sent, stored)
	}
}

func lostAnswers(t *testing.T, s *journalSuite) {
	for range 5 {
		s.archive.LoseAnswers(1, away())
		s.archive.PassNext(1)
	}
	s.fleet(t, 10, 5, 3)
	s.check(t, nil)
	if sent, stored, _ := s.ledger.Counts(); sent != 150 || stored != sent {
		t.Errorf("%d sent, %d acknowledged, want 150 of both", sent, stored)
	}
}

// slowArchive sends with contexts that end soon: whatever Append says, done is
// called once when it took the entry and never when it did not, and what was
// answered as durable is found.
func slowArchive(t *testing.T, s *journalSuite) {
	s.archive.Delay(5 * time.Millisecond)
	source := newSource()
	for i := range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%7)*time.Millisecond)
		entry := telemetry.Entry{SourceID: source, Readings: []telemetry.Reading{
			power(source, noon().Add(time.Duration(i)*time.Second), float64(i)),
		}}
		err := s.ledger.Send(ctx, s.Journal, entry, nil)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && !fault.Passing(err) {
			t.Errorf("an Append whose context ended returned %v", err)
		}
		cancel()
	}
	s.archive.Delay(0)
	s.ledger.Wait(t, patience)
	s.ledger.Verify(t, s.archive, nil, patience)
}

func orderlyStop(t *testing.T, s *journalSuite) {
	if s.Run == nil {
		t.Skip("this journal has nothing that runs")
	}
	s.archive.Delay(2 * time.Millisecond)
	source := newSource()
	entryAt := func(i int) telemetry.Entry {
		return telemetry.Entry{SourceID: source, Readings: []telemetry.Reading{
			power(source, noon().Add(time.Duration(i)*time.Second), float64(i)),
		}}
	}
	for i := range 100 {
		if err := s.ledger.Send(t.Context(), s.Journal, entryAt(i), nil); err != nil {
			t.Fatalf("appending: %v", err)
		}
	}
	s.stopJournal()
	s.ledger.Wait(t, patience)
	s.ledger.Verify(t, s.archive, nil, patience)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := s.ledger.Send(ctx, s.Journal, entryAt(1000), nil); err == nil {
		s.ledger.Wait(t, patience) // taken after all: then it is answered
	} else if !fault.Passing(err) {
		t.Errorf("a journal that has stopped returned %v, want a fault Unavailable", err)
	}
}
