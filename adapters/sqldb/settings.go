package sqldb

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"ampra/core/payload"
	"ampra/core/sunsource"
)

var _ sunsource.SettingsRepository = (*Settings)(nil)

// Settings keeps what owners decided about how sources' data is understood.
type Settings struct{ db *DB }

// NewSettings returns the settings in db.
func NewSettings(db *DB) *Settings { return &Settings{db} }

type settingsRow struct {
	bun.BaseModel `bun:"table:source_settings,alias:st"`

	SourceID  uuid.UUID `bun:"source_id,pk"`
	TimeZone  *string   `bun:"time_zone"`
	Meter     string    `bun:"meter"`
	Profile   *string   `bun:"payload_profile"`
	Overrides jsonText  `bun:"payload_overrides"`
}

// jsonText is a column of JSON, which the two databases hand out in different
// types.
type jsonText []byte

// Scan reads either database's form.
func (t *jsonText) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*t = nil
	case []byte:
		*t = append(jsonText(nil), v...)
	case string:
		*t = jsonText(v)
	default:
		return fmt.Errorf("JSON can't be read from a %T", src)
	}
	return nil
}

// overrideJSON is an override as the column keeps it.
type overrideJSON struct {
	Field  string  `json:"field"`
	From   string  `json:"from"`
	Unit   string  `json:"unit,omitzero"`
	Scale  float64 `json:"scale,omitzero"`
	Invert bool    `json:"invert,omitzero"`
}

func (r *settingsRow) settings() (sunsource.Settings, error) {
	meter, ok := payload.ParseMeter(r.Meter)
	if !ok {
		return sunsource.Settings{}, fmt.Errorf("the settings of source %s have an unknown meter", r.SourceID)
	}
	var overrides []overrideJSON
	if len(r.Overrides) > 0 {
		if err := json.Unmarshal(r.Overrides, &overrides); err != nil {
			return sunsource.Settings{}, fmt.Errorf("the overrides of source %s: %w", r.SourceID, err)
		}
	}
	s := sunsource.Settings{SourceID: r.SourceID, TimeZone: r.TimeZone, Meter: meter, Profile: r.Profile}
	for _, o := range overrides {
		s.Overrides = append(s.Overrides, payload.Override(o))
	}
	return s, nil
}

// Settings returns the settings of one source.
func (s *Settings) Settings(ctx context.Context, source uuid.UUID) (sunsource.Settings, error) {
	var rows []settingsRow
	if err := s.db.reader(ctx).NewSelect().Model(&rows).Where("st.source_id = ?", source).Scan(ctx); err != nil {
		return sunsource.Settings{}, fmt.Errorf("reading a source's settings: %w", translate(err))
	}
	if len(rows) == 0 {
		return sunsource.Settings{SourceID: source}, nil
	}
	return rows[0].settings()
}

// SaveSettings replaces a source's settings.
func (s *Settings) SaveSettings(ctx context.Context, settings sunsource.Settings) error {
	overrides := make([]overrideJSON, 0, len(settings.Overrides))
	for _, o := range settings.Overrides {
		overrides = append(overrides, overrideJSON(o))
	}
	text, err := json.Marshal(overrides)
	if err != nil {
		return fmt.Errorf("storing a source's settings: %w", err)
	}
	var profile, zone any
	if settings.Profile != nil {
		profile = *settings.Profile
	}
	if settings.TimeZone != nil {
		zone = *settings.TimeZone
	}
	_, err = s.db.conn(ctx).NewRaw(`insert into source_settings (source_id, time_zone, meter, payload_profile, payload_overrides)
		values (?, ?, ?, ?, ?) on conflict (source_id) do update set time_zone = excluded.time_zone, meter = excluded.meter,
		payload_profile = excluded.payload_profile, payload_overrides = excluded.payload_overrides`,
		settings.SourceID, zone, settings.Meter.String(), profile, string(text)).Exec(ctx)
	if isForeignKey(err) {
		err = missing("sun source")
	}
	if err != nil {
		return fmt.Errorf("storing a source's settings: %w", translate(err))
	}
	return nil
}

type siteRow struct {
	SourceID  uuid.UUID `bun:"source_id"`
	Latitude  *float64  `bun:"latitude"`
	Longitude *float64  `bun:"longitude"`
	TimeZone  *string   `bun:"time_zone"`
	Meter     string    `bun:"meter"`
	Profile   *string   `bun:"payload_profile"`
	Overrides jsonText  `bun:"payload_overrides"`
}

// Sites returns where sources stand and what was decided about them, in one query.
func (s *Settings) Sites(ctx context.Context, sources []uuid.UUID) ([]sunsource.Site, error) {
	if len(sources) == 0 {
		return nil, nil
	}
	var rows []siteRow
	err := s.db.reader(ctx).NewSelect().TableExpr("sun_sources as s").
		ColumnExpr("s.id as source_id, s.latitude, s.longitude, st.time_zone, coalesce(st.meter, '') as meter, st.payload_profile, st.payload_overrides").
		Join("left join source_settings as st on st.source_id = s.id").
		Where("s.id in (?)", bun.List(sources)).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("reading sources' settings: %w", translate(err))
	}
	list := make([]sunsource.Site, len(rows))
	for i, r := range rows {
		one := settingsRow{SourceID: r.SourceID, TimeZone: r.TimeZone, Meter: r.Meter, Profile: r.Profile, Overrides: r.Overrides}
		settings, err := one.settings()
		if err != nil {
			return nil, err
		}
		list[i] = sunsource.Site{Settings: settings, Latitude: r.Latitude, Longitude: r.Longitude}
	}
	return list, nil
}
