package bootstrap_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
	"ampra/modules/telemetry/deadletters"
	"ampra/modules/telemetry/ingest"
	"ampra/test/fake"
)

// How dead letters and ingest work together: neither module knows the other.

// owned is a repository in which one user owns one source.
type owned struct {
	sunsource.Repository
	owner, source uuid.UUID
}

func (o owned) Get(_ context.Context, owner, id uuid.UUID) (sunsource.SunSource, error) {
	if owner != o.owner || id != o.source {
		return sunsource.SunSource{}, fault.New(fault.NotFound, "There is no such sun source.")
	}
	return sunsource.SunSource{ID: id, OwnerID: owner}, nil
}

type rig struct {
	owned
	who     actor.Actor
	letters fake.LetterStore
	journal *fake.Journal
	service *deadletters.Service
}

func newRig() *rig {
	r := &rig{owned: owned{owner: uuid.New(), source: uuid.New()}, journal: fake.NewJournal(1)}
	r.who = actor.Actor{UserID: r.owner, Role: actor.User}
	again := ingest.New(ingest.Deps{ //nolint:exhaustruct_v5 // limits are not for what was taken already
		Journal: r.journal, DeadLetters: &r.letters, Clock: fake.NewClock(noon().Add(time.Hour)), Random: rand.Reader,
	})
	r.service = deadletters.New(deadletters.Deps{Sources: r.owned, Letters: &r.letters, Ingest: again})
	return r
}

func noon() time.Time { return time.Date(2026, time.June, 14, 12, 0, 0, 0, time.UTC) }

// put stores a letter, i seconds after noon.
func (r *rig) put(t *testing.T, i int, raw string) telemetry.DeadLetter {
	t.Helper()
	l := telemetry.DeadLetter{
		ID: uuid.New(), SourceID: r.source, At: noon().Add(time.Duration(i) * time.Second), Origin: telemetry.FromMQTT,
		Topic: "t", Kind: telemetry.LetterMalformed, Reason: "of an older release", Raw: []byte(raw),
	}.Bounded()
	if err := r.letters.Put(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	return l
}

// journaled is all that the journal has, in order.
func (r *rig) journaled(t *testing.T) (all []telemetry.Placed) {
	t.Helper()
	log := r.journal.OpenLog()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		batch, err := log.Fetch(ctx, 1000, 0)
		cancel()
		if err != nil {
			return all
		}
		all = append(all, batch.Readings...)
	}
}

// byTime puts in order what the fake journal takes in any.
func byTime(all []telemetry.Placed) {
	slices.SortFunc(all, func(a, b telemetry.Placed) int { return a.Timestamp.Compare(b.Timestamp) })
}

func (r *rig) replayAll(t *testing.T, want deadletters.Outcome) {
	t.Helper()
	got, err := r.service.ReplayAll(t.Context(), r.who, r.source)
	if err != nil || got != want {
		t.Errorf("the outcome is %+v, %v, want %+v", got, err, want)
	}
}

func TestAReplayTakesEachLetterWithItsOwnTime(t *testing.T) {
	r := newRig()
	for i := range 120 { // more than a page
		r.put(t, 119-i, fmt.Sprintf(`{"acPowerWatts":%d}`, 119-i))
	}
	r.replayAll(t, deadletters.Outcome{Replayed: 120, Accepted: 120})
	all := r.journaled(t)
	if len(all) != 120 {
		t.Fatalf("the journal has %d readings, want 120", len(all))
	}
	byTime(all)
	for i, p := range all {
		at := noon().Add(time.Duration(i) * time.Second)
		if watts, _ := p.Values.Get(telemetry.ACPowerWatts); watts != float64(i) || !p.Timestamp.Equal(at) || !p.ReceivedAt.Equal(at) {
			t.Errorf("reading %d is %v of %s, received %s", i, watts, p.Timestamp, p.ReceivedAt)
		}
	}
}

func TestWhatDependsOnTheTopicOrTheSignatureIsReadWithThem(t *testing.T) {
	r := newRig()
	scalar := telemetry.DeadLetter{ID: uuid.New(), SourceID: r.source, At: noon(), Origin: telemetry.FromMQTT, Name: "acPowerWatts", Raw: []byte("7")}
	signed := telemetry.DeadLetter{
		ID: uuid.New(), SourceID: r.source, At: noon().Add(time.Second), Origin: telemetry.FromWebhook,
		SignedAt: noon().Add(-time.Minute), Raw: []byte(`{"acPowerWatts":8}`),
	}
	record := telemetry.DeadLetter{ID: uuid.New(), SourceID: r.source, At: noon().Add(2 * time.Second), Origin: telemetry.FromJournal}
	reading := telemetry.Reading{SourceID: r.source, Timestamp: noon().Add(-time.Hour), ReceivedAt: noon()}
	reading.Values.Set(telemetry.ACPowerWatts, 9)
	record.Raw = telemetry.AppendEntry(nil, telemetry.Entry{SourceID: r.source, Readings: []telemetry.Reading{reading}})
	if err := r.letters.Put(t.Context(), scalar, signed, record); err != nil {
		t.Fatal(err)
	}
	r.replayAll(t, deadletters.Outcome{Replayed: 3, Accepted: 3})
	want := []time.Time{reading.Timestamp, signed.SignedAt, noon()}
	all := r.journaled(t)
	byTime(all)
	for i, p := range all {
		if watts, _ := p.Values.Get(telemetry.ACPowerWatts); watts != float64(9-i) || !p.Timestamp.Equal(want[i]) {
			t.Errorf("reading %d is %v of %s, want %d of %s", i, watts, p.Timestamp, 9-i, want[i])
		}
	}
}

