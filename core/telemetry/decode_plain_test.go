package telemetry

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestTheShortWayToATimeAgreesWithTheLibrary(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same times each time
	short := 0
	for range 100_000 {
		zone := time.FixedZone("", (random.IntN(48*60)-24*60+1)*60)
		at := time.Unix(random.Int64N(200*365*86_400), random.Int64N(1e9)).In(zone)
		text := at.Format([]string{time.RFC3339, time.RFC3339Nano, "2006-01-02T15:04:05.000Z07:00"}[random.IntN(3)])
		want, err := time.Parse(time.RFC3339, text)
		if err != nil {
			continue // an offset of a day
		}
		if milli, ok := plainMilli([]byte(text)); ok {
			short++
			if milli != want.UnixMilli() {
				t.Fatalf("%s is %d, want %d", text, milli, want.UnixMilli())
			}
		}
	}
	if short < 50_000 {
		t.Errorf("only %d times went the short way", short)
	}
}

func FuzzPlainMilli(f *testing.F) {
	for _, text := range []string{"2026-06-21T12:00:05Z", "2026-06-21T12:00:05.25+02:00", "2026-13-21T1x:00:05-99:00", "2026-06-21T12:00:05.1234567890Z"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		milli, ok := plainMilli(text)
		if !ok {
			return
		}
		if want, err := time.Parse(time.RFC3339, string(text)); err != nil || want.UnixMilli() != milli {
			t.Errorf("%q is %d, the library says %v, %v", text, milli, want, err)
		}
	})
}

func TestADecoderHoldsOnToNothing(t *testing.T) {
	t.Parallel()
	var d Decoder
	in := Intake{ReceivedAt: time.Date(2026, time.June, 21, 12, 0, 0, 0, time.UTC)}
	text := []byte(`{"ts":1782036005,"acPowerWatts":612.4,"status":{"code":7,"text":"running"},"strings":[{"powerWatts":5}],"fan":3}`)
	first, err := d.Decode(text, in)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Decode(text, in)
	if err != nil {
		t.Fatal(err)
	}
	clear(text)
	if _, err := d.Decode([]byte(`{"acPowerWatts":1,"strings":[{"powerWatts":6}],"status":"off"}`), in); err != nil {
		t.Fatal(err)
	}
	got, want := AppendEntry(nil, Entry{Readings: first.Readings}), AppendEntry(nil, Entry{Readings: again.Readings})
	if string(got) != string(want) {
		t.Errorf("a reading became %+v, want %+v", first.Readings, again.Readings)
	}
}
