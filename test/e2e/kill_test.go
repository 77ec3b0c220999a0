package e2e

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// A fleet for the kill tests: a day in 12 seconds, and with that more than a
// thousand readings a second, by MQTT and by webhook.
var hunted = []string{"--sources", "12", "--days", "1", "--speed", "7200", "--max-outage", "60s"}

const (
	huntedReadings = 12 * 24 * 60
	huntTime       = 12 * time.Second
)

// hunt kills servers with SIGKILL while the fleet sends, at moments drawn from a
// seed that is printed. next says whom to kill. After the last kill the readings
// have the time that is promised then, 30 s, until they must be found.
func hunt(t *testing.T, u *user, next func(round int) *server) {
	t.Helper()
	seed := rand.Uint64() //nolint:gosec // not a secret
	if text := os.Getenv("AMPRA_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("AMPRA_TEST_SEED: %v", err)
		}
	}
	t.Logf("AMPRA_TEST_SEED=%d draws these moments again", seed)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // not a secret
	upTo := func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d))) }
	s := simulate(u, append(hunted, "--mqtt", "mqtt://"+u.server.mqtt)...)
	rounds := 0
	for began := time.Now(); time.Since(began) < huntTime && !s.endsWithin(300*time.Millisecond+upTo(2*time.Second)); rounds++ {
		prey := next(rounds)
		prey.kill()
		s.endsWithin(upTo(500 * time.Millisecond)) // a while without it
		prey.start()
	}
	got := s.wait(2 * time.Minute)
	if got.sent != huntedReadings || got.acknowledged != got.sent {
		t.Errorf("%+v, want all of %d readings acknowledged in the end\n%s", got, huntedReadings, s.out.tail())
	}
	if rounds < 3 {
		t.Errorf("only %d kills: the test shows little", rounds)
	}
	t.Logf("%d kills; %s", rounds, s.about())
}

func TestAReadingThatWasAcknowledgedIsFoundOnceHoweverOftenTheServerIsKilled(t *testing.T) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		h := embedded(t, nil).startAll()
		hunt(t, firstUser(t, h.api()), func(int) *server { return h.api() })
	})
	t.Run("scale, the broker and the writers in turn", func(t *testing.T) {
		t.Parallel()
		h := split(t, 1).startAll()
		prey := []*server{h.writers[0], h.api(), h.writers[1], h.api()}
		hunt(t, firstUser(t, h.api()), func(round int) *server { return prey[round%len(prey)] })
	})
}