func TestARecordOfAnotherSourceIsNotTaken(t *testing.T) {
	r := newRig()
	l := r.put(t, 1, "")
	reading := telemetry.Reading{SourceID: uuid.New(), Timestamp: noon(), ReceivedAt: noon()}
	reading.Values.Set(telemetry.ACPowerWatts, 9)
	l.ID, l.Origin = uuid.New(), telemetry.FromJournal
	l.Raw = telemetry.AppendEntry(nil, telemetry.Entry{SourceID: reading.SourceID, Readings: []telemetry.Reading{reading}})
	if err := r.letters.Put(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	r.replayAll(t, deadletters.Outcome{Replayed: 2, Rejected: 2, Remaining: 2})
	if all := r.journaled(t); len(all) != 0 {
		t.Errorf("the journal has %d readings", len(all))
	}
}

func TestAReplayWhileTheJournalIsAwayKeepsTheLetters(t *testing.T) {
	r := newRig()
	bad := r.put(t, 1, "{")
	good := r.put(t, 2, `{"acPowerWatts":1}`)
	r.journal.FailNext(1, fault.New(fault.Unavailable, "away"))
	if _, err := r.service.ReplayAll(t.Context(), r.who, r.source); !fault.Is(err, fault.Unavailable) {
		t.Errorf("it ends with %v, want Unavailable", err)
	}
	if got, err := r.service.Get(t.Context(), r.who, r.source, good.ID); err != nil || got.Reason != good.Reason {
		t.Errorf("the letter is %+v, %v", got, err)
	}
	if got, _ := r.service.Get(t.Context(), r.who, r.source, bad.ID); got.Reason == bad.Reason {
		t.Error("what can't be read kept its old reason")
	}
	r.replayAll(t, deadletters.Outcome{Replayed: 2, Accepted: 1, Rejected: 1, Remaining: 1})
}

func TestAnothersLettersAreNotThere(t *testing.T) {
	r := newRig()
	l := r.put(t, 1, `{"acPowerWatts":1}`)
	stranger := actor.Actor{UserID: uuid.New(), Role: actor.Overseer}
	s := r.service
	for name, act := range map[string]func() error{
		"list":       func() error { _, err := s.List(t.Context(), stranger, r.source, deadletters.Ask{}); return err },
		"get":        func() error { _, err := s.Get(t.Context(), stranger, r.source, l.ID); return err },
		"delete":     func() error { return s.Delete(t.Context(), stranger, r.source, l.ID) },
		"delete all": func() error { return s.DeleteAll(t.Context(), stranger, r.source) },
		"replay":     func() error { _, err := s.Replay(t.Context(), stranger, r.source, l.ID); return err },
		"replay all": func() error { _, err := s.ReplayAll(t.Context(), stranger, r.source); return err },
	} {
		if err := act(); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s gives %v, want NotFound", name, err)
		}
	}
	if n, err := r.letters.Count(t.Context(), r.source); err != nil || n != 1 {
		t.Errorf("%d letters are left, %v", n, err)
	}
}

// refusing takes no letter, for good.
type refusing struct{}

func (refusing) Put(context.Context, ...telemetry.DeadLetter) error {
	return fault.New(fault.Invalid, "not this one")
}

func TestADeviceGoesOnWhenItsLetterIsRefusedForGood(t *testing.T) {
	next := refusing{}
	door := deadletters.NewDoor(deadletters.DoorDeps{Next: next, Clock: fake.NewClock(noon()), Lost: func(telemetry.DeadLetter, error) {}})
	journal := fake.NewJournal(1)
	intake := ingest.New(ingest.Deps{ //nolint:exhaustruct_v5 // without limits
		Journal: journal, DeadLetters: door, Clock: fake.NewClock(noon()), Random: rand.Reader,
	})
	if _, err := intake.Accept(t.Context(), ingest.Delivery{SourceID: uuid.New(), Payload: []byte("{")}); !fault.Is(err, fault.Invalid) {
		t.Errorf("what can't be read gives %v, want Invalid, with which every way in acknowledges it", err)
	}
	receipt, err := intake.Accept(t.Context(), ingest.Delivery{
		SourceID: uuid.New(), Payload: []byte(`[{"ts":0,"acPowerWatts":1},{"acPowerWatts":2}]`),
	})
	if err != nil || receipt.Accepted != 1 || len(receipt.Rejected) != 1 || door.Refused() != 2 {
		t.Errorf("what can be read in part gives %+v, %v; %d letters count as refused", receipt, err, door.Refused())
	}
}
