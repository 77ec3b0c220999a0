package contract

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/payload"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
)

// Settings runs what every sunsource.SettingsRepository promises. open is called
// once.
func Settings(t *testing.T, open func(t *testing.T) Records) {
	t.Helper()
	recordTests(t, open, map[string]func(*testing.T, Records){
		"a source of which nothing was decided has the zero settings": settingsOfNone,
		"settings come back as they were saved, and are replaced":     settingsReplaced,
		"settings need their source, and go with it":                  settingsOfNothing,
		"sites are those of the sources that exist":                   sitesOfSome,
		"many sites are read at once":                                 sitesOfMany,
		"settings saved in a transaction that fails are not":          settingsUndone,
	})
}

func settingsOf(source uuid.UUID) sunsource.Settings {
	return sunsource.Settings{
		SourceID: source, TimeZone: new("Europe/Berlin"), Meter: payload.MeterLoad, Profile: new("grott"),
		Overrides: []payload.Override{
			{Field: "gridPowerWatts", From: `a "b".c'd`, Unit: "kW", Scale: 0.1, Invert: true},
			{Field: "timestamp", From: "Zählerstand ☀"},
		},
	}
}

func settingsOfNone(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID)
	got, err := r.Settings.Settings(t.Context(), s.ID)
	must(t, err)
	wantSame(t, got, sunsource.Settings{SourceID: s.ID})
	if !got.IsZero() {
		t.Fatal("something was decided")
	}
}

func settingsReplaced(t *testing.T, r Records) {
	s, other := r.newSunSource(t, r.newUser(t).ID), r.newSunSource(t, r.newUser(t).ID)
	for _, want := range []sunsource.Settings{
		settingsOf(s.ID), {SourceID: s.ID, Meter: payload.MeterGrid}, {SourceID: s.ID, TimeZone: new("UTC")}, {SourceID: s.ID}, settingsOf(s.ID),
	} {
		must(t, r.Settings.SaveSettings(t.Context(), want))
		got, err := r.Settings.Settings(t.Context(), s.ID)
		must(t, err)
		wantSame(t, got, want)
	}
	got, err := r.Settings.Settings(t.Context(), other.ID)
	must(t, err)
	wantSame(t, got, sunsource.Settings{SourceID: other.ID})
}

func settingsOfNothing(t *testing.T, r Records) {
	wantCode(t, r.Settings.SaveSettings(t.Context(), settingsOf(uuid.New())), fault.NotFound)
	s := r.newSunSource(t, r.newUser(t).ID)
	must(t, r.Settings.SaveSettings(t.Context(), settingsOf(s.ID)))
	must(t, r.SunSources.Delete(t.Context(), s.OwnerID, s.ID))
	got, err := r.Settings.Settings(t.Context(), s.ID)
	must(t, err)
	wantSame(t, got, sunsource.Settings{SourceID: s.ID})
}

func (r Records) sites(t *testing.T, ids ...uuid.UUID) []sunsource.Site {
	t.Helper()
	list, err := r.Settings.Sites(t.Context(), ids)
	must(t, err)
	slices.SortFunc(list, func(a, b sunsource.Site) int {
		return slices.Index(ids, a.SourceID) - slices.Index(ids, b.SourceID)
	})
	return list
}

func sitesOfSome(t *testing.T, r Records) {
	decided := r.newSunSource(t, r.newUser(t).ID)
	placeless := r.newSunSource(t, r.newUser(t).ID, func(s *sunsource.SunSource) { s.Latitude, s.Longitude = nil, nil })
	must(t, r.Settings.SaveSettings(t.Context(), settingsOf(decided.ID)))
	if none := r.sites(t); len(none) != 0 {
		t.Fatalf("sites of nothing: %+v", none)
	}
	wantSame(t, r.sites(t, decided.ID, uuid.New(), placeless.ID), []sunsource.Site{
		{Settings: settingsOf(decided.ID), Latitude: decided.Latitude, Longitude: decided.Longitude},
		{Settings: sunsource.Settings{SourceID: placeless.ID}},
	})
}

func sitesOfMany(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	var ids []uuid.UUID
	for range 50 {
		ids = append(ids, r.newSunSource(t, owner).ID)
	}
	for len(ids) < 1000 {
		ids = append(ids, uuid.New())
	}
	if got := len(r.sites(t, ids...)); got != 50 {
		t.Fatalf("%d sites of 50", got)
	}
}

func settingsUndone(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID)
	failed := fault.New(fault.Conflict, "not now")
	err := r.Transactions.Run(t.Context(), func(ctx context.Context) error {
		if err := r.Settings.SaveSettings(ctx, settingsOf(s.ID)); err != nil {
			return err
		}
		return failed
	})
	wantCode(t, err, fault.Conflict)
	got, err := r.Settings.Settings(t.Context(), s.ID)
	must(t, err)
	wantSame(t, got, sunsource.Settings{SourceID: s.ID})
}

