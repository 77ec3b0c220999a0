package fake

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"

	"ampra/core/sunsource"
	"ampra/core/telemetry"
)

var (
	_ sunsource.SettingsRepository = (*Settings)(nil)
	_ telemetry.Explanations       = (*Explanations)(nil)
)

// Settings keeps sources' settings in memory.
type Settings struct {
	Faults
	r *Records
}

func copySettings(s sunsource.Settings) sunsource.Settings {
	s.TimeZone, s.Profile, s.Overrides = copied(s.TimeZone), copied(s.Profile), slices.Clone(s.Overrides)
	return s
}

// Settings returns the settings of one source.
func (s *Settings) Settings(ctx context.Context, source uuid.UUID) (sunsource.Settings, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) (sunsource.Settings, error) {
		settings := copySettings(t.settings[source])
		settings.SourceID = source
		return settings, nil
	})
}

// SaveSettings replaces them.
func (s *Settings) SaveSettings(ctx context.Context, settings sunsource.Settings) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		if _, known := t.sources[settings.SourceID]; !known {
			return missing("sun source")
		}
		t.settings[settings.SourceID] = copySettings(settings)
		return nil
	})
}

// Sites returns where sources stand and what was decided about them.
func (s *Settings) Sites(ctx context.Context, sources []uuid.UUID) ([]sunsource.Site, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) ([]sunsource.Site, error) {
		var list []sunsource.Site
		for _, id := range sources {
			source, known := t.sources[id]
			if !known {
				continue
			}
			site := sunsource.Site{Settings: copySettings(t.settings[id]), Latitude: copied(source.Latitude), Longitude: copied(source.Longitude)}
			site.SourceID = id
			list = append(list, site)
		}
		return list, nil
	})
}

// Explanations keeps how deliveries are understood in memory.
type Explanations struct {
	Faults
	r *Records
}

// Note lays fields over what was noted.
func (s *Explanations) Note(ctx context.Context, list []telemetry.Explanation) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		for _, one := range list {
			if _, known := t.sources[one.SourceID]; !known {
				continue
			}
			fields := slices.Clone(t.explanations[one.SourceID])
			for _, f := range one.Fields {
				f.From, f.At = slices.Clone(f.From), telemetry.Truncate(f.At)
				fields = slices.DeleteFunc(fields, func(old telemetry.Explained) bool { return old.Field == f.Field })
				fields = append(fields, f)
			}
			slices.SortFunc(fields, func(a, b telemetry.Explained) int { return cmp.Compare(a.Field, b.Field) })
			t.explanations[one.SourceID] = fields
		}
		return nil
	})
}

// Explanation returns what was noted of a source.
func (s *Explanations) Explanation(ctx context.Context, source uuid.UUID) (telemetry.Explanation, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) (telemetry.Explanation, error) {
		return telemetry.Explanation{SourceID: source, Fields: slices.Clone(t.explanations[source])}, nil
	})
}
