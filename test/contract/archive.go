package contract

import (
	"context"
	"testing"
	"time"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

// Archive runs what every telemetry.Archive promises. open is called once; its
// archive may hold readings of other sources and is closed by t.Cleanup.
func Archive(t *testing.T, open func(t *testing.T) telemetry.Archive) {
	t.Helper()
	a := archiveSuite{open(t)}
	for name, test := range map[string]func(*testing.T){
		"a reading comes back with every field as it was sent":           a.roundTrip,
		"what is not known stays unknown":                                a.sparse,
		"timestamps from 2000 to 2036 keep their milliseconds":           a.timestamps,
		"each reading of a write is answered":                            a.answers,
		"a write whose context has ended answers for what it left out":   a.endedContext,
		"10,000 unsorted readings of many sources fit one write":         a.large,
		"the newest reading by timestamp is the latest":                  a.latest,
		"the newest readings of many sources are found at once":          a.newest,
		"the newest of those who went silent long ago are found":         a.newestOfSilent,
		"the newest reading is what all of its moment merge to":          a.newestMerged,
		"a history has both orders, its bounds and its limit":            a.history,
		"a history of some fields has every reading":                     a.someFields,
		"a history shows each source its own readings only":              a.ownReadings,
		"pages of a history show each merged reading once":               a.pages,
		"erasing a source leaves the others":                             a.erase,
		"an ended context ends a query with an error":                    a.endedQueries,
		"two readings of one moment merge, the later standing":           a.merge,
		"two readings of one moment merge in one write":                  a.mergeInOneWrite,
		"readings of one record merge by their index":                    a.mergeByIndex,
		"strings and phases stand as a whole, extra merges by name":      a.mergeParts,
		"writing again at the same position changes nothing":             a.replay,
		"an older position written again after a newer changes nothing":  a.replayOlder,
		"a whole journal written again in one write changes nothing":     a.replayAll,
		"across partitions the one that was received later stands":       a.acrossPartitions,
		"readings without a journal stand in the order of their writing": a.direct,
	} {
		t.Run(name, test)
	}
}

type archiveSuite struct{ archive telemetry.Archive }

// write stores readings, all of which must be taken.
func (a archiveSuite) write(t *testing.T, readings ...telemetry.Placed) {
	t.Helper()
	for i, err := range a.archive.Write(t.Context(), readings) {
		if err != nil {
			t.Fatalf("writing reading %d of %d: %v", i, len(readings), err)
		}
	}
}

// find returns a history without bounds but its source, oldest first.
func (a archiveSuite) find(t *testing.T, query telemetry.Span) []telemetry.Reading {
	t.Helper()
	if query.Limit == 0 {
		query.Limit = 20_000
	}
	found, err := a.archive.History(t.Context(), query)
	if err != nil {
		t.Fatalf("reading history: %v", err)
	}
	return found
}

func (a archiveSuite) roundTrip(t *testing.T) {
	source := newSource()
	want := complete(source, noon().Add(345*time.Millisecond), 1000.123456789)
	a.write(t, placed(0, 7, want)...)
	got, err := a.archive.Latest(t.Context(), source)
	if err != nil {
		t.Fatalf("reading the latest: %v", err)
	}
	checkReading(t, got, want)
	checkReadings(t, a.find(t, telemetry.Span{SourceID: source}), []telemetry.Reading{want})
}

func (a archiveSuite) sparse(t *testing.T) {
	source := newSource()
	empty := func(i int) telemetry.Reading {
		at := noon().Add(time.Duration(i) * time.Minute)
		return telemetry.Reading{SourceID: source, Timestamp: at, ReceivedAt: at}
	}
	var want []telemetry.Reading
	for f := range telemetry.Field(telemetry.NumFields) {
		r := empty(len(want))
		r.Values.Set(f, 0)
		want = append(want, r)
	}
	for _, fill := range []func(*telemetry.Reading){
		func(r *telemetry.Reading) { r.Strings = []telemetry.Line{{}} },
		func(r *telemetry.Reading) { r.Strings = []telemetry.Line{{CurrentAmperes: new(-0.5)}} },
		func(r *telemetry.Reading) { r.Phases = []telemetry.Line{{PowerWatts: new(1e8)}} },
		func(r *telemetry.Reading) { r.Status = &telemetry.Status{Code: new(int64(0))} },
		func(r *telemetry.Reading) { r.Status = &telemetry.Status{Code: new(int64(1) << 40)} },
		func(r *telemetry.Reading) { r.Status = &telemetry.Status{Text: new("")} },
		func(r *telemetry.Reading) { r.Extra = map[string]float64{"only": -1e10} },
	} {
		r := empty(len(want))
		fill(&r)
		want = append(want, r)
	}
	a.write(t, placed(1, 0, want...)...)
	checkReadings(t, a.find(t, telemetry.Span{SourceID: source, Order: telemetry.OldestFirst}), want)
}

func (a archiveSuite) timestamps(t *testing.T) {
	source := newSource()
	var want []telemetry.Reading
	for i, at := range []time.Time{
		telemetry.Earliest(),
		telemetry.Earliest().Add(time.Millisecond),
		time.Date(2009, time.February, 13, 23, 31, 30, 999e6, time.UTC),
		time.Date(2024, time.February, 29, 23, 59, 59, 999e6, time.UTC),
		time.Date(2024, time.March, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2036, time.December, 31, 23, 59, 59, 1e6, time.UTC),
	} {
		r := power(source, at, float64(i))
		r.ReceivedAt = noon().Add(time.Duration(i) * time.Millisecond)
		want = append(want, r)
	}
	a.write(t, placed(2, 100, want...)...)
	checkReadings(t, a.find(t, telemetry.Span{SourceID: source, Order: telemetry.OldestFirst}), want)
}

func (a archiveSuite) answers(t *testing.T) {
	if errs := a.archive.Write(t.Context(), nil); len(errs) != 0 {
		t.Errorf("writing nothing answers %v", errs)
	}
	source := newSource()
	errs := a.archive.Write(t.Context(), placed(0, 0, power(source, noon(), 1), power(source, noon().Add(time.Second), 2)))
	if errs != nil && len(errs) != 2 {
		t.Errorf("writing 2 readings gives %d answers", len(errs))
	}
}

func (a archiveSuite) endedContext(t *testing.T) {
	source := newSource()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	readings := []telemetry.Reading{power(source, noon(), 1), power(source, noon().Add(time.Second), 2)}
	errs := a.archive.Write(ctx, placed(0, 0, readings...))
	stored := map[time.Time]bool{}
	for _, r := range a.find(t, telemetry.Span{SourceID: source}) {
		stored[r.Timestamp] = true
	}
	for i, r := range readings {
		switch {
		case (errs == nil || errs[i] == nil) && !stored[r.Timestamp]:
			t.Errorf("reading %d was answered as stored and is not found", i)
		case errs != nil && errs[i] != nil && !fault.Passing(errs[i]):
			t.Errorf("reading %d: the end of a context is not the reading's own fault: %v", i, errs[i])
		}
	}
}

func (a archiveSuite) large(t *testing.T) {
	const sources, each = 100, 100
	var batch []telemetry.Placed
	want := make([][]telemetry.Reading, sources)
	for s := range want {
		source := newSource()
		for i := range each {
			want[s] = append(want[s], power(source, noon().Add(time.Duration(i)*5*time.Second), float64(s*i)))
		}
	}
	for i := range each {
		for s := range want {
			batch = append(batch, placed(3, int64(len(batch)), want[s][(i*37)%each])...)
		}
	}
	if len(batch) != telemetry.MaxReadings {
		t.Fatalf("the batch has %d readings, want %d", len(batch), telemetry.MaxReadings)
	}
	a.write(t, batch...)
	for s := range want {
		checkReadings(t, a.find(t, telemetry.Span{SourceID: want[s][0].SourceID, Order: telemetry.OldestFirst}), want[s])
	}
}

func (a archiveSuite) latest(t *testing.T) {
	source := newSource()
	if _, err := a.archive.Latest(t.Context(), source); !fault.Is(err, fault.NotFound) {
		t.Errorf("the latest of an unknown source is %v, want a fault NotFound", err)
	}
	newest := power(source, noon(), 1)
	a.write(t, placed(0, 0, newest)...)
	late := power(source, noon().Add(-400*24*time.Hour), 2)
	late.ReceivedAt = noon().Add(time.Hour)
	a.write(t, placed(0, 1, late, power(source, noon().Add(-time.Millisecond), 3))...)
	got, err := a.archive.Latest(t.Context(), source)
	if err != nil {
		t.Fatalf("reading the latest: %v", err)
	}
	checkReading(t, got, newest)

	second := telemetry.Reading{SourceID: source, Timestamp: noon(), ReceivedAt: noon().Add(time.Hour)}
	second.Values.Set(telemetry.LoadPowerWatts, 4)
	a.write(t, placed(0, 3, second)...)
	newest.Merge(second)
	if got, err = a.archive.Latest(t.Context(), source); err != nil {
		t.Fatalf("reading the latest: %v", err)
	}
	checkReading(t, got, newest)
}
