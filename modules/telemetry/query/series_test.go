package query_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/clock"
	"ampra/core/fault"
	"ampra/core/rollup"
	"ampra/core/series"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
	"ampra/modules/telemetry/query"
	"ampra/test/fake"
)

// house is a source with readings and with the days that they come to.
type house struct {
	owned
	archive  fake.Archive
	readings []telemetry.Reading
	zone     string
	pending  []int32
	who      actor.Actor
	asked    rollup.Parts
}

func newHouse() *house {
	h := &house{owned: owned{owner: uuid.New(), source: uuid.New()}, zone: "UTC"}
	h.who = actor.Actor{UserID: h.owner, Role: actor.User}
	return h
}

func (h *house) Zone(context.Context, sunsource.SunSource) (*time.Location, sunsource.ZoneFrom, error) {
	zone, err := time.LoadLocation(h.zone)
	return zone, sunsource.ZoneFromOwner, err
}

// Days folds what there is.
func (h *house) Days(_ context.Context, source uuid.UUID, from, to int32, parts rollup.Parts) ([]rollup.Day, []int32, error) {
	h.asked = parts
	var days []rollup.Day
	for number := from; number <= to; number++ {
		folder := series.NewFolder(number)
		for _, r := range h.readings {
			folder.Add(r)
		}
		minutes, hours := folder.Result()
		if minutes.IsEmpty() {
			continue
		}
		day := rollup.Day{SourceID: source, Day: number}
		if parts.Has(rollup.Minutes) {
			day.Minutes, _ = minutes.AppendBinary(nil)
		}
		if parts.Has(rollup.Hours) {
			day.Hours, _ = hours.AppendBinary(nil)
		}
		days = append(days, day)
	}
	return days, h.pending, nil
}

func now() time.Time { return time.Date(2026, 6, 20, 12, 0, 0, 0, time.UTC) }

func (h *house) service(kept query.Kept) *query.Service {
	return query.New(query.Deps{
		Sources: h.owned, Archive: &h.archive, Days: h, Zones: h, Clock: clock.Func(now), Kept: kept,
	})
}

func (h *house) put(t *testing.T, at time.Time, solar float64) {
	t.Helper()
	r := telemetry.Reading{SourceID: h.source, Timestamp: at, ReceivedAt: at}
	r.Values.Set(telemetry.SolarPowerWatts, solar)
	h.readings = append(h.readings, r)
	errs := h.archive.Write(t.Context(), []telemetry.Placed{{Reading: r, Position: telemetry.Position{Offset: int64(len(h.readings))}}})
	if errs != nil {
		t.Fatal(errs)
	}
}

func (h *house) chart(t *testing.T, kept query.Kept, ask query.SeriesAsk) query.Chart {
	t.Helper()
	chart, err := h.service(kept).Series(t.Context(), h.who, h.source, ask)
	if err != nil {
		t.Fatal(err)
	}
	if len(chart.Edges) < 2 {
		t.Fatalf("a chart with %d edges", len(chart.Edges))
	}
	for _, line := range chart.Lines {
		if len(line.Stats) != len(chart.Edges)-1 {
			t.Fatalf("%d values in %d buckets", len(line.Stats), len(chart.Edges)-1)
		}
	}
	return chart
}

func TestAChartTakesTheCoarsestTierThatGivesThePoints(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		kept   query.Kept
		from   time.Duration // before now
		length time.Duration
		points int
		tier   series.Tier
		step   string
	}{
		"an hour":                              {query.Kept{}, time.Hour, time.Hour, 500, series.Raw, "PT10S"},
		"a day":                                {query.Kept{}, day, day, 500, series.Minutes, "PT5M"},
		"a month":                              {query.Kept{}, 30 * day, 30 * day, 1000, series.Hours, "PT1H"},
		"a year":                               {query.Kept{}, 365 * day, 365 * day, 1000, series.Hours, "PT12H"},
		"an hour whose readings are gone":      {query.Kept{Raw: 10 * day}, 20 * day, time.Hour, 500, series.Minutes, "PT5M"},
		"an hour whose minutes are gone, too":  {query.Kept{Raw: 10 * day, Minutes: 15 * day}, 20 * day, time.Hour, 500, series.Hours, "PT1H"},
		"an hour before the minutes were lost": {query.Kept{Raw: 10 * day, Minutes: 25 * day}, 20 * day, time.Hour, 500, series.Minutes, "PT5M"},
		"readings that are just still kept":    {query.Kept{Raw: 10 * day}, 10 * day, time.Hour, 500, series.Raw, "PT10S"},
	} {
		h := newHouse()
		from := now().Add(-c.from)
		to := from.Add(c.length)
		h.put(t, from.Add(c.length/2), 100)
		h.put(t, from.Add(c.length/2+time.Second), 200)
		h.put(t, to, 9_999) // not included, and in no slot that begins before
		chart := h.chart(t, c.kept, query.SeriesAsk{From: from, To: to, Points: c.points})
		if chart.Tier != c.tier || chart.Step.String() != c.step {
			t.Errorf("%s: drawn of %s in steps of %s, want %s and %s", name, chart.Tier, chart.Step, c.tier, c.step)
		}
		var all series.Stat
		for _, stat := range chart.Lines[0].Stats {
			all.Merge(stat)
		}
		if want := (series.Stat{Count: 2, Min: 100, Max: 200, Last: 200, Sum: 300}); all != want {
			t.Errorf("%s: all buckets together are %+v, want %+v", name, all, want)
		}
	}
}

