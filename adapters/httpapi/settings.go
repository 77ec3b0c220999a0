package httpapi

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/swaggest/jsonschema-go"

	"ampra/core/fault"
	"ampra/core/payload"
	"ampra/core/telemetry"
	"ampra/modules/settings"
)

// SettingsDto is what was decided about how a source's data is understood.
type SettingsDto struct {
	TimeZone         string        `json:"timeZone" description:"the IANA name of the zone in force"`
	TimeZoneFrom     string        `json:"timeZoneFrom" enum:"owner,coordinates,default" description:"who says so; default is UTC"`
	Meter            *string       `json:"meter" description:"where a device stands that is a meter and nothing else: grid, output or load; null where nobody said"`
	PayloadProfile   *string       `json:"payloadProfile" description:"the profile that reads whatever the source sends; null recognises"`
	PayloadOverrides []OverrideDto `json:"payloadOverrides" description:"where single fields come from, over all rules"`
}

// OverrideDto says where a field comes from.
type OverrideDto struct {
	Field      string   `json:"field" description:"the field of a reading, or extra for none"`
	From       string   `json:"from" description:"the member's name in the payload, names in each other joined by dots"`
	Unit       *string  `json:"unit" description:"the member's; null for the one beside the value, or the field's own"`
	Scale      *float64 `json:"scale" description:"how many of its unit one of the member's numbers is; null is 1"`
	InvertSign bool     `json:"invertSign"`
}

func settingsDto(v settings.View) SettingsDto {
	dto := SettingsDto{
		TimeZone: v.Zone, TimeZoneFrom: string(v.ZoneFrom), PayloadProfile: v.Profile, PayloadOverrides: make([]OverrideDto, len(v.Overrides)),
	}
	if v.Meter != payload.MeterUnknown {
		dto.Meter = new(v.Meter.String())
	}
	for i, o := range v.Overrides {
		one := OverrideDto{Field: o.Field, From: o.From, InvertSign: o.Invert}
		if o.Unit != "" {
			one.Unit = &o.Unit
		}
		if o.Scale != 0 {
			one.Scale = &o.Scale
		}
		dto.PayloadOverrides[i] = one
	}
	return dto
}

// ExplainedDto says by which rule a field came.
type ExplainedDto struct {
	Rule    *string  `json:"rule" description:"a profile's name, a general rule's, or override; null for what came under its canonical name"`
	From    []string `json:"from" description:"the members of the payload"`
	Assumed bool     `json:"assumed" description:"the unit, the sign or the meter's place is the usual one and was not told"`
}

func explainedDtos(fields []telemetry.Explained) map[string]ExplainedDto {
	dtos := make(map[string]ExplainedDto, len(fields))
	for _, f := range fields {
		one := ExplainedDto{From: append([]string{}, f.From...), Assumed: f.Assumed}
		if f.Rule != "" {
			one.Rule = &f.Rule
		}
		dtos[f.Field] = one
	}
	return dtos
}

// LatestReadingDto is a reading that may say by which rules it came.
type LatestReadingDto struct {
	telemetry.Reading
	explain map[string]ExplainedDto
}

// MarshalJSONTo writes the reading with its explanation.
func (r LatestReadingDto) MarshalJSONTo(enc *jsontext.Encoder) error {
	w := writer{enc: enc}
	w.token(jsontext.BeginObject)
	ReadingDto(r.Reading).members(&w)
	w.name("explain").value(r.explain)
	w.token(jsontext.EndObject)
	return w.err
}

// JSONSchema describes the reading, where the explanation may be absent.
func (LatestReadingDto) JSONSchema() (jsonschema.Schema, error) {
	s, err := ReadingDto{}.JSONSchema()
	if err != nil {
		return s, err
	}
	item, err := new(jsonschema.Reflector).Reflect(ExplainedDto{}, jsonschema.InlineRefs, closed)
	if err != nil {
		return s, err
	}
	var explain jsonschema.Schema
	explain.WithType(jsonschema.Object.Type()).WithAdditionalProperties(item.ToSchemaOrBool()).
		WithDescription("By which rule each known field came; there when it was asked for")
	s.WithPropertiesItem("explain", explain.ToSchemaOrBool())
	return s, nil
}

