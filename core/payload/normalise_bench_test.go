package payload_test

import (
	"testing"

	"ampra/core/payload"
)

// usualFixtures are what many devices send every few seconds.
func usualFixtures() []string {
	return []string{
		"grott/sph.json", "opendtu/live.json", "ahoydtu/ch0.json", "fronius/site.json", "tasmota/sensor.json", "shelly/notify_em.json", "sbfspot/day_first.json",
		"solax/cloud.json", "enphase/meters.json", "thingsboard/ts_values.json", "general/units_in_names.json", "influx/nanoseconds.txt",
	}
}

func BenchmarkNormalise(b *testing.B) {
	for _, file := range usualFixtures() {
		b.Run(file, func(b *testing.B) {
			data, o := []byte(fixture(b, file)), options(b)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var n payload.Normaliser // as ingest has one
			for b.Loop() {
				if _, err := n.Normalise(data, o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestAUsualVendorsPayloadTakesFewAllocations(t *testing.T) {
	for _, file := range usualFixtures() {
		data, o := []byte(fixture(t, file)), options(t)
		allocs := testing.AllocsPerRun(50, func() {
			if _, err := payload.Normalise(data, o); err != nil {
				t.Fatal(err)
			}
		})
		if allocs > 18 { // and 2 for the reading
			t.Errorf("%s: got %.0f allocations, want at most 18", file, allocs)
		}
	}
}
