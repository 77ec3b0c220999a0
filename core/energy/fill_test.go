package energy

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

const filledDay = 20_000

// drawDay makes samples of a day, with silences, of quantities that are drawn.
func drawDay(t *rapid.T, label string, quantities []Quantity) []Sample {
	at := int64(filledDay)*dayLong + rapid.Int64Range(0, 20*hour).Draw(t, label+" begin")
	step := rapid.SampledFrom([]int64{10_000, 5 * minute, 20 * minute, hour}).Draw(t, label+" step")
	var counter float64 = 100
	var list []Sample
	for range rapid.IntRange(0, 150).Draw(t, label+" readings") {
		s := Sample{At: at}
		for _, q := range quantities {
			counter += rapid.Float64Range(0, 0.2).Draw(t, "gain")
			if q <= DayTotal {
				s.Set(q, counter)
			} else {
				s.Set(q, rapid.Float64Range(-3000, 9000).Draw(t, "power"))
			}
		}
		list = append(list, s)
		at += step
		if rapid.IntRange(0, 15).Draw(t, "pause") == 0 {
			at += rapid.Int64Range(0, 5*hour).Draw(t, "silence")
		}
	}
	return list
}

func drawQuantities(t *rapid.T) []Quantity {
	all := []Quantity{ProductionTotal, GridImportTotal, DayTotal, SolarPower, GridPower, LoadPower, BatteryPower}
	return rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, len(all), rapid.ID).Draw(t, "quantities")
}

func foldDay(list []Sample) (Day, State) {
	f := NewFolder(filledDay, State{})
	for _, s := range list {
		f.Add(s)
	}
	return f.Result()
}

func filled(day Day, after State, list []Sample) (Day, State) {
	f := Fill(day, after, Day{})
	for _, s := range list {
		f.Add(s)
	}
	return f.Result()
}

func bytesOf(t interface{ Fatal(...any) }, day Day, state State) []byte {
	data, err := day.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if data, err = state.AppendBinary(data); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestWhatIsFilledChangesNothingThatAReadingSpeaksFor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		day, after := foldDay(drawDay(t, "first", drawQuantities(t)))
		late := drawDay(t, "late", drawQuantities(t))
		got, state := filled(day, after, late)
		if !bytes.Equal(bytesOf(t, got, state), bytesOf(t, must(ParseDay(must(got.AppendBinary(nil))(t)))(t), after)) {
			t.Fatal("the filled day does not come back as it was stored, or the state is another")
		}
		if got.flags != day.flags || len(got.spans) != len(day.spans) {
			t.Fatal("flags or spans changed")
		}
		for slot := range slots {
			if day.covered[slot] != 0 && (got.covered[slot] != day.covered[slot] || got.peak[slot] != day.peak[slot]) {
				t.Fatalf("slot %d was covered for %d ms and is for %d", slot, day.covered[slot], got.covered[slot])
			}
			for id := range numSeries {
				checkSlot(t, &day, &got, id, slot)
			}
		}
		again, _ := filled(got, after, late)
		if !bytes.Equal(bytesOf(t, again, after), bytesOf(t, got, after)) {
			t.Fatal("filled twice, it is another")
		}
	})
}

func must[T any](got T, err error) func(interface{ Fatal(...any) }) T {
	return func(t interface{ Fatal(...any) }) T {
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
}

// checkSlot holds a slot of a series to what was there.
func checkSlot(t *rapid.T, before, after *Day, id, slot int) {
	was, is := before.series[id], after.series[id]
	switch {
	case was == nil && is == nil:
	case was == nil && before.covered[slot] != 0:
		if is.seen.has(slot) || is.cell[slot] != 0 {
			t.Fatalf("series %d tells of slot %d, which was covered", id, slot)
		}
	case was == nil:
	case is == nil || is.cell[slot] < was.cell[slot]:
		t.Fatalf("series %d lost energy in slot %d", id, slot)
	case before.covered[slot] != 0 || was.seen.has(slot) || id < powerSeries || id >= bridgeSeries:
		if is.cell[slot] != was.cell[slot] || is.seen.has(slot) != was.seen.has(slot) {
			t.Fatalf("series %d changed in slot %d", id, slot)
		}
	}
}

func TestReadingsThatADayWasMadeOfFillNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := drawDay(t, "first", drawQuantities(t))
		day, after := foldDay(all)
		left := all[rapid.IntRange(0, len(all)).Draw(t, "deleted"):]
		got, state := filled(day, after, left)
		if !bytes.Equal(bytesOf(t, got, state), bytesOf(t, day, after)) {
			t.Fatal("what was counted is counted again")
		}
	})
}

