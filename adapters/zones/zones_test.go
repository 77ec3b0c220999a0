package zones

import (
	"math"
	"testing"
	"time"

	"ampra/test/contract"
)

func TestZonesKeepTheirContract(t *testing.T) {
	t.Parallel()
	contract.Zones(t, New())
}

func TestKnownPlacesHaveTheirZone(t *testing.T) {
	t.Parallel()
	zones := New()
	for name, c := range map[string]struct {
		latitude, longitude float64
		want                string
	}{
		"Ensdorf":                      {49.34, 11.96, "Europe/Berlin"},
		"Newcastle, New South Wales":   {-33, 151.5, "Australia/Sydney"},
		"Milan":                        {45.4642, 9.19, "Europe/Rome"},
		"Kathmandu":                    {27.7172, 85.324, "Asia/Kathmandu"},
		"Lord Howe Island":             {-31.55, 159.08, "Australia/Lord_Howe"},
		"Phoenix, without summertime":  {33.4484, -112.074, "America/Phoenix"},
		"Lesotho, within South Africa": {-29.6, 28.2, "Africa/Maseru"},
		"Vatican, within Rome":         {41.9029, 12.4534, "Europe/Vatican"},
		"Büsingen, within Switzerland": {47.697, 8.69, "Europe/Busingen"},
		"Suva, near the date line":     {-18.1416, 178.4419, "Pacific/Fiji"},
		"Adak, beyond it":              {51.88, -176.658, "America/Adak"},
		"the middle of the Atlantic":   {30, -40, "Etc/GMT+3"},
		"the South Pole":               {-90, 0, "Antarctica/McMurdo"},
		"no sign of zero":              {math.Copysign(0, -1), math.Copysign(0, -1), "Etc/GMT"},
	} {
		if got, ok := zones.At(c.latitude, c.longitude); !ok || got != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got, ok, c.want)
		}
	}
}

func TestEveryPlaceHasAZoneThatGoKnows(t *testing.T) {
	t.Parallel()
	zones := New()
	for latitude := -90.0; latitude <= 90; latitude += 4.5 {
		for longitude := -180.0; longitude <= 180; longitude += 4.5 {
			name, ok := zones.At(latitude, longitude)
			if !ok {
				t.Errorf("%v, %v: no zone", latitude, longitude)
				continue
			}
			if _, err := zones.Load(name); err != nil {
				t.Errorf("%v, %v: %q: %v", latitude, longitude, name, err)
			}
		}
	}
}

func TestWhatIsNoPlaceHasNoZone(t *testing.T) {
	t.Parallel()
	zones := New()
	for _, place := range [][2]float64{{90.1, 0}, {0, 180.1}, {math.NaN(), 0}, {0, math.Inf(1)}} {
		if name, ok := zones.At(place[0], place[1]); ok {
			t.Errorf("%v is in %q", place, name)
		}
	}
}

func TestTheTilesAgreeWithTheBorders(t *testing.T) {
	t.Parallel()
	zones := New()
	plain := *zones.atlas()
	plain.tiles = nil
	differ, compared := 0, 0
	for latitude := -60.25; latitude <= 70; latitude += 3.1 {
		for longitude := -179.6; longitude <= 180; longitude += 3.7 {
			compared++
			if byTile, byBorder := zones.atlas().at(latitude, longitude), plain.at(latitude, longitude); byTile != byBorder {
				differ++
				if offset(t, zones, byTile) != offset(t, zones, byBorder) {
					t.Logf("%v, %v: %q by its tile, %q by the borders", latitude, longitude, byTile, byBorder)
				}
			}
		}
	}
	if differ*100 > compared { // zones overlap where states quarrel
		t.Errorf("%d of %d places differ", differ, compared)
	}
}

func offset(t *testing.T, zones *Zones, name string) int {
	t.Helper()
	if name == "" {
		return -1
	}
	zone, err := zones.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	_, seconds := time.Date(2026, time.January, 1, 0, 0, 0, 0, zone).Zone()
	return seconds
}

func BenchmarkAtlasIsMade(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		New().atlas()
	}
}

func BenchmarkAPlaceIsFound(b *testing.B) {
	zones := New()
	zones.atlas()
	for name, place := range map[string][2]float64{"by its tile": {49.34, 11.96}, "by the borders": {47.697, 8.69}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				zones.At(place[0], place[1])
			}
		})
	}
}
