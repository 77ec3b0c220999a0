package energy

import (
	"fmt"
	"math/bits"
)

// AppendBinary appends the encoding of the day. It never fails.
func (d Day) AppendBinary(dst []byte) ([]byte, error) {
	w := writer{data: dst}
	w.byte(dayVersion)
	w.int(int64(d.number))
	w.positive(d.readings)
	if d.readings > 0 {
		w.positive(d.first - d.start())
		w.positive(d.last - d.first)
		w.fixed(d.print)
		w.bool(d.repeated)
		w.bool(d.counted)
	}
	w.began(&d.began)
	w.covered(&d.covered)
	w.cells(&d.peak)
	var marks [slots]int64
	for i, flags := range d.flags {
		marks[i] = int64(flags)
	}
	w.cells(&marks)
	var there uint64
	for i, s := range d.series {
		if s != nil {
			there |= 1 << i
		}
	}
	w.uint(there)
	for _, s := range d.series {
		if s != nil {
			w.bitmap(&s.seen)
			w.cells(&s.cell)
		}
	}
	w.uint(uint64(len(d.spans)))
	for i := range d.spans {
		w.span(&d.spans[i], d.start())
	}
	w.uint(uint64(len(d.silences)))
	for _, s := range d.silences {
		w.positive(s.to - d.start())
		w.positive(s.to - s.from)
	}
	return w.data, nil
}

func (w *writer) began(began *[NumChannels]uint8) {
	var there uint64
	for c, slot := range began {
		if slot != 0 {
			there |= 1 << c
		}
	}
	w.uint(there)
	for _, slot := range began {
		if slot != 0 {
			w.byte(slot)
		}
	}
}

func (r *reader) began(began *[NumChannels]uint8) {
	there := r.uint(1<<NumChannels - 1)
	for c := range began {
		if there&(1<<c) == 0 {
			continue
		}
		if began[c] = r.byte(); began[c] >= slots {
			r.fail(errRange)
		}
	}
}

func (w *writer) span(s *span, start int64) {
	w.positive(s.to - start)
	w.positive(s.to - s.from)
	var there uint64
	for c, gain := range s.gain {
		if gain != 0 {
			there |= 1 << c
		}
	}
	w.uint(there)
	for _, gain := range s.gain {
		if gain != 0 {
			w.positive(gain)
		}
	}
}

// covered is which slots are covered wholly, and the others' milliseconds.
func (w *writer) covered(cells *[slots]int64) {
	var whole bitmap
	part := *cells
	for i, cell := range cells {
		if cell == quarter {
			whole.set(i)
			part[i] = 0
		}
	}
	w.bitmap(&whole)
	w.cells(&part)
}

// ParseDay reads what AppendBinary wrote. Anything else is an error.
func ParseDay(data []byte) (Day, error) {
	r := reader{data: data}
	if version := r.byte(); r.err == nil && version != dayVersion {
		return Day{}, fmt.Errorf("energies of a day: version %d is not known", version)
	}
	var d Day
	d.number = int32(r.int(maxDay)) //nolint:gosec // bounded
	d.readings = r.positive(dayLong)
	if d.readings > 0 {
		d.first = d.start() + r.positive(dayLong-1)
		d.last = d.first + r.positive(dayLong-1)
		d.print = r.fixed()
		d.repeated = r.bool()
		d.counted = r.bool()
	}
	r.began(&d.began)
	var whole bitmap
	r.bitmap(&whole)
	r.cells(&d.covered, quarter)
	r.cells(&d.peak, maxPower)
	var marks [slots]int64
	r.cells(&marks, int64(flagsEnd-1))
	for i := range slots {
		if whole.has(i) {
			d.covered[i] = quarter
		}
		d.flags[i] = Flags(marks[i]) //nolint:gosec // bounded
	}
	r.allSeries(&d)
	r.spans(&d)
	if err := r.end(); err != nil {
		return Day{}, fmt.Errorf("energies of a day: %w", err)
	}
	return d, nil
}

func (r *reader) allSeries(d *Day) {
	there := r.uint(1<<numSeries - 1)
	all := make([]series, bits.OnesCount64(there))
	for i := range d.series {
		if there&(1<<i) == 0 || r.err != nil {
			continue
		}
		d.series[i], all = &all[0], all[1:]
		r.bitmap(&d.series[i].seen)
		r.cells(&d.series[i].cell, maxEnergy)
	}
}

func (r *reader) spans(d *Day) {
	for range r.uint(maxSpans) {
		var s span
		s.to = d.start() + r.positive(dayLong-1)
		s.from = s.to - r.positive(maxTime)
		there := r.uint(1<<(NumChannels+1) - 1)
		for c := range s.gain {
			if there&(1<<c) != 0 {
				s.gain[c] = r.positive(maxEnergy)
			}
		}
		if r.err != nil {
			return
		}
		d.spans = append(d.spans, s)
	}
	for range r.uint(maxSilences) {
		var s silence
		s.to = d.start() + r.positive(dayLong-1)
		s.from = s.to - r.positive(maxTime)
		d.silences = append(d.silences, s)
	}
}
