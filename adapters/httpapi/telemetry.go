package httpapi

import (
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/swaggest/jsonschema-go"

	"ampra/core/telemetry"
	"ampra/modules/telemetry/query"
)

// ReadingDto is a reading in answers, with every canonical field.
type ReadingDto telemetry.Reading

// MarshalJSONTo writes the reading: what is not known is null, no strings or
// phases are an empty list, no extra an empty object.
func (r ReadingDto) MarshalJSONTo(enc *jsontext.Encoder) error {
	w := writer{enc: enc}
	w.token(jsontext.BeginObject)
	r.members(&w)
	w.token(jsontext.EndObject)
	return w.err
}

func (r ReadingDto) members(w *writer) {
	w.name("timestamp").value(instant(r.Timestamp))
	w.name("receivedAt").value(instant(r.ReceivedAt))
	for f := range telemetry.Field(telemetry.NumFields) {
		w.name(f.Info().Name)
		if number, ok := r.Values.Get(f); ok {
			w.token(jsontext.Float(number))
		} else {
			w.token(jsontext.Null)
		}
	}
	w.name("strings").value(lineDtos(r.Strings))
	w.name("phases").value(lineDtos(r.Phases))
	w.name("status").value((*StatusDto)(r.Status))
	w.name("extra").value(r.Extra)
}

// JSONSchema describes the reading from the same list of fields.
func (ReadingDto) JSONSchema() (jsonschema.Schema, error) {
	var s jsonschema.Schema
	s.WithType(jsonschema.Object.Type())
	s.AdditionalProperties = (&jsonschema.SchemaOrBool{}).WithTypeBoolean(false)
	add := func(name string, property jsonschema.Schema) {
		s.WithPropertiesItem(name, property.ToSchemaOrBool())
		s.Required = append(s.Required, name)
	}
	var moment jsonschema.Schema
	moment.WithType(jsonschema.String.Type()).WithFormat("date-time")
	add("timestamp", moment)
	add("receivedAt", moment)
	for f := range telemetry.Field(telemetry.NumFields) {
		info := f.Info()
		var number jsonschema.Schema
		number.WithType(jsonschema.Type{SliceOfSimpleTypeValues: []jsonschema.SimpleType{jsonschema.Number, jsonschema.Null}}).
			WithMinimum(info.Min).WithMaximum(info.Max).WithDescription("in " + info.Unit)
		add(info.Name, number)
	}
	var lines, status, extra jsonschema.Schema
	item, err := new(jsonschema.Reflector).Reflect(LineDto{}, jsonschema.InlineRefs, closed)
	if err != nil {
		return s, err
	}
	lines.WithType(jsonschema.Array.Type()).WithItems(*(&jsonschema.Items{}).WithSchemaOrBool(item.ToSchemaOrBool()))
	add("strings", lines)
	add("phases", lines)
	if status, err = new(jsonschema.Reflector).Reflect(StatusDto{}, jsonschema.InlineRefs, closed); err != nil {
		return s, err
	}
	status.WithType(jsonschema.Type{SliceOfSimpleTypeValues: []jsonschema.SimpleType{jsonschema.Object, jsonschema.Null}})
	add("status", status)
	number := jsonschema.Number.ToSchemaOrBool()
	extra.WithType(jsonschema.Object.Type()).WithAdditionalProperties(number).
		WithDescription("Numbers that no rule knew, under their own names")
	add("extra", extra)
	return s, nil
}

// LineDto is one string of the DC side or one phase of the AC side.
type LineDto struct {
	VoltageVolts   *float64 `json:"voltageVolts"`
	CurrentAmperes *float64 `json:"currentAmperes"`
	PowerWatts     *float64 `json:"powerWatts"`
}

// StatusDto is what a device says of itself.
type StatusDto struct {
	Code *int64  `json:"code"`
	Text *string `json:"text"`
}

func lineDtos(lines []telemetry.Line) []LineDto {
	dtos := make([]LineDto, len(lines))
	for i, l := range lines {
		dtos[i] = LineDto(l)
	}
	return dtos
}

// writer writes JSON and keeps its first error.
type writer struct {
	enc *jsontext.Encoder
	err error
}

func (w *writer) token(t jsontext.Token) {
	if w.err == nil {
		w.err = w.enc.WriteToken(t)
	}
}

func (w *writer) name(name string) *writer {
	w.token(jsontext.String(name))
	return w
}

func (w *writer) value(v any) {
	if w.err == nil {
		w.err = json.MarshalEncode(w.enc, v)
	}
}

// TelemetryPageDto is a part of a source's history.
type TelemetryPageDto struct {
	Readings   []ReadingDto `json:"readings"`
	NextCursor *string      `json:"nextCursor" description:"for the parameter cursor; null at the end"`
}

func (c *call) listTelemetry() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	ask := query.Ask{
		From: c.timeParam("from"), To: c.timeParam("to"),
		Limit: c.number("limit", query.DefaultLimit, 1, query.MaxLimit, "must be between 1 and 1000"),
	}
	ask.Cursor, _ = c.param("cursor")
	if c.choice("order", "desc", "asc") == "asc" {
		ask.Order = telemetry.OldestFirst
	}
	ask.Unreadable = c.wrong
	page, err := c.s.d.Telemetry.History(c.ctx, c.who(), id, ask)
	if err != nil {
		return err
	}
	dto := TelemetryPageDto{Readings: make([]ReadingDto, len(page.Readings))}
	for i, r := range page.Readings {
		dto.Readings[i] = ReadingDto(r)
	}
	if page.Next != "" {
		dto.NextCursor = &page.Next
	}
	return c.answer(http.StatusOK, dto)
}

func (c *call) latestTelemetry() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	explain := c.flag("explain")
	if err := c.wrong.Err(); err != nil {
		return err
	}
	reading, ok, err := c.s.d.Telemetry.Latest(c.ctx, c.who(), id)
	if err != nil {
		return err
	}
	switch {
	case !ok:
		return c.nothing()
	case !explain:
		return c.answer(http.StatusOK, ReadingDto(reading))
	}
	fields, err := c.s.d.Settings.Explain(c.ctx, c.who(), reading)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, LatestReadingDto{Reading: reading, explain: explainedDtos(fields)})
}
