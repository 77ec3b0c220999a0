package telemetry

import (
	"bytes"
	"math"
	"time"

	"ampra/core/payload"
)

// moment is a reading's own time while it is read: one or more members that say
// the same.
type moment struct {
	milli int64
	known bool
	// problem is why the reading is refused, "" if nothing is wrong.
	problem string
}

// moment reads a member that tells the reading's time.
func (p *parser) moment(at *moment, name string) {
	var milli int64
	ok := false
	if p.scan.Kind() == payload.Number {
		var raw []byte
		if raw, ok = p.scan.Number(); ok {
			milli = unixMilli(raw)
		}
	} else {
		var text []byte
		if text, ok = p.scan.Text(); ok {
			milli, ok = rfc3339Milli(text)
		}
	}
	problem := ""
	switch {
	case !ok:
		problem = name + " must be RFC 3339 with an offset, such as 2026-06-21T12:00:00+02:00, or a unix time in seconds or milliseconds"
	case milli < Earliest().UnixMilli() || milli > p.latest:
		problem = outOfRange(name, p.latest)
	case at.known && at.milli != milli:
		problem = "timestamp, time and ts do not say the same"
	}
	at.milli, at.known = milli, true
	if at.problem == "" {
		at.problem = problem
	}
}

// rfc3339Milli reads a time with any offset. RFC 3339 also allows t and z in
// lower case.
func rfc3339Milli(text []byte) (milli int64, ok bool) {
	const hourEnd = len("2026-06-21T12")
	var upper [64]byte // room for more digits than anybody has
	if len(text) > len(upper) || len(text) <= hourEnd {
		return 0, false
	}
	// The standard library also takes an hour of one digit and a decimal comma.
	if text[hourEnd] != ':' || bytes.IndexByte(text, ',') >= 0 {
		return 0, false
	}
	for i, c := range text {
		if c == 't' || c == 'z' {
			c -= 'a' - 'A'
		}
		upper[i] = c
	}
	var at time.Time
	if at.UnmarshalText(upper[:len(text)]) != nil {
		return 0, false
	}
	return at.UnixMilli(), true
}

// secondsBelow is the magnitude at which a unix time is milliseconds: as seconds
// it is the year 5138, as milliseconds March 1973.
const secondsBelow = 11 // digits

// unixMilli reads a unix time in seconds or milliseconds, whole or not, from a
// JSON number. It reads the digits themselves, since 1756123456.789 is not
// exactly that as a float. What is too large for milliseconds is the largest of
// its sign.
func unixMilli(raw []byte) int64 {
	// The number is 0.d1d2d3... times ten to the power of point, d1 not 0.
	digits, point := mantissa(raw)
	if digits == ([maxDigits]byte{}) {
		return 0
	}
	scale := point
	if point <= secondsBelow {
		scale += 3
	}
	milli := int64(math.MaxInt64)
	if scale <= maxDigits {
		milli = 0
		for i := range scale {
			milli = milli*10 + int64(digits[i])
		}
	}
	if raw[0] == '-' {
		return -milli
	}
	return milli
}

// maxDigits is how many decimal digits an int64 always holds.
const maxDigits = 18

// mantissa splits a JSON number into its first digits, without leading zeros,
// and the place of the point, counted from before the first of them.
func mantissa(raw []byte) (digits [maxDigits]byte, point int) {
	n := 0
	fraction := false
	for i, c := range raw {
		switch {
		case c == '.':
			fraction = true
		case c == '-':
		case c|0x20 == 'e':
			return digits, point + exponent(raw[i+1:])
		case n == 0 && c == '0':
			if fraction {
				point--
			}
		default:
			if n < maxDigits {
				digits[n] = c - '0'
				n++
			}
			if !fraction {
				point++
			}
		}
	}
	return digits, point
}

// exponent reads the digits behind the e, with their sign. Beyond a million it
// makes no difference.
func exponent(raw []byte) int {
	sign, value := 1, 0
	for _, c := range raw {
		switch {
		case c == '-':
			sign = -1
		case c != '+' && value < 1e6:
			value = value*10 + int(c-'0')
		}
	}
	return sign * value
}
