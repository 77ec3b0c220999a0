package contract

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

func (a archiveSuite) findNewest(t *testing.T, since time.Time, sources ...uuid.UUID) []telemetry.Reading {
	t.Helper()
	found, err := a.archive.Newest(t.Context(), sources, since)
	if err != nil {
		t.Fatalf("reading the newest: %v", err)
	}
	return found
}

// newest asks for more sources than any store asks at once.
func (a archiveSuite) newest(t *testing.T) {
	now := telemetry.Truncate(time.Now())
	var sources []uuid.UUID
	var batch []telemetry.Placed
	var want []telemetry.Reading
	for i := range 1100 {
		source := newSource()
		sources = append(sources, source)
		if i%7 == 3 {
			continue // has none
		}
		newest := power(source, now.Add(-time.Duration(i)*time.Second), float64(i))
		older := power(source, newest.Timestamp.Add(-30*time.Second), -1)
		want = append(want, newest)
		batch = append(batch, placed(0, int64(3*i), newest, older)...)
	}
	a.write(t, batch...)
	checkReadings(t, a.findNewest(t, time.Time{}, sources...), want)
	checkReadings(t, a.findNewest(t, want[99].Timestamp, sources...), want[:100])
	checkReadings(t, a.findNewest(t, want[0].Timestamp.Add(time.Millisecond), sources...), nil)
	checkReadings(t, a.findNewest(t, time.Time{}, sources[5], newSource(), sources[0]), []telemetry.Reading{want[4], want[0]})
	checkReadings(t, a.findNewest(t, time.Time{}), nil)
}

func (a archiveSuite) newestOfSilent(t *testing.T) {
	now := telemetry.Truncate(time.Now())
	var sources []uuid.UUID
	var want []telemetry.Reading
	for i, at := range []time.Time{
		now.Add(time.Hour), now.Add(-time.Minute), now.Add(-10 * time.Minute), now.Add(-100 * time.Minute), now.Add(-30 * time.Hour),
		now.Add(-400 * 24 * time.Hour), telemetry.Earliest(),
	} {
		r := power(newSource(), at, float64(i))
		sources, want = append(sources, r.SourceID), append(want, r)
		a.write(t, placed(0, int64(i), r)...)
		if late := at.Add(-time.Hour); !late.Before(telemetry.Earliest()) {
			a.write(t, placed(1, int64(i), power(r.SourceID, late, -1))...) // written later, of before
		}
	}
	checkReadings(t, a.findNewest(t, time.Time{}, sources...), want)
	checkReadings(t, a.findNewest(t, now.Add(-31*time.Hour), sources...), want[:5])
	checkReadings(t, a.findNewest(t, now.Add(-5*time.Minute), sources...), want[:2])
	checkReadings(t, a.findNewest(t, now.Add(30*time.Minute), sources...), want[:1])
	if err := a.archive.Erase(t.Context(), sources[1]); err != nil {
		t.Fatal(err)
	}
	checkReadings(t, a.findNewest(t, now.Add(-20*time.Minute), sources...), []telemetry.Reading{want[0], want[2]})
}

func (a archiveSuite) newestMerged(t *testing.T) {
	at := telemetry.Truncate(time.Now())
	source := newSource()
	one, two := power(source, at, 1), telemetry.Reading{SourceID: source, Timestamp: at, ReceivedAt: at.Add(time.Second)}
	two.Values.Set(telemetry.LoadPowerWatts, 2)
	a.write(t, placed(0, 1, one)...)
	a.write(t, placed(0, 2, two)...)
	want := one
	want.Merge(two)
	checkReadings(t, a.findNewest(t, time.Time{}, source, newSource()), []telemetry.Reading{want})
}
