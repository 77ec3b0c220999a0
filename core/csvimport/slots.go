package csvimport

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"time"

	"ampra/core/telemetry"
)

// Bounds of what is of intervals.
const (
	// maxSlots is how many intervals a file may have: they are put in order in
	// memory. It is 19 years of 5 minutes.
	maxSlots       = 2_000_000
	maxIntervalKwh = 1e8
	// maxSum is the most that intervals may add up to, in nano-kWh.
	maxSum = math.MaxInt64 / 4
)

// nano is how many parts of a kWh are counted: whole numbers add up the same in
// any order.
const nano = 1e9

type fullError struct{}

func (*fullError) Error() string { return "there are too many intervals" }

// slots gathers the means and energies of intervals.
type slots struct {
	// counters are the lifetime counters that are added up; means the fields whose
	// mean is kept as it is.
	counters []telemetry.Field
	means    []target
	// energies and powers say of each column where its number goes: an index, with
	// the share of its sign; -1 for nowhere.
	routes []route

	at       []int64 // begin of each slot
	ends     []int64
	energies []int64   // counters of each slot; unknown is math.MinInt64
	values   []float64 // means of each slot; unknown is NaN
	negative int64
	draft    slot
}

// route is where a column of intervals goes.
type route struct {
	mean int // index in means, -1 for none
	// positive and negative are indices in counters, -1 for none.
	positive, negative int
}

// derived are the counters that a mean power adds up to: for what is positive
// and what is negative.
func derived(f telemetry.Field) (positive, negative telemetry.Field, ok, signed bool) {
	switch f { //nolint:exhaustive // powers alone add up
	case telemetry.ACPowerWatts, telemetry.SolarPowerWatts:
		return telemetry.EnergyTotalKwh, 0, true, false
	case telemetry.LoadPowerWatts:
		return telemetry.LoadTotalKwh, 0, true, false
	case telemetry.GridPowerWatts:
		return telemetry.GridImportTotalKwh, telemetry.GridExportTotalKwh, true, true
	case telemetry.BatteryPowerWatts:
		return telemetry.BatteryDischargeTotalKwh, telemetry.BatteryChargeTotalKwh, true, true
	}
	return 0, 0, false, false
}

func newSlots(columns []planned) *slots {
	s := &slots{routes: make([]route, len(columns))}
	told := map[telemetry.Field]bool{}
	acMean := false
	for i := range columns {
		p := &columns[i]
		if p.to.kind == toField {
			told[p.to.field] = true
			acMean = acMean || p.kind == Mean && p.to.field == telemetry.ACPowerWatts
		}
	}
	for i := range columns {
		p := &columns[i]
		s.routes[i] = route{-1, -1, -1}
		switch p.kind {
		case Interval:
			s.routes[i].positive = s.counter(p.to.field)
		case Mean:
			s.routes[i].mean = len(s.means)
			s.means = append(s.means, p.to)
			if p.to.kind != toField || p.to.field == telemetry.SolarPowerWatts && acMean {
				continue
			}
			positive, negative, ok, signed := derived(p.to.field)
			if ok && !told[positive] {
				s.routes[i].positive = s.counter(positive)
			}
			if ok && signed && !told[negative] {
				s.routes[i].negative = s.counter(negative)
			}
		case Instant, Counter, DayCounter:
		}
	}
	return s
}

func (s *slots) counter(f telemetry.Field) int {
	if i := slices.Index(s.counters, f); i >= 0 {
		return i
	}
	s.counters = append(s.counters, f)
	return len(s.counters) - 1
}

// slot is the interval of a row while it is read.
type slot struct {
	s        *slots
	at, end  int64
	filled   bool
	energies [telemetry.NumFields]int64
	values   []float64
	negative int64
}

const unknownEnergy = math.MinInt64

func (s *slots) begin(at, end int64) *slot {
	d := &s.draft
	d.s, d.at, d.end, d.filled, d.negative = s, at, end, false, 0
	for i := range s.counters {
		d.energies[i] = unknownEnergy
	}
	d.values = d.values[:0]
	for range s.means {
		d.values = append(d.values, math.NaN())
	}
	return d
}

// set takes a column's number in.
func (d *slot) set(column int, p *planned, number float64, length time.Duration) {
	d.filled = true
	r := d.s.routes[column]
	energy := number // kWh
	if r.mean >= 0 {
		d.values[r.mean] = number
		energy = number * length.Hours() / 1000
	}
	parts := int64(math.Round(energy * nano))
	switch {
	case r.negative >= 0 || r.mean >= 0 && p.to.kind == toField && p.to.field.Info().Min < 0 && isSigned(p.to.field):
		d.add(r.positive, max(parts, 0))
		d.add(r.negative, max(-parts, 0))
	case parts < 0 && r.positive >= 0:
		d.negative++
		d.add(r.positive, 0)
	default:
		d.add(r.positive, parts)
	}
}

func isSigned(f telemetry.Field) bool {
	_, _, _, signed := derived(f)
	return signed
}

func (d *slot) add(counter int, parts int64) {
	if counter >= 0 {
		d.energies[counter] = parts
	}
}

