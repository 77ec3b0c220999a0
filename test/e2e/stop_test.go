package e2e

import (
	"testing"
	"time"
)

func TestAnOrderlyStopLeavesNothingBehindWhileDevicesSend(t *testing.T) {
	onBoth(t, threeProcesses, func(t *testing.T, open opener) {
		h := open(t).startAll()
		u := firstUser(t, h.api())
		s := simulate(u, "--sources", "6", "--days", "1", "--speed", "9600", "--keep", "--max-outage", "60s")
		round := 0
		for all := h.all(); round < 4 && !s.EndsWithin(time.Second); round++ {
			one := all[round%len(all)]
			began := time.Now()
			one.stop() // which wants exit code 0
			t.Logf("%s stopped within %s", one.name, time.Since(began).Round(time.Millisecond))
			one.start()
		}
		if round < 2 {
			t.Fatalf("the simulator ended after %d stops:\n%s", round, s.out.tail())
		}
		got := s.wait(2 * time.Minute)
		if want := 6 * 24 * 60; got.sent != want || got.acknowledged != want {
			t.Errorf("%+v, want %d sent and acknowledged", got, want)
		}
		t.Log(s.about())

		for _, one := range h.all() {
			one.stop()
		}
		h.startAll()
		var sources []source
		u.want(200, "GET", "/api/sunsources", nil).into(t, &sources)
		total := 0
		for _, one := range sources {
			all, err := u.everything(one.ID)
			if err != nil {
				t.Fatal(err)
			}
			total += len(all)
		}
		if len(sources) != 6 || total != got.sent {
			t.Errorf("after another start %d sources have %d readings, want 6 and %d", len(sources), total, got.sent)
		}
	})
}

func TestASimulatorThatIsStoppedStillCountsWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	u := firstUser(t, embedded(t, nil).startAll().api())
	s := simulate(u, "--sources", "4", "--interval", "100ms")
	if s.EndsWithin(2 * time.Second) {
		t.Fatalf("the simulator ended by itself:\n%s", s.out.tail())
	}
	terminate(t, s.Child)
	if got := s.wait(patience); got.acknowledged == 0 {
		t.Errorf("%+v, want some acknowledged", got)
	}
}
