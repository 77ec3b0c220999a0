package device_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"ampra/core/device"
)

// milan is a site with long days in summer.
func milan() device.Site { return device.Site{Latitude: 45.4642, Longitude: 9.19, Known: true} }

// state is what a device comes to be that was online when it was last heard and is
// judged again and again until a time.
func state(p *device.Pulse, until time.Time, site device.Site) device.State {
	s := device.Online
	for at := p.LastSeen(); !at.After(until); at = at.Add(time.Minute) {
		s, _ = p.Judge(s, at, time.Time{}, site)
	}
	return s
}

func TestSilenceMakesADeviceLateAndThenOffline(t *testing.T) {
	t.Parallel()
	var p device.Pulse
	last := hear(&p, morning(), 5*time.Minute, 20) // late after 15 and offline after 45 minutes
	for _, c := range []struct {
		after time.Duration
		want  device.State
	}{
		{0, device.Online},
		{14 * time.Minute, device.Online},
		{15 * time.Minute, device.Late},
		{44 * time.Minute, device.Late},
		{45 * time.Minute, device.Offline},
		{100 * time.Hour, device.Offline},
	} {
		if got := state(&p, last.Add(c.after), device.Site{}); got != c.want {
			t.Errorf("after %s it is %s, want %s", c.after, got, c.want)
		}
	}
	var never device.Pulse
	if got, next := never.Judge(device.Unknown, morning(), time.Time{}, milan()); got != device.Unknown || !next.IsZero() {
		t.Errorf("never heard it is %s, to be judged at %s", got, next)
	}
}

func TestADeviceSleepsWhileTheSunIsDownAndIsLateWhenItDoesNotWake(t *testing.T) {
	t.Parallel()
	var p device.Pulse
	hear(&p, morning(), 5*time.Minute, 12*9+6) // until about half past six in the evening, UTC
	evening := p.LastSeen()
	for _, c := range []struct {
		at   time.Time
		want device.State
	}{
		{evening.Add(16 * time.Minute), device.Asleep}, // the sun is low
		{evening.Add(8 * time.Hour), device.Asleep},    // the dead of night
		{time.Date(2026, 6, 15, 4, 0, 0, 0, time.UTC), device.Asleep},
		{time.Date(2026, 6, 15, 6, 0, 0, 0, time.UTC), device.Offline}, // four hours of sun
	} {
		if got := state(&p, c.at, milan()); got != c.want {
			t.Errorf("at %s it is %s, want %s", c.at, got, c.want)
		}
	}
	// Where nobody knows the place, nobody knows of the sun.
	if got := state(&p, evening.Add(8*time.Hour), device.Site{}); got != device.Offline {
		t.Errorf("without a place it is %s", got)
	}
}

func TestADeviceThatWentOfflineByDayIsNotAsleepByNight(t *testing.T) {
	t.Parallel()
	var p device.Pulse
	last := hear(&p, morning(), 5*time.Minute, 20)
	if got := state(&p, last.Add(14*time.Hour), milan()); got != device.Offline {
		t.Errorf("it is %s", got)
	}
}

// days has a pulse live some days of which it is heard between two hours, UTC.
func days(p *device.Pulse, n, from, to int) time.Time {
	day := morning().Truncate(24 * time.Hour)
	for i := range n {
		for at := day.AddDate(0, 0, i).Add(time.Duration(from) * time.Hour); at.Before(day.AddDate(0, 0, i).Add(time.Duration(to) * time.Hour)); at = at.Add(5 * time.Minute) {
			p.Hear(at, at)
		}
	}
	return day.AddDate(0, 0, n-1)
}

func TestADeviceThatAlwaysIsSilentAtAnHourIsAsleepThen(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]device.State{3: device.Offline, 20: device.Asleep} {
		var p device.Pulse
		day := days(&p, n, 7, 17)
		if got := state(&p, day.Add(22*time.Hour), device.Site{}); got != want {
			t.Errorf("after %d days, at night it is %s, want %s", n, got, want)
		}
		if got := state(&p, day.Add(24*time.Hour+11*time.Hour), device.Site{}); got != device.Offline {
			t.Errorf("after %d days, the next noon it is %s", n, got)
		}
	}
}

func TestADeviceThatSpeaksAtNightIsNotAsleepWhenItIsSilentThen(t *testing.T) {
	t.Parallel()
	var p device.Pulse
	day := days(&p, 20, 0, 24)
	if got := state(&p, day.Add(25*time.Hour), milan()); got != device.Offline {
		t.Errorf("after an hour of silence at night it is %s", got)
	}
}

func TestNobodyIsSilentWhileNobodyListens(t *testing.T) {
	t.Parallel()
	var p device.Pulse
	last := hear(&p, morning(), 5*time.Minute, 20)
	restart := last.Add(3 * time.Hour)
	if got, next := p.Judge(device.Online, restart.Add(10*time.Minute), restart, device.Site{}); got != device.Online || !next.Equal(restart.Add(15*time.Minute)) {
		t.Errorf("ten minutes after a restart it is %s, to be judged at %s", got, next)
	}
	if got, _ := p.Judge(device.Online, restart.Add(20*time.Minute), restart, device.Site{}); got != device.Late {
		t.Errorf("20 minutes after a restart it is %s", got)
	}
	if got, _ := p.Judge(device.Offline, restart.Add(time.Minute), restart, device.Site{}); got != device.Offline {
		t.Errorf("a restart makes it %s", got)
	}
}

func TestWhoIsJudgedAgainAtTheTimeThatWasSaidIsJudgedInTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawn(t)
		if p.LastSeen().IsZero() {
			return
		}
		site := device.Site{
			Latitude: rapid.Float64Range(-90, 90).Draw(t, "latitude"), Longitude: rapid.Float64Range(-180, 180).Draw(t, "longitude"), Known: rapid.Bool().Draw(t, "known"),
		}
		s, changes := device.Online, 0
		at := p.LastSeen()
		for range 600 { // by the times that are said, some days
			next, check := p.Judge(s, at, time.Time{}, site)
			if next == device.Online && s != device.Online {
				t.Fatalf("silence brings it from %s to %s", s, next)
			}
			if s == device.Offline && next != device.Offline {
				t.Fatalf("silence brings it back from offline to %s", next)
			}
			if next != s {
				changes++
			}
			s = next
			if check.IsZero() {
				break
			}
			if !check.After(at) {
				t.Fatalf("%s at %s is to be judged again at %s", s, at, check)
			}
			at = check
		}
		if hours := at.Sub(p.LastSeen()).Hours(); float64(changes) > 4+hours/6 {
			t.Fatalf("%d changes in %.0f hours of silence", changes, hours)
		}
	})
}

func TestReadingsOfAnotherTimeAndRepeatsChangeNoState(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawn(t)
		before := p
		for range rapid.IntRange(1, 50).Draw(t, "old") {
			received := morning().AddDate(1, 0, 0)
			p.Hear(received, received.Add(-time.Duration(rapid.Int64Range(int64(16*time.Minute), int64(9000*time.Hour)).Draw(t, "old"))))
			p.Hear(p.LastSeen().Add(-time.Millisecond), p.LastSeen())
		}
		if p != before {
			t.Fatal("it has learnt of them")
		}
	})
}