// keep stores the interval of a row that was not refused.
func (d *slot) keep() error {
	if !d.filled {
		return nil
	}
	s := d.s
	if len(s.at) == maxSlots {
		return &fullError{}
	}
	s.negative += d.negative
	s.at, s.ends = append(s.at, d.at), append(s.ends, d.end)
	s.energies = append(s.energies, d.energies[:len(s.counters)]...)
	s.values = append(s.values, d.values...)
	return nil
}

// Intervals are the means and energies of intervals of a table that was read to
// its end.
type Intervals struct {
	t      *Table
	s      *slots
	order  []int32
	totals []int64
}

// Intervals puts them in the order of time. An error is TooLarge where they add
// up to more than a counter holds.
func (t *Table) Intervals() *Intervals {
	s := t.slots
	v := &Intervals{t: t, s: s, order: make([]int32, len(s.at)), totals: make([]int64, len(s.counters))}
	for i := range v.order {
		v.order[i] = int32(i)
	}
	slices.SortStableFunc(v.order, func(a, b int32) int { return cmp.Compare(s.at[a], s.at[b]) })
	for i := range s.at {
		for c := range s.counters {
			if parts := s.energies[i*len(s.counters)+c]; parts != unknownEnergy {
				v.totals[c] = min(v.totals[c]+parts, maxSum)
			}
		}
	}
	return v
}

// Len is how many there are.
func (v *Intervals) Len() int { return len(v.order) }

// Span is from the begin of the first to the end of the last.
func (v *Intervals) Span() (from, to time.Time) {
	if len(v.order) == 0 {
		return time.Time{}, time.Time{}
	}
	end := v.s.ends[0]
	for _, e := range v.s.ends {
		end = max(end, e)
	}
	return time.UnixMilli(v.s.at[v.order[0]]).UTC(), time.UnixMilli(end).UTC()
}

// Totals are the lifetime counters that they add up to, with what they add, in
// kWh.
func (v *Intervals) Totals() map[telemetry.Field]float64 {
	totals := map[telemetry.Field]float64{}
	for c, f := range v.s.counters {
		totals[f] = float64(v.totals[c]) / nano
	}
	return totals
}

// Readings are the readings that say the same: at the end of each interval the
// mean and the counters, which begin at base (in kWh), and at the begin of the
// first, and of each after a gap, the counters alone.
func (v *Intervals) Readings(base map[telemetry.Field]float64) iter.Seq[telemetry.Reading] {
	return func(yield func(telemetry.Reading) bool) {
		w := &counting{v: v, last: make([]int64, len(v.s.counters)), sum: make([]int64, len(v.s.counters)), yield: yield}
		for c, f := range v.s.counters {
			w.last[c] = math.MinInt64
			w.sum[c] = int64(math.Round(base[f] * nano))
		}
		for i := 0; i < len(v.order); {
			n := i + 1
			for n < len(v.order) && v.s.at[v.order[n]] == v.s.at[v.order[i]] {
				n++
			}
			if !w.together(v.order[i:n]) {
				return
			}
			i = n
		}
		w.flush()
	}
}

// counting walks through intervals in order.
type counting struct {
	v         *Intervals
	last, sum []int64 // end of each counter's last interval, and where it stands
	pending   telemetry.Reading
	has       bool
	yield     func(telemetry.Reading) bool
}

// together takes intervals that begin at one moment: what both gained counts,
// of their means the later stands.
func (w *counting) together(rows []int32) bool {
	s := w.v.s
	begin, end := s.at[rows[0]], s.ends[rows[0]]
	gained := make([]int64, len(s.counters))
	known := make([]bool, len(s.counters))
	var at, after telemetry.Values
	reading := telemetry.Reading{}
	for _, row := range rows {
		end = max(end, s.ends[row])
		for c := range s.counters {
			if parts := s.energies[int(row)*len(s.counters)+c]; parts != unknownEnergy {
				known[c], gained[c] = true, min(gained[c]+parts, maxSum)
			}
		}
		for m, to := range s.means {
			if value := s.values[int(row)*len(s.means)+m]; !math.IsNaN(value) {
				_ = set(&reading, to, value)
			}
		}
	}
	for c, f := range s.counters {
		if !known[c] {
			continue
		}
		if begin > w.last[c] {
			at.Set(f, float64(w.sum[c])/nano)
		}
		w.sum[c] = min(w.sum[c]+gained[c], 2*maxSum)
		w.last[c] = end
		after.Set(f, float64(w.sum[c])/nano)
	}
	reading.Values.Merge(after)
	return w.put(begin, telemetry.Reading{Values: at}) && w.put(end, reading)
}

// put gives a reading on, joined with its neighbour of the same moment.
func (w *counting) put(at int64, r telemetry.Reading) bool {
	if r.IsEmpty() {
		return true
	}
	e := w.v.t.e
	r.SourceID, r.Timestamp, r.ReceivedAt = e.Source, time.UnixMilli(at).UTC(), e.Now
	if w.has && w.pending.Timestamp.Equal(r.Timestamp) {
		w.pending.Merge(r)
		return true
	}
	ok := w.flush()
	w.pending, w.has = r, true
	return ok
}

func (w *counting) flush() bool {
	if !w.has {
		return true
	}
	w.has = false
	return w.yield(w.pending)
}
