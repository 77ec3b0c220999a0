package device_test

import (
	"math"
	"testing"
	"time"

	"ampra/core/device"
)

func TestTheSunRisesAndSetsWhenAlmanacsSay(t *testing.T) {
	t.Parallel()
	// Sunrise and sunset are where the centre stands at -0.833 degrees.
	for name, c := range map[string]struct {
		latitude, longitude float64
		at                  string
		want                float64
	}{
		"sunrise in Milan at midsummer":      {45.4642, 9.19, "2026-06-21T03:35:00Z", -0.83},
		"sunset in Milan at midsummer":       {45.4642, 9.19, "2026-06-21T19:15:00Z", -0.83},
		"sunrise in London at midwinter":     {51.5074, -0.1278, "2026-12-21T08:04:00Z", -0.83},
		"sunset in London at midwinter":      {51.5074, -0.1278, "2026-12-21T15:53:00Z", -0.83},
		"sunrise in Sydney at midsummer":     {-33.8688, 151.2093, "2026-12-21T18:41:00Z", -0.83},
		"the equator at noon of an equinox":  {0, 0, "2026-03-20T12:07:00Z", 89.9},
		"London at noon of midsummer":        {51.5074, -0.1278, "2026-06-21T12:02:00Z", 61.9},
		"the north pole at midsummer":        {90, 0, "2026-06-21T00:00:00Z", 23.4},
		"the south pole at midsummer":        {-90, 0, "2026-06-21T12:00:00Z", -23.4},
		"Tromso at noon of midwinter":        {69.6492, 18.9553, "2026-12-21T10:42:00Z", -3.1},
		"Tromso at midnight of midsummer":    {69.6492, 18.9553, "2026-06-20T22:46:00Z", 3.1},
		"the date line at its noon, in June": {0, 180, "2026-06-21T00:02:00Z", 66.6},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := device.SunElevation(c.latitude, c.longitude, at); math.Abs(got-c.want) > 0.6 {
			t.Errorf("%s: %.2f degrees, want %.2f", name, got, c.want)
		}
	}
}
