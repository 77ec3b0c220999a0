package device_test

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"ampra/core/device"
)

func TestAClockThatIsOffIsToldByHowMuch(t *testing.T) {
	t.Parallel()
	for off, want := range map[time.Duration]string{
		40*time.Minute + 20*time.Second: "The device's clock is 40 minutes ahead.",
		time.Minute:                     "The device's clock is 1 minute ahead.",
		-40 * time.Minute:               "The device's clock is 40 minutes behind.",
		119 * time.Minute:               "The device's clock is 119 minutes ahead.",
		3 * time.Hour:                   "The device's clock is 3 hours ahead.",
		-80 * time.Hour:                 "The device's clock is 3 days behind.",
		-56 * 365 * 24 * time.Hour:      "The device's clock is 56 years behind.",
		math.MinInt64:                   "The device's clock is 292 years behind.",
	} {
		if got := device.ClockDetail(off); got != want {
			t.Errorf("%s: %s", off, got)
		}
	}
}

func TestALongTextIsCutBetweenLetters(t *testing.T) {
	t.Parallel()
	if got := device.Shortened("short"); got != "short" {
		t.Errorf("got %s", got)
	}
	if got := device.Shortened("sun\xffsource"); got != "sun\uFFFDsource" {
		t.Errorf("got %q", got)
	}
	for n := range 4 {
		got := device.Shortened(strings.Repeat("x", n) + strings.Repeat("\u20ac", 200))
		if !utf8.ValidString(got) || len(got) > 303 || !strings.HasSuffix(got, "...") {
			t.Errorf("got %q", got)
		}
	}
}

func TestAnAddressIsToldWithoutItsPort(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.7:50123": "192.0.2.7", "[2001:db8::1]:1": "2001:db8::1", "[::ffff:192.0.2.7]:1": "192.0.2.7", "192.0.2.7": "192.0.2.7", "": "",
	} {
		if got := device.RemoteOf(device.WithRemote(t.Context(), address)); got != want {
			t.Errorf("%q: %q", address, got)
		}
	}
	if got := device.RemoteOf(t.Context()); got != "" {
		t.Errorf("of nobody: %q", got)
	}
}
