package contract

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

func (a archiveSuite) history(t *testing.T) {
	source := newSource()
	at := func(i int) time.Time { return noon().Add(time.Duration(i) * time.Minute) }
	var all []telemetry.Reading // by time, written in another order
	for i := range 10 {
		all = append(all, power(source, at(i), float64(i)))
	}
	for i := range 10 {
		a.write(t, placed(0, int64(i), all[(i*7)%10])...)
	}
	reversed := slices.Clone(all)
	slices.Reverse(reversed)
	for name, c := range map[string]struct {
		query telemetry.Span
		want  []telemetry.Reading
	}{
		"open, newest first":          {telemetry.Span{}, reversed},
		"open, oldest first":          {telemetry.Span{Order: telemetry.OldestFirst}, all},
		"from is inclusive":           {telemetry.Span{From: at(4), Order: telemetry.OldestFirst}, all[4:]},
		"a millisecond after":         {telemetry.Span{From: at(4).Add(time.Millisecond), Order: telemetry.OldestFirst}, all[5:]},
		"to is exclusive":             {telemetry.Span{To: at(4), Order: telemetry.OldestFirst}, all[:4]},
		"to, a millisecond after":     {telemetry.Span{To: at(4).Add(time.Millisecond), Order: telemetry.OldestFirst}, all[:5]},
		"both":                        {telemetry.Span{From: at(2), To: at(5), Order: telemetry.OldestFirst}, all[2:5]},
		"an empty span":               {telemetry.Span{From: at(5), To: at(5)}, nil},
		"a span that ends before":     {telemetry.Span{From: at(5), To: at(2)}, nil},
		"a span in another zone":      {telemetry.Span{From: at(2).In(time.FixedZone("", 7200)), To: at(3)}, all[2:3]},
		"a limit, newest first":       {telemetry.Span{Limit: 3}, reversed[:3]},
		"a limit, oldest first":       {telemetry.Span{Limit: 3, Order: telemetry.OldestFirst}, all[:3]},
		"a limit within bounds":       {telemetry.Span{From: at(2), To: at(8), Limit: 2}, []telemetry.Reading{all[7], all[6]}},
		"a limit of exactly all":      {telemetry.Span{Limit: 10, Order: telemetry.OldestFirst}, all},
		"a span before all readings":  {telemetry.Span{To: at(0)}, nil},
		"a span after all readings":   {telemetry.Span{From: at(10)}, nil},
		"a span that holds them all":  {telemetry.Span{From: telemetry.Earliest(), To: at(1 << 20), Order: telemetry.OldestFirst}, all},
		"one millisecond, inclusive":  {telemetry.Span{From: at(3), To: at(3).Add(time.Millisecond)}, all[3:4]},
		"between two readings' times": {telemetry.Span{From: at(3).Add(1e6), To: at(4)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c.query.SourceID = source
			checkReadings(t, a.find(t, c.query), c.want)
		})
	}
}

// someFields asks before and after readings were moved to where they stay.
func (a archiveSuite) someFields(t *testing.T) {
	source := newSource()
	var all []telemetry.Reading
	for i := range 30 {
		r := telemetry.Reading{SourceID: source, Timestamp: noon().Add(time.Duration(i) * time.Minute), ReceivedAt: noon()}
		switch i % 3 { // the last has neither
		case 0:
			r.Values.Set(telemetry.SolarPowerWatts, float64(i))
			r.Values.Set(telemetry.EnergyTotalKwh, 2)
		case 1:
			r.Values.Set(telemetry.LoadPowerWatts, float64(i))
		}
		all = append(all, r)
	}
	a.write(t, placed(0, 0, all...)...)
	late := telemetry.Reading{SourceID: source, Timestamp: all[0].Timestamp, ReceivedAt: noon().Add(time.Hour)}
	late.Values.Set(telemetry.SolarPowerWatts, 900)
	a.write(t, placed(0, 100, late)...)
	all[0].Merge(late)
	for _, fields := range [][]telemetry.Field{{telemetry.SolarPowerWatts}, {telemetry.LoadPowerWatts, telemetry.SolarPowerWatts}, {telemetry.GridPowerWatts}, {}} {
		found := a.find(t, telemetry.Span{SourceID: source, Order: telemetry.OldestFirst, Fields: fields})
		if len(found) != len(all) {
			t.Fatalf("with the fields %v there are %d readings, want %d", fields, len(found), len(all))
		}
		for i := range found {
			for _, f := range fields {
				got, known := found[i].Values.Get(f)
				want, there := all[i].Values.Get(f)
				if got != want || known != there || !found[i].Timestamp.Equal(all[i].Timestamp) {
					t.Errorf("at %s field %v is %v, %v, want %v, %v", found[i].Timestamp, f, got, known, want, there)
				}
			}
		}
	}
}

