package energy_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"ampra/core/energy"
)

// home is a year of a usual home with a battery, every so often: counters of
// production and both ways of the grid, all powers, and a day counter.
func home(step time.Duration, start time.Time, days int, full bool) []energy.Sample {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same weather at every run
	count := int(time.Duration(days) * 24 * time.Hour / step)
	samples := make([]energy.Sample, 0, count)
	hours := step.Hours()
	var produced, drawn, fed, used, charged, discharged, today float64
	for i := range count {
		at := start.Add(time.Duration(i) * step)
		clock := float64(at.Unix()%86_400) / 3_600
		if clock < hours {
			today = 0
		}
		sun := math.Max(0, math.Sin((clock-6)/12*math.Pi)) * 6_000 * (0.6 + 0.4*random.Float64())
		load := 300 + 700*random.Float64()
		battery := math.Max(-2000, math.Min(1000, load-sun))
		grid := load - sun - battery
		produced += sun * hours / 1000
		today += sun * hours / 1000
		used += load * hours / 1000
		drawn += math.Max(grid, 0) * hours / 1000
		fed += math.Max(-grid, 0) * hours / 1000
		discharged += math.Max(battery, 0) * hours / 1000
		charged += math.Max(-battery, 0) * hours / 1000
		s := energy.Sample{At: at.UnixMilli()}
		s.Set(energy.ProductionTotal, 12_000+math.Round(produced*100)/100)
		s.Set(energy.GridImportTotal, 3_000+math.Round(drawn*100)/100)
		s.Set(energy.GridExportTotal, 9_000+math.Round(fed*100)/100)
		s.Set(energy.DayTotal, math.Round(today*10)/10)
		s.Set(energy.SolarPower, math.Round(sun))
		s.Set(energy.GridPower, math.Round(grid))
		s.Set(energy.LoadPower, math.Round(load))
		if full {
			s.Set(energy.ConsumptionTotal, used)
			s.Set(energy.BatteryChargeTotal, charged)
			s.Set(energy.BatteryDischargeTotal, discharged)
			s.Set(energy.ACPower, sun*0.97)
			s.Set(energy.BatteryPower, battery)
		}
		samples = append(samples, s)
	}
	return samples
}

func benchStart() time.Time { return time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC) }

func BenchmarkFold(b *testing.B) {
	for name, full := range map[string]bool{"usual": false, "all": true} {
		b.Run(name, func(b *testing.B) {
			samples := home(10*time.Second, benchStart(), 2, full)
			b.ResetTimer()
			for range b.N {
				foldAll(samples)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(samples)), "ns/sample")
		})
	}
}

func BenchmarkYear(b *testing.B) {
	for name, full := range map[string]bool{"usual": false, "all": true} {
		days := foldAll(home(5*time.Minute, benchStart(), 367, full))
		zone, err := time.LoadLocation("Europe/Berlin")
		if err != nil {
			b.Fatal(err)
		}
		var blobs [][]byte
		size := 0
		for _, day := range days {
			data, _ := day.AppendBinary(nil)
			blobs = append(blobs, data)
			size += len(data)
		}
		from, to := time.Date(2024, 1, 1, 0, 0, 0, 0, zone), time.Date(2025, 1, 1, 0, 0, 0, 0, zone)
		b.Run(name+"/parse", func(b *testing.B) {
			b.ReportMetric(float64(size)/float64(len(blobs)), "B/day")
			for range b.N {
				for _, blob := range blobs {
					if _, err := energy.ParseDay(blob); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		for _, res := range []energy.Resolution{energy.Hour, energy.DayOf, energy.Month, energy.Lifetime} {
			b.Run(name+"/"+res.String(), func(b *testing.B) {
				for range b.N {
					energy.Buckets(days, zone, res, from, to)
				}
			})
		}
	}
}
