package webhook

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func TestASourceNeverGetsMoreThanItsRateAndBurst(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate, burst := float64(rapid.IntRange(1, 100).Draw(t, "rate")), float64(rapid.IntRange(1, 50).Draw(t, "burst"))
		l := newLimiter(rate, burst, 10)
		begin := time.Unix(1_800_000_000, 0)
		now, source, passed := begin, uuid.New(), 0.0
		for range rapid.IntRange(1, 300).Draw(t, "requests") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(200*time.Millisecond)).Draw(t, "pause")))
			wait := l.take(source, now)
			if wait == 0 {
				passed++
			} else if again := l.take(source, now.Add(wait+time.Microsecond)); again > time.Microsecond {
				t.Fatalf("told to wait %s, and then %s more", wait, again)
			} else {
				now = now.Add(wait + time.Microsecond)
				passed++
			}
			if most := burst + rate*now.Sub(begin).Seconds() + 1e-3; passed > most {
				t.Fatalf("%v requests passed in %s, at most %v may", passed, now.Sub(begin), most)
			}
		}
	})
}

func TestSourcesDoNotShareABucket(t *testing.T) {
	t.Parallel()
	l := newLimiter(1, 1, 10)
	now := time.Unix(1_800_000_000, 0)
	for range 5 {
		if wait := l.take(uuid.New(), now); wait > 0 {
			t.Errorf("a source waits %s for others", wait)
		}
	}
}

func TestAClockThatGoesBackGivesNothing(t *testing.T) {
	t.Parallel()
	l := newLimiter(1, 1, 10)
	now, source := time.Unix(1_800_000_000, 0), uuid.New()
	l.take(source, now)
	if wait := l.take(source, now.Add(-time.Hour)); wait != time.Second {
		t.Errorf("waits %s, want 1s", wait)
	}
	if wait := l.take(source, now.Add(time.Second)); wait != 0 {
		t.Errorf("waits %s, want none", wait)
	}
}

func TestTheNumberOfSourcesIsBounded(t *testing.T) {
	t.Parallel()
	const most = 100
	l := newLimiter(1, 2, most)
	now := time.Unix(1_800_000_000, 0)
	for i := range 10 * most {
		now = now.Add(10 * time.Millisecond)
		l.take(uuid.New(), now)
		if len(l.buckets) > most {
			t.Fatalf("after %d sources %d are remembered, at most %d may", i, len(l.buckets), most)
		}
	}
}

func TestIdleSourcesAreForgottenBeforeBusyOnes(t *testing.T) {
	t.Parallel()
	const most = 10
	l := newLimiter(1, 2, most)
	now, busy := time.Unix(1_800_000_000, 0), uuid.New()
	for range most - 1 {
		l.take(uuid.New(), now)
	}
	now = now.Add(time.Hour)
	for range 2 {
		l.take(busy, now)
	}
	l.take(uuid.New(), now)
	if wait := l.take(busy, now); wait != time.Second {
		t.Errorf("the busy source waits %s, want 1s: it was forgotten", wait)
	}
	if len(l.buckets) != 2 {
		t.Errorf("%d sources are remembered, want the busy one and the new one", len(l.buckets))
	}
}
