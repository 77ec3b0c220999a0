package deadletters_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/modules/telemetry/deadletters"
	"ampra/test/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func noon() time.Time { return time.Date(2026, time.June, 14, 12, 0, 0, 0, time.UTC) }

// sources are those that are deleted.
type sources struct {
	deleted uuid.UUID
	away    int
}

func (s *sources) Alive(_ context.Context, ids []uuid.UUID) ([]bool, error) {
	if s.away > 0 {
		s.away--
		return nil, errors.New("the records are away")
	}
	alive := make([]bool, len(ids))
	for i, id := range ids {
		alive[i] = id != s.deleted
	}
	return alive, nil
}

func TestADrainKeepsAllButWhatDeletedSourcesSentThroughOutages(t *testing.T) {
	var topic fake.LetterTopic
	var store fake.LetterStore
	known := &sources{deleted: uuid.New(), away: 2}
	alive := uuid.New()
	for i := range 30 {
		for _, source := range []uuid.UUID{known.deleted, alive, uuid.Nil} {
			if err := topic.Put(t.Context(), telemetry.DeadLetter{SourceID: source, At: noon().Add(time.Duration(i) * time.Second)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	store.FailNext(2, fault.New(fault.Unavailable, "away"))
	log := topic.OpenLog()
	log.FailNext(1, errors.New("no leader"))
	failed := 0
	drain := deadletters.NewDrain(
		deadletters.DrainConfig{Batch: 20, Linger: time.Millisecond, RetryMin: time.Millisecond, RetryMax: time.Millisecond},
		deadletters.DrainDeps{
			Log: log, Letters: &store, Sources: known, Failed: func(error) { failed++ },
			Lost: func(l telemetry.DeadLetter, err error) { t.Errorf("lost %s: %v", l.ID, err) },
		})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- drain.Run(ctx) }()
	for deadline := time.After(10 * time.Second); topic.Committed() < 90; {
		select {
		case <-deadline:
			t.Fatalf("%d of 90 are committed", topic.Committed())
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if err := <-ended; err != nil || failed != 5 {
		t.Errorf("it ended with %v after %d failures, want 5", err, failed)
	}
	for source, want := range map[uuid.UUID]int{known.deleted: 0, alive: 30, uuid.Nil: 30} {
		if n, err := store.Count(t.Context(), source); err != nil || n != want {
			t.Errorf("%d letters are kept of a source, %v, want %d", n, err, want)
		}
	}
}

// picky refuses some letters for good.
type picky struct {
	fake.DeadLetters
	refuse func(telemetry.DeadLetter) bool
}

func (p *picky) Put(ctx context.Context, letters ...telemetry.DeadLetter) error {
	if slices.ContainsFunc(letters, p.refuse) {
		return fault.New(fault.TooLarge, "too large")
	}
	return p.DeadLetters.Put(ctx, letters...)
}

func TestALetterThatIsRefusedForGoodHoldsUpNobody(t *testing.T) {
	next := &picky{refuse: func(l telemetry.DeadLetter) bool { return string(l.Raw) == "x" }}
	source := uuid.New()
	var lost []telemetry.DeadLetter
	door := deadletters.NewDoor(deadletters.DoorDeps{
		Next: next, Clock: fake.NewClock(noon()), Lost: func(l telemetry.DeadLetter, _ error) { lost = append(lost, l) },
	})
	var letters []telemetry.DeadLetter
	for _, raw := range []string{"a", "x", "b"} {
		letters = append(letters, telemetry.DeadLetter{ID: uuid.New(), SourceID: source, Raw: []byte(raw)})
	}
	if err := door.Put(t.Context(), letters...); err != nil {
		t.Errorf("putting: %v", err)
	}
	if kept, _ := next.List(t.Context(), source); len(kept) != 2 || len(lost) != 1 || lost[0].ID != letters[1].ID || door.Refused() != 1 {
		t.Errorf("%d letters are kept, %d are lost, %d count as refused", len(kept), len(lost), door.Refused())
	}
	next.FailNext(1, fault.New(fault.Unavailable, "away"))
	if err := door.Put(t.Context(), letters[0]); !fault.Is(err, fault.Unavailable) {
		t.Errorf("while the next is away putting gives %v", err)
	}
}

func TestAFloodOfOneSourceIsCutAndThatOfOthersIsNot(t *testing.T) {
	var next fake.LetterTopic
	clock := fake.NewClock(noon())
	door := deadletters.NewDoor(deadletters.DoorDeps{
		Next: &next, Clock: clock, Lost: func(l telemetry.DeadLetter, err error) { t.Errorf("lost %s: %v", l.ID, err) },
	})
	flooding, large := uuid.New(), uuid.New()
	put := func(source uuid.UUID, n, size int) (dropped int64) {
		before := door.Dropped()
		for range n {
			if err := door.Put(t.Context(), telemetry.DeadLetter{SourceID: source, Raw: make([]byte, size)}); err != nil {
				t.Fatal(err)
			}
		}
		return door.Dropped() - before
	}
	for _, step := range []struct {
		source        uuid.UUID
		n, size       int
		after         time.Duration
		dropped, most int64
	}{
		{flooding, 2000, 10, 0, 0, 0},
		{flooding, 500, 10, 0, 500, 500},
		{uuid.New(), 10, 10, 0, 0, 0},
		{flooding, 100, 10, time.Second, 80, 80},
		{flooding, 2500, 10, time.Hour, 500, 500},
		{large, 600, telemetry.MaxRaw, 0, 80, 100}, // twice 16 MiB are 512 of them
	} {
		clock.Advance(step.after)
		if got := put(step.source, step.n, step.size); got < step.dropped || got > step.most {
			t.Errorf("of %d letters of %d bytes %d are dropped, want %d to %d", step.n, step.size, got, step.dropped, step.most)
		}
	}
}
