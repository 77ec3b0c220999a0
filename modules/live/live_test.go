package live_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/change"
	"ampra/core/clock"
	"ampra/core/device"
	"ampra/core/fault"
	core "ampra/core/live"
	"ampra/core/telemetry"
	"ampra/modules/live"
)

func TestAListenerHearsItsOwnersSourcesAndNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, live.Config{}, &records{}, nil)
		group := uuid.New()
		one, two := r.records.add(r.user.UserID, nil), r.records.add(r.user.UserID, &group)
		foreign := r.records.add(uuid.New(), nil)
		all, grouped, named := r.open(t, live.Ask{}), r.open(t, live.Ask{PowerGroupID: &group}), r.open(t, live.Ask{Sources: []uuid.UUID{one}})
		r.tell(one, 1)
		r.tell(two, 2)
		r.tell(foreign, 3)
		wantWatts(t, all, 1, 2)
		wantWatts(t, grouped, 2)
		wantWatts(t, named, 1)
		if _, err := r.hub.Open(t.Context(), r.user, live.Key{}, live.Ask{Sources: []uuid.UUID{one, foreign}}); !fault.Is(err, fault.NotFound) {
			t.Errorf("naming another's source: %v, want NotFound", err)
		}
	})
}

func TestSourcesJoinAndLeaveWhileSomebodyListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, live.Config{}, &records{}, nil)
		first := r.records.add(r.user.UserID, nil)
		all, named := r.open(t, live.Ask{}), r.open(t, live.Ask{Sources: []uuid.UUID{first}})
		made := r.records.add(r.user.UserID, nil)
		r.feed.apply(t.Context(), change.Change{Kind: change.SourceCreated, SourceID: made})
		synctest.Wait()
		r.tell(made, 1)
		wantWatts(t, all, 1)

		r.tell(first, 2) // nobody took it yet
		r.records.remove(first)
		r.feed.apply(t.Context(), change.Change{Kind: change.SourceDeleted, SourceID: first})
		r.tell(first, 3)
		wantWatts(t, all)
		if _, _, open := heard(named); open {
			t.Error("a stream of nothing but a deleted source goes on")
		}
	})
}

func TestAccessEndsWithTheSession(t *testing.T) {
	for name, tell := range map[string]func(r *rig, key live.Key){
		"at once, when it is told": func(r *rig, key live.Key) {
			r.hub.Told(core.Event{Kind: core.AccessChanged, Subject: key.Subject()})
			synctest.Wait()
		},
		"within a minute, when nobody tells": func(*rig, live.Key) { <-time.After(time.Minute + time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, live.Config{}, &records{}, nil)
				key := live.Key{Digest: [32]byte{1}}
				s, err := r.hub.Open(t.Context(), r.user, key, live.Ask{})
				if err != nil {
					t.Fatal(err)
				}
				other := r.open(t, live.Ask{})
				r.keys.end(key)
				tell(r, key)
				if _, _, open := heard(s); open {
					t.Error("the stream goes on")
				}
				if _, _, open := heard(other); !open {
					t.Error("the stream of another session ended too")
				}
			})
		})
	}
}

func TestWhoComesBackMissesNothingAndHearsNothingTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, live.Config{}, &records{}, nil)
		source := r.records.add(r.user.UserID, nil)
		s := r.open(t, live.Ask{})
		r.tell(source, 1, 2)
		last := wantWatts(t, s, 1, 2)
		s.Close()
		r.tell(source, 3, 4)
		<-time.After(4 * time.Minute)
		again := r.open(t, live.Ask{LastEventID: last})
		r.tell(source, 5)
		wantWatts(t, again, 3, 4, 5)
	})
}

func TestWhoHeardNothingForLongComesBackByItsHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, live.Config{}, &records{}, nil)
		source := r.records.add(r.user.UserID, nil)
		s := r.open(t, live.Ask{})
		wantWatts(t, s)
		<-time.After(20 * time.Minute)
		id := s.Beat()
		s.Close()
		r.tell(source, 1)
		wantWatts(t, r.open(t, live.Ask{LastEventID: id}), 1)
	})
}

