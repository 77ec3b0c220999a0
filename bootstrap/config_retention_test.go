package bootstrap

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestATierIsKeptAtLeastAsLongAsTheFinerOne(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, c := range []struct {
		raw, minutes, hours time.Duration
		wrong, want         string // the setting, and what is expected of it
	}{
		{90 * day, 730 * day, 0, "", ""},
		{0, 730 * day, 0, "", ""},
		{time.Hour, time.Hour, time.Hour, "", ""},
		{0, 0, 0, "", ""},
		{90 * day, 0, 0, "", ""},
		{time.Minute, 730 * day, 0, "retention", "1h"},
		{-day, 0, 0, "retention", "1h"},
		{90 * day, 30 * day, 0, "retention-minutes", "--retention, 90d"},
		{90 * day, -day, 0, "retention-minutes", "--retention, 90d"},
		{90 * day, 730 * day, 365 * day, "retention-hours", "--retention-minutes, 730d"},
		{90 * day, 0, 3650 * day, "retention-hours", "--retention-minutes, 0 (for ever)"},
		{0, 730 * day, 3650 * day, "retention-hours", "--retention-minutes, 0 (for ever)"},
	} {
		config := Config{Retention: c.raw, RetentionMinutes: c.minutes, RetentionHours: c.hours}
		err := config.checkRetention(func(setting, got, want string) error { return &SettingError{setting, got, want} })
		var wrong *SettingError
		switch {
		case c.wrong == "" && err != nil:
			t.Errorf("%+v: %v", c, err)
		case c.wrong == "":
		case !errors.As(err, &wrong) || wrong.Setting != c.wrong || !strings.Contains(wrong.Want, c.want):
			t.Errorf("%+v: %v, want --%s to be refused", c, err, c.wrong)
		}
	}
}

func TestSlotsAreKeptForEverWithTheReadingsThatTheyAreMadeOf(t *testing.T) {
	t.Parallel()
	config := Config{RetentionMinutes: time.Hour}
	if err := config.checkRetention(nil); err != nil || config.RetentionMinutes != 0 {
		t.Errorf("readings are kept for ever, slots for %v, %v", config.RetentionMinutes, err)
	}
}
