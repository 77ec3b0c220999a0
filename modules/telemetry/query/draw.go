package query

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/google/uuid"

	"ampra/core/rollup"
	"ampra/core/series"
	"ampra/core/telemetry"
)

// Bounds of a chart that is made of readings.
const (
	maxDrawn     = 100_000
	readingsPage = 10_000
)

// errTooMany says that a chart of readings would take more than maxDrawn.
var errTooMany = errors.New("too many readings for a chart")

// finest is the finest tier that reaches back to a moment.
func (s *Service) finest(from, now time.Time) series.Tier {
	switch kept := s.d.Kept; {
	case kept.Raw == 0 || !from.Before(now.Add(-kept.Raw)):
		return series.Raw
	case kept.Minutes == 0 || !from.Before(now.Add(-kept.Minutes)):
		return series.Minutes
	default:
		return series.Hours
	}
}

// tier is what a chart is made of: what its buckets ask for, but the minutes where
// the clock of the site shows no whole hours at the hours of UTC.
func (s *Service) tier(grid series.Grid, from, now time.Time, finest series.Tier) series.Tier {
	wanted := grid.Step.Tier()
	const hour = time.Hour / time.Millisecond
	if wanted == series.Hours && grid.Step.IsHour() && grid.Edges[0].UnixMilli()%int64(hour) != 0 &&
		max(finest, s.finest(from, now)) < series.Hours {
		return series.Minutes
	}
	return wanted
}

// drawing is a chart that is being made.
type drawing struct {
	from, to int64
	edges    []int64
	mask     uint32
	stats    [telemetry.NumFields][]series.Stat
	// bucket is where the last reading fell.
	bucket int
}

func newDrawing(grid series.Grid, from, to time.Time, mask uint32) *drawing {
	d := &drawing{from: ceilMillis(from), to: ceilMillis(to), mask: mask, edges: make([]int64, len(grid.Edges))}
	for i, edge := range grid.Edges {
		d.edges[i] = edge.UnixMilli()
	}
	return d
}

// ceilMillis is the first millisecond that is not before t: readings have whole
// ones.
func ceilMillis(t time.Time) int64 {
	ms := t.UnixMilli()
	if time.UnixMilli(ms).Before(t) {
		ms++
	}
	return ms
}

// advance finds the bucket of a moment that is not before the last one's. What is
// before the first counts there: a slot may begin before its bucket.
func (d *drawing) advance(ms int64) int {
	for d.bucket < len(d.edges)-2 && d.edges[d.bucket+1] <= ms {
		d.bucket++
	}
	return d.bucket
}

func (d *drawing) line(f telemetry.Field) []series.Stat {
	if d.stats[f] == nil {
		d.stats[f] = make([]series.Stat, len(d.edges)-1)
	}
	return d.stats[f]
}

// lines are the fields, those that were asked for by name also where they have no
// value at all.
func (d *drawing) lines(named bool) []Line {
	var lines []Line
	for f := range telemetry.Field(telemetry.NumFields) {
		if d.stats[f] != nil || named && d.mask&(1<<f) != 0 {
			lines = append(lines, Line{Field: f, Stats: d.line(f)})
		}
	}
	return lines
}

// drawReadings makes it of readings.
func (s *Service) drawReadings(ctx context.Context, source uuid.UUID, d *drawing) error {
	span := telemetry.Span{
		SourceID: source, From: time.UnixMilli(d.from), To: time.UnixMilli(d.to), Order: telemetry.OldestFirst, Limit: readingsPage,
		Fields: d.fields(),
	}
	for drawn := 0; ; drawn += readingsPage {
		if drawn >= maxDrawn {
			return errTooMany
		}
		page, err := s.d.Archive.History(ctx, span)
		if err != nil {
			return err
		}
		for i := range page {
			d.reading(&page[i])
		}
		if len(page) < readingsPage {
			return nil
		}
		span.From = page[len(page)-1].Timestamp.Add(time.Millisecond)
	}
}

// fields are those that are drawn.
func (d *drawing) fields() []telemetry.Field {
	fields := []telemetry.Field{}
	for rest := d.mask; rest != 0; rest &= rest - 1 {
		fields = append(fields, telemetry.Field(bits.TrailingZeros32(rest))) //nolint:gosec // below 32
	}
	return fields
}

func (d *drawing) reading(r *telemetry.Reading) {
	bucket := d.advance(r.Timestamp.UnixMilli())
	for rest := r.Values.Mask() & d.mask; rest != 0; rest &= rest - 1 {
		f := telemetry.Field(bits.TrailingZeros32(rest)) //nolint:gosec // below 32
		if value, _ := r.Values.Get(f); f.Possible(value) {
			d.line(f)[bucket].Add(value)
		}
	}
}

// drawDays makes it of a tier of days.
func (s *Service) drawDays(ctx context.Context, source uuid.UUID, d *drawing, tier series.Tier) (pending bool, err error) {
	parts := rollup.Hours
	if tier == series.Minutes {
		parts = rollup.Minutes
	}
	days, incomplete, err := s.d.Days.Days(ctx, source, rollup.DayOf(d.from), rollup.DayOf(d.to-1), parts)
	if err != nil {
		return false, err
	}
	for _, row := range days {
		data := row.Hours
		if tier == series.Minutes {
			data = row.Minutes
		}
		day, err := series.ParseDay(data, d.mask)
		if err != nil {
			return false, fmt.Errorf("reading the tier %s of the day %d: %w", tier, row.Day, err)
		}
		d.day(row.Day, &day)
	}
	return len(incomplete) > 0, nil
}

// day adds the slots of a day that lie in what was asked for, wholly or in part.
func (d *drawing) day(number int32, day *series.Day) {
	if day.IsEmpty() {
		return
	}
	length := day.Tier().SlotMillis()
	start := rollup.Start(number)
	first := max(0, (d.from-start)/length)
	buckets := make([]int, 0, day.Tier().Slots())
	for slot := first; slot < int64(day.Tier().Slots()) && start+slot*length < d.to; slot++ {
		buckets = append(buckets, d.advance(start+slot*length))
	}
	fields := day.Fields()
	for f := range telemetry.Field(telemetry.NumFields) {
		if fields&(1<<f) == 0 {
			continue
		}
		for i, bucket := range buckets {
			stat := day.Stat(f, int(first)+i)
			if stat.Count > 0 {
				d.line(f)[bucket].Merge(stat)
			}
		}
	}
}
