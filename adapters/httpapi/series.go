package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/swaggest/jsonschema-go"

	"ampra/modules/telemetry/query"
)

// SeriesDto is a chart of a source.
type SeriesDto struct {
	TimeZone string            `json:"timeZone" description:"the site's, by whose clock the buckets begin"`
	Tier     string            `json:"tier" enum:"raw,minutes,hours" description:"what it was made of: readings, or slots of five minutes or an hour"`
	Bucket   string            `json:"bucket" description:"how wide a bucket is, as an ISO 8601 duration"`
	Pending  bool              `json:"pending" description:"true when many readings came lately that are not counted yet"`
	Buckets  []SeriesBucketDto `json:"buckets"`
}

// SeriesBucketDto is a bucket, also an empty one.
type SeriesBucketDto struct {
	Start  string          `json:"start" format:"date-time" description:"on the site's clock"`
	End    string          `json:"end" format:"date-time"`
	Values SeriesValuesDto `json:"values"`
}

// SeriesStatDto is what is known of a field in a bucket.
type SeriesStatDto struct {
	Min  float64 `json:"min"`
	Max  float64 `json:"max"`
	Mean float64 `json:"mean" description:"of the readings, whatever time lay between them"`
	Last float64 `json:"last"`
}

// SeriesValuesDto are the values of a bucket by field.
type SeriesValuesDto struct {
	lines  []query.Line
	bucket int
}

// MarshalJSONTo writes every field of the chart, null where there is a gap.
func (v SeriesValuesDto) MarshalJSONTo(enc *jsontext.Encoder) error {
	w := writer{enc: enc}
	w.token(jsontext.BeginObject)
	for i := range v.lines {
		w.name(v.lines[i].Field.Info().Name)
		stat := &v.lines[i].Stats[v.bucket]
		if stat.Count == 0 {
			w.token(jsontext.Null)
			continue
		}
		w.token(jsontext.BeginObject)
		w.name("min").token(jsontext.Float(stat.Min))
		w.name("max").token(jsontext.Float(stat.Max))
		w.name("mean").token(jsontext.Float(stat.Mean()))
		w.name("last").token(jsontext.Float(stat.Last))
		w.token(jsontext.EndObject)
	}
	w.token(jsontext.EndObject)
	return w.err
}

// JSONSchema describes it: any field, each with its values or null.
func (SeriesValuesDto) JSONSchema() (jsonschema.Schema, error) {
	one, err := new(jsonschema.Reflector).Reflect(SeriesStatDto{}, jsonschema.InlineRefs, closed)
	if err != nil {
		return one, err
	}
	one.WithType(jsonschema.Type{SliceOfSimpleTypeValues: []jsonschema.SimpleType{jsonschema.Object, jsonschema.Null}})
	var s jsonschema.Schema
	s.WithType(jsonschema.Object.Type()).WithAdditionalProperties(one.ToSchemaOrBool()).
		WithDescription("By the names of a reading's numbers, each in its unit; null where there is no value.")
	return s, nil
}

func (c *call) telemetrySeries() error {
	source, zone, err := c.site()
	if err != nil {
		return err
	}
	ask := c.seriesAsk(zone, query.DefaultPoints)
	chart, err := c.s.d.Telemetry.Series(c.ctx, c.who(), source.ID, ask)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, seriesDto(&chart))
}

// seriesAsk reads what asks for a chart; points is how many there are by default.
func (c *call) seriesAsk(zone *time.Location, points int) query.SeriesAsk {
	ask := query.SeriesAsk{
		From: c.moment("from", zone), To: c.moment("to", zone),
		Points: c.number("points", points, 1, query.MaxPoints, fmt.Sprintf("must be between 1 and %d", query.MaxPoints)),
	}
	if names, _ := c.param("fields"); names != "" {
		ask.Fields = strings.Split(names, ",")
	}
	ask.Unreadable = c.wrong
	return ask
}

func seriesDto(chart *query.Chart) SeriesDto {
	dto := SeriesDto{
		TimeZone: chart.Zone.String(), Tier: chart.Tier.String(), Bucket: chart.Step.String(), Pending: chart.Pending,
		Buckets: make([]SeriesBucketDto, len(chart.Edges)-1),
	}
	for i := range dto.Buckets {
		dto.Buckets[i] = SeriesBucketDto{
			Start: chart.Edges[i].Format(time.RFC3339), End: chart.Edges[i+1].Format(time.RFC3339),
			Values: SeriesValuesDto{lines: chart.Lines, bucket: i},
		}
	}
	return dto
}

func docTelemetrySeries() operation {
	moment := schema{"type": "string"}
	return operation{
		id: "getTelemetrySeries", summary: "Get a chart",
		about: "The least, greatest and mean value of each bucket. Buckets are as narrow as the points allow, begin where the site's clock shows " +
			"a multiple of their width, and leave no time out. They are made of the coarsest tier that gives the points: readings, slots of five " +
			"minutes, or of an hour; of a coarser one where the finer is not kept for so long. A slot counts as a whole where it begins.",
		params: []param{
			inQuery("fields", schema{"type": "string"}, "Names of a reading's numbers, separated by commas; without it all that occur."),
			inQuery("from", moment, "The first moment, included: a time with its offset, or a date or a time of the site's clock. A day before to if it is not sent."),
			inQuery("to", moment, "The end, not included, likewise. Now if it is not sent."),
			inQuery("points", schema{"type": "integer", "minimum": 1, "maximum": query.MaxPoints, "default": query.DefaultPoints}, "How many buckets at the most."),
		},
		answers: ok(SeriesDto{}),
	}
}
