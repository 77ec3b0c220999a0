package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"ampra/core/fault"
	"ampra/modules/telemetry/ingest"
	"ampra/test/fake"
)

func perSource(rate, burst int) ingest.LimitsConfig {
	return ingest.LimitsConfig{Source: ingest.Quota{Readings: ingest.Limit{Rate: rate, Burst: burst}}}
}

func TestNobodyGetsMoreThanBurstRateAndOneDelivery(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate, burst := rapid.IntRange(1, 100).Draw(t, "rate"), rapid.IntRange(1, 200).Draw(t, "burst")
		largest := rapid.IntRange(1, 500).Draw(t, "largest")
		cfg := perSource(rate, burst)
		if rapid.Bool().Draw(t, "by bytes") {
			cfg.Source = ingest.Quota{Bytes: cfg.Source.Readings}
		}
		if rapid.Bool().Draw(t, "of the user") {
			cfg.User, cfg.Source = cfg.Source, ingest.Quota{}
		}
		clock := fake.NewClock(present())
		l := ingest.NewLimits(cfg, clock)
		source, user, passed := uuid.New(), uuid.New(), 0
		for range rapid.IntRange(1, 100).Draw(t, "deliveries") {
			clock.Advance(time.Duration(rapid.Int64Range(0, int64(2*time.Second)).Draw(t, "pause")))
			if wait := l.Wait(source, user); wait > 0 {
				clock.Advance(wait)
				if again := l.Wait(source, user); again > 0 {
					t.Fatalf("told to wait %s, and then %s more", wait, again)
				}
			}
			n := rapid.IntRange(1, largest).Draw(t, "size")
			l.Charge(source, user, n, n)
			passed += n
			if most := float64(burst) + float64(rate)*clock.Now().Sub(present()).Seconds() + float64(largest) + 1e-3; float64(passed) > most {
				t.Fatalf("%d passed, at most %v may", passed, most)
			}
		}
	})
}

func TestALimitOfZeroIsNone(t *testing.T) {
	t.Parallel()
	l := ingest.NewLimits(ingest.LimitsConfig{User: ingest.Quota{Bytes: ingest.Limit{Rate: 10}}}, fake.NewClock(present()))
	source := uuid.New()
	l.Charge(source, uuid.New(), 1_000_000, 1)
	if wait := l.Wait(source, uuid.New()); wait != 0 {
		t.Errorf("waits %s, there is no limit of readings", wait)
	}
}

func TestSourcesWaitForThemselvesAndUsersForAllOfTheirs(t *testing.T) {
	t.Parallel()
	cfg := perSource(1, 1)
	cfg.User = ingest.Quota{Readings: ingest.Limit{Rate: 10, Burst: 10}}
	l := ingest.NewLimits(cfg, fake.NewClock(present()))
	user, busy := uuid.New(), uuid.New()
	l.Charge(busy, user, 5, 0)
	if wait := l.Wait(uuid.New(), user); wait != 0 {
		t.Errorf("a quiet source waits %s for a busy one", wait)
	}
	if wait := l.Wait(busy, user); wait != 4*time.Second {
		t.Errorf("the busy one waits %s, want 4s", wait)
	}
	l.Charge(uuid.New(), user, 25, 0)
	if wait := l.Wait(uuid.New(), user); wait != 2*time.Second {
		t.Errorf("the user's sources wait %s, want 2s", wait)
	}
	if wait := l.Wait(uuid.New(), uuid.New()); wait != 0 {
		t.Errorf("another user's source waits %s", wait)
	}
}

func TestAClockThatIsSetBackGivesNothing(t *testing.T) {
	t.Parallel()
	clock := fake.NewClock(present())
	l := ingest.NewLimits(perSource(1, 1), clock)
	source := uuid.New()
	l.Charge(source, uuid.Nil, 3, 0)
	clock.Advance(-time.Hour)
	if wait := l.Wait(source, uuid.Nil); wait != 2*time.Second {
		t.Errorf("waits %s, want 2s", wait)
	}
}

