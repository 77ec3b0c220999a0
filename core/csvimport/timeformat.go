package csvimport

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"time"
)

// format reads times that are written in one way.
type format struct {
	name string
	// unix is how many milliseconds a unit of a unix time is, 0 for a written time.
	unix   int64
	tokens []token
	// hasDate and hasYear say what the pattern has.
	fields uint16
}

// token is a part of a pattern: a quantity or literal text.
type token struct {
	is       quantity
	literal  byte
	optional bool // what stands in square brackets may be missing, as a whole
	// opens is how many tokens the bracket has that begins here.
	opens int
}

type quantity uint8

const (
	literal quantity = iota
	year
	shortYear
	month
	day
	hour
	hour12
	minute
	second
	fraction
	half
	offset
	numQuantities
)

// civil is a written time.
type civil struct {
	year, month, day, hour, minute, second, milli int
	// offset is in seconds, where the text tells it.
	offset    int
	hasOffset bool
}

// seconds is the written time counted as if it were in UTC.
func (c *civil) seconds() int64 {
	return time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.second, 0, time.UTC).Unix()
}

var errPattern = errors.New("not a pattern")

const isoName = "iso"

// isoPatterns are the forms that are called iso.
const isoPattern = "YYYY-MM-DD HH:mm[:ss[.SSS]][Z]"

// compile makes a format of what the options say.
func compile(text string) (*format, error) {
	switch strings.ToLower(text) {
	case isoName, "iso8601", "iso 8601", "rfc3339":
		f, err := compilePattern(isoPattern)
		if err == nil {
			f.name = isoName
		}
		return f, err
	case "unix":
		return &format{name: "unix", unix: 1000}, nil
	case "unixmillis":
		return &format{name: "unixMillis", unix: 1}, nil
	}
	if strings.Contains(text, "%") {
		text = strings.NewReplacer("%Y", "YYYY", "%y", "YY", "%m", "MM", "%d", "DD", "%H", "HH", "%I", "hh", "%M", "mm", "%S", "ss", "%f", "SSS", "%p", "A", "%z", "Z").Replace(text)
	}
	if len(text) > 64 {
		return nil, errPattern
	}
	return compilePattern(text)
}

func compilePattern(text string) (*format, error) {
	f := &format{name: text}
	words := []struct {
		text string
		is   quantity
	}{
		{"YYYY", year},
		{"yyyy", year},
		{"YY", shortYear},
		{"yy", shortYear},
		{"MM", month},
		{"DD", day},
		{"dd", day},
		{"HH", hour},
		{"hh", hour12},
		{"mm", minute},
		{"ss", second},
		{"SSS", fraction},
		{"A", half},
		{"Z", offset},
	}
	var open []int
next:
	for rest := text; rest != ""; {
		for _, w := range words {
			if after, ok := strings.CutPrefix(rest, w.text); ok {
				if f.fields&(1<<w.is) != 0 {
					return nil, errPattern
				}
				f.fields |= 1 << w.is
				f.tokens = append(f.tokens, token{is: w.is})
				rest = after
				continue next
			}
		}
		c := rest[0]
		rest = rest[1:]
		switch {
		case c == '[':
			open = append(open, len(f.tokens))
			f.tokens = append(f.tokens, token{optional: true})
		case c == ']' && len(open) > 0:
			at := open[len(open)-1]
			open = open[:len(open)-1]
			f.tokens[at].opens = len(f.tokens) - at - 1
		case strings.IndexByte("T-/.,: _|hmsdu", c) >= 0:
			f.tokens = append(f.tokens, token{literal: c})
		default:
			return nil, errPattern
		}
	}
	has := func(q quantity) bool { return f.fields&(1<<q) != 0 }
	if len(open) > 0 || has(year) == has(shortYear) || !has(month) || !has(day) || has(hour) && has(hour12) || has(hour12) != has(half) ||
		has(minute) && !has(hour) && !has(hour12) || has(second) && !has(minute) {
		return nil, errPattern
	}
	return f, nil
}

