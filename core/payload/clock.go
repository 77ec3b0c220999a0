package payload

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// stamp is a time as the payload tells it.
type stamp struct {
	at time.Time
	// local is set when it was told without a zone.
	local bool
}

// maxUnix bounds unix times, in their own digits: beyond it they are finer.
const (
	maxUnixSeconds = 1e11
	maxUnixMillis  = 1e14
	maxUnixMicros  = 1e17
)

// unixTime reads a unix time in seconds, milliseconds, microseconds or
// nanoseconds, told apart by their magnitude. Fractions of seconds are kept to
// the millisecond.
func unixTime(raw []byte) (time.Time, bool) {
	if whole, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		switch {
		case whole < maxUnixSeconds && whole > -maxUnixSeconds:
			return time.Unix(whole, 0).UTC(), true
		case whole < maxUnixMillis:
			return time.UnixMilli(whole).UTC(), true
		case whole < maxUnixMicros:
			return time.UnixMicro(whole).UTC(), true
		default:
			return time.Unix(0, whole).UTC(), true
		}
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || seconds > maxUnixMillis || seconds < -maxUnixMillis {
		return time.Time{}, false
	}
	if seconds < maxUnixSeconds && seconds > -maxUnixSeconds {
		seconds *= 1000
	}
	if seconds < 0 {
		return time.UnixMilli(int64(seconds - 0.5)).UTC(), true
	}
	return time.UnixMilli(int64(seconds + 0.5)).UTC(), true
}

// moment reads a time of any form. dayFirst allows 14/06/2026, which elsewhere
// may be the 6th of a 14th month.
func (o *Options) moment(text []byte, dayFirst bool) (stamp, bool) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 || len(text) > 40 {
		return stamp{}, false
	}
	if isUnix(text) {
		at, ok := unixTime(text)
		return stamp{at: at}, ok
	}
	var c calendar
	rest, ok := c.date(text, dayFirst)
	if !ok {
		return stamp{}, false
	}
	if rest, ok = c.clock(rest); !ok {
		return stamp{}, false
	}
	return c.in(o, rest)
}

// isUnix reports whether a text is a number.
func isUnix(text []byte) bool {
	for i, c := range text {
		if !isDigit(c) && c != '.' && (c != '-' && c != '+' || i > 0 && text[i-1]|0x20 != 'e') && (c|0x20 != 'e' || i == 0) {
			return false
		}
	}
	return len(text) != 8 || text[0] != '2' || text[1] != '0' // not 20260614
}

// calendar is a wall clock's time while it is read.
type calendar struct {
	year, month, day, hour, minute, second, nano int
}

// cut reads exactly n digits, and the sign behind them if there is one.
func cut(text []byte, n int, signs string) (value int, rest []byte, ok bool) {
	if len(text) < n {
		return 0, nil, false
	}
	for _, c := range text[:n] {
		if !isDigit(c) {
			return 0, nil, false
		}
		value = value*10 + int(c-'0')
	}
	rest = text[n:]
	if signs == "" {
		return value, rest, true
	}
	if len(rest) == 0 || strings.IndexByte(signs, rest[0]) < 0 {
		return 0, nil, false
	}
	return value, rest[1:], true
}

// date reads 2026-06-14, 20260614 or, day first, 14/06/2026, and what stands
// between it and the clock.
func (c *calendar) date(text []byte, dayFirst bool) (rest []byte, ok bool) {
	if len(text) < 10 {
		return nil, false
	}
	switch {
	case dayFirst && !isDigit(text[2]):
		signs := string(text[2:3])
		if signs != "/" && signs != "." && signs != "-" {
			return nil, false
		}
		if c.day, rest, ok = cut(text, 2, signs); ok {
			if c.month, rest, ok = cut(rest, 2, signs); ok {
				c.year, rest, ok = cut(rest, 4, " T")
			}
		}
	case text[4] == '-':
		if c.year, rest, ok = cut(text, 4, "-"); ok {
			if c.month, rest, ok = cut(rest, 2, "-"); ok {
				c.day, rest, ok = cut(rest, 2, " Tt")
			}
		}
	default:
		if c.year, rest, ok = cut(text, 4, ""); ok {
			if c.month, rest, ok = cut(rest, 2, ""); ok {
				c.day, rest, ok = cut(rest, 2, " ")
			}
		}
	}
	return rest, ok
}

// clock reads 12:00, 12:00:05 or 12:00:05.25.
func (c *calendar) clock(text []byte) (rest []byte, ok bool) {
	if c.hour, rest, ok = cut(text, 2, ":"); !ok {
		return nil, false
	}
	if c.minute, rest, ok = cut(rest, 2, ""); !ok || len(rest) == 0 || rest[0] != ':' {
		return rest, ok
	}
	if c.second, rest, ok = cut(rest[1:], 2, ""); !ok || len(rest) == 0 || rest[0] != '.' {
		return rest, ok
	}
	rest = rest[1:]
	for unit := 100_000_000; len(rest) > 0 && isDigit(rest[0]); unit /= 10 {
		c.nano += int(rest[0]-'0') * unit
		rest = rest[1:]
	}
	return rest, true
}

// in reads the offset, if there is one, and makes the time.
func (c *calendar) in(o *Options, zone []byte) (stamp, bool) {
	if c.hour > 23 || c.minute > 59 || c.second > 60 {
		return stamp{}, false
	}
	at := time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.second, c.nano, time.UTC)
	if at.Day() != c.day && c.second < 60 || c.month < 1 || c.month > 12 || c.day < 1 {
		return stamp{}, false // no such day
	}
	zone = bytes.TrimSpace(zone)
	switch {
	case len(zone) == 0:
		return o.inZone(at), true
	case len(zone) == 1 && zone[0]|0x20 == 'z':
		return stamp{at: at}, true
	case zone[0] != '+' && zone[0] != '-':
		return stamp{}, false
	}
	hours, rest, ok := cut(zone[1:], 2, "")
	minutes := 0
	if ok && len(rest) > 0 {
		if rest[0] == ':' {
			rest = rest[1:]
		}
		minutes, rest, ok = cut(rest, 2, "")
	}
	if !ok || len(rest) > 0 || hours > 23 || minutes > 59 {
		return stamp{}, false
	}
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if zone[0] == '-' {
		offset = -offset
	}
	return stamp{at: at.Add(-offset)}, true
}

// inZone takes a wall clock's time for the site's. In the hour that the clock
// shows twice it is the one nearer to now.
func (o *Options) inZone(wall time.Time) stamp {
	if o.Zone == nil {
		return stamp{at: wall, local: true}
	}
	at := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), o.Zone)
	for _, step := range [...]time.Duration{-time.Hour, time.Hour} {
		other := at.Add(step)
		same := other.Hour() == at.Hour() && other.Minute() == at.Minute()
		if same && other.Sub(o.Received).Abs() < at.Sub(o.Received).Abs() {
			at = other
		}
	}
	return stamp{at: at}
}
