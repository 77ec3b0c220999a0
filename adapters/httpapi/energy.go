package httpapi

import (
	"math"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/swaggest/jsonschema-go"

	"ampra/core/energy"
	"ampra/core/telemetry"
	"ampra/modules/telemetry/rollup"
)

// EnergyDto is energies over time.
type EnergyDto struct {
	TimeZone   string            `json:"timeZone" description:"by whose clock the buckets begin"`
	Resolution string            `json:"resolution" enum:"hour,day,month,year"`
	Buckets    []EnergyBucketDto `json:"buckets" description:"one for each period, also an empty one"`
}

// EnergyBucketDto is what is known of one period. Null is unknown, which is not 0.
type EnergyBucketDto struct {
	Start               string          `json:"start" format:"date-time"`
	End                 string          `json:"end" format:"date-time"`
	ProductionKwh       *kwh            `json:"productionKwh"`
	ConsumptionKwh      *kwh            `json:"consumptionKwh"`
	GridImportKwh       *kwh            `json:"gridImportKwh"`
	GridExportKwh       *kwh            `json:"gridExportKwh"`
	BatteryChargeKwh    *kwh            `json:"batteryChargeKwh"`
	BatteryDischargeKwh *kwh            `json:"batteryDischargeKwh"`
	Method              EnergyMethodDto `json:"method"`
	Coverage            float64         `json:"coverage" minimum:"0" maximum:"1" description:"the share of its time within reach of a reading"`
	Flags               []string        `json:"flags" description:"gap, afterGap, reset, spike, stuck, estimated, pending"`
	// Shares of it.
	SelfConsumptionPercent *float64 `json:"selfConsumptionPercent" description:"of the production that was not exported"`
	SelfSufficiencyPercent *float64 `json:"selfSufficiencyPercent" description:"of the consumption that was not imported"`
	SpecificYield          *float64 `json:"specificYieldKwhPerKwp" description:"production for each kW installed"`
	PeakPowerWatts         *float64 `json:"peakPowerWatts" description:"of the production; of one source alone, since peaks do not add"`
}

// EnergyMethodDto is what each energy was made from.
type EnergyMethodDto struct {
	ProductionKwh       *string `json:"productionKwh" description:"counter, power, dayCounter, balance or null"`
	ConsumptionKwh      *string `json:"consumptionKwh"`
	GridImportKwh       *string `json:"gridImportKwh"`
	GridExportKwh       *string `json:"gridExportKwh"`
	BatteryChargeKwh    *string `json:"batteryChargeKwh"`
	BatteryDischargeKwh *string `json:"batteryDischargeKwh"`
}

// SummaryDto is how a site does, or several.
type SummaryDto struct {
	TimeZone  string          `json:"timeZone"`
	Now       NowDto          `json:"now"`
	Today     EnergyBucketDto `json:"today"`
	ThisMonth EnergyBucketDto `json:"thisMonth"`
	ThisYear  EnergyBucketDto `json:"thisYear"`
	Lifetime  EnergyBucketDto `json:"lifetime"`
}

// NowDto is the newest value of each canonical field.
type NowDto [telemetry.NumFields]*rollup.Measured

// MeasuredDto is a value and when it was measured.
type MeasuredDto struct {
	Value     float64 `json:"value"`
	Timestamp instant `json:"timestamp"`
}

// MarshalJSONTo writes every field, null where there is no value.
func (n NowDto) MarshalJSONTo(enc *jsontext.Encoder) error {
	w := writer{enc: enc}
	w.token(jsontext.BeginObject)
	for f, m := range n {
		w.name(telemetry.Field(f).Info().Name)
		if m == nil {
			w.token(jsontext.Null)
			continue
		}
		w.value(MeasuredDto{m.Value, instant(m.At)})
	}
	w.token(jsontext.EndObject)
	return w.err
}

// JSONSchema describes it from the same list of fields.
func (NowDto) JSONSchema() (jsonschema.Schema, error) {
	var s jsonschema.Schema
	s.WithType(jsonschema.Object.Type()).
		WithDescription("The newest value of each field; of several sources the sum of the powers that were told of within 15 minutes.")
	s.AdditionalProperties = (&jsonschema.SchemaOrBool{}).WithTypeBoolean(false)
	for f := range telemetry.Field(telemetry.NumFields) {
		one, err := new(jsonschema.Reflector).Reflect(MeasuredDto{}, jsonschema.InlineRefs, closed)
		if err != nil {
			return s, err
		}
		one.WithType(jsonschema.Type{SliceOfSimpleTypeValues: []jsonschema.SimpleType{jsonschema.Object, jsonschema.Null}})
		one.WithDescription("in " + f.Info().Unit)
		s.WithPropertiesItem(f.Info().Name, one.ToSchemaOrBool())
		s.Required = append(s.Required, f.Info().Name)
	}
	return s, nil
}

