package sqldb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"slices"

	"ampra/core/telemetry"
)

// The encoding of a reading in a row of the archive: small, because a household
// keeps ten years of them.
//
//	row     = version(1) parts(1) mask(uvarint) number* [strings] [phases] [status] [extra]
//	lines   = count(uvarint) { known(1) number* }
//	status  = known(1) [code(varint)] [text]
//	extra   = count(uvarint) { name number }, by name
//	text    = length(uvarint) bytes
//	number  = uvarint: the lowest 3 bits are the decimals (0 to 6), the rest is the
//	          number without its point in zigzag; or 7 and a little-endian float64
//
// What devices send mostly has a few decimals and takes two or three bytes so.
const rowVersion = 1

const (
	rowStrings = 1 << iota
	rowPhases
	rowStatus
	rowExtra
)

const (
	maxDecimals = 6
	rawNumber   = 7
	// maxScaled keeps a scaled number within eight bytes and float64's exactness.
	maxScaled = 1 << 45
)

// appendRow appends the encoding of what a reading measured. The same content
// always has the same bytes.
func appendRow(dst []byte, r *telemetry.Reading) []byte {
	var parts byte
	if len(r.Strings) > 0 {
		parts |= rowStrings
	}
	if len(r.Phases) > 0 {
		parts |= rowPhases
	}
	if r.Status != nil {
		parts |= rowStatus
	}
	if len(r.Extra) > 0 {
		parts |= rowExtra
	}
	mask := r.Values.Mask()
	dst = append(dst, rowVersion, parts)
	dst = binary.AppendUvarint(dst, uint64(mask))
	for ; mask != 0; mask &= mask - 1 {
		number, _ := r.Values.Get(telemetry.Field(bits.TrailingZeros32(mask))) //nolint:gosec // below 32
		dst = appendNumber(dst, number)
	}
	if parts&rowStrings != 0 {
		dst = appendRowLines(dst, r.Strings)
	}
	if parts&rowPhases != 0 {
		dst = appendRowLines(dst, r.Phases)
	}
	if parts&rowStatus != 0 {
		dst = appendRowStatus(dst, r.Status)
	}
	if parts&rowExtra != 0 {
		dst = binary.AppendUvarint(dst, uint64(len(r.Extra)))
		for _, name := range slices.Sorted(maps.Keys(r.Extra)) {
			dst = appendRowText(dst, name)
			dst = appendNumber(dst, r.Extra[name])
		}
	}
	return dst
}

func appendNumber(dst []byte, v float64) []byte {
	factor := 1.0
	for decimals := range uint64(maxDecimals + 1) {
		scaled := math.Round(v * factor)
		if math.Abs(scaled) > maxScaled {
			break
		}
		// Exactly v again, and not a negative zero, which an integer does not know.
		if scaled/factor == v && (scaled != 0 || !math.Signbit(v)) {
			n := int64(scaled)
			zigzag := uint64(n<<1) ^ uint64(n>>63) //nolint:gosec // the bits are what is meant
			return binary.AppendUvarint(dst, zigzag<<3|decimals)
		}
		factor *= 10
	}
	dst = append(dst, rawNumber)
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
}

func appendRowText(dst []byte, text string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(text)))
	return append(dst, text...)
}

func appendRowLines(dst []byte, lines []telemetry.Line) []byte {
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
				dst = appendNumber(dst, *part)
			}
		}
	}
	return dst
}

func appendRowStatus(dst []byte, s *telemetry.Status) []byte {
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
		dst = appendRowText(dst, *s.Text)
	}
	return dst
}

// decodeRow reads what appendRow wrote into r. It keeps nothing of data, never
// panics, and takes no more memory than a small multiple of len(data).
func decodeRow(data []byte, r *telemetry.Reading) error {
	d := rowDecoder{data: data}
	if version := d.byte(); d.err == nil && version != rowVersion {
		return fmt.Errorf("a reading's row: version %d is not known", version)
	}
	parts := d.byte()
	mask := d.uvarint()
	if mask >= 1<<telemetry.NumFields || parts >= rowExtra<<1 {
		d.fail(errors.New("a part that is not known"))
	}
	for ; mask != 0 && d.err == nil; mask &= mask - 1 {
		r.Values.Set(telemetry.Field(bits.TrailingZeros64(mask)), d.number()) //nolint:gosec // checked above
	}
	if parts&rowStrings != 0 {
		r.Strings = d.lines()
	}
	if parts&rowPhases != 0 {
		r.Phases = d.lines()
	}
	if parts&rowStatus != 0 {
		r.Status = d.status()
	}
	if parts&rowExtra != 0 {
		n := d.count(2)
		r.Extra = make(map[string]float64, n)
		for range n {
			name := string(d.take(d.count(1)))
			r.Extra[name] = d.number()
		}
	}
	if d.err == nil && d.at != len(data) {
		d.fail(errors.New("bytes too many"))
	}
	return d.err
}

var errRowShort = errors.New("it ends too early")

// rowDecoder reads forward and keeps its first error.
type rowDecoder struct {
	data []byte
	at   int
	err  error
}

func (d *rowDecoder) fail(err error) {
	if d.err == nil {
		d.err = fmt.Errorf("a reading's row: at byte %d: %w", d.at, err)
	}
}

func (d *rowDecoder) take(n int) []byte {
	if d.err != nil || len(d.data)-d.at < n {
		d.fail(errRowShort)
		return nil
	}
	part := d.data[d.at : d.at+n]
	d.at += n
	return part
}

func (d *rowDecoder) byte() byte {
	if part := d.take(1); part != nil {
		return part[0]
	}
	return 0
}

func (d *rowDecoder) uvarint() uint64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Uvarint(d.data[d.at:])
	if n <= 0 {
		d.fail(errRowShort)
		return 0
	}
	d.at += n
	return v
}

// count reads how many things follow, each of at least size bytes.
func (d *rowDecoder) count(size int) int {
	n := d.uvarint()
	if d.err == nil && n > uint64((len(d.data)-d.at)/size) { //nolint:gosec // neither is negative
		d.fail(errRowShort)
	}
	if d.err != nil {
		return 0
	}
	return int(n) //nolint:gosec // bounded by the data's length above
}

func (d *rowDecoder) number() float64 {
	v := d.uvarint()
	decimals := v & 7
	if decimals == rawNumber {
		if v != rawNumber {
			d.fail(errors.New("a number in no known form"))
		}
		part := d.take(8)
		if part == nil {
			return 0
		}
		return math.Float64frombits(binary.LittleEndian.Uint64(part))
	}
	v >>= 3
	return float64(int64(v>>1)^-int64(v&1)) / math.Pow10(int(decimals))
}

func (d *rowDecoder) lines() []telemetry.Line {
	lines := make([]telemetry.Line, d.count(1))
	for i := range lines {
		known := d.byte()
		for bit, part := range [...]**float64{&lines[i].VoltageVolts, &lines[i].CurrentAmperes, &lines[i].PowerWatts} {
			if known&(1<<bit) != 0 {
				number := d.number()
				*part = &number
			}
		}
	}
	return lines
}

func (d *rowDecoder) status() *telemetry.Status {
	var s telemetry.Status
	known := d.byte()
	if known&1 != 0 {
		code, n := binary.Varint(d.data[d.at:])
		if n <= 0 {
			d.fail(errRowShort)
			return &s
		}
		d.at += n
		s.Code = &code
	}
	if known&2 != 0 {
		text := string(d.take(d.count(1)))
		s.Text = &text
	}
	return &s
}