// nested reads an object within a body by its own fields. What is wrong in it is
// noted under the name that it has.
func nested(raw jsontext.Value, name string, fields []field, wrong *fault.Fields) (problem string) {
	if raw.Kind() != '{' {
		return "must be an object"
	}
	var inside fault.Fields
	if err := readObject(raw, fields, &inside); err != nil {
		return "must be an object"
	}
	noteUnder(name, inside.Err(), wrong)
	return ""
}

func noteUnder(name string, err error, wrong *fault.Fields) {
	f, ok := err.(*fault.Error) //nolint:errorlint // made by Fields.Err
	if !ok {
		return
	}
	for field, messages := range f.Fields {
		for _, message := range messages {
			wrong.Add(name+"."+field, message)
		}
	}
}

func overrideFields(o *payload.Override) []field {
	return []field{
		need("field", &o.Field, text().like("gridPowerWatts"), "The field of a reading, or extra for none"),
		need("from", &o.From, text().like("meter.p_total"), "The member's name in the payload, names in each other joined by dots; as it stands in extra will do"),
		optional("unit", &o.Unit, text().like("kW"), "The member's unit; null for the one beside the value, or the field's own"),
		optional("scale", &o.Scale, number().like(0.1), "How many of its unit one of the member's numbers is"),
		may("invertSign", &o.Invert, boolean(), "true turns the sign"),
	}
}

// optional is a field whose null and absence are the zero value.
func optional[T any](name string, to *T, k kind[T], about string) field {
	f := may(name, to, k, about)
	f.nullable = true
	read := f.read
	f.read = func(raw jsontext.Value) string {
		if raw.Kind() == 'n' {
			return ""
		}
		return read(raw)
	}
	return f
}

func overrides(wrong *fault.Fields, name string) kind[[]payload.Override] {
	described := schema{"type": "array", "maxItems": payload.MaxOverrides, "items": objectSchema(overrideFields(&payload.Override{}))}
	return kind[[]payload.Override]{described, func(raw jsontext.Value) ([]payload.Override, string) {
		if raw.Kind() != '[' {
			return nil, "must be a list of objects"
		}
		list := []payload.Override{}
		dec := jsontext.NewDecoder(bytes.NewReader(raw), jsontext.AllowDuplicateNames(true))
		if _, err := dec.ReadToken(); err != nil {
			return nil, "must be a list of objects"
		}
		for dec.PeekKind() != ']' {
			value, err := dec.ReadValue()
			if err != nil || len(list) > payload.MaxOverrides {
				return nil, "must have at most " + strconv.Itoa(payload.MaxOverrides) + " entries"
			}
			var o payload.Override
			if problem := nested(value, name+"["+strconv.Itoa(len(list))+"]", overrideFields(&o), wrong); problem != "" {
				return nil, "must be a list of objects"
			}
			list = append(list, o)
		}
		return list, ""
	}}
}

func meter() kind[payload.Meter] {
	described := schema{"type": "string", "enum": []string{"grid", "output", "load"}}
	return kind[payload.Meter]{described, func(raw jsontext.Value) (payload.Meter, string) {
		value, problem := readText(raw)
		if m, ok := payload.ParseMeter(value); problem == "" && ok && m != payload.MeterUnknown {
			return m, ""
		}
		return payload.MeterUnknown, "must be grid, output or load"
	}}
}

func settingsFields(u *settings.Update, wrong *fault.Fields) []field {
	return []field{
		change("timeZone", &u.TimeZone, text().like("Europe/Berlin"), true, "IANA name of the site's time zone; null goes by its coordinates"),
		change("meter", &u.Meter, meter(), true, "Where a device stands that is a meter and nothing else"),
		change("payloadProfile", &u.Profile, text().with(schema{"enum": profileNames()}), true, "The profile that reads whatever the source sends; null recognises"),
		change("payloadOverrides", &u.Overrides, overrides(wrong, "payloadOverrides"), true, "Where single fields come from, over all rules; the whole list"),
	}
}

// profileNames are those that may be pinned, and null.
func profileNames() []any {
	names := []any{nil}
	for _, name := range payload.Profiles() {
		names = append(names, name)
	}
	return names
}

func (c *call) getSettings() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	view, err := c.s.d.Settings.Get(c.ctx, c.who(), id)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, settingsDto(view))
}

