package telemetry

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/google/uuid"
)

// The journal's encoding of an entry: a version byte, the source, a count, then
// each reading as zigzag varints and little-endian floats. It is written once at
// intake and read once by the writer.
//
//	entry   = version(1) source(16) receivedAt(varint ms) count(uvarint) reading*
//	reading = timestamp(varint, ms before receivedAt) flags(1) mask(uvarint) float64*
//	          [strings] [phases] [status] [extra]
const codecVersion = 1

const (
	flagStrings = 1 << iota
	flagPhases
	flagStatus
	flagExtra
	// flagsEnd is above all flags.
	flagsEnd
)

// AppendEntry appends the encoding of an entry to dst. All readings of an entry
// share the ReceivedAt of the first. Numbers must be finite, as Decode leaves
// them: DecodeEntry refuses others.
func AppendEntry(dst []byte, e Entry) []byte {
	dst = append(dst, codecVersion)
	dst = append(dst, e.SourceID[:]...)
	var received int64
	if len(e.Readings) > 0 {
		received = e.Readings[0].ReceivedAt.UnixMilli()
	}
	dst = binary.AppendVarint(dst, received)
	dst = binary.AppendUvarint(dst, uint64(len(e.Readings)))
	for i := range e.Readings {
		dst = appendReading(dst, &e.Readings[i], received)
	}
	return dst
}

func appendReading(dst []byte, r *Reading, received int64) []byte {
	dst = binary.AppendVarint(dst, received-r.Timestamp.UnixMilli())
	var flags byte
	if len(r.Strings) > 0 {
		flags |= flagStrings
	}
	if len(r.Phases) > 0 {
		flags |= flagPhases
	}
	if r.Status != nil {
		flags |= flagStatus
	}
	if len(r.Extra) > 0 {
		flags |= flagExtra
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, uint64(r.Values.known))
	for rest := r.Values.known; rest != 0; rest &= rest - 1 {
		dst = appendFloat(dst, r.Values.number[bits.TrailingZeros32(rest)])
	}
	if flags&flagStrings != 0 {
		dst = appendLines(dst, r.Strings)
	}
	if flags&flagPhases != 0 {
		dst = appendLines(dst, r.Phases)
	}
	if flags&flagStatus != 0 {
		dst = appendStatus(dst, r.Status)
	}
	if flags&flagExtra != 0 {
		dst = binary.AppendUvarint(dst, uint64(len(r.Extra)))
		for name, number := range r.Extra {
			dst = appendText(dst, name)
			dst = appendFloat(dst, number)
		}
	}
	return dst
}

func appendFloat(dst []byte, number float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(number))
}

func appendText(dst []byte, text string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(text)))
	return append(dst, text...)
}

func appendLines(dst []byte, lines []Line) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(lines)))
	for _, line := range lines {
		parts := [...]*float64{line.VoltageVolts, line.CurrentAmperes, line.PowerWatts}
		var known byte
		for i, part := range parts {
			if part != nil {
				known |= 1 << i
			}
		}
		dst = append(dst, known)
		for _, part := range parts {
			if part != nil {
				dst = appendFloat(dst, *part)
			}
		}
	}
	return dst
}

func appendStatus(dst []byte, s *Status) []byte {
	var known byte
	if s.Code != nil {
		known |= 1
	}
	if s.Text != nil {
		known |= 2
	}
	dst = append(dst, known)
	if s.Code != nil {
		dst = binary.AppendVarint(dst, *s.Code)
	}
	if s.Text != nil {
		dst = appendText(dst, *s.Text)
	}
	return dst
}

// DecodeEntry reads what AppendEntry wrote. Anything else is an error that names
// the byte where it went wrong; it never panics. It takes memory for what it has
// read, never for what a count promises.
func DecodeEntry(data []byte) (Entry, error) {
	d := decoder{data: data}
	if version := d.byte(); d.err == nil && version != codecVersion {
		return Entry{}, fmt.Errorf("journal entry: version %d is not known", version)
	}
	var e Entry
	copy(e.SourceID[:], d.take(len(uuid.UUID{})))
	received := d.varint()
	count := d.count(3) // timestamp, flags and mask: 3 bytes at least
	if d.err != nil {
		return Entry{}, d.err
	}
	e.Readings = make([]Reading, 0, min(count, readingsAtOnce))
	receivedAt := time.UnixMilli(received).UTC()
	for range count {
		r := Reading{SourceID: e.SourceID, ReceivedAt: receivedAt}
		d.reading(&r, received)
		if d.err != nil {
			return Entry{}, d.err
		}
		e.Readings = append(e.Readings, r)
	}
	if d.at != len(data) {
		return Entry{}, fmt.Errorf("journal entry: %d bytes too many after byte %d", len(data)-d.at, d.at)
	}
	return e, nil
}

