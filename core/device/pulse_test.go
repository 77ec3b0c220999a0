package device_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"ampra/core/device"
)

// morning is a Sunday morning in summer.
func morning() time.Time { return time.Date(2026, time.June, 14, 9, 0, 0, 0, time.UTC) }

// hear has a pulse hear readings at intervals, and returns when the last came.
func hear(p *device.Pulse, from time.Time, every time.Duration, n int) time.Time {
	at := from
	for range n {
		p.Hear(at, at)
		at = at.Add(every)
	}
	return at.Add(-every)
}

func TestARhythmIsTheUsualTimeBetweenReadings(t *testing.T) {
	t.Parallel()
	for _, every := range []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, time.Hour, 24 * time.Hour} {
		var p device.Pulse
		last := hear(&p, morning(), every, 4)
		if got := p.Rhythm(); got != 0 {
			t.Errorf("%s: after three intervals it is %s already", every, got)
		}
		last = hear(&p, last.Add(every), every, 20)
		if got := p.Rhythm(); got != every || !p.LastSeen().Equal(last) {
			t.Errorf("got %s and %s, want %s and %s", got, p.LastSeen(), every, last)
		}
	}
}

func TestBurstsRepeatsBacklogsAndOneOutageChangeNoRhythm(t *testing.T) {
	t.Parallel()
	var p device.Pulse
	last := hear(&p, morning(), time.Minute, 20)
	for i := range 20 { // five readings at once, each minute
		last = last.Add(time.Minute)
		for k := range 5 {
			p.Hear(last.Add(time.Duration(k)*100*time.Millisecond), last.Add(time.Duration(k)*time.Second))
		}
		if p.Rhythm() < 59*time.Second || p.Rhythm() > time.Minute {
			t.Fatalf("after burst %d it is %s", i, p.Rhythm())
		}
	}
	rhythm := p.Rhythm()
	for i := range 100 { // the same reading sent again and again
		p.Hear(last.Add(time.Duration(i)*5*time.Second), last.Add(4*time.Second))
	}
	if got := p.Rhythm(); got != rhythm {
		t.Errorf("after repeats it is %s", got)
	}
	seen := p.LastSeen()
	for i := range 1000 { // yesterday's readings, sent now
		at := seen.Add(time.Duration(i) * 2 * time.Second)
		if p.Hear(at, at.Add(-24*time.Hour)) {
			t.Fatal("a reading of yesterday counts")
		}
	}
	if p.Hear(seen.Add(-time.Second), seen.Add(-time.Second)) {
		t.Error("a reading that was received earlier counts")
	}
	if !p.LastSeen().Equal(seen) || p.Rhythm() != rhythm {
		t.Errorf("after a backlog: seen %s, rhythm %s", p.LastSeen(), p.Rhythm())
	}
	hear(&p, seen.Add(7*time.Hour), time.Minute, 3)
	if got := p.Rhythm(); got != rhythm {
		t.Errorf("after an outage it is %s", got)
	}
}

func TestALongerRhythmGivesMoreTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ every, late, offline time.Duration }{
		{time.Second, time.Minute, 5 * time.Minute},
		{10 * time.Second, time.Minute, 5 * time.Minute},
		{time.Minute, 3 * time.Minute, 9 * time.Minute},
		{5 * time.Minute, 15 * time.Minute, 45 * time.Minute},
		{24 * time.Hour, 36 * time.Hour, 48 * time.Hour},
	} {
		var p device.Pulse
		last := hear(&p, morning(), c.every, 30)
		late, offline := p.Times(last)
		if late != c.late || offline != c.offline {
			t.Errorf("%s: late after %s and offline after %s, want %s and %s", c.every, late, offline, c.late, c.offline)
		}
	}
	var p device.Pulse
	if late, offline := p.Times(morning()); late != 15*time.Minute || offline != 45*time.Minute {
		t.Errorf("knowing nothing: %s and %s", late, offline)
	}
}

func TestADeviceThatSpeaksInBurstsHasTimeBetweenThem(t *testing.T) {
	t.Parallel()
	var p device.Pulse
	at := morning()
	for range 8 { // five readings two seconds apart, each ten minutes
		at = hear(&p, at, 2*time.Second, 5).Add(10 * time.Minute)
	}
	if late, _ := p.Times(at); late < 12*time.Minute {
		t.Errorf("it is late after %s", late)
	}
}

func TestADeviceThatComesAndGoesIsGivenMoreTimeAndLessAgainOnceItIsCalm(t *testing.T) {
	t.Parallel()
	var p device.Pulse
	last := hear(&p, morning(), time.Minute, 20)
	first, _ := p.Times(last)
	var given time.Duration
	for range 10 {
		p.Recovered(last)
		given, _ = p.Times(last)
	}
	if given != 8*first {
		t.Errorf("it has %s, want eight times %s", given, first)
	}
	if later, _ := p.Times(last.Add(7 * time.Hour)); later != 4*first {
		t.Errorf("after six calm hours it has %s", later)
	}
	if later, _ := p.Times(last.Add(24 * time.Hour)); later != first {
		t.Errorf("after a calm day it has %s", later)
	}
}

// drawn is a pulse that has heard anything.
func drawn(t *rapid.T) device.Pulse {
	var p device.Pulse
	at := morning()
	for range rapid.IntRange(0, 200).Draw(t, "readings") {
		at = at.Add(time.Duration(rapid.Int64Range(0, int64(48*time.Hour)).Draw(t, "after")))
		p.Hear(at, at.Add(time.Duration(rapid.Int64Range(-int64(20*time.Minute), int64(20*time.Minute)).Draw(t, "apart"))))
		if rapid.IntRange(0, 9).Draw(t, "recovers") == 0 {
			p.Recovered(at)
		}
	}
	return p
}

func TestAPulseIsReadBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawn(t)
		b, err := p.AppendBinary([]byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := device.ParsePulse(b[len("before"):]); err != nil || got != p {
			t.Fatalf("got %+v (%v), want %+v", got, err, p)
		}
	})
}

func FuzzParsePulse(f *testing.F) {
	var p device.Pulse
	hear(&p, morning(), time.Minute, 20)
	b, _ := p.AppendBinary(nil)
	f.Add(b)
	f.Add([]byte{})
	f.Add(make([]byte, len(b)))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := device.ParsePulse(b)
		if err != nil {
			return
		}
		again, err := p.AppendBinary(nil)
		if err != nil || string(again) != string(b) {
			t.Fatalf("written again it is %x (%v), want %x", again, err, b)
		}
		// Whatever it holds, it can be used.
		p.Hear(morning(), morning())
		p.Times(morning())
		p.Rhythm()
		p.Judge(device.Online, morning(), morning(), device.Site{Latitude: 50, Longitude: 8, Known: true})
	})
}