func (c *call) putSettings() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	var update settings.Update
	if err := c.body(settingsFields(&update, &c.wrong)...); err != nil {
		return err
	}
	update.Unreadable = c.wrong
	view, err := c.s.d.Settings.Put(c.ctx, c.who(), id, update)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, settingsDto(view))
}

// UnderstoodDto is what a sample would come to.
type UnderstoodDto struct {
	Problem      *string                `json:"problem" description:"why the sample is refused as a whole, or null"`
	Format       *string                `json:"format" description:"the vendor or format that was recognised; null for canonical names and for general rules alone"`
	Readings     []UnderstoodReadingDto `json:"readings"`
	Rejected     []WebhookRejectionDto  `json:"rejected"`
	Warnings     []WebhookWarningDto    `json:"warnings"`
	DroppedExtra int                    `json:"droppedExtra" description:"how many names were beyond the limits of extra"`
	Settings     SettingsDto            `json:"settings" description:"those by which it was read"`
}

// UnderstoodReadingDto is a reading with the rules by which it came.
type UnderstoodReadingDto struct {
	Reading ReadingDto              `json:"reading"`
	Explain map[string]ExplainedDto `json:"explain"`
}

func understoodDto(u settings.Understood) UnderstoodDto {
	dto := UnderstoodDto{
		Readings: make([]UnderstoodReadingDto, len(u.Readings)), Rejected: make([]WebhookRejectionDto, len(u.Rejected)),
		Warnings: make([]WebhookWarningDto, len(u.Warnings)), DroppedExtra: u.DroppedExtra, Settings: settingsDto(u.Used),
	}
	if u.Problem != "" {
		dto.Problem = &u.Problem
	}
	if u.Format != "" {
		dto.Format = &u.Format
	}
	for i, r := range u.Readings {
		dto.Readings[i] = UnderstoodReadingDto{Reading: ReadingDto(r), Explain: explainedDtos(u.Fields[i])}
	}
	for i, r := range u.Rejected {
		dto.Rejected[i] = WebhookRejectionDto(r)
	}
	for i, w := range u.Warnings {
		dto.Warnings[i] = WebhookWarningDto(w)
	}
	return dto
}

// rawPayload is any JSON as it stands; a string is the text within, for what is no
// JSON.
func rawPayload() kind[[]byte] {
	described := schema{"description": "the payload as JSON, or as a string what is no JSON", "type": []any{"object", "array", "string", "number", "boolean"}}
	return kind[[]byte]{described, func(raw jsontext.Value) ([]byte, string) {
		if raw.Kind() != '"' {
			return bytes.Clone(raw), ""
		}
		text, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return nil, "must be a string of valid UTF-8"
		}
		return text, ""
	}}
}

func previewFields(s *settings.Sample, wrong *fault.Fields) []field {
	inner := settingsFields(&s.Settings, wrong)
	return []field{
		need("payload", &s.Payload, rawPayload(), "The sample: JSON as it is, or a string with what is no JSON"),
		may("topic", &s.Topic, text().like("meter/power"), "The rest of the topic below the source's own, for what comes on one"),
		{name: "settings", about: "Settings to try in place of the source's own", schema: objectSchema(inner), read: func(raw jsontext.Value) string {
			return nested(raw, "settings", inner, wrong)
		}},
	}
}

func (c *call) previewSettings() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	var sample settings.Sample
	if err := c.body(previewFields(&sample, &c.wrong)...); err != nil {
		return err
	}
	sample.Settings.Unreadable = c.wrong
	understood, err := c.s.d.Settings.Preview(c.ctx, c.who(), id, sample)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, understoodDto(understood))
}

func docGetSettings() operation {
	return operation{id: "getSettings", summary: "Get how a source's data is understood", answers: ok(SettingsDto{})}
}

func docPutSettings() operation {
	return operation{
		id: "updateSettings", summary: "Decide how a source's data is understood",
		about: "Changes the fields that are sent. null clears a field. What comes in from then on is read so, and dead letters when they are tried again.",
		body:  settingsFields(&settings.Update{}, &fault.Fields{}), answers: ok(SettingsDto{}),
	}
}

func docPreviewSettings() operation {
	return operation{
		id: "previewSettings", summary: "Try how a sample would be understood", about: "Stores nothing.",
		body: previewFields(&settings.Sample{}, &fault.Fields{}), answers: ok(UnderstoodDto{}),
	}
}