// readingsAtOnce is for how many readings room is made before they are seen.
const readingsAtOnce = 64

var errShort = errors.New("it ends too early")

// decoder reads forward and keeps its first error.
type decoder struct {
	data []byte
	at   int
	err  error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = fmt.Errorf("journal entry: at byte %d: %w", d.at, err)
	}
}

func (d *decoder) take(n int) []byte {
	if d.err != nil || len(d.data)-d.at < n {
		d.fail(errShort)
		return nil
	}
	part := d.data[d.at : d.at+n]
	d.at += n
	return part
}

func (d *decoder) byte() byte {
	if part := d.take(1); part != nil {
		return part[0]
	}
	return 0
}

// bits reads a byte of flags below end.
func (d *decoder) bits(end byte) byte {
	b := d.byte()
	if b >= end {
		d.at--
		d.fail(errors.New("an unknown part"))
		return 0
	}
	return b
}

func (d *decoder) varint() int64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Varint(d.data[d.at:])
	if n <= 0 {
		d.fail(errShort)
		return 0
	}
	d.at += n
	return v
}

func (d *decoder) uvarint() uint64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Uvarint(d.data[d.at:])
	if n <= 0 {
		d.fail(errShort)
		return 0
	}
	d.at += n
	return v
}

// count reads how many things follow, each of at least size bytes.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if left := (len(d.data) - d.at) / size; d.err == nil && n > uint64(left) { //nolint:gosec // not negative
		d.fail(errShort)
	}
	if d.err != nil {
		return 0
	}
	return int(n) //nolint:gosec // bounded by the data's length above
}

func (d *decoder) float() float64 {
	part := d.take(8)
	if part == nil {
		return 0
	}
	number := math.Float64frombits(binary.LittleEndian.Uint64(part))
	if math.IsNaN(number) || math.IsInf(number, 0) {
		d.at -= len(part)
		d.fail(errors.New("a number that is not finite"))
		return 0
	}
	return number
}

func (d *decoder) text() string { return string(d.take(d.count(1))) }

func (d *decoder) reading(r *Reading, received int64) {
	r.Timestamp = time.UnixMilli(received - d.varint()).UTC()
	flags := d.bits(flagsEnd)
	mask := d.uvarint()
	if mask >= 1<<NumFields {
		d.fail(errors.New("an unknown field"))
		return
	}
	for rest := uint32(mask); rest != 0 && d.err == nil; rest &= rest - 1 {
		r.Values.Set(Field(bits.TrailingZeros32(rest)), d.float()) //nolint:gosec // below 32
	}
	if flags&flagStrings != 0 {
		r.Strings = d.lines()
	}
	if flags&flagPhases != 0 {
		r.Phases = d.lines()
	}
	if flags&flagStatus != 0 {
		r.Status = d.status()
	}
	if flags&flagExtra != 0 {
		r.Extra = d.extra()
	}
}

func (d *decoder) extra() map[string]float64 {
	count := d.count(9) // an empty name and a number
	if count == 0 {
		return nil
	}
	extra := make(map[string]float64, min(count, MaxExtra))
	for range count {
		name := d.text()
		extra[name] = d.float()
		if d.err != nil {
			return nil
		}
	}
	return extra
}

func (d *decoder) lines() []Line {
	count := d.count(1)
	if count == 0 {
		return nil
	}
	lines := make([]Line, 0, min(count, MaxLines))
	for range count {
		var line Line
		known := d.bits(1 << 3)
		for bit, part := range [...]**float64{&line.VoltageVolts, &line.CurrentAmperes, &line.PowerWatts} {
			if known&(1<<bit) != 0 {
				number := d.float()
				*part = &number
			}
		}
		if d.err != nil {
			return nil
		}
		lines = append(lines, line)
	}
	return lines
}

func (d *decoder) status() *Status {
	var s Status
	known := d.bits(1 << 2)
	if known&1 != 0 {
		code := d.varint()
		s.Code = &code
	}
	if known&2 != 0 {
		text := d.text()
		s.Text = &text
	}
	return &s
}