// parse reads a cell.
func (f *format) parse(cell []byte) (civil, bool) {
	c := civil{month: 1, day: 1}
	if f.unix > 0 {
		return civil{}, false
	}
	rest, ok := f.read(&c, f.tokens, cell)
	if !ok || len(rest) > 0 {
		return c, false
	}
	if c.hour == 24 && c.minute == 0 && c.second == 0 && c.milli == 0 {
		c.hour = 0
		next := time.Date(c.year, time.Month(c.month), c.day+1, 0, 0, 0, 0, time.UTC)
		c.year, c.month, c.day = next.Year(), int(next.Month()), next.Day()
	}
	valid := c.month >= 1 && c.month <= 12 && c.day >= 1 && c.day <= daysIn(c.year, c.month) && c.hour < 24 && c.minute < 60 && c.second < 60
	return c, valid
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// read takes tokens off the front of a text.
func (f *format) read(c *civil, tokens []token, text []byte) (rest []byte, ok bool) {
	for i := 0; i < len(tokens); i++ {
		t := &tokens[i]
		if t.optional {
			if after, ok := f.read(c, tokens[i+1:i+1+t.opens], text); ok {
				text = after
			}
			i += t.opens
			continue
		}
		if text, ok = t.read(c, text); !ok {
			return text, false
		}
	}
	return text, true
}

func (t *token) read(c *civil, text []byte) ([]byte, bool) {
	number := func(to *int, least, most int) ([]byte, bool) {
		n, value := 0, 0
		for n < len(text) && n < most && isDigit(text[n]) {
			value = value*10 + int(text[n]-'0')
			n++
		}
		*to = value
		return text[n:], n >= least
	}
	switch t.is {
	case year:
		return number(&c.year, 4, 4)
	case shortYear:
		rest, ok := number(&c.year, 2, 2)
		c.year += 2000
		return rest, ok
	case month:
		return number(&c.month, 1, 2)
	case day:
		return number(&c.day, 1, 2)
	case hour, hour12:
		return number(&c.hour, 1, 2)
	case minute:
		return number(&c.minute, 2, 2)
	case second:
		return number(&c.second, 2, 2)
	case fraction:
		return readFraction(c, text)
	case half:
		return readHalf(c, text)
	case offset:
		return readOffset(c, text)
	case literal, numQuantities:
	}
	if t.literal == ' ' { // or a T, or several
		n := 0
		for n < len(text) && (text[n] == ' ' || text[n] == 'T' && n == 0) {
			n++
		}
		return text[n:], n > 0
	}
	if len(text) == 0 || text[0] != t.literal {
		return text, false
	}
	return text[1:], true
}

func readFraction(c *civil, text []byte) ([]byte, bool) {
	n, scale := 0, 100
	for ; n < len(text) && isDigit(text[n]); n++ {
		c.milli += int(text[n]-'0') * scale
		scale /= 10
	}
	return text[n:], n > 0 && n <= 9
}

func readHalf(c *civil, text []byte) ([]byte, bool) {
	if len(text) < 2 || c.hour < 1 || c.hour > 12 || text[1]|0x20 != 'm' {
		return text, false
	}
	switch text[0] | 0x20 {
	case 'a':
		c.hour %= 12
	case 'p':
		c.hour = c.hour%12 + 12
	default:
		return text, false
	}
	return text[2:], true
}

// readOffset reads Z, +02, +0200 or +02:00.
func readOffset(c *civil, text []byte) ([]byte, bool) {
	text = bytes.TrimLeft(text, " ")
	if len(text) > 0 && (text[0] == 'Z' || text[0] == 'z') {
		c.hasOffset = true
		return text[1:], true
	}
	if len(text) < 3 || text[0] != '+' && text[0] != '-' || !isDigit(text[1]) || !isDigit(text[2]) {
		return text, false
	}
	hours, minutes, rest := int(text[1]-'0')*10+int(text[2]-'0'), 0, text[3:]
	digits := bytes.TrimPrefix(rest, []byte(":"))
	if len(digits) >= 2 && isDigit(digits[0]) && isDigit(digits[1]) {
		minutes, rest = int(digits[0]-'0')*10+int(digits[1]-'0'), digits[2:]
	}
	if hours > 18 || minutes > 59 {
		return text, false
	}
	c.hasOffset, c.offset = true, hours*3600+minutes*60
	if text[0] == '-' {
		c.offset = -c.offset
	}
	return rest, true
}

// parseUnix reads a unix time, to milliseconds.
func (f *format) parseUnix(cell []byte) (milli int64, ok bool) {
	whole, part, _ := bytes.Cut(cell, []byte("."))
	if len(whole) == 0 || len(whole) > 14 || len(part) > 9 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(whole), 10, 64)
	if err != nil || n < 0 {
		return 0, false
	}
	milli = n * f.unix
	scale := f.unix / 10
	for _, c := range part {
		if !isDigit(c) {
			return 0, false
		}
		milli += int64(c-'0') * scale
		scale /= 10
	}
	return milli, true
}
