package simulate

import (
	"context"
	"io"
	"time"
)

// Live says how PlayLive plays.
type Live struct {
	MQTT MQTTOptions
	// Interval is the time between two readings of a source, 2 s.
	Interval time.Duration
	// Past is how much of the time before now is sent first, as fast as it goes,
	// with a reading every PastInterval (5 minutes), so that there is a day to look
	// at. 0 sends none.
	Past, PastInterval time.Duration
	// MaxOutage is as in Options, 2 minutes.
	MaxOutage time.Duration
	// FindWithin is how long the last readings may take to be found once ctx has
	// ended, 5 s.
	FindWithin time.Duration
	// OnCounts hears how far it is, twice a second and at the end. Nil hears
	// nothing.
	OnCounts func(Counts)
}

// PlayLive plays sources with the present time until ctx ends, then waits for
// the last answers, looks for what was acknowledged and returns what came of it.
// The server must outlive ctx by that time. Nothing is printed.
func PlayLive(ctx context.Context, session *Session, sources []*Source, o Live) (Summary, error) {
	setDefault(&o.Interval, 2*time.Second)
	setDefault(&o.PastInterval, 5*time.Minute)
	setDefault(&o.MaxOutage, 2*time.Minute)
	setDefault(&o.FindWithin, 5*time.Second)
	now := time.Now()
	f := newFleet(session, o.MQTT, o.MaxOutage, sources)
	return f.playAndVerify(ctx, playing{
		schedules: func(i int, _ *Source) []schedule {
			aside := o.Interval * time.Duration(i) / time.Duration(len(sources))
			live := schedule{
				first: now.Add(aside).Truncate(time.Millisecond), interval: o.Interval, speed: Real, begun: now, epoch: now,
			}
			n := int(o.Past / o.PastInterval)
			if n == 0 {
				return []schedule{live}
			}
			first := now.Add(-time.Duration(n) * o.PastInterval).Truncate(time.Second)
			return []schedule{{first: first, interval: o.PastInterval, count: n, speed: Max(), begun: now, epoch: first}, live}
		},
		follow:   true,
		patience: o.FindWithin,
		progress: newProgress(io.Discard),
		tell:     o.OnCounts,
	})
}
