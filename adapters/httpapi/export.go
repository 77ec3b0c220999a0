package httpapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"ampra/core/energy"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
	"ampra/modules/telemetry/query"
	"ampra/modules/telemetry/rollup"
)

// Rows takes the rows of a table, the header first: cells that are nil, a string,
// an int64 or a float64.
type Rows interface {
	Row(cells ...any) error
	// Close writes what ends the table.
	Close() error
}

// SiteZones knows where sites' clocks are.
type SiteZones interface {
	Zone(ctx context.Context, s sunsource.SunSource) (*time.Location, sunsource.ZoneFrom, error)
}

// Formats and contents of an export.
const (
	formatCSV  = "csv"
	formatXLSX = "xlsx"
	mediaXLSX  = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

	exportRaw    = "raw"
	exportSeries = "series"
	exportEnergy = "energy"
)

// exportTime bounds an export, maxExports how many run at once.
const (
	exportTime = time.Hour
	maxExports = 16
)

// table gives the rows of an export to whoever writes them.
type table func(ctx context.Context, to Rows) error

func (c *call) exportFile() error {
	source, zone, err := c.site()
	if err != nil {
		return err
	}
	id := source.ID
	format, what := c.choice("format", formatCSV, formatXLSX), c.choice("what", exportRaw, exportSeries, exportEnergy)
	var rows table
	switch what {
	case exportSeries:
		rows, err = c.seriesTable(id, zone)
	case exportEnergy:
		rows, err = c.energyTable(id)
	default:
		rows, err = c.rawTable(id, zone)
	}
	if err := c.wrong.With(err); err != nil {
		return err
	}
	return c.sendTable(source.Name, what, format, zone, rows)
}

// site returns the source that the path names, one of the caller's, and the time
// zone there.
func (c *call) site() (sunsource.SunSource, *time.Location, error) {
	id, err := c.id()
	if err != nil {
		return sunsource.SunSource{}, nil, err
	}
	source, err := c.s.d.Sources.Get(c.ctx, c.who(), id, false)
	if err != nil {
		return sunsource.SunSource{}, nil, err
	}
	zone, _, err := c.s.d.Zones.Zone(c.ctx, source.SunSource)
	if err != nil {
		return sunsource.SunSource{}, nil, fmt.Errorf("finding the site's time zone: %w", err)
	}
	return source.SunSource, zone, nil
}

// moment reads a parameter that is a time with an offset, or a date or a time of
// the site's clock.
func (c *call) moment(name string, zone *time.Location) time.Time {
	text, sent := c.param(name)
	if !sent {
		return time.Time{}
	}
	if t, ok := parseTime(text); ok {
		return t
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t.UTC()
		}
	}
	c.wrong.Add(name, "must be a date such as 2026-06-21, or a time such as 2026-06-21T12:00:00Z")
	return time.Time{}
}

// rawTable are the readings, page by page.
func (c *call) rawTable(id uuid.UUID, zone *time.Location) (table, error) {
	ask := query.Ask{From: c.moment("from", zone), To: c.moment("to", zone), Limit: query.MaxLimit, Order: telemetry.OldestFirst}
	ask.Unreadable = c.wrong
	who, service := c.who(), c.s.d.Telemetry
	page, err := service.History(c.ctx, who, id, ask) // its faults are told before anything is sent
	if err != nil {
		return nil, err
	}
	ask.Unreadable = fault.Fields{}
	return func(ctx context.Context, to Rows) error {
		if err := to.Row(rawHeader()...); err != nil {
			return err
		}
		for {
			for i := range page.Readings {
				cells, err := rawCells(&page.Readings[i], zone)
				if err != nil {
					return err
				}
				if err := to.Row(cells...); err != nil {
					return err
				}
			}
			if page.Next == "" {
				return nil
			}
			ask.Cursor = page.Next
			if page, err = service.History(ctx, who, id, ask); err != nil {
				return err
			}
		}
	}, nil
}

