package httpapi

import (
	"bufio"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"ampra/core/csvimport"
	"ampra/core/energy"
	"ampra/core/telemetry"
)

type writerFlusher = *bufio.Writer

// csvRows writes a table as RFC 4180 has it. Texts that a spreadsheet might take
// for formulas are guarded.
type csvRows struct {
	to   io.Writer
	line []byte
}

func newCSVRows(to io.Writer) *csvRows { return &csvRows{to: to} }

// Row writes a row.
func (c *csvRows) Row(cells ...any) error {
	c.line = c.line[:0]
	for i, cell := range cells {
		if i > 0 {
			c.line = append(c.line, ',')
		}
		switch v := cell.(type) {
		case string:
			c.line = appendCell(c.line, csvimport.Guard(v))
		case int64:
			c.line = strconv.AppendInt(c.line, v, 10)
		case float64:
			c.line = appendNumber(c.line, v)
		}
	}
	c.line = append(c.line, '\r', '\n')
	_, err := c.to.Write(c.line)
	return err
}

// Close has nothing to write.
func (c *csvRows) Close() error { return nil }

// appendCell quotes a text where it needs it.
func appendCell(b []byte, text string) []byte {
	if text == "" || !strings.ContainsAny(text, ",;\"\r\n\t#") && text[0] != ' ' && text[len(text)-1] != ' ' {
		return append(b, text...)
	}
	b = append(b, '"')
	b = append(b, strings.ReplaceAll(text, `"`, `""`)...)
	return append(b, '"')
}

// appendNumber writes a number that is read back as itself.
func appendNumber(b []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return b
	}
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, v, format, -1, 64)
}

// localTime is a time of the site's clock, with its offset.
func localTime(t time.Time, zone *time.Location) string {
	t = t.In(zone)
	if t.Nanosecond() != 0 {
		return t.Format("2006-01-02T15:04:05.000Z07:00")
	}
	return t.Format(time.RFC3339)
}

// rawHeader are the columns of readings, by names that say their units and that an
// import knows.
func rawHeader() []any {
	header := []any{csvimport.TimestampColumn}
	for f := range telemetry.Field(telemetry.NumFields) {
		header = append(header, f.String())
	}
	return append(header, csvimport.StatusCodeColumn, csvimport.StatusTextColumn, csvimport.StringsColumn, csvimport.PhasesColumn, csvimport.ExtraColumn)
}

// rawCells are a reading's. Strings, phases and extra, which have no fixed number
// of values, are written as answers have them.
func rawCells(r *telemetry.Reading, zone *time.Location) ([]any, error) {
	cells := make([]any, 0, telemetry.NumFields+6)
	cells = append(cells, localTime(r.Timestamp, zone))
	for f := range telemetry.Field(telemetry.NumFields) {
		if number, ok := r.Values.Get(f); ok {
			cells = append(cells, number)
		} else {
			cells = append(cells, nil)
		}
	}
	var code, words any
	if r.Status != nil && r.Status.Code != nil {
		code = *r.Status.Code
	}
	if r.Status != nil && r.Status.Text != nil {
		words = *r.Status.Text
	}
	cells = append(cells, code, words)
	parts := []struct {
		there bool
		value any
	}{
		{len(r.Strings) > 0, lineDtos(r.Strings)}, {len(r.Phases) > 0, lineDtos(r.Phases)}, {len(r.Extra) > 0, r.Extra},
	}
	for _, part := range parts {
		if !part.there {
			cells = append(cells, nil)
			continue
		}
		document, err := json.Marshal(part.value, json.Deterministic(true))
		if err != nil {
			return nil, err
		}
		cells = append(cells, string(document))
	}
	return cells, nil
}

//nolint:gochecknoglobals // a table that nobody writes to
var energyNames = [energy.NumChannels]string{"production", "consumption", "gridImport", "gridExport", "batteryCharge", "batteryDischarge"}

func energyHeader() []any {
	header := []any{"start", "end"}
	for _, name := range energyNames {
		header = append(header, name+"Kwh")
	}
	for _, name := range energyNames {
		header = append(header, name+"Method")
	}
	return append(header, "coverage", "flags", "selfConsumptionPercent", "selfSufficiencyPercent", "specificYieldKwhPerKwp", "peakPowerWatts")
}

func energyCells(b *energy.Bucket, capacity *float64, zone *time.Location) []any {
	cells := []any{localTime(b.Start, zone), localTime(b.End, zone)}
	var methods []any
	for _, amount := range b.Energy {
		if !amount.Known {
			cells, methods = append(cells, nil), append(methods, nil)
			continue
		}
		cells, methods = append(cells, float64(amount.MilliwattHours)/1e6), append(methods, amount.Method.String())
	}
	dto := energyBucketDto(b, capacity)
	cells = append(append(cells, methods...), dto.Coverage, strings.Join(dto.Flags, " "))
	for _, number := range []*float64{dto.SelfConsumptionPercent, dto.SelfSufficiencyPercent, dto.SpecificYield, dto.PeakPowerWatts} {
		if number == nil {
			cells = append(cells, nil)
		} else {
			cells = append(cells, *number)
		}
	}
	return cells
}
