package simulate

import (
	"math"
	"math/rand/v2"
	"time"
)

// household draws what a house consumes: a base, three peaks of the day, and
// appliances that come and go.
type household struct {
	scale   float64
	habit   wander // slow: some hours are busier
	flicker wander // fast: fridges, lamps
	running []appliance
}

type appliance struct {
	watts float64
	until time.Time
}

func newHousehold(scale float64) household {
	return household{
		scale:   scale,
		habit:   wander{rhythm: 3 * time.Hour, deviation: 0.18},
		flicker: wander{rhythm: 2 * time.Minute, deviation: 25},
	}
}

// watts is the consumption at a moment of the site's own clock, after dt.
func (h *household) watts(random *rand.Rand, local time.Time, dt time.Duration) float64 {
	hour := float64(local.Hour()) + float64(local.Minute())/60 + float64(local.Second())/3600
	late := 0.0
	if day := local.Weekday(); day == time.Saturday || day == time.Sunday {
		late = 1.5
	}
	daily := 190 + 520*bell(hour, 7.2+late, 0.9) + 230*bell(hour, 12.6, 1.1) + 880*bell(hour, 19.3, 1.7)
	load := h.scale*daily*max(1+h.habit.step(random, dt), 0.4) + h.flicker.step(random, dt)

	kept := h.running[:0]
	for _, a := range h.running {
		if a.until.After(local) {
			kept = append(kept, a)
		}
	}
	h.running = kept
	awake := hour > 6.3 && hour < 23.3
	if awake && len(h.running) < 3 && random.Float64() < 0.6*dt.Hours()*h.scale {
		h.running = append(h.running, drawAppliance(random, local))
	}
	for _, a := range h.running {
		load += a.watts
	}
	return max(load, 40)
}

func drawAppliance(random *rand.Rand, now time.Time) appliance {
	kinds := [...]struct {
		watts float64
		runs  time.Duration
	}{
		{1950, 3 * time.Minute}, {1100, 12 * time.Minute}, {2100, 45 * time.Minute}, {700, 55 * time.Minute}, {1500, 25 * time.Minute},
	}
	k := kinds[random.IntN(len(kinds))]
	return appliance{watts: k.watts, until: now.Add(k.runs)}
}

// bell is 1 at the middle and falls off with the width, over midnight too.
func bell(hour, middle, width float64) float64 {
	away := math.Abs(hour - middle)
	away = min(away, 24-away)
	return math.Exp(-away * away / (2 * width * width))
}

// wander is correlated noise around 0, an Ornstein-Uhlenbeck process: after the
// rhythm it has forgotten most of where it was.
type wander struct {
	rhythm    time.Duration
	deviation float64
	at        float64
}

func (w *wander) step(random *rand.Rand, dt time.Duration) float64 {
	keep := math.Exp(-dt.Seconds() / w.rhythm.Seconds())
	w.at = w.at*keep + w.deviation*math.Sqrt(1-keep*keep)*random.NormFloat64()
	return w.at
}