func (a archiveSuite) ownReadings(t *testing.T) {
	one, other := newSource(), newSource()
	a.write(t, placed(0, 0, power(one, noon(), 1), power(other, noon(), 2), power(other, noon().Add(time.Second), 3))...)
	checkReadings(t, a.find(t, telemetry.Span{SourceID: one}), []telemetry.Reading{power(one, noon(), 1)})
	if found := a.find(t, telemetry.Span{SourceID: newSource()}); len(found) != 0 {
		t.Errorf("a source that never sent has %d readings", len(found))
	}
}

// pages walks through a history in which every moment was sent up to three times,
// so that every page's edge lies among duplicates.
func (a archiveSuite) pages(t *testing.T) {
	source := newSource()
	var want []telemetry.Reading
	offset := int64(0)
	for i := range 20 {
		at := noon().Add(time.Duration(i) * time.Second)
		merged := power(source, at, float64(i))
		a.write(t, placed(0, offset, merged)...)
		for copies := range i % 3 {
			again := telemetry.Reading{SourceID: source, Timestamp: at, ReceivedAt: at.Add(time.Duration(copies+2) * time.Second)}
			again.Values.Set(telemetry.Field(copies+1), float64(i*copies))
			a.write(t, placed(0, offset+100+int64(copies), again)...)
			merged.Merge(again)
		}
		offset += 1000
		want = append(want, merged)
	}
	for _, limit := range []int{1, 2, 3, 7} {
		var forward []telemetry.Reading
		query := telemetry.Span{SourceID: source, Order: telemetry.OldestFirst, Limit: limit}
		for range 25 {
			page := a.find(t, query)
			if len(page) == 0 {
				break
			}
			forward = append(forward, page...)
			query.From = page[len(page)-1].Timestamp.Add(time.Millisecond)
		}
		checkReadings(t, forward, want)

		var backward []telemetry.Reading
		query = telemetry.Span{SourceID: source, Order: telemetry.NewestFirst, Limit: limit}
		for range 25 {
			page := a.find(t, query)
			if len(page) == 0 {
				break
			}
			backward = append(backward, page...)
			query.To = page[len(page)-1].Timestamp
		}
		slices.Reverse(backward)
		checkReadings(t, backward, want)
	}
}

func (a archiveSuite) erase(t *testing.T) {
	gone, stays := newSource(), newSource()
	for i := range 5 {
		// Wide apart: what a store groups by time is erased in every group.
		at := noon().Add(time.Duration(-i*i) * 31 * 24 * time.Hour)
		a.write(t, placed(0, int64(i*10), power(gone, at, 1), power(stays, at, 2))...)
	}
	if err := a.archive.Erase(t.Context(), gone); err != nil {
		t.Fatalf("erasing: %v", err)
	}
	if found := a.find(t, telemetry.Span{SourceID: gone}); len(found) != 0 {
		t.Errorf("%d readings are left of an erased source", len(found))
	}
	if _, err := a.archive.Latest(t.Context(), gone); !fault.Is(err, fault.NotFound) {
		t.Errorf("the latest of an erased source is %v, want a fault NotFound", err)
	}
	if found := a.find(t, telemetry.Span{SourceID: stays}); len(found) != 5 {
		t.Errorf("the other source has %d readings, want 5", len(found))
	}
	if err := a.archive.Erase(t.Context(), gone); err != nil {
		t.Errorf("erasing once more: %v", err)
	}
}

func (a archiveSuite) endedQueries(t *testing.T) {
	source := newSource()
	a.write(t, placed(0, 0, power(source, noon(), 1))...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.archive.History(ctx, telemetry.Span{SourceID: source, Limit: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("a history whose context has ended is %v, want context.Canceled in it", err)
	}
	if _, err := a.archive.Latest(ctx, source); !errors.Is(err, context.Canceled) {
		t.Errorf("a latest whose context has ended is %v, want context.Canceled in it", err)
	}
	if _, err := a.archive.Newest(ctx, []uuid.UUID{source}, time.Time{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a newest whose context has ended is %v, want context.Canceled in it", err)
	}
	if err := a.archive.Erase(ctx, source); !errors.Is(err, context.Canceled) {
		t.Errorf("an erasing whose context has ended is %v, want context.Canceled in it", err)
	}
}
