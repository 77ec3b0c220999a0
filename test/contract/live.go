package contract

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/device"
	"ampra/core/live"
	"ampra/core/telemetry"
)

// LiveBus is the suite of live.Bus. open returns one process's end of a bus that
// all of them share.
func LiveBus(t *testing.T, open func(t *testing.T) live.Bus) {
	t.Helper()
	one, two := open(t), open(t)
	first, second := listenToBus(t, one), listenToBus(t, two)
	source := uuid.New()
	moment := time.Date(2026, 6, 14, 12, 0, 0, 123456000, time.UTC)
	events := []live.Event{
		{Kind: live.StateChanged, SourceID: source, At: moment, State: &device.Change{SourceID: source, State: device.Late, Since: moment}},
		{Kind: live.Attempted, SourceID: source, At: moment, Attempt: &device.Attempt{
			SourceID: source, At: moment, Transport: "mqtt", Remote: "192.0.2.1:55", Reason: "wrong-key", Detail: "It's \"wrong\", \u00fc.",
		}},
		{Kind: live.JobMoved, SourceID: source, Job: &live.JobProgress{JobID: uuid.New(), State: "running", Progress: 0.25}},
		{Kind: live.AccessChanged, Subject: uuid.New()},
	}
	t.Run("everybody hears everything, in one order", func(t *testing.T) {
		var sending sync.WaitGroup
		for _, bus := range []live.Bus{one, two} {
			sending.Go(func() {
				for range 20 {
					if err := bus.Send(t.Context(), events); err != nil {
						t.Errorf("sending: %v", err)
					}
				}
			})
		}
		sending.Wait()
		const want = 2 * 20 * 4
		heard := first.await(t, want)
		other := second.await(t, want)
		for i := range heard {
			if !sameEvent(heard[i], other[i]) {
				t.Fatalf("event %d is %+v for one and %+v for the other", i, heard[i], other[i])
			}
		}
		for _, e := range events {
			if n := count(heard, e); n != 40 {
				t.Errorf("%+v is heard %d times, want 40", e, n)
			}
		}
	})
	t.Run("what is too large is left out, and what stands beside it is told", func(t *testing.T) {
		large := live.Event{Kind: live.Attempted, SourceID: source, Attempt: &device.Attempt{Detail: string(make([]byte, 20_000))}}
		if err := one.Send(t.Context(), []live.Event{large, events[0]}); err != nil {
			t.Errorf("sending: %v", err)
		}
		heard := second.await(t, 161)
		if len(heard) != 161 || !sameEvent(heard[160], events[0]) {
			t.Errorf("heard %d events", len(heard))
		}
	})
	if began := first.begun(); began != 1 {
		t.Errorf("listening began %d times, want once", began)
	}
}

func count(all []live.Event, of live.Event) (n int) {
	for _, e := range all {
		if sameEvent(e, of) {
			n++
		}
	}
	return n
}

func sameEvent(a, b live.Event) bool {
	return a.Kind == b.Kind && a.SourceID == b.SourceID && a.Subject == b.Subject && a.At.Equal(b.At) &&
		same(a.State, b.State) && same(a.Attempt, b.Attempt) && same(a.Job, b.Job)
}

func same[T comparable](a, b *T) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }

// busEnd is what was heard of a bus.
type busEnd struct {
	mu    sync.Mutex
	began int
	heard []live.Event
}

func listenToBus(t *testing.T, bus live.Bus) *busEnd {
	t.Helper()
	b := &busEnd{}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() {
		ended <- bus.Listen(ctx, func() {
			b.mu.Lock()
			b.began++
			b.mu.Unlock()
		}, func(e live.Event) {
			b.mu.Lock()
			b.heard = append(b.heard, e)
			b.mu.Unlock()
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("listening ended with %v", err)
		}
	})
	liveEventually(t, "listening begins", func() bool { return b.begun() > 0 })
	return b
}

func (b *busEnd) begun() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.began
}

func (b *busEnd) await(t *testing.T, n int) []live.Event {
	t.Helper()
	var heard []live.Event
	liveEventually(t, "events are heard", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		heard = slices.Clone(b.heard)
		return len(heard) >= n
	})
	return heard
}

func liveEventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(30 * time.Second); !holds(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

// LiveTail is the suite of live.Tail, with the journal that it reads.
func LiveTail(t *testing.T, journal telemetry.Journal, tail live.Tail) {
	t.Helper()
	before, source := uuid.New(), uuid.New()
	appendLive(t, journal, before, 5)
	follow, stop := followTail(t, tail)
	begin := follow.begin
	t.Run("it reads what becomes durable from now on, each once and in order", func(t *testing.T) {
		appendLive(t, journal, source, 50)
		follow.await(t, source, 50)
		if got := follow.of(before); len(got) > 0 {
			t.Errorf("it read %d readings from before", len(got))
		}
	})
	until := follow.reached()
	appendLive(t, journal, source, 10)
	t.Run("a replay reads from one place until another", func(t *testing.T) {
		again := &tailEnd{next: slices.Clone(begin)}
		if err := tail.Replay(t.Context(), begin, until, again.take); err != nil {
			t.Fatal(err)
		}
		if got, want := again.of(source), sequence(50); !slices.Equal(got, want) {
			t.Errorf("it read %v, want %v", got, want)
		}
		nothing := &tailEnd{next: slices.Clone(until)}
		if err := tail.Replay(t.Context(), until, until, nothing.take); err != nil || len(nothing.of(source)) > 0 {
			t.Errorf("from a place to itself: %v, %v", nothing.of(source), err)
		}
	})
	t.Run("a replay of what is not there says so", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		from, beyond := slices.Clone(until), slices.Clone(until)
		for p := range beyond {
			from[p], beyond[p] = until[p]+1_000_000, until[p]+1_000_001
		}
		if err := tail.Replay(ctx, from, beyond, func(live.Part) {}); err == nil {
			t.Error("it gives no error")
		}
	})
	follow.await(t, source, 60)
	stop()
}

func sequence(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// appendLive makes n readings durable, which count from where the source was.
func appendLive(t *testing.T, journal telemetry.Journal, source uuid.UUID, n int) {
	t.Helper()
	for range n {
		now := telemetry.Truncate(time.Now())
		r := telemetry.Reading{SourceID: source, Timestamp: now, ReceivedAt: now}
		r.Values.Set(telemetry.SolarPowerWatts, 1)
		done := make(chan error, 1)
		err := journal.Append(t.Context(), telemetry.Entry{SourceID: source, Readings: []telemetry.Reading{r}}, func(err error, _ []error) { done <- err })
		if err == nil {
			err = <-done
		}
		if err != nil {
			t.Fatalf("appending: %v", err)
		}
	}
}

// tailEnd is what was read of a tail: by source, the offsets' order.
type tailEnd struct {
	mu    sync.Mutex
	begin live.Position
	next  live.Position
	read  map[uuid.UUID]int
	wrong []string
}

func (e *tailEnd) take(p live.Part) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.read == nil {
		e.read = map[uuid.UUID]int{}
	}
	for _, r := range p.Records {
		if r.Partition != p.Partition || r.Offset < e.next[p.Partition] || r.Offset >= p.Next && p.Next > 0 {
			e.wrong = append(e.wrong, "a record out of order")
		}
		e.next[p.Partition] = r.Offset + 1
		entry, err := telemetry.DecodeEntry(r.Value)
		if err != nil || entry.SourceID != r.SourceID {
			e.wrong = append(e.wrong, "a record that can't be read")
			continue
		}
		e.read[r.SourceID] += len(entry.Readings)
	}
	e.next[p.Partition] = max(e.next[p.Partition], p.Next)
}

// of numbers the readings of a source that were read.
func (e *tailEnd) of(source uuid.UUID) []int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return sequence(e.read[source])
}

func (e *tailEnd) reached() live.Position {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.next)
}

func (e *tailEnd) await(t *testing.T, source uuid.UUID, n int) {
	t.Helper()
	liveEventually(t, "readings are read", func() bool { return len(e.of(source)) >= n })
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.read[source] != n || len(e.wrong) > 0 {
		t.Errorf("it read %d readings, want %d; wrong: %v", e.read[source], n, e.wrong)
	}
}

func followTail(t *testing.T, tail live.Tail) (e *tailEnd, stop func()) {
	t.Helper()
	e = &tailEnd{}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	began, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- tail.Follow(ctx, func(at live.Position) {
			e.begin, e.next = slices.Clone(at), slices.Clone(at)
			close(began)
		}, e.take)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("following ended with %v", err)
		}
	})
	t.Cleanup(stop)
	select {
	case <-began:
	case <-time.After(30 * time.Second):
		t.Fatal("following does not begin")
	}
	return e, stop
}
