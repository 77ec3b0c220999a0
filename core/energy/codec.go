package energy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// The encodings of Day and State: a version byte, then varints, with bitmaps
// where few of many are there. Equal content gives equal bytes, and bytes in any
// other form are refused or read as what they say; nothing that is read takes
// more memory than a full day does.
const (
	dayVersion   = 1
	stateVersion = 1
)

var (
	errShort = errors.New("it ends too early")
	errRange = errors.New("a number out of its range")
	errForm  = errors.New("not in the form that it is written in")
)

// writer appends varints.
type writer struct{ data []byte }

func (w *writer) byte(b byte)      { w.data = append(w.data, b) }
func (w *writer) uint(v uint64)    { w.data = binary.AppendUvarint(w.data, v) }
func (w *writer) int(v int64)      { w.data = binary.AppendVarint(w.data, v) }
func (w *writer) positive(v int64) { w.uint(uint64(max(v, 0))) }
func (w *writer) fixed(v uint64)   { w.data = binary.LittleEndian.AppendUint64(w.data, v) }

func (w *writer) bool(v bool) {
	if v {
		w.byte(1)
		return
	}
	w.byte(0)
}

// bitmap is where its bits begin, with the top bit set if none is missing up to
// the last, where they end, and else the bits in between.
func (w *writer) bitmap(b *bitmap) {
	if b.empty() {
		w.byte(emptyBitmap)
		return
	}
	first, last := b.span()
	head := byte(first) //nolint:gosec // a slot, below 100
	if b.solid(first, last) {
		w.byte(head | solidBitmap)
		w.byte(byte(last)) //nolint:gosec // a slot
		return
	}
	w.byte(head)
	w.byte(byte(last)) //nolint:gosec // a slot
	for at := first; at <= last; at += 8 {
		var part byte
		for i := range min(8, last-at+1) {
			if b.has(at + i) {
				part |= 1 << i
			}
		}
		w.byte(part)
	}
}

const (
	emptyBitmap = 0x7f
	solidBitmap = 0x80
)

func (b *bitmap) solid(first, last int) bool {
	for i := first; i <= last; i++ {
		if !b.has(i) {
			return false
		}
	}
	return true
}

// cells are those that are not 0.
func (w *writer) cells(cells *[slots]int64) {
	var there bitmap
	for i, cell := range cells {
		if cell != 0 {
			there.set(i)
		}
	}
	w.bitmap(&there)
	for _, cell := range cells {
		if cell != 0 {
			w.positive(cell)
		}
	}
}

// reader reads forward and keeps its first error.
type reader struct {
	data []byte
	at   int
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = fmt.Errorf("at byte %d: %w", r.at, err)
	}
	r.at = len(r.data)
}

func (r *reader) byte() byte {
	if r.at >= len(r.data) {
		r.fail(errShort)
		return 0
	}
	b := r.data[r.at]
	r.at++
	return b
}

func (r *reader) bool() bool {
	b := r.byte()
	if b > 1 {
		r.fail(errForm)
	}
	return b == 1
}

func (r *reader) fixed() uint64 {
	if len(r.data)-r.at < 8 {
		r.fail(errShort)
		return 0
	}
	v := binary.LittleEndian.Uint64(r.data[r.at:])
	r.at += 8
	return v
}

func (r *reader) uint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.data[r.at:])
	switch {
	case n == 0:
		r.fail(errShort)
		return 0
	case n < 0 || v > limit:
		r.fail(errRange)
		return 0
	}
	r.at += n
	return v
}

// positive is a number from 0 to limit.
func (r *reader) positive(limit int64) int64 {
	return int64(r.uint(uint64(limit))) //nolint:gosec // at most limit
}

func (r *reader) int(limit int64) int64 {
	v, n := binary.Varint(r.data[r.at:])
	switch {
	case n == 0:
		r.fail(errShort)
		return 0
	case n < 0 || v > limit || v < -limit:
		r.fail(errRange)
		return 0
	}
	r.at += n
	return v
}

func (r *reader) bitmap(b *bitmap) {
	head := r.byte()
	if head == emptyBitmap || r.err != nil {
		return
	}
	first, last := int(head&^solidBitmap), int(r.byte())
	if first > last || last >= slots {
		r.fail(errRange)
		return
	}
	if head&solidBitmap != 0 {
		b.fill(first, last)
		return
	}
	var within bitmap
	within.fill(first, last)
	for at := first; at <= last; at += 8 {
		part, shift := uint64(r.byte()), at&63
		b[at>>6] |= part << shift
		if shift > 64-8 && at < 64 {
			b[1] |= part >> (64 - shift)
		}
	}
	b[0], b[1] = b[0]&within[0], b[1]&within[1]
}

// cells reads those that are there. It is what most of the time of reading a day
// goes to.
func (r *reader) cells(cells *[slots]int64, limit int64) {
	var there bitmap
	r.bitmap(&there)
	if r.err != nil {
		return
	}
	data, at, most := r.data, r.at, uint64(limit) //nolint:gosec // it is positive
	for half, left := range there {
		for ; left != 0; left &= left - 1 {
			v, n := binary.Uvarint(data[at:])
			if n <= 0 || v > most {
				r.at = at
				r.uint(most) // says why
				return
			}
			cells[half<<6+bits.TrailingZeros64(left)] = int64(v) //nolint:gosec // at most limit
			at += n
		}
	}
	r.at = at
}

// end refuses what is too long.
func (r *reader) end() error {
	if r.err == nil && r.at != len(r.data) {
		r.err = fmt.Errorf("%d bytes too many after byte %d", len(r.data)-r.at, r.at)
	}
	return r.err
}

// Bounds of what a digest's numbers can be.
const (
	maxEnergy = maxKwh * kilowattHour
	maxPower  = maxWatts * 1_000
	maxRate   = 100 * maxPower
	maxTime   = int64(maxDay+1) * dayLong
)
