package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"ampra/core/series"
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
	Start  string                    `json:"start" format:"date-time" description:"on the site's clock"`
	End    string                    `json:"end" format:"date-time"`
	Values map[string]*SeriesStatDto `json:"values" description:"by field; null where there is no value"`
}

// SeriesStatDto is what is known of a field in a bucket.
type SeriesStatDto struct {
	Min  float64 `json:"min"`
	Max  float64 `json:"max"`
	Mean float64 `json:"mean" description:"of the readings, whatever time lay between them"`
	Last float64 `json:"last"`
}

func (c *call) telemetrySeries() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	ask := query.SeriesAsk{
		From: c.timeParam("from"), To: c.timeParam("to"),
		Points: c.number("points", query.DefaultPoints, 1, query.MaxPoints, fmt.Sprintf("must be between 1 and %d", query.MaxPoints)),
	}
	if names, _ := c.param("fields"); names != "" {
		ask.Fields = strings.Split(names, ",")
	}
	ask.Unreadable = c.wrong
	chart, err := c.s.d.Telemetry.Series(c.ctx, c.who(), id, ask)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, seriesDto(&chart))
}

func seriesDto(chart *query.Chart) SeriesDto {
	dto := SeriesDto{
		TimeZone: chart.Zone.String(), Tier: chart.Tier.String(), Bucket: chart.Step.String(), Pending: chart.Pending,
		Buckets: make([]SeriesBucketDto, len(chart.Edges)-1),
	}
	for i := range dto.Buckets {
		values := make(map[string]*SeriesStatDto, len(chart.Lines))
		for _, line := range chart.Lines {
			values[line.Field.Info().Name] = statDto(line.Stats[i])
		}
		dto.Buckets[i] = SeriesBucketDto{
			Start: chart.Edges[i].Format(time.RFC3339), End: chart.Edges[i+1].Format(time.RFC3339), Values: values,
		}
	}
	return dto
}

// statDto is nil where there is a gap.
func statDto(s series.Stat) *SeriesStatDto {
	if s.Count == 0 {
		return nil
	}
	return &SeriesStatDto{Min: s.Min, Max: s.Max, Mean: s.Mean(), Last: s.Last}
}

func docTelemetrySeries() operation {
	moment := schema{"type": "string", "format": "date-time"}
	return operation{
		id: "getTelemetrySeries", summary: "Get a chart",
		about: "The least, greatest and mean value of each bucket. Buckets are as narrow as the points allow, begin where the site's clock shows " +
			"a multiple of their width, and leave no time out. They are made of the coarsest tier that gives the points: readings, slots of five " +
			"minutes, or of an hour; of a coarser one where the finer is not kept for so long. A slot counts as a whole where it begins.",
		params: []param{
			inQuery("fields", schema{"type": "string"}, "Names of a reading's numbers, separated by commas; without it all that occur."),
			inQuery("from", moment, "The first moment, included. A day before to if it is not sent."),
			inQuery("to", moment, "The end, not included. Now if it is not sent."),
			inQuery("points", schema{"type": "integer", "minimum": 1, "maximum": query.MaxPoints, "default": query.DefaultPoints}, "How many buckets at the most."),
		},
		answers: ok(SeriesDto{}),
	}
}
