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
	case milli < earliestMilli || milli > p.latest:
		problem = p.outOfRange(name, milli)
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
	if milli, ok = plainMilli(text); ok {
		return milli, true
	}
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

// plainMilli reads the form that nearly all devices send: UTC with Z or an offset
// of whole minutes, and no fraction or one of up to nine digits. ok is false for
// anything else, right or wrong, which the standard library looks at.
func plainMilli(text []byte) (milli int64, ok bool) {
	const fixed = len("2026-06-21T12:00:05")
	if len(text) <= fixed || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' {
		return 0, false
	}
	year, month, day := pair(text, 0)*100+pair(text, 2), pair(text, 5), pair(text, 8)
	hour, minute, second := pair(text, 11), pair(text, 14), pair(text, 17)
	if year < 1970 || month < 1 || month > 12 || day < 1 || day > 28 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return 0, false // the last days of a month are for the library
	}
	fraction, rest, ok := thousandths(text[fixed:])
	if !ok {
		return 0, false
	}
	offset := 0
	switch {
	case len(rest) == 1 && rest[0] == 'Z':
	case len(rest) == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':':
		hours, minutes := pair(rest, 1), pair(rest, 4)
		if hours < 0 || hours > 23 || minutes < 0 || minutes > 59 {
			return 0, false
		}
		if offset = hours*60 + minutes; rest[0] == '-' {
			offset = -offset
		}
	default:
		return 0, false
	}
	seconds := ((daysBefore(year, month)+day-1)*24+hour)*3600 + (minute-offset)*60 + second
	return int64(seconds)*1000 + int64(fraction), true
}

// pair reads two digits; it is below -100 when they are none.
func pair(text []byte, at int) int {
	high, low := text[at]-'0', text[at+1]-'0'
	if high > 9 || low > 9 {
		return -1_000_000
	}
	return int(high)*10 + int(low)
}

// thousandths reads the fraction of a second, cut off after its third digit, if
// there is one.
func thousandths(text []byte) (value int, rest []byte, ok bool) {
	if text[0] != '.' {
		return 0, text, true
	}
	n := 1
	for ; n < len(text) && '0' <= text[n] && text[n] <= '9'; n++ {
		if n <= 3 {
			value = value*10 + int(text[n]-'0')
		}
	}
	if n == 1 || n > 10 {
		return 0, nil, false
	}
	for i := n; i <= 3; i++ {
		value *= 10
	}
	return value, text[n:], true
}

// daysBefore is how many days lie between 1970 and the first of a month.
func daysBefore(year, month int) int {
	month -= 2 // the year begins in March, so that its odd day is its last
	if month < 1 {
		month += 12
		year--
	}
	return 365*year + year/4 - year/100 + year/400 + (153*(month-1)+2)/5 - 719_468
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
