package bootstrap

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// DurationForm says how a duration is written in settings.
const DurationForm = "a duration such as 90d, 1d12h, 15m or 30s"

const day = 24 * time.Hour

var errDuration = errors.New("expected " + DurationForm)

// ParseDuration reads a duration as settings have them: as Go writes them, with
// whole or broken days of 24 hours before the rest.
func ParseDuration(text string) (time.Duration, error) {
	days, rest, hasDays := strings.Cut(text, "d")
	if !hasDays {
		d, err := time.ParseDuration(text)
		if err != nil || d == math.MinInt64 { // that one has no counterpart above 0
			return 0, errDuration
		}
		return d, nil
	}
	unsigned, negative := strings.CutPrefix(days, "-")
	if strings.Trim(unsigned, "0123456789.") != "" || strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") {
		return 0, errDuration
	}
	n, err := strconv.ParseFloat(unsigned, 64)
	if err != nil || n > float64(math.MaxInt64/day) {
		return 0, errDuration
	}
	d := time.Duration(math.Round(n * float64(day)))
	if rest != "" {
		more, err := time.ParseDuration(rest)
		if err != nil || more > math.MaxInt64-d {
			return 0, errDuration
		}
		d += more
	}
	if negative {
		d = -d
	}
	return d, nil
}

// DurationText writes a duration as ParseDuration reads it, without parts that are
// nothing.
func DurationText(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign = "-"
	}
	days := d / day
	text := sign + strconv.FormatInt(int64(days.Abs()), 10) + "d"
	rest := d % day
	switch {
	case d == 0:
		return "0"
	case days == 0:
		text = sign
	case rest == 0:
		return text
	}
	short := rest.Abs().String()
	if strings.HasSuffix(short, "m0s") {
		short = strings.TrimSuffix(short, "0s")
	}
	if strings.HasSuffix(short, "h0m") {
		short = strings.TrimSuffix(short, "0m")
	}
	return text + short
}