func TestGapsStayGapsAndBucketsLeaveNoTimeOut(t *testing.T) {
	t.Parallel()
	h := newHouse()
	h.zone = "Europe/Berlin"
	for _, minute := range []int{0, 1, 7, 30} {
		h.put(t, now().Add(time.Duration(minute-60)*time.Minute), float64(minute))
	}
	chart := h.chart(t, query.Kept{}, query.SeriesAsk{From: now().Add(-time.Hour), To: now(), Points: 12})
	var counts []int64
	for i, stat := range chart.Lines[0].Stats {
		counts = append(counts, stat.Count)
		if want := now().Add(time.Duration(5*i-60) * time.Minute); !chart.Edges[i].Equal(want) {
			t.Errorf("bucket %d begins at %s, want %s", i, chart.Edges[i], want)
		}
	}
	if want := []int64{2, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0}; !slices.Equal(counts, want) {
		t.Errorf("the buckets have %v readings, want %v", counts, want)
	}
	if got := chart.Edges[0].Format(time.RFC3339); got != "2026-06-20T13:00:00+02:00" {
		t.Errorf("the first begins at %s, not on the site's clock", got)
	}
}

func TestAClockOfHalfHoursIsDrawnOfMinutes(t *testing.T) {
	t.Parallel()
	h := newHouse()
	h.zone = "Asia/Kolkata"
	from := time.Date(2026, 6, 9, 18, 30, 0, 0, time.UTC) // midnight there
	h.put(t, from.Add(20*time.Minute), 1)
	h.put(t, from.Add(40*time.Minute), 2)
	h.put(t, from.Add(70*time.Minute), 3)
	chart := h.chart(t, query.Kept{}, query.SeriesAsk{From: from, To: from.Add(24 * time.Hour), Points: 24})
	if chart.Tier != series.Minutes || chart.Lines[0].Stats[0].Count != 2 || chart.Lines[0].Stats[1].Max != 3 {
		t.Errorf("drawn of %s: %+v", chart.Tier, chart.Lines[0].Stats[:2])
	}
}

func TestFieldsWithoutValuesAreThereWhenTheyWereAskedForByName(t *testing.T) {
	t.Parallel()
	h := newHouse()
	h.put(t, now().Add(-time.Minute), 5)
	if chart := h.chart(t, query.Kept{}, query.SeriesAsk{}); len(chart.Lines) != 1 || chart.Lines[0].Field != telemetry.SolarPowerWatts {
		t.Errorf("got the lines %+v, want what occurs", chart.Lines)
	}
	chart := h.chart(t, query.Kept{}, query.SeriesAsk{Fields: []string{"loadPowerWatts"}})
	if len(chart.Lines) != 1 || chart.Lines[0].Field != telemetry.LoadPowerWatts {
		t.Errorf("got the lines %+v, want the one that was asked for", chart.Lines)
	}
}

func TestAChartSaysThatReadingsAreNotCountedYet(t *testing.T) {
	t.Parallel()
	h := newHouse()
	h.pending = []int32{20_000}
	if chart := h.chart(t, query.Kept{}, query.SeriesAsk{}); !chart.Pending {
		t.Error("it does not say so")
	}
}

func TestTooManyReadingsAreDrawnOfMinutes(t *testing.T) {
	t.Parallel()
	h := newHouse()
	from := now().Add(-time.Hour)
	batch := make([]telemetry.Placed, 100_001)
	for i := range batch {
		r := telemetry.Reading{SourceID: h.source, Timestamp: from.Add(time.Duration(i) * 30 * time.Millisecond)}
		r.Values.Set(telemetry.SolarPowerWatts, 7)
		h.readings = append(h.readings, r)
		batch[i] = telemetry.Placed{Reading: r, Position: telemetry.Position{Offset: int64(i)}}
	}
	if errs := h.archive.Write(t.Context(), batch); errs != nil {
		t.Fatal(errs)
	}
	chart := h.chart(t, query.Kept{}, query.SeriesAsk{From: from, To: now(), Points: 500})
	if chart.Tier != series.Minutes || chart.Step.String() != "PT5M" {
		t.Errorf("drawn of %s in steps of %s", chart.Tier, chart.Step)
	}
}

func TestAllThatIsWrongWithAnAskIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse()
	for name, c := range map[string]struct {
		ask  query.SeriesAsk
		want []string
	}{
		"points":        {query.SeriesAsk{Points: 10_001}, []string{"points"}},
		"less than 1":   {query.SeriesAsk{Points: -1}, []string{"points"}},
		"the wrong way": {query.SeriesAsk{From: now(), To: now()}, []string{"to"}},
		"too late":      {query.SeriesAsk{To: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}, []string{"to"}},
		"all":           {query.SeriesAsk{From: now(), To: now().Add(-1), Points: -5, Fields: []string{"a", strings.Repeat("x", 1000)}}, []string{"fields", "points", "to"}},
	} {
		_, err := h.service(query.Kept{}).Series(t.Context(), h.who, h.source, c.ask)
		wrong, ok := errors.AsType[*fault.Error](err)
		if !ok {
			t.Fatalf("%s: got %v", name, err)
		}
		var got []string
		for field, messages := range wrong.Fields {
			got = append(got, field)
			if len(strings.Join(messages, "")) > 400 {
				t.Errorf("%s: a message of %d bytes", name, len(strings.Join(messages, "")))
			}
		}
		slices.Sort(got)
		if !fault.Is(err, fault.Invalid) || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want the fields %v", name, err, c.want)
		}
	}
}

func TestAChartOfAnothersSourceIsNotThere(t *testing.T) {
	t.Parallel()
	h := newHouse()
	_, err := h.service(query.Kept{}).Series(t.Context(), actor.Actor{UserID: uuid.New(), Role: actor.Admin}, h.source, query.SeriesAsk{})
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
}