func TestWhoIsToldToComeBackIsLetInThen(t *testing.T) {
	t.Parallel()
	clock := fake.NewClock(present())
	cfg := ingest.LimitsConfig{User: ingest.Quota{Readings: ingest.Limit{Rate: 10, Burst: 10}}}
	l := ingest.NewLimits(cfg, clock)
	user, patient := uuid.New(), uuid.New()
	l.Charge(uuid.New(), user, 20, 0)
	wait := l.Refuse(patient, user)
	if wait != time.Second {
		t.Fatalf("told to wait %s, want 1s", wait)
	}
	l.Charge(uuid.New(), user, 1000, 0) // of others, meanwhile
	clock.Advance(wait / 2)
	if early := l.Refuse(patient, user); early != wait/2 {
		t.Errorf("who asks too early is told %s, want what is left, %s", early, wait/2)
	}
	clock.Advance(wait / 2)
	if again := l.Refuse(patient, user); again != 0 {
		t.Errorf("told to wait %s more", again)
	}
	if again := l.Refuse(patient, user); again == 0 {
		t.Error("one promise let in two requests")
	}
}

func TestHowManyAreRememberedIsBounded(t *testing.T) {
	t.Parallel()
	clock := fake.NewClock(present())
	cfg := perSource(1, 2)
	cfg.Remembered = 100
	l := ingest.NewLimits(cfg, clock)
	busy := uuid.New()
	for range 50 {
		l.Charge(uuid.New(), uuid.Nil, 1, 0)
	}
	clock.Advance(time.Hour)
	l.Charge(busy, uuid.Nil, 1000, 0)
	for i := range 60 {
		l.Charge(uuid.New(), uuid.Nil, 1, 0)
		if l.Wait(busy, uuid.Nil) == 0 {
			t.Fatalf("after %d new ones the busy source was forgotten before idle ones", i)
		}
	}
	for range 10 * cfg.Remembered {
		l.Charge(uuid.New(), uuid.Nil, 100, 0)
		if n := l.Known(); n > cfg.Remembered {
			t.Fatalf("%d sources are remembered, at most %d may", n, cfg.Remembered)
		}
	}
}

func TestAListLongerThanTheBurstIsTakenAndWhatComesNextIsToldWhen(t *testing.T) {
	clock := fake.NewClock(present())
	r := newRig()
	r.service = r.serviceWith(clock, perSource(100, 2000), nil)
	var list strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&list, `,{"ts": %d, "acPowerWatts": 1}`, 1_700_000_000+i)
	}
	if receipt, err := r.accept(t, "["+list.String()[1:]+"]"); err != nil || receipt.Accepted != 10_000 {
		t.Fatalf("accepted %d, %v", receipt.Accepted, err)
	}
	_, err := r.accept(t, `{"acPowerWatts": 1}`)
	refused, ok := errors.AsType[*fault.Error](err)
	if !ok || refused.Code != fault.TooMany || refused.RetryAfter != 80*time.Second {
		t.Fatalf("got %v, want TooMany for 80s", err)
	}
	clock.Advance(refused.RetryAfter)
	if _, err := r.accept(t, `{"acPowerWatts": 1}`); err != nil {
		t.Errorf("after Retry-After: %v", err)
	}
}

func TestWhatCanNotBeReadCountsToo(t *testing.T) {
	r := newRig()
	r.service = r.serviceWith(fake.NewClock(present()), perSource(1, 3), nil)
	for range 4 {
		if _, err := r.accept(t, `{`); !fault.Is(err, fault.Invalid) {
			t.Fatal(err)
		}
	}
	if _, err := r.accept(t, `{`); !fault.Is(err, fault.TooMany) {
		t.Errorf("got %v, want TooMany", err)
	}
}

type ownerOf func(uuid.UUID) (uuid.UUID, error)

func (f ownerOf) Owner(_ context.Context, source uuid.UUID) (uuid.UUID, error) { return f(source) }

func TestTheUserOfADeliveryIsFound(t *testing.T) {
	owner := uuid.New()
	cfg := ingest.LimitsConfig{User: ingest.Quota{Readings: ingest.Limit{Rate: 1, Burst: 1}}}
	r := newRig()
	r.service = r.serviceWith(fake.NewClock(present()), cfg, ownerOf(func(uuid.UUID) (uuid.UUID, error) { return owner, nil }))
	for range 2 {
		if _, err := r.accept(t, `{"acPowerWatts": 1}`); err != nil {
			t.Fatal(err)
		}
	}
	r.source = uuid.New() // another of the same user
	if _, err := r.accept(t, `{"acPowerWatts": 1}`); !fault.Is(err, fault.TooMany) {
		t.Errorf("got %v, want TooMany", err)
	}
}
