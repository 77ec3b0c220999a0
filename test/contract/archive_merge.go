package contract

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

// sent is one delivery of the reading at noon.
func sent(source uuid.UUID, received time.Duration, set func(*telemetry.Reading)) telemetry.Reading {
	r := telemetry.Reading{SourceID: source, Timestamp: noon(), ReceivedAt: noon().Add(received)}
	set(&r)
	return r
}

func values(numbers map[telemetry.Field]float64) func(*telemetry.Reading) {
	return func(r *telemetry.Reading) {
		for f, number := range numbers {
			r.Values.Set(f, number)
		}
	}
}

// three are deliveries of one moment, each later than the one before.
func three(source uuid.UUID) []telemetry.Reading {
	return []telemetry.Reading{
		sent(source, 1*time.Second, values(map[telemetry.Field]float64{
			telemetry.SolarPowerWatts: 1, telemetry.LoadPowerWatts: 1, telemetry.GridPowerWatts: 1,
		})),
		sent(source, 2*time.Second, values(map[telemetry.Field]float64{
			telemetry.LoadPowerWatts: 2, telemetry.GridPowerWatts: -2, telemetry.EnergyTotalKwh: 2,
		})),
		sent(source, 3*time.Second, values(map[telemetry.Field]float64{
			telemetry.GridPowerWatts: 0, telemetry.ACPowerWatts: 3,
		})),
	}
}

func merged(readings ...telemetry.Reading) telemetry.Reading {
	r := readings[0]
	for _, later := range readings[1:] {
		r.Merge(later)
	}
	return r
}

func (a archiveSuite) checkNoon(t *testing.T, want telemetry.Reading) {
	t.Helper()
	checkReadings(t, a.find(t, telemetry.Span{SourceID: want.SourceID}), []telemetry.Reading{want})
	got, err := a.archive.Latest(t.Context(), want.SourceID)
	if err != nil {
		t.Fatalf("reading the latest: %v", err)
	}
	checkReading(t, got, want)
}

func (a archiveSuite) merge(t *testing.T) {
	all := three(newSource())
	for i := range all {
		a.write(t, placed(0, int64(10+i), all[i])...)
		a.checkNoon(t, merged(all[:i+1]...))
	}
}

func (a archiveSuite) mergeInOneWrite(t *testing.T) {
	all := three(newSource())
	a.write(t, placed(0, 10, all...)...)
	a.checkNoon(t, merged(all...))
}

func (a archiveSuite) mergeByIndex(t *testing.T) {
	all := three(newSource())
	var record []telemetry.Placed
	for i, r := range all {
		r.ReceivedAt = noon() // readings of one record share it
		all[i] = r
		record = append(record, telemetry.Placed{Reading: r, Position: telemetry.Position{Partition: 4, Offset: 9, Index: int32(i)}})
	}
	a.write(t, record...)
	a.checkNoon(t, merged(all...))
	a.write(t, record[0])
	a.write(t, record[:2]...)
	a.checkNoon(t, merged(all...))
}

func (a archiveSuite) mergeParts(t *testing.T) {
	source := newSource()
	all := []telemetry.Reading{
		sent(source, 1*time.Second, func(r *telemetry.Reading) {
			r.Strings = []telemetry.Line{{PowerWatts: new(1.0)}, {PowerWatts: new(2.0)}}
			r.Phases = []telemetry.Line{{VoltageVolts: new(230.0)}}
			r.Status = &telemetry.Status{Code: new(int64(1)), Text: new("starting")}
			r.Extra = map[string]float64{"a": 1, "b": 1}
		}),
		sent(source, 2*time.Second, func(r *telemetry.Reading) {
			r.Strings = []telemetry.Line{{VoltageVolts: new(600.0)}}
			r.Extra = map[string]float64{"b": 2, "c": 2}
		}),
		sent(source, 3*time.Second, func(r *telemetry.Reading) {
			r.Values.Set(telemetry.SolarPowerWatts, 3)
			r.Status = &telemetry.Status{Code: new(int64(2))}
		}),
	}
	for i := range all {
		a.write(t, placed(1, int64(i), all[i])...)
		a.checkNoon(t, merged(all[:i+1]...))
	}
}

func (a archiveSuite) replay(t *testing.T) {
	want := complete(newSource(), noon(), 5)
	for range 3 {
		a.write(t, placed(0, 3, want)...)
		a.checkNoon(t, want)
	}
	a.write(t, append(placed(0, 3, want), placed(0, 3, want)...)...)
	a.checkNoon(t, want)
}

func (a archiveSuite) replayOlder(t *testing.T) {
	all := three(newSource())
	for i := range all {
		a.write(t, placed(0, int64(10+i), all[i])...)
	}
	for i := range all {
		a.write(t, placed(0, int64(10+i), all[i])...)
		a.checkNoon(t, merged(all...))
	}
	a.write(t, append(placed(0, 11, all[1]), placed(0, 10, all[0])...)...)
	a.checkNoon(t, merged(all...))
}

func (a archiveSuite) replayAll(t *testing.T) {
	source := newSource()
	var journal []telemetry.Placed
	var want []telemetry.Reading
	for i := range 50 {
		at := noon().Add(time.Duration(i) * time.Second)
		first, second := power(source, at, 1), power(source, at, 2)
		second.ReceivedAt = first.ReceivedAt.Add(time.Second)
		second.Values.Set(telemetry.LoadPowerWatts, float64(i))
		journal = append(journal, placed(0, int64(2*i), first, second)...)
		want = append(want, merged(first, second))
	}
	for _, part := range [][]telemetry.Placed{journal[:31], journal[20:77], journal[50:], journal} {
		a.write(t, part...)
	}
	checkReadings(t, a.find(t, telemetry.Span{SourceID: source, Order: telemetry.OldestFirst}), want)
}

// acrossPartitions is what happens when the number of partitions changes: the
// positions say nothing then, the time of receiving does.
func (a archiveSuite) acrossPartitions(t *testing.T) {
	for name, order := range map[string][2]int{"in order": {0, 1}, "out of order": {1, 0}} {
		t.Run(name, func(t *testing.T) {
			all := three(newSource())[:2]
			places := [2]int64{900, 3} // the later one has the lower offset
			for range 2 {
				for _, i := range order {
					a.write(t, placed(int32(5+i), places[i], all[i])...) //nolint:gosec // 0 or 1
				}
			}
			a.checkNoon(t, merged(all...))
		})
	}
}

func (a archiveSuite) direct(t *testing.T) {
	for name, gap := range map[string]time.Duration{"received apart": time.Second, "received in one millisecond": 0} {
		t.Run(name, func(t *testing.T) {
			one, two := three(newSource()), three(newSource())
			for i := range one {
				one[i].ReceivedAt = noon().Add(time.Duration(i) * gap)
				two[i].ReceivedAt = noon().Add(time.Duration(i) * gap)
			}
			for i := range one {
				a.write(t, telemetry.Placed{Reading: one[i], Position: telemetry.Position{Partition: telemetry.Direct}})
			}
			a.checkNoon(t, merged(one...))
			var batch []telemetry.Placed
			for _, r := range two {
				batch = append(batch, telemetry.Placed{Reading: r, Position: telemetry.Position{Partition: telemetry.Direct}})
			}
			a.write(t, batch...)
			a.checkNoon(t, merged(two...))
		})
	}
}
