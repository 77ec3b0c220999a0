package simulate

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestSpeedIsReadAndWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"max": "max", "1": "1x", "60x": "60x", "2.5": "2.5x"} {
		var s Speed
		if err := s.UnmarshalText([]byte(text)); err != nil || s.String() != want {
			t.Errorf("%q: %s (%v), want %s", text, s, err, want)
		}
	}
	for _, text := range []string{"", "fast", "0", "0.5", "-1", "NaN", "Inf", "maxx"} {
		s := Speed(7)
		if err := s.UnmarshalText([]byte(text)); err == nil || s != 7 {
			t.Errorf("%q was taken as %s", text, s)
		}
	}
}

func TestOptionsThatCannotWorkAreNamed(t *testing.T) {
	t.Parallel()
	for says, o := range map[string]Options{
		"sources":       {Sources: -1},
		"webhook share": {WebhookShare: new(1.5)},
		"days":          {Days: -1},
		"interval":      {Interval: time.Microsecond},
		"speed":         {Speed: 0.5},
		"hundred":       {Days: 3000, Interval: time.Millisecond, Speed: Max()},
		`above 0`:       {Speed: Speed(math.NaN())},
	} {
		if _, err := o.withDefaults(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

func TestDefaultsDependOnTheSpeed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		speed    Speed
		interval time.Duration
		count    int
	}{
		{0, 10 * time.Second, 0},
		{Real, 10 * time.Second, 0},
		{60, time.Minute, 1440},
		{Max(), time.Minute, 1440},
	} {
		o, err := Options{Speed: c.speed}.withDefaults()
		if err != nil || o.Interval != c.interval || o.count() != c.count {
			t.Errorf("%s: every %s, %d readings (%v)", c.speed, o.Interval, o.count(), err)
		}
	}
}

func TestSourcesAreSharedOutEvenlyBetweenWebhooksAndMQTT(t *testing.T) {
	t.Parallel()
	for share, want := range map[float64]string{0: "mmmmmmmm", 1: "wwwwwwww", 0.5: "mwmwmwmw", 0.25: "mmmwmmmw"} {
		o := Options{WebhookShare: &share}
		var got strings.Builder
		for i := range 8 {
			if o.isWebhook(i) {
				got.WriteByte('w')
			} else {
				got.WriteByte('m')
			}
		}
		if got.String() != want {
			t.Errorf("%g: %s, want %s", share, got.String(), want)
		}
	}
}

func TestPlansEndBeforeNowOrFollowTheClock(t *testing.T) {
	t.Parallel()
	now := at("2026-06-20T10:00:00.123Z")
	for _, speed := range []Speed{Real, 60, Max()} {
		o, err := Options{Sources: 20, Days: 1, Speed: speed}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		moments := map[time.Time]bool{}
		for i := range o.Sources {
			p := o.plan(i, now)
			moments[p.first] = true
			last := p.moment(p.count - 1)
			if speed != Real && (last.After(now) || now.Sub(last) > 2*o.Interval+time.Second) {
				t.Errorf("%s: source %d ends at %s", speed, i, last)
			}
			if speed == Real && (!p.due(5).Equal(p.moment(5)) || p.first.Before(now.Truncate(time.Millisecond)) || p.first.Sub(now) > o.Interval) {
				t.Errorf("source %d begins at %s and sends what is of %s at %s", i, p.first, p.moment(5), p.due(5))
			}
			if speed == 60 && p.due(60).Sub(p.due(0)) != time.Minute {
				t.Errorf("60x: an hour takes %s", p.due(60).Sub(p.due(0)))
			}
			if speed.isMax() && p.due(p.count-1).After(now) {
				t.Errorf("max: it waits until %s", p.due(p.count-1))
			}
		}
		if len(moments) != o.Sources {
			t.Errorf("%s: %d sources report at %d moments", speed, o.Sources, len(moments))
		}
	}
}

func TestLatenciesAreWithinATenth(t *testing.T) {
	t.Parallel()
	var l latencies
	if l.at(0.5) != 0 {
		t.Error("none, and yet a median")
	}
	for i := 1; i <= 1000; i++ {
		l.add(time.Duration(i) * time.Millisecond)
	}
	for share, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.95: 950 * time.Millisecond, 1: time.Second} {
		if got := l.at(share); got < want || float64(got) > 1.1*float64(want) {
			t.Errorf("%g: %s, want %s to a tenth more", share, got, want)
		}
	}
	l.add(0)
	l.add(time.Duration(math.MaxInt64))
	if got := l.at(0); got > bucketFirst {
		t.Errorf("the shortest is %s", got)
	}
}

func TestTheErrorSaysAllThatIsWrong(t *testing.T) {
	t.Parallel()
	good := Counts{Sent: 10, Acknowledged: 10, Found: 10}
	for says, s := range map[string]Summary{
		"1 lost":                     {Counts: Counts{Sent: 10, Acknowledged: 10, Found: 9}},
		"2 found twice":              {Counts: Counts{Sent: 10, Acknowledged: 10, Found: 10, Twice: 2}},
		"3 refused":                  {Counts: Counts{Sent: 13, Acknowledged: 10, Found: 10, Refused: 3}},
		"4 never acknowledged":       {Counts: Counts{Sent: 14, Acknowledged: 10, Found: 10}},
		"5 found that were never":    {Counts: Counts{Sent: 10, Acknowledged: 10, Found: 10, Unexpected: 5}},
		"1 sources did not come":     {Counts: good, Failures: []error{errOutage}},
		"1 lost, 1 found twice, 2 f": {Counts: Counts{Acknowledged: 1, Twice: 1, Unexpected: 2}},
	} {
		if err := s.Err(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	if err := (Summary{Counts: good}).Err(); err != nil {
		t.Errorf("all is well, and yet: %v", err)
	}
	if err := (Summary{Counts: Counts{Sent: 14, Acknowledged: 10, Found: 10}, Interrupted: true}).Err(); err != nil {
		t.Errorf("interrupted: %v", err)
	}
}
