package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"ampra/core/csvimport"
	"ampra/core/job"
	"ampra/modules/imports"
)

// uploadTime bounds the arrival of a file.
const uploadTime = time.Hour

// ImportColumnDto is a column as it is understood.
type ImportColumnDto struct {
	Header string   `json:"header"`
	Field  *string  `json:"field" description:"where it goes in a reading; null: nowhere"`
	Unit   *string  `json:"unit" description:"the unit that the reading has"`
	Factor *float64 `json:"factor" description:"turns the file's number into that unit"`
	Kind   *string  `json:"kind" description:"instant, mean, counter, dayCounter or interval"`
	Rule   *string  `json:"rule" description:"what decided it: options, the name of a field, or a rule of the normaliser"`
	Note   *string  `json:"note" description:"why it is left out, or what is assumed"`
}

// ImportPreviewDto is what a dry run found.
type ImportPreviewDto struct {
	TimeColumn    string             `json:"timeColumn"`
	TimeFormat    string             `json:"timeFormat"`
	TimeZone      string             `json:"timeZone" description:"of times that tell none"`
	Decimal       string             `json:"decimal"`
	Delimiter     string             `json:"delimiter"`
	Interval      *string            `json:"interval"`
	Columns       []ImportColumnDto  `json:"columns"`
	Rows          int64              `json:"rows" minimum:"0"`
	Accepted      int64              `json:"accepted" minimum:"0"`
	Rejected      int64              `json:"rejected" minimum:"0"`
	Skipped       int64              `json:"skipped" minimum:"0" description:"rows without a value"`
	Warnings      []ImportWarningDto `json:"warnings"`
	FirstProblems []ImportProblemDto `json:"firstProblems"`
	From          *instant           `json:"from" description:"the first time"`
	To            *instant           `json:"to" description:"the last time"`
	Complete      bool               `json:"complete" description:"false: the file is too long to look at all of it; the counts are of its begin"`
}

// ImportWarningDto is something that was done otherwise than one may expect.
type ImportWarningDto struct {
	Code  string `json:"code" enum:"ambiguousTime,nonexistentTime,repeatedHeader,negativeEnergy"`
	Count int64  `json:"count" minimum:"1"`
}

// ImportProblemDto is why a row was refused.
type ImportProblemDto struct {
	Line   int64   `json:"line" minimum:"0" description:"in the file, from 1"`
	Column *string `json:"column" description:"null where it is not the matter of one"`
	Text   string  `json:"text"`
}

// ImportStartedDto names the job that brings a file in.
type ImportStartedDto struct {
	JobID uuid.UUID `json:"jobId" format:"uuid"`
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func problemDtos(problems []job.Problem) []ImportProblemDto {
	dtos := make([]ImportProblemDto, len(problems))
	for i, p := range problems {
		dtos[i] = ImportProblemDto{Line: p.Line, Column: orNull(p.Column), Text: p.Text}
	}
	return dtos
}

func warningDtos(warnings []job.Warning) []ImportWarningDto {
	dtos := make([]ImportWarningDto, len(warnings))
	for i, w := range warnings {
		dtos[i] = ImportWarningDto(w)
	}
	return dtos
}

func importPreviewDto(p imports.Preview) ImportPreviewDto {
	dto := ImportPreviewDto{
		TimeColumn: p.Plan.TimeColumn, TimeFormat: p.Plan.TimeFormat, TimeZone: p.Plan.TimeZone, Decimal: p.Plan.Decimal,
		Delimiter: p.Plan.Delimiter, Interval: orNull(p.Plan.Interval), Columns: make([]ImportColumnDto, len(p.Plan.Columns)),
		Rows: p.Counts.Rows, Accepted: p.Counts.Accepted, Rejected: p.Counts.Rejected, Skipped: p.Counts.Skipped,
		Warnings: warningDtos(p.Warnings), FirstProblems: problemDtos(p.FirstProblems), Complete: p.Complete,
	}
	for i, c := range p.Plan.Columns {
		column := ImportColumnDto{Header: c.Header, Field: orNull(c.Field), Rule: orNull(c.Rule), Note: orNull(c.Note)}
		if c.Field != "" {
			column.Unit, column.Factor, column.Kind = orNull(c.Unit), &c.Factor, orNull(string(c.Kind))
		}
		dto.Columns[i] = column
	}
	if !p.From.IsZero() {
		dto.From, dto.To = at(&p.From), at(&p.To)
	}
	return dto
}

func (c *call) importFile() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	dry := c.flag("dryRun")
	if err := c.wrong.Err(); err != nil {
		return err
	}
	place, err := c.s.d.Imports.Admit(c.ctx, c.who(), id)
	if err != nil {
		return err
	}
	arriving, cancel := context.WithTimeout(c.s.base, uploadTime)
	defer cancel()
	c.ctx = arriving
	got, err := c.receive()
	if err != nil {
		place.Close()
		got.close()
		return err
	}
	working, end := context.WithTimeout(c.s.base, c.s.cfg.RequestTime)
	defer end()
	c.ctx = working
	started := false
	defer func() {
		if !started {
			place.Close()
			got.close()
		}
	}()
	return c.onceOf(got.identity, func(c *call) error {
		if dry {
			found, err := place.DryRun(c.ctx, got.file, got.options)
			if err != nil {
				return err
			}
			return c.answer(http.StatusOK, importPreviewDto(found))
		}
		job, err := place.Start(c.ctx, got.file, got.size, got.options)
		if err != nil {
			return err
		}
		started = true
		c.created("/api/jobs/" + job.String())
		return c.answer(http.StatusAccepted, ImportStartedDto{JobID: job})
	})
}

