package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// meter is a device whose counter grows evenly: by so many kWh each half-hour.
type meter struct {
	source source
	step   float64
}

// stretches are local days in Berlin, with one of 25 hours and one of 23.
var stretches = [][2]string{{"2025-10-24", "2025-10-28"}, {"2026-03-27", "2026-03-31"}}

// inBerlin is a local midnight.
func inBerlin(t *testing.T, date string) time.Time {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation(time.DateOnly, date, zone)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// readings are all that the meter sends. Between the stretches it is off.
func (m meter) readings(t *testing.T) []map[string]any {
	t.Helper()
	var all []map[string]any
	total := 1000.0
	for _, stretch := range stretches {
		last := inBerlin(t, stretch[1])
		for at := inBerlin(t, stretch[0]); !at.After(last); at = at.Add(30 * time.Minute) {
			all = append(all, map[string]any{"timestamp": at.UTC().Format(time.RFC3339), "energyTotalKwh": total})
			if at.Before(last) {
				total += m.step
			}
		}
	}
	return all
}

// night is what comes late: from the evening before the day of 23 hours to its
// morning.
func night(t *testing.T, r map[string]any) bool {
	t.Helper()
	at, err := time.Parse(time.RFC3339, r["timestamp"].(string)) //nolint:errcheck,forcetypeassert // a panic tells enough
	if err != nil {
		t.Fatal(err)
	}
	midnight := inBerlin(t, "2026-03-29")
	return at.After(midnight.Add(-4*time.Hour)) && at.Before(midnight.Add(6*time.Hour))
}

// deliverMixed posts readings in any order, a fifth of them twice.
func (m meter) deliverMixed(t *testing.T, draw *rand.Rand, readings []map[string]any) {
	t.Helper()
	all := slices.Concat(readings, readings[:len(readings)/5])
	draw.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for part := range slices.Chunk(all, 40) {
		body, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		deliver(t, m.source, string(body), plain)
	}
}

// said are the answers to all questions for energies, by path.
type said map[string]string

// asks reads the energies of what is below a path, at which an hour produces so
// much, and sees that all of them are right.
func (s said) asks(t *testing.T, u *user, path string, perHour float64) {
	t.Helper()
	for _, stretch := range stretches {
		sums := map[string]float64{}
		for _, res := range []string{"hour", "day", "month"} {
			query := fmt.Sprintf("%s/energy?resolution=%s&from=%s&to=%s", path, res, stretch[0], stretch[1])
			a := u.want(http.StatusOK, http.MethodGet, query, nil)
			s[query] = a.body
			var found struct {
				TimeZone string
				Buckets  []struct {
					Start, End    time.Time
					ProductionKwh *float64
				}
			}
			a.into(t, &found)
			if found.TimeZone != "Europe/Berlin" {
				t.Errorf("%s: by the clock of %s", query, found.TimeZone)
			}
			for _, b := range found.Buckets {
				if b.ProductionKwh == nil {
					t.Errorf("%s: nothing is known of %s", query, b.Start)
					continue
				}
				sums[res] += *b.ProductionKwh
				if want := perHour * b.End.Sub(b.Start).Hours(); res != "month" && math.Abs(*b.ProductionKwh-want) > 1e-9 {
					t.Errorf("%s: %s produced %v kWh, want %v", query, b.Start, *b.ProductionKwh, want)
				}
			}
		}
		hours := inBerlin(t, stretch[1]).Sub(inBerlin(t, stretch[0])).Hours()
		for res, sum := range sums {
			if math.Abs(sum-perHour*hours) > 1e-9 {
				t.Errorf("%s: each %s from %s on produced %v kWh in sum, want %v", path, res, stretch[0], sum, perHour*hours)
			}
		}
	}
	var summary struct {
		Lifetime struct{ ProductionKwh *float64 }
	}
	u.want(http.StatusOK, http.MethodGet, path+"/summary", nil).into(t, &summary)
	if !near(summary.Lifetime.ProductionKwh, perHour*(97+95), 0) {
		t.Errorf("%s: a lifetime's production is %v", path, summary.Lifetime)
	}
}

// rolledUp waits until no process has a day left to be rolled up.
func (h *house) rolledUp(t *testing.T) {
	t.Helper()
	writer := h.api()
	if len(h.writers) > 0 {
		writer = h.writers[0]
	}
	// Of a day whose marks two processes have taken at once, for half a minute.
	within(t, 2*time.Minute, "all days are rolled up", func() error {
		if left, shown := metric(t, writer, "ampra_rollup_marks"); left != 0 || !shown {
			return fmt.Errorf("%v marks are left", left)
		}
		return nil
	})
}

// TestEnergiesAreExactWhoeverRollsThemUp sends what two devices measured in days of
// 23, 24 and 25 hours, in any order, some of it twice and a night of it late, and
// asks before and after it was rolled up, and after all was made anew.
func TestEnergiesAreExactWhoeverRollsThemUp(t *testing.T) {
	onBoth(t, threeProcesses, func(t *testing.T, open opener) {
		h := open(t)
		for _, s := range h.all() {
			s.settings["AMPRA_ROLLUP_EVERY"] = "1s"
		}
		h.startAll()
		u := firstUser(t, h.api())
		var group struct{ ID string }
		u.want(http.StatusCreated, http.MethodPost, "/api/powergroups", map[string]any{"name": "Farm"}).into(t, &group)
		draw := rand.New(rand.NewPCG(23, 25)) //nolint:gosec // not a secret
		meters := []meter{{u.add("Webhook", "Roof"), 0.5}, {u.add("Webhook", "Barn"), 0.25}}
		counts := make([]int, len(meters))
		for i, m := range meters {
			u.zone(m.source, "Europe/Berlin")
			u.want(http.StatusOK, http.MethodPut, "/api/sunsources/"+m.source.ID, map[string]any{"powerGroupId": group.ID})
			early := slices.DeleteFunc(m.readings(t), func(r map[string]any) bool { return night(t, r) })
			m.deliverMixed(t, draw, early)
			counts[i] = len(early)
		}
		for i, m := range meters {
			u.finds(m.source, counts[i])
		}
		h.rolledUp(t)

		// The night's gain is known, but not how much of it was before midnight.
		var days struct{ Buckets []bucket }
		u.want(http.StatusOK, http.MethodGet, "/api/energy?resolution=day&from=2026-03-28&to=2026-03-30", nil).into(t, &days)
		if sum := *days.Buckets[0].ProductionKwh + *days.Buckets[1].ProductionKwh; math.Abs(sum-1.5*47) > 1e-9 {
			t.Errorf("before the night came two days produced %v kWh, want %v", sum, 1.5*47)
		}
		for _, m := range meters {
			m.deliverMixed(t, draw, slices.DeleteFunc(m.readings(t), func(r map[string]any) bool { return !night(t, r) }))
		}
		for _, m := range meters {
			u.finds(m.source, len(m.readings(t)))
		}
		ask := func(when string) said {
			t.Helper()
			answers := said{}
			answers.asks(t, u, "/api/sunsources/"+meters[0].source.ID, 1)
			answers.asks(t, u, "/api/sunsources/"+meters[1].source.ID, 0.5)
			answers.asks(t, u, "/api/powergroups/"+group.ID, 1.5)
			answers.asks(t, u, "/api", 1.5)
			if t.Failed() {
				t.Fatalf("so it was %s", when)
			}
			return answers
		}
		atOnce := ask("at once")
		h.rolledUp(t)
		rolled := ask("rolled up")
		if done := run(t, h.api().settings, "rollup", "rebuild"); done.code != 0 {
			t.Fatalf("ampra rollup rebuild ended with code %d: %s", done.code, done.err)
		}
		h.rolledUp(t)
		anew := ask("made anew")
		for path, body := range rolled {
			if atOnce[path] != body || anew[path] != body {
				t.Errorf("%s: at once\n%s\nrolled up\n%s\nmade anew\n%s", strings.TrimPrefix(path, "/api"), atOnce[path], body, anew[path])
			}
		}
	})
}
