package bootstrap

import (
	"strings"
	"testing"
	"time"
)

func TestDurationsTakeDays(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"90d": 90 * day, "1d12h": 36 * time.Hour, "1.5d": 36 * time.Hour, "0d": 0, "0": 0, "-1d1h": -25 * time.Hour,
		"2160h": 90 * day, "15m": 15 * time.Minute, "1m30s": 90 * time.Second, "106751d": 106751 * day,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q is %v, %v, expected %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "d", "90", "x", "1 d", "1dd", "12h1d", "1d2", "1d-1h", "1d+1h", "--1d", "Infd", "NaNd", "1e3d", "0x1d", "1_0d", "106752d", "106751d24h", "9999999999999999999d",
	} {
		if got, err := ParseDuration(text); err == nil || !strings.Contains(err.Error(), "90d") {
			t.Errorf("%q is taken for %v, or it is not said what is right: %v", text, got, err)
		}
	}
}

func TestDurationsAreShownShort(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0", 90 * day: "90d", 36 * time.Hour: "1d12h", time.Hour: "1h", 20 * time.Minute: "20m", 90 * time.Second: "1m30s",
		day + 30*time.Second: "1d30s", -day - time.Hour: "-1d1h", -time.Second: "-1s", 10 * time.Hour: "10h", 500 * time.Millisecond: "500ms",
	} {
		if got := DurationText(d); got != want {
			t.Errorf("%v is shown as %q, expected %q", d, got, want)
		}
	}
}

func FuzzADurationIsReadAsItIsShown(f *testing.F) {
	for _, text := range []string{"90d", "1d12h", "-1.5d", "15m", "1d2d", "9223372036854775807ns", "-9223372036854775808ns"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDuration(text)
		if err != nil {
			return
		}
		if again, err := ParseDuration(DurationText(d)); err != nil || again != d {
			t.Errorf("%q is %v, shown as %q, which is %v, %v", text, d, DurationText(d), again, err)
		}
	})
}