// columnFields are what the options may say of a column.
func columnFields(col *csvimport.Column) []field {
	return []field{
		may("field", &col.Field, text().like("acPowerWatts"), "A field of readings: a canonical name, strings[0].powerWatts, phases[0].powerWatts, status.code, status.text or extra.NAME. Absent: guessed by the header."),
		may("unit", &col.Unit, text().like("kW"), "The file's unit: W, kW, MW, Wh, kWh, MWh, V, A, Hz, C, %, ...; absent: the field's own."),
		may("kind", &col.Kind, textAs(csvimport.Instant, csvimport.Mean, csvimport.Counter, csvimport.DayCounter, csvimport.Interval), "What the number is; absent: what is usual for the field."),
	}
}

// importFields are the options of an import.
func importFields(o *csvimport.Options, columns func(raw jsontext.Value) string) []field {
	described := schema{"type": "object", "additionalProperties": schema{"oneOf": []any{objectSchema(columnFields(&csvimport.Column{})), schema{"type": "null"}}}}
	return []field{
		may("timeColumn", &o.TimeColumn, text().like("timestamp"), "The header of the column with the time; absent: guessed."),
		may("timeFormat", &o.TimeFormat, text().like("DD.MM.YY HH:mm:ss"), "iso, unix, unixMillis or a pattern; absent: guessed."),
		may("timeZone", &o.TimeZone, text().like("Europe/Berlin"), "The IANA zone of local times; absent: the source's."),
		may("decimal", &o.Decimal, text().like("."), "The decimal mark, . or ,"),
		may("delimiter", &o.Delimiter, text().like(";"), "What stands between cells; absent: guessed."),
		may("interval", &o.Interval, text().like("PT30M"), "An ISO 8601 duration, for means and energies of intervals: the times are their starts."),
		{name: "columns", about: "What columns are, by their headers; null leaves one out. Those that are not named are guessed.", schema: described, read: columns},
	}
}

func docImport() operation {
	var o csvimport.Options
	return operation{
		id: "importFile", summary: "Import a CSV file of measurements",
		about: "The file is read row by row, and its readings are stored by a job. Repeats are accepted: they are the same readings. " +
			"With dryRun nothing is stored, and the answer is how the file is understood.",
		params: []param{inQuery("dryRun", schema{"type": "boolean", "default": false}, "true stores nothing.")},
		rawBody: map[string]schema{"multipart/form-data": {
			"type": "object", "required": []string{"file"}, "additionalProperties": false, "properties": schema{
				"file":    schema{"type": "string", "format": "binary", "description": "CSV with a header row, of at most 1 GiB; gzip is allowed."},
				"options": objectSchema(importFields(&o, nil)),
			},
		}},
		answers: []answer{
			{status: http.StatusOK, dto: ImportPreviewDto{}, about: "A dry run: how the file is understood."},
			{status: http.StatusAccepted, dto: ImportStartedDto{}, about: "The job that stores the readings.", headers: map[string]string{"Location": "The job."}},
		},
		refusals: map[int]string{
			400: "The options are wrong, or the file can't be understood; errors names the options.",
			413: "The file is larger than 1 GiB, or is when it is unpacked.", 415: "The body is not multipart/form-data.",
			429: "Too many imports wait or run; Retry-After says when to come again.",
		},
	}
}
