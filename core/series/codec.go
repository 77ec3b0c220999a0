package series

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"ampra/core/telemetry"
)

// The encoding of a day. Each field stands on its own, behind its length, so that
// a chart of one field reads no others.
//
//	day    = version(1) tier(1) mask(uvarint) part(counts) part(field)*
//	part   = length(uvarint) bytes
//	counts = for each slot how many readings the fullest field has, less those of
//	         the slot before
//	field  = decimals that are all zero(1), then for each slot that has readings:
//	         how many lack the field; where not all do: min, less that of the slot
//	         before (of a counter: less its last); max - min; max - last; what the
//	         sum is over the middle of min and max
//
// The numbers are bits in the code that bits.go describes. What follows from the
// others (a single reading has one value) is left out.
const codecVersion = 1

// Bounds of what is read.
const (
	maxCount = 1 << 22 // readings in an hour: one in each millisecond
	maxWhole = 1 << 44 // above each field's bound times its scale
)

// AppendBinary appends the encoding: the same content always has the same bytes,
// a zero Day, which is a tier that is gone, none. It never fails.
func (d *Day) AppendBinary(dst []byte) ([]byte, error) {
	if d.tier == Raw {
		return dst, nil
	}
	dst = append(dst, codecVersion, byte(d.tier))
	dst = binary.AppendUvarint(dst, uint64(d.Fields()))
	counts := d.counts()
	var w bitWriter
	var c column
	var before int64
	for _, n := range counts {
		w.signed(&c, int64(n)-before)
		before = int64(n)
	}
	dst = appendPart(dst, w.data)
	for f := range telemetry.Field(telemetry.NumFields) {
		if d.cells[f] != nil {
			dst = appendPart(dst, appendCells(nil, f, d.cells[f], counts))
		}
	}
	return dst, nil
}

func appendPart(dst, part []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(part))), part...)
}

// counts is how many readings the fullest field has, slot by slot.
func (d *Day) counts() []uint32 {
	counts := make([]uint32, d.tier.Slots())
	for _, cells := range d.cells {
		for slot := range cells {
			counts[slot] = max(counts[slot], cells[slot].count)
		}
	}
	return counts
}

// columns are the kinds of numbers of a field.
type columns struct{ lacking, least, spread, last, middle column }

func appendCells(dst []byte, f telemetry.Field, cells []cell, counts []uint32) []byte {
	exponent, unit := trailingZeros(cells, decimals(f))
	w := bitWriter{data: append(dst, byte(exponent))} //nolint:gosec // 0 to 3
	var c columns
	var before int64
	for slot, n := range counts {
		if n == 0 {
			continue
		}
		here := cells[slot]
		w.number(&c.lacking, uint64(n-here.count))
		if here.count == 0 {
			continue
		}
		least, spread, last := here.min/unit, uint64(here.max-here.min)/uint64(unit), uint64(here.max-here.last)/uint64(unit) //nolint:gosec // not negative
		w.signed(&c.least, least-before)
		if here.count > 1 {
			w.number(&c.spread, spread)
		}
		if spread > 0 {
			w.number(&c.last, last)
		}
		if spread > 0 && here.count > 2 {
			w.signed(&c.middle, int64(here.over/uint64(unit)-middle(here.count, spread))) //nolint:gosec // the difference, modulo 2^64
		}
		before = next(f, least, spread, last)
	}
	return w.data
}

// next is what the min of the following slot is compared with.
func next(f telemetry.Field, least int64, spread, last uint64) int64 {
	if isCounter(f) {
		return least + int64(spread-last) //nolint:gosec // bounded by the field's range
	}
	return least
}

// middle is what the values would be over min if they lay even around the middle.
func middle(count uint32, spread uint64) uint64 { return uint64(count) * spread / 2 }

// trailingZeros is how many decimals, of so many, no cell makes use of, and the
// unit that is left.
func trailingZeros(cells []cell, most int) (exponent int, unit int64) {
	unit = 1
	for exponent < most {
		for _, c := range cells {
			if c.count > 0 && (c.min%(unit*10) != 0 || c.max%(unit*10) != 0 || c.last%(unit*10) != 0 || c.over%uint64(unit*10) != 0) {
				return exponent, unit
			}
		}
		exponent++
		unit *= 10
	}
	return exponent, unit
}

// AllFields asks for every field.
const AllFields uint32 = 1<<telemetry.NumFields - 1

