package e2e

import (
	"bufio"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// hunt kills processes with SIGKILL while a fleet sends.
type hunt struct {
	t      *testing.T
	random *rand.Rand
	fleet  *simulation
	kills  int
}

// newHunt starts the fleet. The moments of the kills are drawn from a seed that
// is printed, and that AMPRA_TEST_SEED gives again.
func newHunt(t *testing.T, u *user, args ...string) *hunt {
	t.Helper()
	seed := rand.Uint64() //nolint:gosec // not a secret
	if text := os.Getenv("AMPRA_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("AMPRA_TEST_SEED: %v", err)
		}
	}
	t.Logf("AMPRA_TEST_SEED=%d draws these moments again", seed)
	return &hunt{
		t: t, random: rand.New(rand.NewPCG(seed, 0)), //nolint:gosec // not a secret
		fleet: simulate(u, append(args, "--mqtt", "mqtt://"+u.server.mqtt, "--max-outage", "60s")...),
	}
}

// waits lets a random time pass. It reports whether the fleet still plays.
func (h *hunt) waits(least, most time.Duration) bool {
	return !h.fleet.EndsWithin(least + time.Duration(h.random.Int64N(int64(most-least))))
}

// kill kills a process, and starts it again after a while without it.
func (h *hunt) kill(prey *server) {
	h.t.Helper()
	prey.kill()
	h.waits(0, 300*time.Millisecond)
	prey.start()
	h.kills++
}

// ends waits for the fleet's end. After the last kill its readings have the time
// that is promised then, 30 s, until they must be found.
func (h *hunt) ends(readings, leastKills int) {
	h.t.Helper()
	got := h.fleet.wait(2 * time.Minute)
	if got.sent != readings || got.acknowledged != got.sent {
		h.t.Errorf("%+v, want all of %d readings acknowledged in the end\n%s", got, readings, h.fleet.out.tail())
	}
	if h.kills < leastKills {
		h.t.Errorf("only %d kills: the test shows little", h.kills)
	}
	h.t.Logf("%d kills; %s", h.kills, h.fleet.about())
}

func TestAReadingThatWasAcknowledgedIsFoundOnceHoweverOftenTheServerIsKilled(t *testing.T) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		s := embedded(t, nil).startAll().api()
		// As fast as it goes: then there is always a commit under way.
		h := newHunt(t, firstUser(t, s), "--sources", "24", "--days", "2", "--speed", "max")
		for h.kills < 10 && h.waits(50*time.Millisecond, 600*time.Millisecond) {
			h.kill(s)
		}
		h.ends(24*2*24*60, 4)
	})
	t.Run("scale", func(t *testing.T) {
		t.Parallel()
		in := split(t, 1).startAll()
		h := newHunt(t, firstUser(t, in.api()), "--sources", "24", "--days", "2", "--speed", "6000")
		for range 3 {
			prey := h.busy(in.writers)
			if prey == nil {
				break
			}
			h.kill(prey)
			// Until its partitions are given to another no writer has work.
			for range 2 {
				h.waits(100*time.Millisecond, 1500*time.Millisecond)
				h.kill(in.api())
			}
		}
		h.ends(24*2*24*60, 6)
	})
}

// busy waits for a writer that is bringing readings into the archive, and returns
// it after a moment more; nil when the fleet has ended.
func (h *hunt) busy(writers []*server) *server {
	h.t.Helper()
	before := make([]float64, len(writers))
	for h.waits(10*time.Millisecond, 20*time.Millisecond) {
		for i, w := range writers {
			now := written(h.t, w)
			if before[i] > 0 && now > before[i] {
				h.waits(0, 50*time.Millisecond)
				h.t.Logf("%s is busy and is killed", w.name)
				return w
			}
			before[i] = max(now, 1)
		}
	}
	return nil
}

// written is how many readings a process has stored since its start.
func written(t testing.TB, s *server) float64 {
	t.Helper()
	stored, _ := metric(t, s, "ampra_archive_readings_total")
	return stored
}

// metric is what a process shows of a metric, over all labels, if it does.
func metric(t testing.TB, s *server, name string) (sum float64, shown bool) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := fetch(&http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}, request)
	if err != nil {
		t.Fatalf("the metrics of %s: %v", s.name, err)
	}
	for lines := bufio.NewScanner(strings.NewReader(a.body)); lines.Scan(); {
		labelled, value, _ := strings.Cut(lines.Text(), " ")
		if plain, _, _ := strings.Cut(labelled, "{"); plain != name {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum, shown = sum+n, true
	}
	return sum, shown
}