// Explanations runs what every telemetry.Explanations promises. open is called
// once.
func Explanations(t *testing.T, open func(t *testing.T) Records) {
	t.Helper()
	recordTests(t, open, map[string]func(*testing.T, Records){
		"a source that nobody noted has no explanation": func(t *testing.T, r Records) {
			r.wantExplained(t, r.newSunSource(t, r.newUser(t).ID).ID)
		},
		"a field's later rule stands, and other fields stay": explainedAgain,
		"sources that are gone are left out":                 explainedGone,
		"many are noted at once":                             explainedMany,
		"whatever a device names its fields is noted":        explainedNames,
	})
}

func explainedOf(field, rule string, minute int, from ...string) telemetry.Explained {
	return telemetry.Explained{Field: field, Rule: rule, From: from, Assumed: minute%2 == 1, At: telemetry.Truncate(instantOf(minute))}
}

func (r Records) wantExplained(t *testing.T, source uuid.UUID, want ...telemetry.Explained) {
	t.Helper()
	got, err := r.Explanations.Explanation(t.Context(), source)
	must(t, err)
	wantSame(t, got, telemetry.Explanation{SourceID: source, Fields: want})
}

func explainedAgain(t *testing.T, r Records) {
	one, two := r.newSunSource(t, r.newUser(t).ID), r.newSunSource(t, r.newUser(t).ID)
	grid, solar := explainedOf("gridPowerWatts", "grott", 1, "values.a", `b"c.ä`), explainedOf("strings[0].powerWatts", "words and unit", 2, "pv")
	must(t, r.Explanations.Note(t.Context(), []telemetry.Explanation{{SourceID: one.ID, Fields: []telemetry.Explained{grid, solar}}}))
	r.wantExplained(t, one.ID, grid, solar)
	later := explainedOf("gridPowerWatts", "override", 4, "values.z")
	must(t, r.Explanations.Note(t.Context(), []telemetry.Explanation{
		{SourceID: two.ID, Fields: []telemetry.Explained{solar}}, {SourceID: one.ID, Fields: []telemetry.Explained{later}},
	}))
	r.wantExplained(t, one.ID, later, solar)
	r.wantExplained(t, two.ID, solar)
}

func explainedGone(t *testing.T, r Records) {
	here, gone := r.newSunSource(t, r.newUser(t).ID), r.newSunSource(t, r.newUser(t).ID)
	field := explainedOf("acPowerWatts", "grott", 0, "p")
	both := []telemetry.Explanation{{SourceID: gone.ID, Fields: []telemetry.Explained{field}}, {SourceID: here.ID, Fields: []telemetry.Explained{field}}}
	must(t, r.Explanations.Note(t.Context(), both))
	must(t, r.SunSources.Delete(t.Context(), gone.OwnerID, gone.ID))
	r.wantExplained(t, gone.ID)
	must(t, r.Explanations.Note(t.Context(), both))
	r.wantExplained(t, gone.ID)
	r.wantExplained(t, here.ID, field)
	must(t, r.Explanations.Note(t.Context(), nil))
}

func explainedMany(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	var list []telemetry.Explanation
	for i := range 40 {
		list = append(list, telemetry.Explanation{
			SourceID: r.newSunSource(t, owner).ID, Fields: []telemetry.Explained{explainedOf("acPowerWatts", fmt.Sprintf("rule %d", i), i, "p")},
		})
	}
	must(t, r.Explanations.Note(t.Context(), list))
	for _, one := range list {
		r.wantExplained(t, one.SourceID, one.Fields...)
	}
}

func explainedNames(t *testing.T, r Records) {
	id := r.newSunSource(t, r.newUser(t).ID).ID
	note := func(name string) telemetry.Explained {
		field := explainedOf("acPowerWatts", "grott", 1, name)
		must(t, r.Explanations.Note(t.Context(), []telemetry.Explanation{{SourceID: id, Fields: []telemetry.Explained{field}}}))
		return field
	}
	for _, name := range []string{`a\u0000`, `\`, "\u2028<&>'", "\t", ""} {
		r.wantExplained(t, id, note(name))
	}
	for _, name := range []string{"a\x00b", "a\xffb"} { // no text, but no reason to note nothing any more
		note(name)
	}
}

// Zones runs what every sunsource.Zones promises.
func Zones(t *testing.T, zones sunsource.Zones) {
	t.Helper()
	for place, c := range map[string]struct {
		latitude, longitude float64
		offset              time.Duration // in January 2026
	}{
		"Ensdorf": {49.34, 11.96, time.Hour},
		"Sydney":  {-33, 151.5, 11 * time.Hour},
	} {
		name, ok := zones.At(c.latitude, c.longitude)
		if !ok {
			t.Errorf("%s: no zone", place)
			continue
		}
		zone, err := zones.Load(name)
		must(t, err)
		if _, offset := time.Date(2026, time.January, 1, 0, 0, 0, 0, zone).Zone(); time.Duration(offset)*time.Second != c.offset {
			t.Errorf("%s: %s is %d s from UTC, want %v", place, name, offset, c.offset)
		}
	}
	for _, name := range []string{"Europe/Nowhere", "europe/berlin ", "../etc/passwd", "Local", ""} {
		if zone, err := zones.Load(name); err == nil {
			t.Errorf("%q is the zone %s", name, zone)
		} else if fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%q: %v", name, err)
		}
	}
}
