package payload

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// Bool reads the next value. ok is false when it is not true or false; it is
// skipped then.
func (s *Scanner) Bool() (value, ok bool) {
	if s.Kind() != Bool {
		s.Skip()
		return false, false
	}
	if s.data[s.at] == 't' {
		return true, s.word("true")
	}
	return false, s.word("false")
}

// word reads a literal. An error names its first wrong byte.
func (s *Scanner) word(word string) bool {
	for i := range len(word) {
		if s.at == len(s.data) || s.data[s.at] != word[i] {
			s.expectedWord(word)
			return false
		}
		s.at++
	}
	return true
}

// expectedWord is expected for a word of JSON. Devices write nan and none where
// they mean null.
func (s *Scanner) expectedWord(word string) {
	if word == "null" && s.at < len(s.data) {
		word = "null, a number or a text in quotes"
	}
	s.expected(word)
}

// Number reads the next value and returns its text as it stands, for Float and
// Int. ok is false when it is not a number; it is skipped then.
func (s *Scanner) Number() (raw []byte, ok bool) {
	if s.Kind() != Number {
		s.Skip()
		return nil, false
	}
	begin := s.at
	if end := plainNumber(s.data, begin); end > 0 {
		s.at = end
		return s.data[begin:end:end], true
	}
	if s.data[s.at] == '-' {
		s.at++
	}
	if s.at < len(s.data) && s.data[s.at] == '0' {
		s.at++
	} else if !s.digits() {
		return nil, false
	}
	if s.at < len(s.data) && s.data[s.at] == '.' {
		s.at++
		if !s.digits() {
			return nil, false
		}
	}
	if s.at < len(s.data) && s.data[s.at]|0x20 == 'e' {
		s.at++
		if s.at < len(s.data) && (s.data[s.at] == '+' || s.data[s.at] == '-') {
			s.at++
		}
		if !s.digits() {
			return nil, false
		}
	}
	return s.data[begin:s.at:s.at], true
}

// digits reads one or more.
func (s *Scanner) digits() bool {
	begin := s.at
	for s.at < len(s.data) && isDigit(s.data[s.at]) {
		s.at++
	}
	if s.at == begin {
		s.expected("a digit")
	}
	return s.at > begin
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// plainNumber is where a number ends that is well formed and has no exponent, 0
// for any other, which the slow way looks at.
func plainNumber(data []byte, at int) (end int) {
	if data[at] == '-' {
		at++
	}
	first := at
	for at < len(data) && isDigit(data[at]) {
		at++
	}
	if at == first || data[first] == '0' && at > first+1 {
		return 0
	}
	if at < len(data) && data[at] == '.' {
		point := at
		for at++; at < len(data) && isDigit(data[at]); at++ {
		}
		if at == point+1 {
			return 0
		}
	}
	if at < len(data) && data[at]|0x20 == 'e' {
		return 0
	}
	return at
}

// Float is the value of a number's text. ok is false when it is too large for a
// float64. What is too small to tell from zero is zero, and there is no negative
// zero.
func Float(raw []byte) (value float64, ok bool) {
	if value, ok = exactFloat(raw); ok {
		return value, true
	}
	value, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return 0, false
	}
	return value + 0, true // -0 + 0 is 0
}

// exactFloat is Float for a number of at most 15 digits without an exponent, and
// ok is false for any other. Both its digits and the power of ten that divides
// them are floats without rounding, so that the quotient is rounded once, as it
// has to be.
func exactFloat(raw []byte) (value float64, ok bool) {
	const most = 15
	digits := raw
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > most+1 {
		return 0, false
	}
	whole, point := uint64(0), len(digits)-1
	for i, c := range digits {
		switch {
		case isDigit(c):
			whole = whole*10 + uint64(c-'0')
		case c == '.' && point == len(digits)-1:
			point = i
		default:
			return 0, false
		}
	}
	if len(digits) > most && point == len(digits)-1 {
		return 0, false
	}
	value = float64(whole)
	if fraction := len(digits) - 1 - point; fraction > 0 {
		value /= tens[fraction]
	}
	if raw[0] == '-' && whole != 0 {
		value = -value
	}
	return value, true
}