func energyBucketDto(b *energy.Bucket, capacity *float64) EnergyBucketDto {
	dto := EnergyBucketDto{
		Start: b.Start.Format(time.RFC3339), End: b.End.Format(time.RFC3339),
		Coverage: math.Round(b.Coverage*1e6) / 1e6, Flags: b.Flags.Names(), PeakPowerWatts: b.PeakPowerWatts,
	}
	energies := [energy.NumChannels]**kwh{
		&dto.ProductionKwh, &dto.ConsumptionKwh, &dto.GridImportKwh, &dto.GridExportKwh, &dto.BatteryChargeKwh, &dto.BatteryDischargeKwh,
	}
	m := &dto.Method
	methods := [energy.NumChannels]**string{
		&m.ProductionKwh, &m.ConsumptionKwh, &m.GridImportKwh, &m.GridExportKwh, &m.BatteryChargeKwh, &m.BatteryDischargeKwh,
	}
	for c, amount := range b.Energy {
		if !amount.Known {
			continue
		}
		*energies[c] = new(kwh(amount.MilliwattHours))
		if name := amount.Method.String(); name != "" {
			*methods[c] = &name
		}
	}
	dto.SelfConsumptionPercent, dto.SelfSufficiencyPercent = percent(b.SelfConsumption()), percent(b.SelfSufficiency())
	if capacity != nil {
		if yield, ok := b.SpecificYield(*capacity); ok {
			dto.SpecificYield = rounded(yield, 1e6)
		}
	}
	return dto
}

// percent is a share in percent, to two decimals.
func percent(share float64, ok bool) *float64 {
	if !ok {
		return nil
	}
	return rounded(100*share, 100)
}

func rounded(number, parts float64) *float64 {
	number = math.Round(number*parts) / parts
	return &number
}

// askEnergy answers for the sources that are asked for.
func (c *call) askEnergy(which rollup.Which) error {
	var ask rollup.Ask
	ask.Resolution, _ = energy.ParseResolution(c.choice("resolution", "day", "hour", "month", "year"))
	ask.From, _ = c.param("from")
	ask.To, _ = c.param("to")
	ask.TimeZone, _ = c.param("timeZone")
	ask.Unreadable = c.wrong
	found, err := c.s.d.Energies.EnergyOf(c.ctx, c.who(), which, ask)
	if err != nil {
		return err
	}
	dto := EnergyDto{TimeZone: found.Zone.String(), Resolution: found.Resolution.String(), Buckets: make([]EnergyBucketDto, len(found.Buckets))}
	for i := range found.Buckets {
		dto.Buckets[i] = energyBucketDto(&found.Buckets[i], found.CapacityWatts)
	}
	return c.answer(http.StatusOK, dto)
}

func (c *call) askSummary(which rollup.Which) error {
	zone, _ := c.param("timeZone")
	found, err := c.s.d.Energies.SummaryOf(c.ctx, c.who(), which, zone, c.wrong)
	if err != nil {
		return err
	}
	dto := SummaryDto{
		TimeZone: found.Zone.String(), Now: NowDto(found.Now),
		Today: energyBucketDto(&found.Today, found.CapacityWatts), ThisMonth: energyBucketDto(&found.ThisMonth, found.CapacityWatts),
		ThisYear: energyBucketDto(&found.ThisYear, found.CapacityWatts), Lifetime: energyBucketDto(&found.Lifetime, found.CapacityWatts),
	}
	return c.answer(http.StatusOK, dto)
}

func (c *call) sourceEnergy() error  { return c.ofSource(c.askEnergy) }
func (c *call) sourceSummary() error { return c.ofSource(c.askSummary) }
func (c *call) groupEnergy() error   { return c.ofGroup(c.askEnergy) }
func (c *call) groupSummary() error  { return c.ofGroup(c.askSummary) }
func (c *call) allEnergy() error     { return c.askEnergy(rollup.Which{}) }
func (c *call) allSummary() error    { return c.askSummary(rollup.Which{}) }

func (c *call) ofSource(ask func(rollup.Which) error) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	return ask(rollup.Which{Source: &id})
}

func (c *call) ofGroup(ask func(rollup.Which) error) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	return ask(rollup.Which{Group: &id})
}

func paramZone() param {
	return inQuery("timeZone", schema{"type": "string"}, "An IANA time zone; without it the one that all sources share, or else UTC.")
}

func paramsEnergy(more ...param) []param {
	text := schema{"type": "string"}
	return append([]param{
		inQuery("from", text, "A date, or a time with or without offset, of the site's clock; included. Without it: the hours of the day, the days of the month, the months of the year, all years."),
		inQuery("to", text, "The same, not included; now when it is not sent."),
		inQuery("resolution", schema{"type": "string", "enum": []string{"hour", "day", "month", "year"}, "default": "day"}, "How long a bucket is."),
	}, more...)
}

const (
	energyAbout  = "Periods of the site's clock that from and to lie in or between, at most 10,000. What is not known is null."
	summaryAbout = "The newest values, and the energies of the day, the month, the year and all time."
)

func docSourceEnergy() operation {
	return operation{id: "getSunSourceEnergy", summary: "Get a source's energies", about: energyAbout, params: paramsEnergy(), answers: ok(EnergyDto{})}
}

func docGroupEnergy() operation {
	return operation{id: "getPowerGroupEnergy", summary: "Get a group's energies", about: energyAbout, params: paramsEnergy(paramZone()), answers: ok(EnergyDto{})}
}

func docAllEnergy() operation {
	return operation{id: "getEnergy", summary: "Get the energies of all sources", about: energyAbout, params: paramsEnergy(paramZone()), answers: ok(EnergyDto{})}
}

func docSourceSummary() operation {
	return operation{id: "getSunSourceSummary", summary: "Get a source's summary", about: summaryAbout, answers: ok(SummaryDto{})}
}

func docGroupSummary() operation {
	return operation{id: "getPowerGroupSummary", summary: "Get a group's summary", about: summaryAbout, params: []param{paramZone()}, answers: ok(SummaryDto{})}
}

func docAllSummary() operation {
	return operation{id: "getSummary", summary: "Get the summary of all sources", about: summaryAbout, params: []param{paramZone()}, answers: ok(SummaryDto{})}
}