func TestWhatIsTooOldOrUnknownIsReadAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, live.Config{RingBytes: 20_000}, &records{}, nil)
		source := r.records.add(r.user.UserID, nil)
		s := r.open(t, live.Ask{})
		r.tell(source, 1)
		last := wantWatts(t, s, 1)
		wantResync(t, r.open(t, live.Ask{LastEventID: "nonsense"}))
		other := newRig(t, live.Config{}, r.records, nil)
		other.user = r.user
		wantResync(t, other.open(t, live.Ask{LastEventID: last})) // as after a restart without a journal
		for range 200 {
			r.tell(source, 2) // more than is kept
		}
		wantResync(t, r.open(t, live.Ask{LastEventID: last}))
		_, last, _ = heard(s)
		<-time.After(6 * time.Minute)
		wantResync(t, r.open(t, live.Ask{LastEventID: last}))
	})
}

func TestASlowListenerReadsAnewAndTakesNoMoreMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, live.Config{}, &records{}, nil)
		source := r.records.add(r.user.UserID, nil)
		s := r.open(t, live.Ask{})
		wantWatts(t, s)
		for i := range 1500 {
			r.tell(source, float64(i))
		}
		said, _, open := heard(s)
		if !open || len(said) > 1000 || said[0] != "resync {}" {
			t.Fatalf("heard %d events of which the first is %q, want at most 1000 behind a resync", len(said), said[0])
		}
		if got := watts(t, said[1:]); got[len(got)-1] != 1499 {
			t.Errorf("the last is %v, want 1499", got[len(got)-1])
		}
		if got := r.hub.Stats().Resyncs; got != 1 {
			t.Errorf("%d resyncs, want 1", got)
		}
	})
}

func TestStreamsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, live.Config{Streams: 3, PerUser: 2}, &records{}, nil)
		first := r.open(t, live.Ask{})
		r.open(t, live.Ask{})
		if _, err := r.hub.Open(t.Context(), r.user, live.Key{}, live.Ask{}); !fault.Is(err, fault.TooMany) {
			t.Errorf("a third stream of a user: %v, want TooMany", err)
		}
		for i, want := range []fault.Code{"", fault.TooMany} {
			other := actor.Actor{UserID: uuid.New(), Role: actor.User}
			if _, err := r.hub.Open(t.Context(), other, live.Key{}, live.Ask{}); fault.CodeOf(err) != want {
				t.Errorf("stream %d of others: %v, want %q", i+1, err, want)
			}
		}
		first.Close()
		first.Close()
		r.open(t, live.Ask{})
	})
}

func TestAnotherProcessTellsWhatWasMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, shared := &network{}, &records{}
		one := newRig(t, live.Config{}, shared, n)
		two := newRig(t, live.Config{}, shared, n)
		two.user = one.user
		source, foreign := shared.add(one.user.UserID, nil), shared.add(uuid.New(), nil)
		<-time.After(time.Minute)
		s := one.open(t, live.Ask{})
		n.append(reading(source, 1))
		last := wantWatts(t, s, 1)
		s.Close()
		n.append(reading(source, 2))
		n.append(reading(foreign, 3))
		publisher := live.NewPublisher(live.PublisherDeps{Bus: n, Told: nil, Clock: clock.Func(time.Now), Failed: func(err error) { t.Error(err) }})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = publisher.Run(ctx) }()
		publisher.Publish(t.Context(), state(source, device.Online))
		synctest.Wait()
		again := two.open(t, live.Ask{LastEventID: last})
		n.append(reading(source, 4))
		said, id, _ := heard(again)
		slices.Sort(said)
		want := []string{
			`reading {"source":"` + source.String() + `","watts":2}`, `reading {"source":"` + source.String() + `","watts":4}`,
			`state {"source":"` + source.String() + `","state":"online"}`,
		}
		if !slices.Equal(said, want) {
			t.Fatalf("heard %q, want %q", said, want)
		}
		// And back again, from there.
		n.append(reading(source, 5))
		wantWatts(t, two.open(t, live.Ask{LastEventID: id}), 5)
		if got := two.failed(); len(got) > 0 {
			t.Errorf("failures: %v", got)
		}
	})
}

func TestAProcessThatIsBehindTellsNothingTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, shared := &network{}, &records{}
		one, two := newRig(t, live.Config{}, shared, n), newRig(t, live.Config{}, shared, n)
		two.user = one.user
		source := shared.add(one.user.UserID, nil)
		<-time.After(time.Minute)
		s := one.open(t, live.Ask{})
		two.open(t, live.Ask{}) // the tail begins
		n.lag = 200 * time.Millisecond
		n.append(reading(source, 1))
		n.append(reading(source, 2))
		last := wantWatts(t, s, 1, 2)
		again := two.open(t, live.Ask{LastEventID: last})
		n.append(reading(source, 3))
		<-time.After(time.Second)
		wantWatts(t, again, 3)
		// Nobody waits for ever for a place that does not come.
		n.lag = time.Hour
		n.append(reading(source, 4))
		last = wantWatts(t, s, 3, 4)
		began := time.Now()
		wantResync(t, two.open(t, live.Ask{LastEventID: last}))
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("a listener waited %s for its place", took)
		}
		<-time.After(2 * time.Hour) // what is late comes
	})
}

func state(source uuid.UUID, to device.State) core.Event {
	return core.Event{Kind: core.StateChanged, SourceID: source, State: &device.Change{SourceID: source, State: to}}
}

func TestManyWhoComeBackShareAPassOverTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, shared := &network{}, &records{}
		one, two := newRig(t, live.Config{}, shared, n), newRig(t, live.Config{PerUser: 100}, shared, n)
		two.user = one.user
		source := shared.add(one.user.UserID, nil)
		<-time.After(time.Minute)
		s := one.open(t, live.Ask{})
		last := wantWatts(t, s)
		n.append(reading(source, 1))
		n.mu.Lock() // so that passes wait
		streams := make([]*live.Stream, 0, 50)
		n.mu.Unlock()
		two.open(t, live.Ask{}) // the tail begins
		n.mu.Lock()
		for range 50 {
			streams = append(streams, two.open(t, live.Ask{LastEventID: last}))
		}
		n.mu.Unlock()
		for _, s := range streams {
			wantWatts(t, s, 1)
		}
		if n.replays > 2 {
			t.Errorf("the journal was read again %d times, want 2 at most", n.replays)
		}
		n.replayed = errors.New("Kafka is away")
		wantResync(t, two.open(t, live.Ask{LastEventID: last}))
	})
}

func TestAPublisherBoundsWhatOneSourceTellsAndKeepsItsLastState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []core.Event
		p := live.NewPublisher(live.PublisherDeps{Bus: nil, Told: func(e core.Event) {
			mu.Lock()
			told = append(told, e)
			mu.Unlock()
		}, Clock: clock.Func(time.Now), Failed: func(err error) { t.Error(err) }})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		source := uuid.New()
		for i := range 1000 {
			p.Publish(t.Context(), core.Event{Kind: core.Attempted, SourceID: source, Attempt: &device.Attempt{SourceID: source}})
			p.Publish(t.Context(), state(source, device.State(string(device.Online)+strings.Repeat("x", i%2))))
		}
		p.Publish(t.Context(), state(source, device.Offline))
		<-time.After(time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		attempts, last := 0, device.State("")
		for _, e := range told {
			if e.Kind == core.Attempted {
				attempts++
			} else {
				last = e.State.State
			}
		}
		if attempts != 20 || len(told) > 50 || last != device.Offline {
			t.Errorf("%d events are told, %d of them attempts, the last state %q; want at most 50, 20 and offline", len(told), attempts, last)
		}
		if p.Dropped() == 0 {
			t.Error("nothing counts as left out")
		}
	})
}

func TestAFloodOfLateReadingsIsOneResyncAndHidesNothingNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, live.Config{}, &records{}, nil)
		source := r.records.add(r.user.UserID, nil)
		s := r.open(t, live.Ask{})
		last := wantWatts(t, s)
		flood := make([]telemetry.Reading, 5000)
		for i := range flood {
			flood[i] = reading(source, -1)
			flood[i].Timestamp = flood[i].Timestamp.Add(-time.Hour)
		}
		r.hub.Durable(flood)
		r.tell(source, 7)
		said, _, _ := heard(s)
		if got := watts(t, said); len(got) != 301 || got[300] != 7 {
			t.Errorf("heard %d readings, the last %v; want 300 late ones and then 7", len(got), got[len(got)-1])
		}
		wantResync(t, r.open(t, live.Ask{LastEventID: last}))
		<-time.After(time.Minute)
		wantResync(t, s)
		<-time.After(time.Minute)
		wantWatts(t, s)
	})
}