//nolint:gochecknoglobals // a table that nobody writes to
var tens = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// Int is the value of a number's text. ok is false when it is no whole number or
// too large for an int64. 7.0 and 7e0 are whole.
func Int(raw []byte) (value int64, ok bool) {
	value, err := strconv.ParseInt(string(raw), 10, 64)
	if err == nil {
		return value, true
	}
	const exact = 1 << 53 // up to here a float64 holds every whole number
	f, ok := Float(raw)
	if !ok || math.Abs(f) > exact || math.Trunc(f) != f {
		return 0, false
	}
	return int64(f), true
}

// Text reads the next value, unescaped. ok is false when it is not a string; it
// is skipped then. The bytes stay as they are until the next Text.
func (s *Scanner) Text() (text []byte, ok bool) {
	if s.Kind() != String {
		s.Skip()
		return nil, false
	}
	raw, escaped, ok := s.quoted("a string")
	if !ok || !escaped {
		return raw, ok
	}
	s.text = appendUnescaped(s.text[:0], raw)
	return s.text, true
}

// quoted reads a string and checks it. It returns what stands between the quotes
// and whether there are escapes in it.
func (s *Scanner) quoted(what string) (raw []byte, escaped, ok bool) {
	if s.err != nil {
		return nil, false, false
	}
	if s.at >= len(s.data) || s.data[s.at] != '"' {
		s.expected(what)
		return nil, false, false
	}
	s.at++
	begin := s.at
	for s.at < len(s.data) {
		if s.at = plainEnd(s.data, s.at); s.at == len(s.data) {
			break
		}
		switch c := s.data[s.at]; {
		case c == '"':
			s.at++
			return s.data[begin : s.at-1 : s.at-1], escaped, true
		case c == '\\':
			escaped = true
			if !s.escape() {
				return nil, false, false
			}
		case c < ' ':
			s.fail(s.at, "a control character in a string must be escaped")
			return nil, false, false
		default:
			r, size := utf8.DecodeRune(s.data[s.at:])
			if r == utf8.RuneError && size == 1 {
				s.fail(s.at, "it is not valid UTF-8")
				return nil, false, false
			}
			s.at += size
		}
	}
	s.expected(`'"'`)
	return nil, false, false
}

// plainEnd is where the bytes of a string end that stand for themselves.
func plainEnd(data []byte, at int) int {
	for ; at < len(data); at++ {
		if c := data[at]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			break
		}
	}
	return at
}

// escape checks and steps over an escape. Half a surrogate pair stands for no
// character and is refused.
func (s *Scanner) escape() bool {
	begin := s.at
	rest := s.data[s.at+1:]
	if len(rest) == 0 {
		s.at++
		s.expected("the rest of the escape")
		return false
	}
	switch rest[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at += 2
		return true
	case 'u':
		unit, ok := hex4(rest[1:])
		if !ok {
			s.fail(begin, `\u needs four hexadecimal digits`)
			return false
		}
		s.at += 6
		if !isSurrogate(unit) {
			return true
		}
		if low, ok := lowSurrogate(rest[5:]); isHigh(unit) && ok && isLow(low) {
			s.at += 6
			return true
		}
		s.fail(begin, "a surrogate without its other half")
	default:
		s.fail(begin, "there is no such escape")
	}
	return false
}

// hex4 reads four hexadecimal digits.
func hex4(b []byte) (unit rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case isDigit(c):
			unit = unit<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			unit = unit<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return unit, true
}

// lowSurrogate reads the second escape of a pair.
func lowSurrogate(b []byte) (unit rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	return hex4(b[2:])
}

func isSurrogate(r rune) bool { return 0xD800 <= r && r <= 0xDFFF }
func isHigh(r rune) bool      { return 0xD800 <= r && r <= 0xDBFF }
func isLow(r rune) bool       { return 0xDC00 <= r && r <= 0xDFFF }

// appendUnescaped appends what a checked string stands for.
func appendUnescaped(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			dst = append(dst, raw[i])
			i++
			continue
		}
		switch c := raw[i+1]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(raw[i+2:])
			if isHigh(r) {
				low, _ := hex4(raw[i+8:])
				r = (r-0xD800)<<10 + (low - 0xDC00) + 0x10000
				i += 6
			}
			dst = utf8.AppendRune(dst, r)
			i += 4
		default: // a quote, a slash, a backslash
			dst = append(dst, c)
		}
		i += 2
	}
	return dst
}