// ParseDay reads what AppendBinary wrote, of the fields whose bits are set in
// fields. Anything else is an error; what it passes over is not looked at.
func ParseDay(data []byte, fields uint32) (Day, error) {
	if len(data) == 0 {
		return Day{}, nil
	}
	if len(data) < 3 {
		return Day{}, fmt.Errorf("a day's series: %w", errShort)
	}
	if data[0] != codecVersion {
		return Day{}, fmt.Errorf("a day's series: version %d is not known", data[0])
	}
	d := Day{tier: Tier(data[1])}
	if d.tier == Raw || d.tier > Hours {
		return Day{}, fmt.Errorf("a day's series: tier %d is not known", data[1])
	}
	mask, n := binary.Uvarint(data[2:])
	if n <= 0 || mask > uint64(AllFields) {
		return Day{}, errors.New("a day's series: a field that is not known")
	}
	data = data[2+n:]
	part, data, err := cutPart(data)
	if err != nil {
		return Day{}, fmt.Errorf("a day's series: %w", err)
	}
	counts, err := readCounts(part, d.tier)
	if err != nil {
		return Day{}, fmt.Errorf("a day's series: counts: %w", err)
	}
	for rest := uint32(mask); rest != 0; rest &= rest - 1 {
		f := telemetry.Field(bits.TrailingZeros32(rest)) //nolint:gosec // below 32
		if part, data, err = cutPart(data); err == nil && fields&(1<<f) != 0 {
			d.cells[f], err = readCells(part, f, counts)
		}
		if err != nil {
			return Day{}, fmt.Errorf("a day's series: %s: %w", f, err)
		}
	}
	if len(data) > 0 {
		return Day{}, fmt.Errorf("a day's series: %d bytes too many", len(data))
	}
	return d, nil
}

func cutPart(data []byte) (part, rest []byte, err error) {
	length, n := binary.Uvarint(data)
	if n <= 0 || length > uint64(len(data)-n) { //nolint:gosec // not negative
		return nil, nil, errShort
	}
	end := n + int(length) //nolint:gosec // bounded by the data's length
	return data[n:end], data[end:], nil
}

func readCounts(part []byte, tier Tier) ([]uint32, error) {
	r := bitReader{data: part}
	counts := make([]uint32, tier.Slots())
	var c column
	var n int64
	for slot := range counts {
		change := r.signed(&c)
		if change < -maxCount || change > maxCount || n+change < 0 || n+change > maxCount {
			return nil, errors.New("a count out of range")
		}
		n += change
		counts[slot] = uint32(n) //nolint:gosec // checked above
	}
	return counts, r.end()
}

func readCells(part []byte, f telemetry.Field, counts []uint32) ([]cell, error) {
	if len(part) == 0 || int(part[0]) > decimals(f) {
		return nil, errors.New("decimals out of range")
	}
	unit := int64(1)
	for range part[0] {
		unit *= 10
	}
	r := bitReader{data: part[1:]}
	cells := make([]cell, len(counts))
	var c columns
	var before int64
	for slot, n := range counts {
		if n == 0 {
			continue
		}
		lacking := r.number(&c.lacking)
		if lacking > uint64(n) {
			return nil, errors.New("a count out of range")
		}
		if lacking == uint64(n) {
			continue
		}
		here, err := r.cell(&c, n-uint32(lacking), &before, unit, f) //nolint:gosec // at most n
		if err != nil {
			return nil, err
		}
		cells[slot] = here
	}
	return cells, r.end()
}

var errRange = errors.New("a value out of range")

// cell reads one slot's values. before is the number that its min is compared
// with, and becomes that of the next.
func (r *bitReader) cell(c *columns, count uint32, before *int64, unit int64, f telemetry.Field) (cell, error) {
	change := r.signed(&c.least)
	if change < -2*maxWhole || change > 2*maxWhole {
		return cell{}, errRange
	}
	least := *before + change
	var spread, last, over uint64
	if count > 1 {
		spread = r.number(&c.spread)
	}
	if spread > 0 {
		last = r.number(&c.last)
	}
	if r.err != nil {
		return cell{}, r.err
	}
	if abs(least) > maxWhole/unit || spread > 2*maxWhole/uint64(unit) || last > spread { //nolint:gosec // positive
		return cell{}, errRange
	}
	switch {
	case spread > 0 && count > 2:
		over = middle(count, spread) + uint64(r.signed(&c.middle)) //nolint:gosec // modulo 2^64, as it was written
	case spread > 0: // two readings: the one is min, the other max
		over = spread
	}
	if high, most := bits.Mul64(uint64(count), spread); high == 0 && over > most {
		return cell{}, errRange
	}
	*before = next(f, least, spread, last)
	high, scaled := bits.Mul64(over, uint64(unit)) //nolint:gosec // positive
	if high != 0 {
		return cell{}, errRange
	}
	return cell{
		count: count, min: least * unit, max: (least + int64(spread)) * unit, last: (least + int64(spread-last)) * unit, over: scaled,
	}, r.err
}

func abs(v int64) int64 {
	if v < 0 {
		return -v
	}
	return v
}