// powers are samples of a steady power.
func powers(q Quantity, watts float64, from, to, step int64) []Sample {
	var list []Sample
	for at := int64(filledDay)*dayLong + from; at <= int64(filledDay)*dayLong+to; at += step {
		s := Sample{At: at}
		s.Set(q, watts)
		list = append(list, s)
	}
	return list
}

func powerOf(day *Day, c Channel) int64 {
	s := day.series[powerSeries+int(c)]
	if s == nil {
		return 0
	}
	return total(s.cell[:])
}

func TestTheHolesOfADayOfPowersAreFilled(t *testing.T) {
	t.Parallel()
	day, after := foldDay(append(powers(ACPower, 1000, 8*hour, 10*hour, 5*minute), powers(ACPower, 1000, 14*hour, 16*hour, 5*minute)...))
	got, _ := filled(day, after, powers(ACPower, 2000, 9*hour, 15*hour, 5*minute))
	// Four hours of 1 kW are known, with a reach of 15 minutes into the hole on either
	// side, and three and a half of 2 kW are filled.
	if had, has := powerOf(&day, Production), powerOf(&got, Production); had != 4_500_000 || has != 4_500_000+7_000_000 {
		t.Errorf("%d mWh became %d", had, has)
	}
	if got.readings <= day.readings || got.first != day.first || got.last != day.last {
		t.Errorf("%d readings from %d to %d became %d from %d to %d", day.readings, day.first, day.last, got.readings, got.first, got.last)
	}
}

func TestWhatACounterShowedAfterASilenceIsNotFilledByPower(t *testing.T) {
	t.Parallel()
	list := append(powers(ProductionTotal, 100, 8*hour, 10*hour, 5*minute), powers(ProductionTotal, 110, 14*hour, 16*hour, 5*minute)...)
	day, after := foldDay(list)
	got, _ := filled(day, after, powers(ACPower, 2000, 10*hour, 14*hour, 5*minute))
	if powerOf(&got, Production) != 0 {
		t.Error("power was booked beside a counter")
	}
	if slot := carried + 12*4; day.covered[slot] != 0 || got.covered[slot] != quarter || got.peak[slot] != 2*kilowatt {
		t.Error("what is known of the silence is not there")
	}
}

func TestASilenceEndsWhereALateReadingSpeaks(t *testing.T) {
	t.Parallel()
	_, state := foldDay(powers(ACPower, 1000, hour, 2*hour, 5*minute))
	f := NewFolder(filledDay+2, state)
	for _, s := range powers(ACPower, 1000, 2*dayLong+6*hour, 2*dayLong+7*hour, 5*minute) {
		f.Add(s)
	}
	day, _ := f.Result()
	if len(day.silences) != 1 {
		t.Fatalf("%d silences", len(day.silences))
	}
	shorter := day.Follows(day.start() - 20*hour)
	if len(shorter.silences) != 1 || shorter.silences[0].to-shorter.silences[0].from != 26*hour {
		t.Errorf("the silence is %v", shorter.silences)
	}
	if gone := day.Follows(day.start() - minute); len(gone.silences) != 0 {
		t.Errorf("the silence is %v", gone.silences)
	}
	if same := day.Follows(0); len(same.silences) != 1 {
		t.Error("nothing before ends a silence")
	}
	var parted Day
	parted.silences = []silence{{0, 60 * hour}}
	parted.speak(20 * hour)
	if len(parted.silences) != 2 || parted.silences[0].to != 20*hour || parted.silences[1].from != 20*hour {
		t.Errorf("parted, they are %v", parted.silences)
	}
}

func TestADayDoesNotTellAgainWhatALaterCounterShowed(t *testing.T) {
	t.Parallel()
	both := func(day int64, kwh float64) []Sample {
		list := powers(ProductionTotal, kwh, day*dayLong+8*hour, day*dayLong+10*hour, 5*minute)
		for i := range list {
			list[i].Set(ProductionTotal, kwh+float64(i)/10)
			list[i].Set(GridPower, 500)
		}
		return list
	}
	fold := func(number int32, before State, list []Sample) (Day, State) {
		f := NewFolder(number, before)
		for _, s := range list {
			f.Add(s)
		}
		return f.Result()
	}
	_, first := fold(filledDay, State{}, both(0, 100))
	later, after := fold(filledDay+2, first, both(2, 150)) // which holds what was gained between
	middle, _ := fold(filledDay+1, first, both(1, 120))
	under := middle.Under(later, after)
	if under.series[counterSeries+int(Production)] != nil || powerOf(&under, GridImport) == 0 || under.covered != middle.covered {
		t.Error("what the later day told is told again, or what it did not tell is gone")
	}
	alone, state := fold(filledDay+2, State{}, both(2, 150)) // which began there
	if free := middle.Under(alone, state); free.series[counterSeries+int(Production)] == nil {
		t.Error("a gain that nothing told is left out")
	}
}
