package simulate

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Options says what Run plays, where, and how it tells of it. Zero values stand
// for the defaults named beside them.
type Options struct {
	SignIn
	MQTT MQTTOptions
	// Sources is how many inverters, 2.
	Sources int
	// WebhookShare is the share of them, 0 to 1, that posts to webhooks; the others
	// publish over MQTT. Nil is one half.
	WebhookShare *float64
	// Days is how long a time is played, in days of 24 hours. 0 is one day, at the
	// real clock's speed until the context ends.
	Days float64
	// Interval is the time between two readings of a source: 10 s at the real
	// clock's speed, 1 minute otherwise.
	Interval time.Duration
	// Speed is Real or more. At Real readings carry the present time. Faster, they
	// carry those of a past that ends now.
	Speed Speed
	// Parallel is how many sources play at a time at Max speed, 32.
	Parallel int
	// Seed makes two runs alike.
	Seed int64
	// Keep leaves the sources on the server. Otherwise they are deleted once all is
	// found.
	Keep bool
	// MaxOutage is how long a source goes without any answer before it gives up, 2
	// minutes: a restart of the server takes less.
	MaxOutage time.Duration
	// FindWithin is how long readings may take from the end of sending to being
	// found, 30 s.
	FindWithin time.Duration
	// Out takes the progress and the summary. Nil takes none.
	Out io.Writer
	// OnCounts hears how far it is, twice a second. Nil hears nothing.
	OnCounts func(Counts)
}

// withDefaults fills in and checks.
func (o Options) withDefaults() (Options, error) {
	setDefault(&o.Sources, 2)
	setDefault(&o.Speed, Real)
	setDefault(&o.Parallel, 32)
	setDefault(&o.MaxOutage, 2*time.Minute)
	setDefault(&o.FindWithin, 30*time.Second)
	setDefault(&o.Patience, o.MaxOutage)
	if o.Interval == 0 {
		o.Interval = time.Minute
		if o.Speed == Real {
			o.Interval = 10 * time.Second
		}
	}
	if o.Days == 0 && o.Speed != Real {
		o.Days = 1
	}
	if o.WebhookShare == nil {
		o.WebhookShare = new(0.5)
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	switch {
	case o.Sources < 0:
		return o, errors.New("sources: must be 1 or more")
	case !(*o.WebhookShare >= 0 && *o.WebhookShare <= 1):
		return o, errors.New("webhook share: must be between 0 and 1")
	case !(o.Days >= 0 && o.Days <= 3660):
		return o, errors.New("days: must be between 0 and 3660")
	case o.Interval < time.Millisecond || o.Interval%time.Millisecond != 0:
		return o, errors.New("interval: must be a whole number of milliseconds, 1 or more")
	case !(o.Speed > 0):
		return o, errors.New(`speed: must be above 0, or "max"`)
	case o.Speed < Real:
		return o, errors.New("speed: must be 1 or more")
	case o.Days > 0 && o.Days*24*float64(time.Hour)/float64(o.Interval) > 1e8:
		return o, errors.New("days and interval: more than a hundred million readings a source")
	}
	return o, nil
}

func setDefault[T int | Speed | time.Duration](value *T, standard T) {
	if *value == 0 {
		*value = standard
	}
}

// count is how many readings each source sends, 0 for without end.
func (o Options) count() int {
	if o.Days == 0 {
		return 0
	}
	return max(int(math.Round(o.Days*24*float64(time.Hour)/float64(o.Interval))), 1)
}

// plan is the schedule of the i-th of the sources, for a run that begins now.
// Their moments lie beside each other, for no fleet reports in step.
func (o Options) plan(i int, now time.Time) schedule {
	aside := (o.Interval * time.Duration(i) / time.Duration(o.Sources)).Truncate(time.Millisecond)
	p := schedule{interval: o.Interval, count: o.count(), speed: o.Speed, begun: now, epoch: now}
	if o.Speed != Real {
		// The last moment is in the past for every source.
		p.epoch = now.Add(-time.Duration(p.count) * o.Interval).Truncate(time.Second)
	}
	p.first = p.epoch.Add(aside).Truncate(time.Millisecond)
	return p
}

// isWebhook reports whether the i-th source posts: they are spread evenly, and
// with one half every second does.
func (o Options) isWebhook(i int) bool {
	share := *o.WebhookShare
	return math.Floor(float64(i+1)*share) > math.Floor(float64(i)*share)
}

// Speed is how many times faster than the real clock a fleet is played.
type Speed float64

// Real is the real clock's speed.
const Real Speed = 1

// Max is as fast as the server takes it.
func Max() Speed { return Speed(math.Inf(1)) }

func (s Speed) isMax() bool { return math.IsInf(float64(s), 1) }

// String is "max", or a number and "x".
func (s Speed) String() string {
	if s.isMax() {
		return "max"
	}
	return fmt.Sprintf("%gx", float64(s))
}

// UnmarshalText reads "max", "60" or "60x".
func (s *Speed) UnmarshalText(text []byte) error {
	if string(text) == "max" {
		*s = Max()
		return nil
	}
	number, err := strconv.ParseFloat(strings.TrimSuffix(string(text), "x"), 64)
	if err != nil || !(number >= 1) || math.IsInf(number, 0) {
		return fmt.Errorf(`must be "max" or a number of 1 or more such as 60x, not %q`, text)
	}
	*s = Speed(number)
	return nil
}