// seriesTable is a chart: for each field its least, greatest, mean and last value.
func (c *call) seriesTable(id uuid.UUID, zone *time.Location) (table, error) {
	chart, err := c.s.d.Telemetry.Series(c.ctx, c.who(), id, c.seriesAsk(zone, query.MaxPoints))
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, to Rows) error {
		header := []any{"start", "end"}
		for _, line := range chart.Lines {
			for _, part := range [...]string{" min", " max", " mean", " last"} {
				header = append(header, line.Field.String()+part)
			}
		}
		if err := to.Row(header...); err != nil {
			return err
		}
		for i := range len(chart.Edges) - 1 {
			cells := []any{localTime(chart.Edges[i], chart.Zone), localTime(chart.Edges[i+1], chart.Zone)}
			for _, line := range chart.Lines {
				if s := line.Stats[i]; s.Count > 0 {
					cells = append(cells, s.Min, s.Max, s.Mean(), s.Last)
				} else {
					cells = append(cells, nil, nil, nil, nil)
				}
			}
			if err := to.Row(cells...); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// energyTable is the energies of periods.
func (c *call) energyTable(id uuid.UUID) (table, error) {
	var ask rollup.Ask
	ask.Resolution, _ = energy.ParseResolution(c.choice("resolution", "day", "hour", "month", "year"))
	ask.From, _ = c.param("from")
	ask.To, _ = c.param("to")
	ask.Unreadable = c.wrong
	found, err := c.s.d.Energies.EnergyOf(c.ctx, c.who(), rollup.Which{Source: &id}, ask)
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, to Rows) error {
		if err := to.Row(energyHeader()...); err != nil {
			return err
		}
		for i := range found.Buckets {
			if err := to.Row(energyCells(&found.Buckets[i], found.CapacityWatts, found.Zone)...); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// sendTable streams a table as a file. What fails on the way ends the connection:
// a file that is cut short must not look like a whole one.
func (c *call) sendTable(name, what, format string, zone *time.Location, rows table) error {
	if c.s.exports.Add(1) > maxExports {
		c.s.exports.Add(-1)
		return fault.Retry(fault.TooMany, 10*time.Second, "Too many exports run already.")
	}
	media := mediaCSV + "; charset=utf-8"
	if format == formatXLSX {
		media = mediaXLSX
	}
	c.f.Context().SetContentType(media)
	c.f.Set("Content-Disposition", `attachment; filename="`+slug(name)+"-"+what+"-"+c.s.d.Clock.Now().In(zone).Format("20060102")+"."+format+`"`)
	c.f.Set("Cache-Control", "private, no-store")
	rc, s := c.f.Context(), c.s
	conn := rc.Conn()
	id := s.requestID(rc)
	rc.SetBodyStreamWriter(func(w writerFlusher) {
		defer s.exports.Add(-1)
		ctx, cancel := context.WithTimeout(s.base, exportTime)
		defer cancel()
		out := &leaving{to: w, conn: conn, pause: s.cfg.WriteTime}
		var to Rows = newCSVRows(out)
		if format == formatXLSX {
			to = s.d.Sheet(out, what)
		}
		err := rows(ctx, to)
		if err == nil {
			err = to.Close()
		}
		if err == nil {
			err = out.to.Flush()
		}
		if err != nil {
			_ = conn.Close()
			if out.failed == nil { // the client is still there
				s.d.Log.ErrorContext(ctx, "an export was cut short", "requestId", id, "error", err)
			}
		}
	})
	c.f.Status(http.StatusOK)
	return nil
}

// slug makes a file's name of a source's.
func slug(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= 40 {
			break
		}
	}
	if text := strings.Trim(b.String(), "-"); text != "" {
		return text
	}
	return "source"
}

// leaving is an answer that may take long to leave, as long as it does.
type leaving struct {
	to    writerFlusher
	conn  interface{ SetWriteDeadline(t time.Time) error }
	pause time.Duration
	// failed is why the client can't be written to.
	failed error
	since  int
}

// deadlineEvery is after how many bytes the deadline of writing moves on.
const deadlineEvery = 32 << 10

// Write writes on.
func (l *leaving) Write(p []byte) (int, error) {
	if l.since == 0 {
		_ = l.conn.SetWriteDeadline(time.Now().Add(l.pause))
	}
	if l.since += len(p); l.since > deadlineEvery {
		l.since = 0
	}
	n, err := l.to.Write(p)
	if err != nil {
		l.failed = err
	}
	return n, err
}

var _ io.Writer = (*leaving)(nil)

func docExport() operation {
	text := schema{"type": "string"}
	return operation{
		id: "exportFile", summary: "Export as CSV or XLSX",
		about: "A file with the site's local times, with their offset, and the units in the headers. A raw CSV can be imported as it is.",
		params: []param{
			inQuery("format", schema{"type": "string", "enum": []string{formatCSV, formatXLSX}, "default": formatCSV}, "The kind of file."),
			inQuery("what", schema{"type": "string", "enum": []string{exportRaw, exportSeries, exportEnergy}, "default": exportRaw}, "The readings, a chart of them, or energies."),
			inQuery("from", text, "A date of the site's clock, or a time; included. Without it all readings, or what the chart or the energies begin with."),
			inQuery("to", text, "The same, not included."),
			inQuery("resolution", schema{"type": "string", "enum": []string{"hour", "day", "month", "year"}, "default": "day"}, "Of energies: how long a period is."),
			inQuery("points", schema{"type": "integer", "minimum": 1, "maximum": query.MaxPoints, "default": query.MaxPoints}, "Of a series: how many rows at the most."),
			inQuery("fields", text, "Of a series: names of a reading's numbers, separated by commas; without it all that occur."),
		},
		answers: []answer{
			{status: http.StatusOK, media: mediaCSV, about: "The file.", headers: map[string]string{"Content-Disposition": "The file's name."}},
			{status: http.StatusOK, media: mediaXLSX, about: "The file."},
		},
		refusals: map[int]string{429: "Too many exports run; Retry-After says when to come again."},
	}
}
